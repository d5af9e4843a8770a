"""Harm done to the programs on purpose: each takes one thing away that an invariant rests on.

A simulation that does not find them proves nothing. They patch names and tables for the time of a run; the
programs' files are never touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import msgspec
import sim_world

from billing_bridge import matching
from billing_bridge.daemon import BridgeDaemon
from billing_bridge.invoicing import ledger
from billing_bridge.payments import charging as bridge_charging
from billing_bridge.records import Invoice
from foundation import mailbox
from foundation.store import Statement, Store, StoreFailed
from smsd import gateway, operators, queues
from smsd.charging import states, worklist
from smsd.charging.correlation import Correlation
from smsd.charging.desk import Desk
from smsd.charging.states import ChargeState as S
from smsd.charging.states import Evidence
from smsd.engine import Engine
from smsd.gateway import Gateway
from smsd.housekeeping import Housekeeping
from smsd.inbox import Inbox
from smsd.operators import OperatorProfile
from smsd.smpp import answers
from smsd.smpp import link as smpp_link
from smsd.smpp.answers import Answer, AnswerKind
from smsd.smpp.events import Closed
from smsd.smpp.receipt import State
from smsd.store import statements as sql
from smsd.work import Plan

try:
    from foundation.courier import Courier
except ImportError:
    from foundation.mailbox import Courier

E = Evidence
Patches = Callable[[], list[Any]]


@dataclass(frozen=True)
class Sabotage:
    """One harm."""

    name: str
    what: str
    patches: Patches

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Do it, and undo it at the end."""
        with contextlib.ExitStack() as stack:
            for each in self.patches():
                stack.enter_context(each)
            yield


SABOTAGES: dict[str, Sabotage] = {}


def sabotage(what: str) -> Callable[[Patches], Patches]:
    """Name a harm after the function that makes its patches."""

    def keep(patches: Patches) -> Patches:
        name = patches.__name__.replace("_", "-")
        SABOTAGES[name] = Sabotage(name, what, patches)
        return patches

    return keep


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
    alone = sql.START_CHARGE
    anyhow = Statement.__new__(Statement)
    anyhow.sql = alone.sql[: alone.sql.index(" AND NOT (EXISTS")]
    anyhow.names = alone.names

    def store() -> bytes:
        return _without_index(real(), "ix_charges_one_at_a_time")

    real = sim_world.empty_gateway_store
    return [
        patch.object(sql, "START_CHARGE", anyhow),
        patch.object(sim_world, "empty_gateway_store", store),
        # it takes two invoices of one amount, so the bridge looks away too
        patch.object(matching, "match_payment", _match_anything),
        patch.object(bridge_charging, "match_payment", _match_anything),
    ]


def _without_index(octets: bytes, name: str) -> bytes:
    import sqlite3
    import tempfile
    from pathlib import Path

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
    names = sql.OTHERS_UNANSWERED.names
    none = Statement.__new__(Statement)
    none.sql = " ".join(["SELECT id FROM messages WHERE 0", *("AND ? IS NOT NULL" for _ in names)])
    none.names = names
    return [patch.object(sql, "OTHERS_UNANSWERED", none)]


@sabotage("what an SMSC called a message is forgotten within the hour")
def forgets_submissions() -> list[Any]:
    def forget(self: Housekeeping, tx: Any) -> None:
        real(self, tx)
        tx.connection.execute("DELETE FROM submissions")

    real = Housekeeping._forget
    return [patch.object(Housekeeping, "_forget", forget)]


# what is told


@sabotage("doubts are not alarmed")
def alarms_no_doubt() -> list[Any]:
    def apply(self: Desk, tx: Any, plan: Plan, *args: Any, **named: Any) -> Any:
        before = len(plan.alarms)
        result = real(self, tx, plan, *args, **named)
        del plan.alarms[before:]
        return result

    real = Desk.apply
    return [patch.object(Desk, "apply", apply)]


@sabotage("the bridge is not told how charges end")
def tells_the_bridge_nothing() -> list[Any]:
    def apply(self: Desk, tx: Any, plan: Plan, *args: Any, **named: Any) -> Any:
        before = len(plan.handoff)
        result = real(self, tx, plan, *args, **named)
        del plan.handoff[before:]
        return result

    real = Desk.apply
    return [patch.object(Desk, "apply", apply)]


@sabotage("payers are told nothing")
def tells_payers_nothing() -> list[Any]:
    return [patch.object(bridge_charging, "_tell", lambda *_args, **_named: None)]


@sabotage("who was told *failed* hears no correction")
def corrects_nothing() -> list[Any]:
    def move(turn: Any, message: Any, payment: Any, invoice: Any, after: Any) -> None:
        told = len(turn.answers)
        before = payment.state
        real(turn, message, payment, invoice, after)
        if before == "not_charged":
            del turn.answers[told:]

    real = bridge_charging._move
    return [patch.object(bridge_charging, "_move", move)]


# amounts and numbers


@sabotage("every price is ten kroner too high")
def charges_too_much() -> list[Any]:
    def word(self: OperatorProfile, price_ore: int) -> str:
        return real(self, price_ore + 1000 if self.settings.price.carrier != "service_type" else price_ore)

    real = OperatorProfile._price_word
    return [patch.object(OperatorProfile, "_price_word", word)]


@sabotage("the premium message goes to the next number")
def charges_somebody_else() -> list[Any]:
    def submit(self: OperatorProfile, **fields: Any) -> Any:
        if fields["price_ore"]:
            number = fields["number"]
            fields["number"] = number[:-1] + str(int(number[-1]) % 7 + 1)
        return real(self, **fields)

    real = OperatorProfile.submit
    return [patch.object(OperatorProfile, "submit", submit)]


# the hand-off


@sabotage("the gateway's and the bridge's inboxes forget")
def the_inbox_forgets() -> list[Any]:
    return [patch.object(mailbox.Inbox, "unseen", lambda _self, _tx, ids, _at_us: set(ids))]


@sabotage("parcels count as taken when they are sent")
def settles_before_the_acknowledgement() -> list[Any]:
    def depart(self: Any, peer: Any) -> None:
        real(self, peer)
        self._unsettled.update(dict.fromkeys(peer.flight))
        peer.flight.clear()

    real = Courier._depart
    return [patch.object(Courier, "_depart", depart)]


@sabotage("what is not acknowledged is not sent again")
def repeats_no_parcel() -> list[Any]:
    async def tick(self: Any) -> None:
        for peer in self._peers.values():
            peer.due = float("inf")
        await real(self)

    real = Courier.tick
    return [patch.object(Courier, "tick", tick)]


@sabotage("the bridge acknowledges what its store did not take")
def the_bridge_acknowledges_anyhow() -> list[Any]:
    async def on_parcels(self: BridgeDaemon, bodies: list[bytes]) -> list[str]:
        try:
            return await real(self, bodies)
        except StoreFailed:
            return list(self._decode(bodies)[0])

    real = BridgeDaemon.on_parcels
    return [patch.object(BridgeDaemon, "on_parcels", on_parcels)]


@sabotage("the report's word stays in the gateway")
def keeps_the_report_to_itself() -> list[Any]:
    class Mute:
        def post(self, *_args: Any) -> list[Any]:
            return []

    return [patch.object(worklist, "Outbox", Mute)]


# texts


@sabotage("an MO that an SMSC sends again on a new bind is a new one")
def takes_repeated_texts() -> list[Any]:
    return [patch.object(Inbox, "_came_before", lambda *_args: False)]


@sabotage("a text is left out now and then where two come together")
def loses_a_text_of_two() -> list[Any]:
    def take(self: Inbox, tx: Any, plan: Plan, mo: Any, segments: int) -> None:
        if any(row[2] == "in" for row in plan.rows):
            return
        real(self, tx, plan, mo, segments)

    real = Inbox.take
    return [patch.object(Inbox, "take", take)]


# the bridge


@sabotage("paid invoices are charged again")
def the_bridge_charges_paid_invoices() -> list[Any]:
    return [
        patch.object(Invoice, "outstanding_ore", property(lambda self: self.amount_ore)),
        patch.object(matching, "outstanding_fees", lambda person: person.invoices),
    ]


@sabotage("an invoice is charged again while its charge is under way")
def the_bridge_ignores_charges_under_way() -> list[Any]:
    return [patch.object(bridge_charging, "match_payment", _match_pending)]


def _match_pending(people: Any, amount_ore: int, today: Any) -> Any:
    for person in people:
        for invoice in matching.outstanding_fees(person):
            if invoice.outstanding_ore == amount_ore:
                return matching.Found(person, invoice)
    return matching.NoMatch(matching.NOTHING_OUTSTANDING)


@sabotage("every charge is booked twice")
def the_bridge_books_twice() -> list[Any]:
    def settle(invoice: Any, amount_ore: int, before: str, after: str) -> Any:
        return real(invoice, amount_ore, before, after) + real(invoice, amount_ore, before, after)

    real = ledger.settle
    return [patch.object(ledger, "settle", settle)]
