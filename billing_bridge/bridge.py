"""The member system's answer to a gateway: joins, payments, statuses, stops, and every SMS for the dialog.

`Bridge.handle` decides for a whole batch in one transaction; it reads and writes through a `Tx` and has no
clock, randomness or connection of its own. It never charges: it asks the gateway to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from billing_bridge.dialog.messages import message, message_state, sms_settled
from billing_bridge.evidence import keep_journal
from billing_bridge.members.commands import join, status, stop
from billing_bridge.payments.charging import pay, settle
from billing_bridge.settings import BridgeSettings
from billing_bridge.store import statements as s
from billing_bridge.turn import KRONE_ORE, Turn
from foundation.clock import Clock
from foundation.contract import (
    ChargeEvidence,
    ChargeSettled,
    FromBridge,
    FromGateway,
    Join,
    Message,
    MessageState,
    Pay,
    SmsSettled,
    Status,
    Stop,
)
from foundation.ids import Ids
from foundation.store import Tx

_ROADS: Mapping[type[Any], Callable[[Turn, Any], None]] = {
    Join: join,
    Pay: pay,
    Status: status,
    Stop: stop,
    ChargeSettled: settle,
    Message: message,
    MessageState: message_state,
    SmsSettled: sms_settled,
    ChargeEvidence: keep_journal,
}


class Bridge:
    """Decides what the gateway's messages mean. One for a store; the same messages may come again."""

    def __init__(self, settings: BridgeSettings, ids: Ids, clock: Clock) -> None:
        self._ids = ids
        self._clock = clock
        self.configure(settings)

    def configure(self, settings: BridgeSettings) -> None:
        """Take new settings; call `synchronise` with the next transaction."""
        self.settings = settings
        self._organisations = {organisation.code: organisation for organisation in settings.organisations}

    def synchronise(self, tx: Tx) -> None:
        """Write the configured fee categories; what is no longer configured becomes inactive."""
        tx.run(s.RETIRE_FEES, [()])
        tx.run(
            s.KEEP_FEE,
            [
                (organisation.code, fee.category, fee.amount_kr * KRONE_ORE, int(fee.active), place)
                for organisation in self.settings.organisations
                for place, fee in enumerate(organisation.billing.fees)
            ],
        )

    def handle(self, tx: Tx, messages: Sequence[FromGateway], gateway: str) -> list[FromBridge]:
        """Take messages of one gateway, in order; what to answer it, to be posted in the same transaction.

        A message that was taken before changes nothing and is answered by nothing. Wrong values are noted
        in the conversation and logged, never raised.
        """
        turn = Turn(
            limits=self.settings.limits,
            organisations=self._organisations,
            ids=self._ids,
            now_us=self._clock.now_us(),
            tx=tx,
            gateway=gateway,
        )
        turn.read(messages)
        for taken in messages:
            _ROADS[type(taken)](turn, taken)
        turn.batch.write()
        return turn.answers
