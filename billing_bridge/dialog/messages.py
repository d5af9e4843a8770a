"""Every SMS in and out, and what became of it, as the gateway tells it."""

from __future__ import annotations

from billing_bridge.turn import Turn
from foundation.contract import Message, MessageState, SmsSettled


def message(turn: Turn, sms: Message) -> None:
    """One SMS in or out."""
    if sms.org and sms.org not in turn.organisations:
        turn.warn_unknown(sms)
    turn.batch.add_message(sms)


def message_state(turn: Turn, state: MessageState) -> None:
    """A change of one SMS's fate; it may come before the SMS itself."""
    turn.batch.add_fate(state.message, state.fate, state.reason, state.at)


def sms_settled(turn: Turn, state: SmsSettled) -> None:
    """The end of an SMS that the bridge sent."""
    turn.batch.add_fate(state.sms, state.fate, state.reason, state.at)
