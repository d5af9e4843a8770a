"""Harm to the gateway: what is committed when, how charges move, and how receipts are read."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import sim_world
from sabotage import changed, sabotage, without

from billing_bridge import matching
from billing_bridge.payments import charging as bridge_charging
from foundation.ownership import Ownership
from foundation.store import Store
from smsd import gateway, operators, queues
from smsd.charging import states
from smsd.charging.correlation import Correlation
from smsd.charging.states import ChargeState as S
from smsd.charging.states import Evidence
from smsd.engine import Engine
from smsd.gateway import Gateway
from smsd.housekeeping import Housekeeping
from smsd.operators import OperatorProfile
from smsd.smpp import answers
from smsd.smpp import link as smpp_link
from smsd.smpp.answers import Answer, AnswerKind
from smsd.smpp.events import Closed
from smsd.smpp.receipt import State
from smsd.store import statements as sql
from smsd.work import Plan

E = Evidence


def _moves(*moves: tuple[tuple[S, E], S]) -> list[Any]:
    return [patch.dict(states.MOVES, dict(moves))]


# the order of commits and effects


@sabotage("submit_sm leave before `sending` is committed")
def sends_before_commit() -> list[Any]:
    handle = Gateway.handle

    def early(self: Gateway, *args: Any) -> Plan:
        plan = handle(self, *args)
        for link, piece in plan.submits:
            link.submit(piece.pdu, piece)
            link._wire._flush()
        plan.submits = []
        return plan

    return [patch.object(Gateway, "handle", early)]


@sabotage("charges leave beside the transactions, as free texts do")
def pumps_charges() -> list[Any]:
    def plain(_piece: Any) -> bool:
        return True

    return [patch.object(queues, "is_plain", plain), patch.object(gateway, "is_plain", plain)]


@sabotage("deliver_sm are answered before they are committed")
def acknowledges_before_commit() -> list[Any]:
    handle = Gateway.handle

    def early(self: Gateway, *args: Any) -> Plan:
        plan = handle(self, *args)
        for link, frame, status in plan.responses:
            link.respond(frame, status)
        plan.responses = []
        return plan

    return [patch.object(Gateway, "handle", early)]


@sabotage("the bridge's parcels are acknowledged before they are committed")
def acknowledges_parcels_before_commit() -> list[Any]:
    handle = Gateway.handle

    def early(self: Gateway, *args: Any) -> Plan:
        plan = handle(self, *args)
        for done, parcel in plan.parcels:
            if not done.done():
                done.set_result(parcel)
        return plan

    return [patch.object(Gateway, "handle", early)]


@sabotage("a commit that fails counts as done")
def believes_failed_commits() -> list[Any]:
    def done(self: Store, loop: Any, batch: Any, results: Any) -> None:
        told = [(None, None)] * len(batch) if isinstance(results, Exception) else results
        real(
            self, loop, batch, getattr(self, "last_results", told) if isinstance(results, Exception) else told
        )

    def begin(self: Store, loop: Any, batch: Any, results: Any) -> None:
        self.last_results = results  # type: ignore[attr-defined]
        commit(self, loop, batch, results)

    real, commit = Store._done, Store._commit
    return [patch.object(Store, "_done", done), patch.object(Store, "_commit", begin)]


@sabotage("inputs of a transaction that failed are forgotten")
def forgets_inputs_of_failed_commits() -> list[Any]:
    async def turn(self: Engine) -> None:
        inputs = self._inputs
        before = list(inputs)[: self.limits.batch]
        failures = self._metrics.store_failures._value.get()
        await real(self)
        if self._metrics.store_failures._value.get() > failures:
            for item in before:
                if item in inputs:
                    inputs.remove(item)

    real = Engine._turn
    return [patch.object(Engine, "_turn", turn)]


# two gateways on one store


@sabotage("nobody looks at whose store it is")
def goes_on_with_a_store_of_anothers() -> list[Any]:
    return [
        patch.object(Ownership, "holds", lambda _self, _connection: True),
        patch.object(Ownership, "holds_now", lambda _self: True),
    ]


@sabotage(
    "whose store it is is looked at before the commit alone, not before what follows from it", hidden=450
)
def looks_at_the_owner_too_early() -> list[Any]:
    return [patch.object(Ownership, "holds_now", lambda _self: True)]


# the states of a charge


@sabotage("what got no answer is sent again")
def resends_in_doubt() -> list[Any]:
    return _moves(((S.SENDING, E.NO_ANSWER), S.INTENDED))


@sabotage("a start sends again what it finds `sending`")
def a_start_resends() -> list[Any]:
    def recover(self: Gateway, tx: Any) -> Plan:
        plan = Plan(self._clock.now_us())
        for charge in self._desk.in_state(tx, S.SENDING):
            tx.run(sql.MOVE_CHARGE, [(S.INTENDED, "", plan.at_us, charge.id)])
        return plan

    return [patch.object(Gateway, "recover", recover)]


@sabotage("a start leaves alone what it finds `sending`")
def forgets_the_restart_rule() -> list[Any]:
    return [patch.object(Gateway, "recover", lambda self, _tx: Plan(self._clock.now_us()))]


@sabotage("a time-out is a failure")
def a_timeout_is_a_failure() -> list[Any]:
    return _moves(((S.SENDING, E.NO_ANSWER), S.NOT_CHARGED))


@sabotage("an accepted message is a paid one")
def accepted_is_charged() -> list[Any]:
    return _moves(((S.SENDING, E.ANSWER_ACCEPTED), S.CHARGED))


@sabotage("a refused message is a paid one")
def refused_is_charged() -> list[Any]:
    return _moves(((S.SENDING, E.ANSWER_REFUSED), S.CHARGED))


@sabotage("an answer that cannot be trusted is a refusal")
def trusts_unclear_answers() -> list[Any]:
    return _moves(((S.SENDING, E.ANSWER_UNCLEAR), S.REFUSED))


@sabotage("receipts move charges out of final states")
def receipts_move_final_states() -> list[Any]:
    return _moves(
        ((S.CHARGED, E.RECEIPT_NOT_CHARGED), S.NOT_CHARGED), ((S.NOT_CHARGED, E.RECEIPT_CHARGED), S.CHARGED)
    )


@sabotage("a lost link means that nothing was written")
def a_lost_link_wrote_nothing() -> list[Any]:
    def wrong(event: Any) -> Any:
        if isinstance(event, Closed):
            return [Answer(tag, AnswerKind.NEVER_WRITTEN) for tag in (*event.unanswered, *event.unsent)]
        return real(event)

    real = answers.answers_of
    return [patch.object(smpp_link, "answers_of", wrong)]


@sabotage("several charges of one tariff run at once")
def skips_one_at_a_time() -> list[Any]:
    def store() -> bytes:
        return _without_index(real(), "ix_charges_one_at_a_time")

    real = sim_world.empty_gateway_store
    return [
        patch.object(sql, "START_CHARGE", without(sql.START_CHARGE, 0)),
        patch.object(sim_world, "empty_gateway_store", store),
        # it takes two invoices of one amount, so the bridge looks away too
        patch.object(matching, "match_payment", _match_anything),
        patch.object(bridge_charging, "match_payment", _match_anything),
    ]


def _without_index(octets: bytes, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        path.write_bytes(octets)
        connection = sqlite3.connect(path)
        connection.execute(f"DROP INDEX {name}")
        connection.commit()
        connection.close()
        return path.read_bytes()


def _match_anything(people: Any, amount_ore: int, today: Any) -> Any:
    for person in people:
        for invoice in matching.outstanding_fees(person):
            if invoice.outstanding_ore == amount_ore and invoice.pending is None:
                return matching.Found(person, invoice)
    return matching.NoMatch(matching.NOTHING_OUTSTANDING)


@sabotage("an invoice is charged again though evidence says that it was billed", hidden=380)
def charges_what_is_disputed() -> list[Any]:
    def anyhow(people: Any, amount_ore: int, today: Any) -> Any:
        for person in people:
            for invoice in person.invoices:
                invoice.disputed = None
        return real(people, amount_ore, today)

    real = matching.match_payment
    return [
        patch.object(sql, "START_CHARGE", without(sql.START_CHARGE, 1)),
        patch.object(bridge_charging, "match_payment", anyhow),
    ]


# receipts


def _reading(change: Callable[[Any, Any, Any], Any]) -> list[Any]:
    def read(self: OperatorProfile, receipt: Any) -> Any:
        return change(self, receipt, real(self, receipt))

    real = OperatorProfile.read
    return [patch.object(OperatorProfile, "read", read)]


@sabotage("err counts for more than stat")
def trusts_err_over_stat() -> list[Any]:
    return [patch.object(OperatorProfile, "_special", lambda self, receipt: self._outcome(receipt))]


@sabotage("*accepted* is success")
def takes_accepted_for_delivered() -> list[Any]:
    def change(_profile: Any, receipt: Any, reading: Any) -> Any:
        if receipt.state is State.ACCEPTED:
            return msgspec.structs.replace(reading, evidence=E.RECEIPT_CHARGED)
        return reading

    return _reading(change)


@sabotage("delivered is billed, whatever the profile's table says")
def ignores_pending_billing() -> list[Any]:
    return [patch.object(OperatorProfile, "_special", lambda _self, _receipt: None)]


@sabotage("undelivered is billed")
def takes_undelivered_for_billed() -> list[Any]:
    def change(_profile: Any, receipt: Any, reading: Any) -> Any:
        if receipt.state is State.UNDELIVERABLE:
            return msgspec.structs.replace(reading, evidence=E.RECEIPT_CHARGED)
        return reading

    return _reading(change)


@sabotage("a message still on its way was not billed")
def takes_enroute_for_failed() -> list[Any]:
    def change(_profile: Any, receipt: Any, reading: Any) -> Any:
        if receipt.state is State.ENROUTE:
            return msgspec.structs.replace(reading, evidence=E.RECEIPT_NOT_CHARGED)
        return reading

    return _reading(change)


@sabotage("ids are compared by their last character")
def matches_ids_loosely() -> list[Any]:
    def loose(message_id: str, _form: Any) -> str:
        return message_id[-1:].lower()

    return [patch.object(operators, "receipt_key", loose), patch.object(operators, "response_key", loose)]


@sabotage("ids are compared as they are spelt, whatever the profile says")
def ignores_id_forms() -> list[Any]:
    def spelt(message_id: str, _form: Any) -> str:
        return message_id

    return [patch.object(operators, "receipt_key", spelt), patch.object(operators, "response_key", spelt)]


@sabotage("a receipt is matched by its id alone")
def ignores_the_number_of_receipts() -> list[Any]:
    def match(self: Correlation, tx: Any, operator: str, key: str, _number: str) -> Any:
        return real(self, tx, operator, key, "")

    real = Correlation._match
    return [patch.object(Correlation, "_match", match)]


@sabotage("receipts that come before their response are dropped")
def drops_early_receipts() -> list[Any]:
    def receipt(
        self: Correlation, tx: Any, plan: Any, profile: Any, reading: Any, number: str, code: str
    ) -> None:
        if self._match(tx, profile.name, reading.key, number):
            real(self, tx, plan, profile, reading, number, code)

    real = Correlation.receipt
    return [patch.object(Correlation, "receipt", receipt)]


@sabotage("a receipt with an unknown id settles a doubt, whatever else it could mean")
def attributes_boldly() -> list[Any]:
    asked = sql.OTHERS_UNANSWERED
    none = " ".join(["SELECT id FROM messages WHERE 0", *("AND ? IS NOT NULL" for _ in asked.names)])
    return [patch.object(sql, "OTHERS_UNANSWERED", changed(asked, none))]


@sabotage("what an SMSC called a message is forgotten within the hour")
def forgets_submissions() -> list[Any]:
    def forget(self: Housekeeping, tx: Any) -> None:
        real(self, tx)
        tx.connection.execute("DELETE FROM submissions")

    real = Housekeeping._forget
    return [patch.object(Housekeeping, "_forget", forget)]
