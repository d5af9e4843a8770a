"""MO in: a deliver_sm made whole, read, written, and either answered at once or handed to the bridge.

Every MO that is acknowledged has exactly one disposition: a hand-off message, a reply, or its place in
the dialog. Segments are kept until their text is whole or has waited too long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from foundation.clock import SECOND_US
from foundation.contract import (
    Direction,
    Join,
    Message,
    MessageFate,
    Pay,
    Purpose,
    Status,
    Stop,
)
from foundation.ids import Ids, uuid7_floor
from foundation.numbers import from_operator
from foundation.store import Tx
from smsd.charge_desk import ChargeDesk
from smsd.codewords import Answering, AskingStatus, Codebook, Joining, Paying, Stopping, Unknown
from smsd.operators import OperatorProfile
from smsd.outbox import REPLY_EXPIRY_US, Route, Sender
from smsd.replies import Replies, own_answer
from smsd.smpp.alphabet import Coding
from smsd.smpp.pdu import DataSm, DeliverSm
from smsd.smpp.segments import assemble, read_content
from smsd.store import limit_statements as limit_sql
from smsd.store import statements as sql
from smsd.work import Plan

TAIL_US: Final = 60 * SECOND_US
"""An answer on its way for longer than this has arrived, or its bind has ended: an enquire_link after 20 s of
silence and the wait for its answer lie within it."""
_LOOK_BACK_US: Final = 86_400 * SECOND_US
_FRESH_CONNECTION_US: Final = 300 * SECOND_US


_Key: TypeAlias = tuple[str, str, str, int, int]
"""What the segments of one text share: operator, number, address, reference, total."""


class Mo(msgspec.Struct, frozen=True, gc=False):
    """A whole text from a phone. `address` is the number it was sent to, as the operator shows it; `age`
    in years, where it tells one.
    """

    operator: str
    number: str
    address: str
    text: str
    echo: bytes
    connection: str
    fresh: bool
    age: int | None = None


class InboxLimits(msgspec.Struct, frozen=True):
    """Seconds and counts that the settings give."""

    reassembly_expiry_us: int
    guidance_every_us: int
    repeat_after_s: float = 3.0


class Inbox:
    """Reads MOs inside a transaction."""

    def __init__(
        self,
        codebooks: Mapping[str, Codebook],
        replies: Replies,
        sender: Sender,
        ids: Ids,
        limits: InboxLimits,
        organisations: Sequence[str],
        charges: ChargeDesk,
    ) -> None:
        self._codebooks = codebooks
        # the longest first: 20301 is itself where both 2030 and 20301 are configured
        self._codes = sorted(codebooks, key=len, reverse=True)
        self._replies = replies
        self._sender = sender
        self._ids = ids
        self._limits = limits
        self._organisations = organisations
        self.repeat_after_s = limits.repeat_after_s
        """An SMSC that had no answer for so long may send an MO again."""
        self._charges = charges

    def deliver(
        self,
        tx: Tx,
        plan: Plan,
        profile: OperatorProfile,
        pdu: DeliverSm | DataSm,
        connection: str,
        opened_us: int,
    ) -> None:
        """Take a deliver_sm or data_sm that is no receipt."""
        number = from_operator(pdu.source_addr) or pdu.source_addr
        content = read_content(pdu, profile.coding)
        fresh = plan.at_us - opened_us < _FRESH_CONNECTION_US
        echo = profile.echo(pdu.tlvs)
        age = profile.age(pdu.tlvs)
        if content.part is not None:
            part = content.part
            key = (profile.name, number, pdu.destination_addr, part.reference, part.total)
            if self._part_again(tx, plan, key, part.number, content.payload, connection):
                plan.count("mo_again", profile.name)
                return
            row = (*key, part.number, content.coding, content.payload, echo, connection, plan.at_us, 0)
            tx.run(sql.ADD_FRAGMENT, [row])
            self._whole(tx, plan, key, incomplete=False, fresh=fresh, age=age)
            return
        self.take(
            tx,
            plan,
            Mo(profile.name, number, pdu.destination_addr, content.text, echo, connection, fresh, age),
            segments=1,
        )

    def take(self, tx: Tx, plan: Plan, mo: Mo, segments: int) -> None:
        """Write a whole MO and act on what it says."""
        if self._repeats(tx, plan, mo) and self._came_before(tx, plan, mo):
            plan.count("mo_again", mo.operator)
            return
        code = self.short_code(mo.address)
        message = self._ids.new()
        route = Route(mo.operator, code, mo.address, mo.echo, plan.binds.get(mo.connection, ""))
        command = self._codebooks[code].read(mo.text) if code else Unknown()
        conversation, org = message, ""
        if isinstance(command, Answering):
            meant = self._charges.means(tx, command, mo.number, code)
            if meant is None:
                command = command.otherwise
            else:
                org, conversation = meant
        org = org or getattr(command, "org", "")
        plan.count("mo", mo.operator, type(command).__name__)
        plan.last_mo[mo.connection] = (mo.connection, mo.operator, plan.at_us)
        plan.rows.append(
            (
                message,
                conversation,
                Direction.IN,
                mo.operator,
                code,
                mo.address,
                mo.number,
                org,
                mo.text,
                segments,
                0,
                Purpose.MO,
                MessageFate.RECEIVED,
                "",
                plan.at_us,
                plan.at_us,
                0,
                "",
                mo.connection,
                mo.echo,
                route.bind,
                0,
            )
        )
        plan.handoff.append(
            Message(
                id=message,
                conversation=conversation,
                at=plan.at_us,
                direction=Direction.IN,
                number=mo.number,
                short_code=code,
                org=org,
                text=mo.text,
                segments=segments,
                price=0,
                purpose=Purpose.MO,
                fate=MessageFate.RECEIVED,
            )
        )
        if not code or not mo.number.startswith("+"):
            # no phone: nothing is sent to it, lest two machines talk to each other for ever
            return
        if mo.age is not None and isinstance(command, Paying | Joining):
            tx.run(limit_sql.ADD_AGE, [(message, mo.age, plan.at_us)])
        if isinstance(command, Answering):
            said = self._charges.answer(tx, plan, command, org, message, mo.number, route)
            if said is not None:
                of, name, told = said
                self.answer(
                    plan,
                    conversation=conversation,
                    org=of,
                    route=route,
                    number=mo.number,
                    name=name,
                    values=told,
                )
            return
        act = _ACTIONS.get(type(command))
        if act is not None and not act(self, tx, plan, command, message, mo):
            return
        own = own_answer(command)
        if own is not None:
            name, values = own[1], own[2]
            self.answer(
                plan,
                conversation=message,
                org=own[0],
                route=route,
                number=mo.number,
                name=name,
                values=values,
            )

    def short_code(self, address: str) -> str:
        """The configured short code a shown number begins with, or nothing."""
        if address in self._codebooks:
            return address
        return next((code for code in self._codes if address.startswith(code)), "")

    def answer(
        self,
        plan: Plan,
        *,
        conversation: str,
        org: str,
        route: Route,
        number: str,
        name: str,
        values: Mapping[str, str],
    ) -> None:
        """Send a named text, free of charge."""
        self._sender.post(
            plan,
            message=self._ids.new(),
            conversation=conversation,
            org=org,
            route=route,
            number=number,
            text=self._replies.render(org, name, values),
            purpose=Purpose.REPLY,
            expires_us=plan.at_us + REPLY_EXPIRY_US,
        )

    def expire(self, tx: Tx, plan: Plan) -> None:
        """Hand on what came of long texts whose other parts never did."""
        # a row for each part; a text is handed on once
        stale = tx.all(sql.STALE_FRAGMENTS, (plan.at_us - self._limits.reassembly_expiry_us,))
        for row in dict.fromkeys(stale):
            plan.count("mo_incomplete", row[0])
            self._whole(tx, plan, row, incomplete=True, fresh=False)

    # segments

    @staticmethod
    def _part_again(tx: Tx, plan: Plan, key: _Key, number: int, payload: bytes, connection: str) -> bool:
        """Whether a segment of a whole text comes again after a bind that ended before our answer.

        Otherwise a reference that was used for a whole text before is free for another.
        """
        rows = tx.all(sql.FRAGMENTS_OF, key)
        if not rows or not rows[0][5]:
            return False
        # a bind may have ended without our knowing: what was whole a moment ago is repeated anyhow
        lately = len(rows) == key[4] and plan.at_us - rows[0][5] < TAIL_US
        for part, known, _coding, _echo, before, _whole in rows:
            ended = before != connection and before not in plan.live
            if (part, known) == (number, payload) and (lately or ended):
                return True
        tx.run(sql.DROP_FRAGMENTS, [key])
        return False

    def _whole(
        self, tx: Tx, plan: Plan, key: _Key, *, incomplete: bool, fresh: bool, age: int | None = None
    ) -> None:
        rows = tx.all(sql.FRAGMENTS_OF, key)
        if not rows or (len(rows) < key[4] and not incomplete):
            return
        tx.run(sql.MARK_WHOLE, [(plan.at_us, *key)])
        text = assemble({row[0]: row[1] for row in rows}, {row[0]: Coding(row[2]) for row in rows})
        self.take(
            tx,
            plan,
            Mo(key[0], key[1], key[2], text, rows[0][3], rows[-1][4], fresh, age),
            segments=len(rows),
        )

    @staticmethod
    def _repeats(tx: Tx, plan: Plan, mo: Mo) -> bool:
        """Whether any other bind brought MOs lately, so that this one may repeat one; asked once a batch."""
        if mo.connection in plan.tardy:
            return True
        known = plan.repeats.get(mo.connection)
        if known is None:
            found = tx.one(sql.OTHER_CONNECTION, (mo.connection, plan.at_us - _LOOK_BACK_US))
            known = plan.repeats[mo.connection] = found is not None
        return known

    def _came_before(self, tx: Tx, plan: Plan, mo: Mo) -> bool:
        """Whether an SMSC repeats what it gave us on a bind whose end may have swallowed our answer.

        What came on a bind that still lives was answered there: that is a person who texts the same again.
        Yet a bind may have ended without our knowing: what came a moment ago counts as repeated anyhow, and
        on this very bind where we have just answered too late.
        """
        other_than = "" if mo.connection in plan.tardy else mo.connection
        since = plan.at_us - TAIL_US
        after = uuid7_floor(plan.at_us - _LOOK_BACK_US)
        found = tx.all(
            sql.SAME_MO,
            (mo.number, after, mo.operator, mo.address, mo.text, other_than, TAIL_US),
        )
        return any(at_us > since or (mo.fresh and connection not in plan.live) for connection, at_us in found)

    @staticmethod
    def _may_be_again(tx: Tx, plan: Plan, mo: Mo) -> bool:
        """Whether these words came before and whoever sent them may not have heard our answer."""
        key = (mo.number, mo.address, mo.text)
        if key in plan.paying:
            return True
        plan.paying.add(key)
        after = uuid7_floor(plan.at_us - _LOOK_BACK_US)
        for connection, at_us in tx.all(sql.SAME_WORDS, (mo.number, after, mo.operator, mo.address, mo.text)):
            heard = plan.heard.get(connection)
            if heard is None or not heard(at_us):
                return True
        return False

    # what texts ask for

    def _join(self, tx: Tx, plan: Plan, command: Joining, message: str, mo: Mo) -> bool:
        if ("",) in tx.all(sql.STOPPED, (mo.number, command.org)):
            # who wanted nothing from anybody now wants something from one
            others = [org for org in self._organisations if org != command.org]
            tx.run(sql.ADD_STOP, [(mo.number, org, plan.at_us) for org in others])
            tx.run(sql.LIFT_STOP, [(mo.number, "")])
        tx.run(sql.LIFT_STOP, [(mo.number, command.org)])
        plan.handoff.append(
            Join(
                id=self._ids.new(),
                conversation=message,
                at=plan.at_us,
                org=command.org,
                sender=mo.number,
                name=command.name,
                email=command.email,
                comment=command.comment,
                charge=command.charge,
                again=command.charge and self._may_be_again(tx, plan, mo),
            )
        )
        return True

    def _pay(self, tx: Tx, plan: Plan, command: Paying, message: str, mo: Mo) -> bool:
        plan.handoff.append(
            Pay(
                id=self._ids.new(),
                conversation=message,
                at=plan.at_us,
                org=command.org,
                sender=mo.number,
                amount=command.amount_ore,
                again=self._may_be_again(tx, plan, mo),
            )
        )
        return True

    def _status(self, _tx: Tx, plan: Plan, command: AskingStatus, message: str, mo: Mo) -> bool:
        plan.handoff.append(
            Status(id=self._ids.new(), conversation=message, at=plan.at_us, org=command.org, sender=mo.number)
        )
        return True

    def _stop(self, tx: Tx, plan: Plan, command: Stopping, message: str, mo: Mo) -> bool:
        """Whether this is the first time: it is answered once."""
        known = {row[0] for row in tx.all(sql.STOPPED, (mo.number, command.org))}
        plan.handoff.append(
            Stop(id=self._ids.new(), conversation=message, at=plan.at_us, org=command.org, sender=mo.number)
        )
        tx.run(sql.ADD_STOP, [(mo.number, command.org, plan.at_us)])
        self._charges.stopped(tx, plan, mo.number, command.org, message)
        return command.org not in known

    def _unknown(self, tx: Tx, plan: Plan, _command: Unknown, _message: str, mo: Mo) -> bool:
        """Whether the number gets the helpful answer now: at most once in a while."""
        code = self.short_code(mo.address)
        last = tx.one(sql.GUIDED, (mo.number, code))
        if last is not None and plan.at_us - last[0] < self._limits.guidance_every_us:
            return False
        tx.run(sql.SET_GUIDED, [(mo.number, code, plan.at_us)])
        return True


# what a command does beside its answer; False keeps the answer back
_ACTIONS: Final[dict[type, Callable[..., bool]]] = {
    Joining: Inbox._join,
    Paying: Inbox._pay,
    AskingStatus: Inbox._status,
    Stopping: Inbox._stop,
    Unknown: Inbox._unknown,
}
