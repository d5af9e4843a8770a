"""One call of `Bridge.handle`: what its parts share — settings, working set, answers, notes for humans.

The parts (`members.commands`, `payments.charging`, `dialog.messages`) are functions of a turn and a message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

import structlog

from billing_bridge.batch import Batch
from billing_bridge.settings import BridgeLimits, BridgeOrganisation
from foundation.clock import SECOND_US, oslo
from foundation.contract import (
    ChargeSettled,
    FromBridge,
    FromGateway,
    Join,
    Message,
    Pay,
    Reply,
    Status,
    Stop,
)
from foundation.ids import Ids
from foundation.store import Tx

log = structlog.get_logger(__name__)

KRONE_ORE = 100
_HOUR_US = 3600 * SECOND_US

Command: TypeAlias = Join | Pay | Status | Stop


class NoteKind(StrEnum):
    """Why a human should look at a conversation."""

    NAME_DIFFERS = "name_differs"
    EMAIL_DIFFERS = "email_differs"
    UNKNOWN_ORGANISATION = "unknown_organisation"
    BAD_VALUE = "bad_value"
    CONTRADICTION = "contradiction"
    EXCESS_PAYMENT = "excess_payment"
    REFUND_DUE = "refund_due"
    UNKNOWN_CHARGE = "unknown_charge"


@lru_cache(maxsize=1024)
def _oslo_hour(hour: int) -> date:
    # Norway's clocks change on whole UTC hours, so an hour lies within one Norwegian day
    return oslo(hour * _HOUR_US).date()


def oslo_day(at_us: int) -> date:
    """The date in Europe/Oslo."""
    return _oslo_hour(at_us // _HOUR_US)


def kroner(amount_ore: int) -> str:
    """An amount as replies write it: ``50``, or ``49,50`` where it is not whole."""
    whole, rest = divmod(abs(amount_ore), KRONE_ORE)
    sign = "-" if amount_ore < 0 else ""
    return f"{sign}{whole},{rest:02d}" if rest else f"{sign}{whole}"


class Turn:
    """One batch being decided. `read` first, the parts in the messages' order, `batch.write` last."""

    def __init__(
        self,
        *,
        limits: BridgeLimits,
        organisations: Mapping[str, BridgeOrganisation],
        ids: Ids,
        now_us: int,
        tx: Tx,
        gateway: str,
    ) -> None:
        self.limits = limits
        self.organisations = organisations
        self.new_id = ids.new
        self.now_us = now_us
        self.gateway = gateway
        self.batch = Batch(tx, gateway)
        self.answers: list[FromBridge] = []
        self._taken: set[str] = set()

    def read(self, messages: Sequence[FromGateway]) -> None:
        """Read what these messages need, in a handful of statements."""
        commands: list[str] = []
        evidence: list[str] = []
        charges: list[str] = []
        numbers: set[str] = set()
        with_money: set[str] = set()
        with_years: set[str] = set()
        for message in messages:
            if isinstance(message, Message):
                numbers.add(message.number)
            elif isinstance(message, ChargeSettled):
                evidence.append(message.id)
                charges.append(message.charge)
            elif isinstance(message, Join | Pay | Status | Stop):
                commands.append(message.id)
                numbers.add(message.sender)
                if isinstance(message, Pay | Status):
                    with_money.add(message.sender)
                if isinstance(message, Join | Status):
                    with_years.add(message.sender)
        self._taken = self.batch.seen(commands, evidence)
        self.batch.read_people(numbers, with_money, with_years)
        self.batch.read_payments(charges)

    def first_time(self, message: Command | ChargeSettled) -> bool:
        """Whether this message was never taken; from now on it was."""
        if message.id in self._taken:
            return False
        self._taken.add(message.id)
        return True

    def organisation(self, message: Join | Pay | Status) -> BridgeOrganisation | None:
        """The organisation a command is for; `None` where there is nothing to do, all being said already."""
        if not self.first_time(message):
            return None
        found = self.organisations.get(message.org)
        if found is None:
            self.unknown_organisation(message)
            self.finish(message, NoteKind.UNKNOWN_ORGANISATION)
        return found

    def finish(self, message: Command, result: str) -> None:
        """Record what a command came to: the name of its reply, or ``charge``."""
        kind = str(type(message).__struct_config__.tag)
        self.batch.rows["commands"].append((message.id, kind, message.conversation, str(result), message.at))

    def reply(self, message: Join | Pay | Status, text: str, **values: str) -> None:
        """Answer a command with one of the organisation's texts; that is what it came to."""
        self.finish(message, text)
        self.answer(
            Reply(
                id=self.new_id(),
                conversation=message.conversation,
                at=self.now_us,
                org=message.org,
                recipient=message.sender,
                name=text,
                values=values,
            )
        )

    def answer(self, message: FromBridge) -> None:
        """Hand a message to the gateway with this transaction."""
        self.answers.append(message)

    # what a human should see

    def note(
        self, kind: NoteKind, text: str, *, conversation: str, org: str, person: str | None = None
    ) -> None:
        """Leave a note in a conversation. It may say private things; log lines may not."""
        self.batch.rows["notes"].append(
            (self.new_id(), conversation, org, person, kind.value, text, self.now_us)
        )

    def bad_value(self, message: Join | Pay, what: str) -> None:
        """A value that the gateway should not have let through; `what` is logged."""
        self.note(NoteKind.BAD_VALUE, what, conversation=message.conversation, org=message.org)
        log.warning("bridge.bad_value", conversation=message.conversation, org=message.org, wrong=what)

    def unknown_organisation(self, message: Command) -> None:
        """A command for an organisation that is not configured here."""
        self.note(
            NoteKind.UNKNOWN_ORGANISATION,
            f"The gateway named the organisation {message.org!r}, which is not configured here",
            conversation=message.conversation,
            org=message.org,
        )
        self.warn_unknown(message)

    def warn_unknown(self, message: Command | Message) -> None:
        """Say in the log that an organisation is unknown."""
        log.warning(
            "bridge.unknown_organisation",
            kind=str(type(message).__struct_config__.tag),
            conversation=message.conversation,
            right="a codeword among the configured organisations",
        )
