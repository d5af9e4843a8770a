"""Asks SMSCs by query_sm what became of charges that no receipt has settled, where the profile says so.

An answer tells a message's state; what that means for money is the profile's word. Asked is only about a
message whose id the SMSC named in its answer and has not given to another since, seldom, ever more seldom,
and only with room in the window that nothing else wants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from foundation.clock import SECOND_US
from foundation.contract import MessageFate, MessageState, Reason
from foundation.ids import Ids
from foundation.store import Tx
from smsd.charging.desk import ChargeRow, Desk
from smsd.charging.prospects import HOUR_US
from smsd.charging.states import Evidence
from smsd.operators import OperatorProfile
from smsd.smpp.link import Answer, AnswerKind, Link
from smsd.smpp.pdu import CommandStatus
from smsd.store import charge_statements as sql
from smsd.store import statements as hot
from smsd.work import FINAL_FATES, Plan, Query

_LOOK_US = 5 * SECOND_US
_LATER = frozenset({CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL})


class Queries:
    """Asks, and lets the answers speak. What it remembers only makes it ask later, never twice."""

    def __init__(
        self, profiles: Mapping[str, OperatorProfile], desk: Desk, ids: Ids, receipt_wait_h: int
    ) -> None:
        self._asking = {name: each for name, each in profiles.items() if each.settings.query}
        self._desk = desk
        self._ids = ids
        self._known_us = receipt_wait_h * HOUR_US
        self._next_look_us: dict[str, int] = {}

    def ask(self, tx: Tx, plan: Plan, rooms: Mapping[str, Sequence[tuple[Link, int]]]) -> None:
        """Ask about the charges whose time has come, as far as there is room left after all that is sent."""
        for name, profile in self._asking.items():
            if name not in rooms or plan.at_us < self._next_look_us.get(name, 0):
                continue
            free = _free(rooms[name], (link for link, _ in plan.submits))
            if not free:
                continue
            rate = profile.settings.queries.rate
            most = min(len(free), max(1, int(rate)))
            asked = self._ask(tx, plan, profile, free[:most])
            wait_us = int(asked / rate * SECOND_US) if asked else _LOOK_US
            self._next_look_us[name] = plan.at_us + wait_us

    def _ask(self, tx: Tx, plan: Plan, profile: OperatorProfile, places: Sequence[Link]) -> int:
        settings = profile.settings.queries
        now = plan.at_us
        overdue_us = now - settings.overdue_s * SECOND_US if settings.overdue_s else 0
        wanted = (overdue_us, profile.name, now - self._known_us, now, settings.tries, len(places))
        asked: dict[str, Query] = {}
        for charge, message, address, detail, tries in tx.all(sql.TO_QUERY, wanted):
            message_id = detail.partition("id:")[2]
            pause_us = min(settings.pause_s << min(tries, 20), settings.pause_max_s) * SECOND_US
            key = profile.response_key(message_id)
            if not message_id or tx.one(sql.GIVEN_AGAIN, (profile.name, key, message)):
                # its answer would be about another message: nothing is to be learnt
                tx.run(sql.SET_QUERIED, [(charge, settings.tries, now, now)])
                continue
            if charge in asked:
                continue
            tx.run(sql.SET_QUERIED, [(charge, tries + 1, now, now + pause_us)])
            asked[charge] = Query(charge, profile.name, message, key, profile.query(message_id, address))
        plan.queries += zip(places, asked.values(), strict=False)
        return len(asked)

    def answer(self, tx: Tx, plan: Plan, query: Query, answer: Answer) -> None:
        """What the SMSC said, kept as evidence; silence says nothing and is not kept."""
        profile = self._asking.get(query.operator)
        verdict = answer.kind.name.lower()
        if profile is not None and answer.kind in (AnswerKind.ANSWERED, AnswerKind.LATE):
            verdict = self._answered(tx, plan, profile, query, answer)
        plan.count("queries", query.operator, verdict)

    def _answered(self, tx: Tx, plan: Plan, profile: OperatorProfile, query: Query, answer: Answer) -> str:
        if answer.status in _LATER:
            plan.paused.add(query.operator)
            return "later"
        charge = self._desk.find(tx, query.charge)
        if charge is None:
            return "unknown"
        said = answer.query
        evidence, fate, reason = Evidence.QUERY_PENDING, MessageFate.ACCEPTED, Reason.NONE
        if answer.status or said is None:
            detail = f"status:0x{answer.status:08x}"
        elif answer.message_id and profile.response_key(answer.message_id) != query.key:
            detail = f"id:{answer.message_id} is not the one that was asked about"
        elif tx.one(sql.GIVEN_AGAIN, (query.operator, query.key, query.message)):
            detail = f"id:{answer.message_id} was given to another message meanwhile"
        else:
            evidence, fate, reason, detail = profile.read_query(said)
        self._desk.apply(tx, plan, charge, evidence, reason=reason, detail=detail)
        if fate in FINAL_FATES:
            self._end(tx, plan, charge, fate, reason)
        return evidence.removeprefix("query_")

    def _end(self, tx: Tx, plan: Plan, charge: ChargeRow, fate: MessageFate, reason: Reason) -> None:
        """The premium SMS's own fate, unless a receipt told it before."""
        row = tx.one(hot.MESSAGE_BY_ID, (charge.message,))
        if row is None or row[4] in FINAL_FATES or charge.message in plan.ended:
            return
        plan.ended.add(charge.message)
        plan.fates.append((fate, reason, plan.at_us, charge.message))
        plan.handoff.append(
            MessageState(
                id=self._ids.new(),
                conversation=charge.conversation,
                at=plan.at_us,
                message=charge.message,
                fate=fate,
                reason=reason,
            )
        )


def _free(rooms: Iterable[tuple[Link, int]], taken: Iterable[Link]) -> list[Link]:
    """A link for each place in a window that is left."""
    used = Counter(taken)
    return [link for link, room in rooms for _ in range(room - used[link])]
