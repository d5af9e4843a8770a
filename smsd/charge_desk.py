"""Charges that the bridge asks for: admitted by the limits, held for the payer's yes, refused, or sent.

Decisions are `smsd.charging.limits`'; here they meet the store. Nothing here starts a charge: that is
`smsd.outbox`'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from foundation.clock import HOUR_US
from foundation.contract import Charge, Purpose, Reason
from foundation.ids import Ids
from foundation.store import Tx
from smsd.charging import pauses
from smsd.charging.desk import ChargeRow, Desk
from smsd.charging.limits import (
    MINUTE_US,
    NOTHING_SPENT,
    Rules,
    Spent,
    Verdict,
    answer_until,
    decide,
    period,
)
from smsd.charging.states import ChargeState, Evidence
from smsd.codewords import Answering
from smsd.operators import PriceNotSendable
from smsd.outbox import REPLY_EXPIRY_US, Route, Sender
from smsd.replies import Replies, UnknownReply
from smsd.smpp.alphabet import NotEncodable
from smsd.smpp.faults import UnencodablePduError
from smsd.smpp.segments import TooManySegments
from smsd.store import limit_statements as limit_sql
from smsd.store import statements as sql
from smsd.work import Plan

_ORE_PER_KR: Final = 100
_CEILING: Final = re.compile(r"ceiling:(\d+)")
_NO_RULES: Final = Rules()
REFUSED_TEXT: Final = (PriceNotSendable, UnencodablePduError, TooManySegments, NotEncodable, UnknownReply)
"""Why a text cannot be sent as the settings are; the message is refused, not tried again."""


class Asked(msgspec.Struct, frozen=True):
    """A charge whose payer was asked for a yes; `until_us` is UTC µs."""

    charge: str
    org: str
    amount_ore: int
    until_us: int
    conversation: str


class ChargeDesk:
    """Takes charges that are asked for, each id once, and the payers' answers."""

    def __init__(
        self,
        rules: Mapping[str, Rules],
        sender: Sender,
        desk: Desk,
        replies: Replies,
        ids: Ids,
        *,
        ages: bool = False,
    ) -> None:
        """`rules`: by organisation, "" for any other. `ages`: whether an operator reports them."""
        self._rules = rules
        self._general = rules.get("", _NO_RULES)
        self._sender = sender
        self._desk = desk
        self._replies = replies
        self._ids = ids
        self._ages = ages

    # what the bridge asks for

    def ask(self, tx: Tx, plan: Plan, charge: Charge, route: Route | None) -> None:
        """Write a charge that is not known yet, and send its premium SMS, ask for a yes, or settle it."""
        rules = self._rules.get(charge.org, self._general)
        # before its own row counts
        decision = decide(
            rules,
            charge.amount,
            self._spent(tx, plan, rules, charge),
            paused=pauses.paused(tx, plan, charge.org),
            age=self._age(tx, charge.conversation),
        )
        row = ChargeRow(
            id=charge.id,
            conversation=charge.conversation,
            message=self._ids.new(),
            org=charge.org,
            invoice=charge.invoice,
            operator=route.operator if route else "",
            short_code=route.short_code if route else "",
            number=charge.recipient,
            amount_ore=charge.amount,
            state=ChargeState.INTENDED,
            expires_us=charge.expires,
        )
        added = (Reason.NONE, 0, plan.at_us, plan.at_us, charge.expires)
        tx.run(sql.ADD_CHARGE, [(*msgspec.structs.astuple(row)[:10], *added)])
        hour = (charge.org, plan.at_us // HOUR_US)
        plan.hours[hour] = plan.hours.get(hour, 0) + charge.amount
        plan.count("charges", ChargeState.INTENDED)
        if route is None:
            self._not_sendable(tx, plan, row, "no route to this number")
        elif not charge.amount:
            self._not_sendable(tx, plan, row, "an amount of 0 cannot be charged")
        elif decision.verdict is Verdict.REFUSE:
            ceiling = f"ceiling:{decision.ceiling_ore // _ORE_PER_KR}" if decision.ceiling_ore else ""
            self._not_allowed(tx, plan, row, decision.reason, ceiling)
        elif decision.verdict is Verdict.START:
            self._send(tx, plan, row, route)
        else:
            self._hold(tx, plan, row, route, answer_until(rules, plan.at_us, charge.expires))

    def said_instead(self, tx: Tx, conversation: str) -> dict[str, str]:
        """What a text about a charge of this conversation that was not allowed may name: the ceiling."""
        found = tx.one(limit_sql.WHY_NOT_ALLOWED, (conversation,))
        ceiling = _CEILING.search(found[0]) if found else None
        return {"max": ceiling[1]} if ceiling else {}

    def waits_for_yes(self, tx: Tx, org: str, number: str, short_code: str) -> Asked | None:
        """The newest charge of an organisation that this number has not answered yet."""
        waiting = [each for each in self._waiting(tx, number, short_code) if each.org == org]
        return waiting[-1] if waiting else None

    def question(self, plan: Plan, asked: Asked) -> dict[str, str]:
        """What the text `confirm` names."""
        minutes = max(1, (asked.until_us - plan.at_us) // MINUTE_US)
        return {"amount": _kroner(asked.amount_ore), "minutes": str(minutes)}

    # what payers answer

    def means(self, tx: Tx, command: Answering, number: str, short_code: str) -> tuple[str, str] | None:
        """The organisation and the conversation that this answers; ``None`` where no payment waits or has
        just begun. Where it could be several, the newest.
        """
        waiting = self._waiting(tx, number, short_code)
        for each in reversed(waiting):
            if command.org in ("", each.org):
                return each.org, each.conversation
        if command.yes and not waiting:
            begun = tx.one(limit_sql.SAID_YES, (number, short_code))
            if begun is not None and command.org in ("", begun[0]):
                return begun[0], begun[1]
        return None

    def answer(
        self, tx: Tx, plan: Plan, command: Answering, org: str, message: str, number: str, route: Route
    ) -> tuple[str, str, dict[str, str]] | None:
        """Take a yes or a no: the organisation, name and values of what to say; ``None``: the charge
        itself does.

        A yes that could mean two payments starts neither; a no ends all that it could mean.
        """
        meant = [
            each
            for each in self._waiting(tx, number, route.short_code)
            if command.org in ("", each.org) and command.amount_ore in (0, each.amount_ore)
        ]
        if not command.yes:
            for each in meant:
                self._answered(tx, plan, each.charge, "no", message)
        elif len({(each.org, each.amount_ore) for each in meant}) == 1:
            self._go_on(tx, plan, meant[0].charge, message, route)
            return None
        if meant and not command.yes:
            return None
        others = meant or self._waiting(tx, number, route.short_code)
        if not others:
            return org, "processing", {}
        if len(others) == 1:
            return others[0].org, "confirm", self.question(plan, others[0])
        payments = ", ".join(f"{each.org} {_kroner(each.amount_ore)} kr" for each in others)
        last = others[-1]
        return last.org, "confirm_which", {"payments": payments, "amount": _kroner(last.amount_ore)}

    def stopped(self, tx: Tx, plan: Plan, number: str, org: str, message: str) -> None:
        """Who wants nothing more of an organisation (or, "", of any) is asked for no money either."""
        for charge, owner in tx.all(limit_sql.WAITING_BY_NUMBER, (number,)):
            if org in ("", owner):
                self._answered(tx, plan, charge, "no", message, Reason.STOPPED)

    def expire(self, tx: Tx, plan: Plan) -> None:
        """End what nobody answered in time."""
        for (charge,) in sorted(tx.all(limit_sql.UNANSWERED, (plan.at_us,))):
            self._answered(tx, plan, charge, "none", "", Reason.NOT_CONFIRMED)

    # how

    def _spent(self, tx: Tx, plan: Plan, rules: Rules, charge: Charge) -> Spent:
        if not (rules.counts_number or rules.per_organisation_day_ore):
            return NOTHING_SPENT
        now = period(plan.at_us)
        day = (now.day_us, now.next_day_us)
        of_number: tuple[int, int, int, int] = (0, 0, 0, 0)
        of_organisation = 0
        if rules.counts_number:
            found = tx.one(
                limit_sql.SPENT_BY_NUMBER,
                (*day, *day, charge.org, charge.org, charge.recipient, now.month_us, now.next_month_us),
            )
            if found is not None:
                in_day, in_month, own_in_day, own_in_month = found
                of_number = (in_day, in_month, own_in_day, own_in_month)
        if rules.per_organisation_day_ore:
            hours = (charge.org, now.day_us // HOUR_US, now.next_day_us // HOUR_US)
            (of_organisation,) = tx.one(limit_sql.SPENT_BY_ORGANISATION, hours) or (0,)
            of_organisation += plan.hours.get((charge.org, plan.at_us // HOUR_US), 0)
        return Spent(*of_number, of_organisation)

    def _age(self, tx: Tx, conversation: str) -> int | None:
        found = tx.one(limit_sql.AGE_OF, (conversation,)) if self._ages else None
        return found[0] if found else None

    def _waiting(self, tx: Tx, number: str, short_code: str) -> list[Asked]:
        return [Asked(*row) for row in tx.all(limit_sql.WAITING_FOR_YES, (number, short_code))]

    def _send(self, tx: Tx, plan: Plan, row: ChargeRow, route: Route) -> None:
        try:
            self._sender.post(
                plan,
                message=row.message,
                conversation=row.conversation,
                org=row.org,
                route=route,
                number=row.number,
                text=self._replies.render(
                    row.org, "processing", {"amount": str(row.amount_ore // _ORE_PER_KR)}
                ),
                purpose=Purpose.PREMIUM,
                expires_us=row.expires_us,
                price_ore=row.amount_ore,
                charge=row.id,
            )
        except REFUSED_TEXT as error:
            self._not_sendable(tx, plan, row, str(error))

    def _hold(self, tx: Tx, plan: Plan, row: ChargeRow, route: Route, until_us: int) -> None:
        if until_us <= plan.at_us:
            # it came so late that nobody could answer in time
            self._desk.apply(tx, plan, row, Evidence.TOO_LATE, reason=Reason.EXPIRED)
            return
        asked = Asked(row.id, row.org, row.amount_ore, until_us, row.conversation)
        tx.run(
            limit_sql.ADD_CONFIRMATION,
            [
                (
                    *(row.id, row.number, row.short_code, row.org, row.amount_ore),
                    *(plan.at_us, until_us, "", 0, ""),
                )
            ],
        )
        self._desk.apply(tx, plan, row, Evidence.ASKED)
        plan.count("confirmations", "asked")
        self._sender.post(
            plan,
            message=self._ids.new(),
            conversation=row.conversation,
            org=row.org,
            route=route,
            number=row.number,
            text=self._replies.render(row.org, "confirm", self.question(plan, asked)),
            purpose=Purpose.REPLY,
            expires_us=min(until_us, plan.at_us + REPLY_EXPIRY_US),
        )

    def _go_on(self, tx: Tx, plan: Plan, charge: str, message: str, route: Route) -> None:
        row = self._take_answer(tx, plan, charge, "yes", message)
        if row is None:
            return
        self._desk.apply(tx, plan, row, Evidence.CONFIRMED, detail=f"mo:{message}")
        rules = self._rules.get(row.org, self._general)
        if pauses.paused(tx, plan, row.org) and not rules.hold_while_paused:
            self._not_allowed(tx, plan, row, Reason.PAUSED, "")
            return
        # queues and lists go by the ids' order: this message is of now
        row = msgspec.structs.replace(row, message=self._ids.new())
        tx.run(limit_sql.SET_MESSAGE, [(row.message, row.id)])
        # back the way the first text came, where that is still known
        found = tx.one(sql.ROUTE_OF, (row.conversation,))
        if found and (found[0], found[1]) == (row.operator, row.short_code):
            route = Route(found[0], found[1], found[2] or found[1], found[3], found[4])
        self._send(tx, plan, row, route)

    def _answered(
        self, tx: Tx, plan: Plan, charge: str, answer: str, message: str, reason: Reason = Reason.DECLINED
    ) -> None:
        row = self._take_answer(tx, plan, charge, answer, message)
        if row is not None:
            self._not_allowed(tx, plan, row, reason, f"mo:{message}" if message else "")

    def _take_answer(self, tx: Tx, plan: Plan, charge: str, answer: str, message: str) -> ChargeRow | None:
        """Note an answer, once; the charge where it still waits for one."""
        if tx.run(limit_sql.SET_ANSWER, [(answer, plan.at_us, message, charge)]) != 1:
            return None
        plan.count("confirmations", answer)
        row = self._desk.find(tx, charge)
        return row if row is not None and row.state is ChargeState.INTENDED else None

    def _not_allowed(self, tx: Tx, plan: Plan, row: ChargeRow, reason: Reason, detail: str) -> None:
        plan.count("charges_not_allowed", str(reason))
        self._desk.apply(tx, plan, row, Evidence.NOT_ALLOWED, reason=reason, detail=detail)

    def _not_sendable(self, tx: Tx, plan: Plan, row: ChargeRow, fault: str) -> None:
        plan.alarms.append(("charge.not_sendable", {"charge": row.id, "fault": fault}))
        self._desk.apply(tx, plan, row, Evidence.TOO_LATE, reason=Reason.REJECTED, detail=fault)


def _kroner(amount_ore: int) -> str:
    """An amount as texts write it: ``50``, or ``49,50`` where it is not whole."""
    whole, rest = divmod(amount_ore, _ORE_PER_KR)
    return f"{whole},{rest:02d}" if rest else str(whole)
