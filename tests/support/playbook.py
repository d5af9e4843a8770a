"""The gateway's decisions as a play: this comes in, that is written and sent; memory can be thrown away.

A `Play` has a real SQLite file, a clock moved by hand and links that only take notes. It carries out plans
as the engine does, one transaction a turn, and can be told to die between a commit and what follows it.
"""

from __future__ import annotations

import functools
import random
import sqlite3
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from foundation.clock import SECOND_US
from foundation.contract import (
    BridgeParcel,
    Charge,
    FromBridge,
    FromGateway,
    GatewayParcel,
    Reply,
    Resolve,
    Send,
)
from foundation.ids import Ids
from foundation.mailbox import BRIDGE, Outbox
from foundation.settings_tables import (
    HandoffSettings,
    LogSettings,
    MetricsSettings,
    StoreSettings,
    WebSettings,
)
from foundation.store import SqliteTx, open_sqlite
from smsd.assembly import make_gateway, make_queues
from smsd.charging.states import ChargeState
from smsd.codewords import Function
from smsd.heard import Heard
from smsd.settings import Limits, Operator, Organisation, Price, Settings, ShortCode
from smsd.smpp.link import Answer, AnswerKind
from smsd.smpp.pdu import DeliverSm, Frame, Pdu, QuerySmResp, Tlv
from smsd.store import SCHEMA
from smsd.work import Answered, Delivered, Input, ParcelCame, Piece, Plan, Query, Tick

NOON = 1_795_435_200 * SECOND_US
"""2026-11-23 12:00 UTC."""
OLA = "+4799999901"
KARI = "+4799999902"
PRICE_TAG = 0x1403
T = TypeVar("T")


class Died(Exception):
    """The process is gone; the file is what is left."""


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_us: int = NOON) -> None:
        self.us = now_us

    def advance(self, seconds: float) -> None:
        """Move both clocks."""
        self.us += round(seconds * SECOND_US)

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return (self.us - NOON) / SECOND_US


class FakeLink:
    """A bind that takes notes: what was submitted and how requests were answered."""

    def __init__(self, name: str = "telco-trx-1", window: int = 10) -> None:
        self.name = name
        self.window = window
        self.can_submit = True
        self.pending: list[Piece] = []
        self.submitted: list[Piece] = []
        self.asked: list[Query] = []
        self.responses: list[tuple[Frame, int]] = []
        self.reading = True
        self.mark = 0
        self.read = 0

    def has_read(self, mark: int) -> bool:
        return self.read > mark

    @property
    def room(self) -> int:
        return self.window - len(self.pending) if self.can_submit else 0

    def submit(self, pdu: Pdu, tag: object) -> bool:
        if isinstance(tag, Query):
            assert pdu is tag.pdu
            self.asked.append(tag)
            return self.room > 0
        assert isinstance(tag, Piece)
        assert pdu is tag.pdu
        if self.room <= 0:
            return False
        self.pending.append(tag)
        self.submitted.append(tag)
        return True

    def respond(self, frame: Frame, status: int = 0, message_id: str = "") -> bool:
        del message_id
        self.responses.append((frame, status))
        return True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def operator(name: str = "telco", price: Price | None = None, **settings: Any) -> Operator:
    """An account that charges by a TLV in øre, unless told otherwise."""
    given: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 2775,
        "system_id": name,
        "password": "secret",
        "outcomes": {"0021": "no_credit", "0x0000000b": "wrong_operator", "0x00000008": "unknown"},
        "rate": 1000,
        **settings,
    }
    return Operator(name=name, price=price or Price(carrier="tlv", tag=PRICE_TAG), **given)


def organisation(codeword: str = "ORG1", **settings: Any) -> Organisation:
    """An organisation that takes members and payments by SMS."""
    given: dict[str, Any] = {
        "name": f"Organisasjon {codeword}",
        "site": "https://org1.hypersys.no",
        "join": "join",
        "subcodewords": {"BETAL": Function.PAY, "MEDLEM": Function.STATUS},
        **settings,
    }
    return Organisation(codeword=codeword, **given)


@functools.cache
def _empty_store() -> bytes:
    """A migrated store's file; migrating takes longer than most plays."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "smsd.db"
        open_sqlite(f"sqlite:///{path}", SCHEMA).close()
        return path.read_bytes()


def settings_of(
    url: str,
    operators: Sequence[Operator],
    organisations: Sequence[Organisation],
    short_codes: Mapping[str, tuple[str, ...]],
    **limits: Any,
) -> Settings:
    """A gateway's settings, made here and not read."""
    return Settings(
        path=Path("smsd.toml"),
        store=StoreSettings(url=url),
        handoff=HandoffSettings(),
        bridge=None,
        web=WebSettings(),
        operators=tuple(operators),
        short_codes=tuple(ShortCode(number=number, operators=names) for number, names in short_codes.items()),
        organisations=tuple(organisations),
        limits=Limits(**limits),
        metrics=MetricsSettings(),
        log=LogSettings(),
    )


class Play:
    """A gateway without network: inputs by hand, plans carried out, all of it seen."""

    def __init__(
        self,
        folder: Path,
        *,
        operators: Sequence[Operator] = (),
        organisations: Sequence[Organisation] = (),
        short_codes: Mapping[str, tuple[str, ...]] | None = None,
        window: int = 10,
        queue_limit: int = 1000,
        binds: int = 1,
        **limits: Any,
    ) -> None:
        self.limits = limits
        self.operators = tuple(operators) or (operator(),)
        self.organisations = tuple(organisations) or (organisation(),)
        names = tuple(each.name for each in self.operators)
        self.short_codes = dict(short_codes or {"2030": names})
        self.window = window
        self.binds = binds
        self.queue_limit = queue_limit
        self.clock = HandClock()
        self.ids = Ids(self.clock, random.Random(7).getrandbits)
        self.url = f"sqlite:///{folder / 'smsd.db'}"
        (folder / "smsd.db").write_bytes(_empty_store())
        self.connection: sqlite3.Connection = open_sqlite(self.url, SCHEMA)
        # power cuts are the store's own tests' subject; here fsync would only cost time
        self.connection.execute("PRAGMA synchronous=OFF")
        self.tx = SqliteTx(self.connection)
        self.submitted: list[Piece] = []
        self.handed: list[FromGateway] = []
        self.alarms: list[tuple[str, dict[str, Any]]] = []
        self.counts: dict[tuple[str, ...], int] = {}
        self.acknowledged: list[str] = []
        self.boundaries = 0
        self.die_at = 0
        self._sequence = 0
        self._smsc_ids = 0
        self.start()

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    # memory

    def start(self) -> Plan:
        """New memory on the same file: what a start of the daemon does."""
        settings = self.settings()
        self.queues = make_queues(settings)
        for queue in self.queues.values():
            queue.fall_behind()
        self.gateway = make_gateway(settings, self.queues, ids=self.ids, clock=self.clock)
        self.links = {
            name: [FakeLink(f"{name}-trx-{number}", self.window) for number in range(1, self.binds + 1)]
            for name in self.queues
        }
        self.opened: dict[str, int] = {}
        self.late: dict[str, float] = {}
        self.heard: dict[str, Heard] = {}
        self.connections = {link: self._bound() for links in self.links.values() for link in links}
        plan: Plan = self.commit(self.gateway.recover)
        self._note(plan)
        self.read_back()
        return plan

    def settings(self) -> Settings:
        """Settings that say what this play was made with."""
        return settings_of(
            self.url,
            self.operators,
            self.organisations,
            self.short_codes,
            mt_queue=self.queue_limit,
            **self.limits,
        )

    def crash(self) -> Plan:
        """Throw all memory away and start again; what was in the air stays unanswered."""
        self.clock.advance(1)
        return self.start()

    def rebind(self, link: FakeLink | None = None) -> None:
        """The link ended and is bound again: a new connection."""
        link = link or self.link
        self.opened.pop(self.connections[link])
        self.heard.pop(self.connections[link], None)
        self.connections[link] = self._bound()

    def _bound(self) -> str:
        connection = self.ids.new()
        self.opened[connection] = self.clock.us
        return connection

    # turns

    def commit(self, unit: Any) -> Any:
        """One transaction."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            result = unit(self.tx)
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        return result

    def decide(self, *inputs: Input) -> Plan:
        """Commit what is decided on these inputs, and carry nothing out: a crash here loses memory alone."""
        rooms = {
            name: [(link, link.room) for link in links if link.can_submit]
            for name, links in self.links.items()
        }
        plan: Plan = self.commit(
            lambda tx: self.gateway.handle(
                tx,
                inputs,
                {name: each for name, each in rooms.items() if any(r for _, r in each)},
                self.opened,
                late=self.late,
                heard=self.heard,
            )
        )
        self._boundary()
        return plan

    def carry_out(self, plan: Plan) -> None:
        """What the engine does after the commit."""
        for link, frame, status in plan.responses:
            link.respond(frame, status)
        for done, parcel in plan.parcels:
            if not done.done():
                done.set_result(parcel)
            self.acknowledged.append(parcel)
        for connection, came_s in plan.came.items():
            if plan.now_s - came_s >= 3:
                self.late[connection] = plan.now_s
            for links in self.links.values():
                for link in links:
                    if self.connections[link] == connection:
                        self.heard.setdefault(connection, Heard(link)).answered(plan.at_us)
        for outgoing in plan.over:
            outgoing.over = True
        for outgoing in plan.unanswered:
            outgoing.attempts += 1
        for name, queue in self.queues.items():
            queue.apply(
                [piece for piece in plan.enqueued if piece.outgoing.operator == name],
                plan.taken.get(name, {}),
                [piece for piece in plan.retaken if piece.outgoing.operator == name],
                0,
            )
        for org, spent in plan.spent.items():
            self.queues[next(iter(self.queues))].rates.spend(org, spent, plan.at_us)
        for piece in plan.held:
            self.queues[piece.outgoing.operator].hold(piece)
        for tariff in plan.released:
            for queue in self.queues.values():
                queue.release(tariff)
        for link, piece in plan.submits:
            assert link.submit(piece.pdu, piece), "more was submitted than there was room for"
            self.submitted.append(piece)
        for link, query in plan.queries:
            assert link.submit(query.pdu, query), "more was asked than there was room for"
        self._note(plan)
        self._boundary()

    def _boundary(self) -> None:
        """Between a commit and its effects, and after the effects: where `die_at` may lie, counted from 1."""
        self.boundaries += 1
        if self.boundaries == self.die_at:
            raise Died

    def turn(self, *inputs: Input) -> Plan:
        """Inputs, commit, effects; then as many empty turns as there is still something to send."""
        plan = self.decide(*inputs)
        self.carry_out(plan)
        self.read_back()
        last = plan
        while last.submits or last.released or (last.retaken and not last.paused):
            last = self.decide()
            self.carry_out(last)
            if not last.submits and not last.taken:
                break
        return plan

    def read_back(self) -> None:
        """What the engine does where the store holds what memory has not."""
        for name, queue in self.queues.items():
            while (wanted := queue.to_read(self.queue_limit // 2)) is not None:
                lane, after = wanted
                found = self.commit(
                    lambda tx, name=name, lane=lane, after=after: self.gateway.read_queue(
                        tx, name, lane, after, self.queue_limit
                    )
                )
                queue.refill(lane, found.pieces, last=found.last, more=found.more)
                self._note(found.plan)

    def _note(self, plan: Plan) -> None:
        for posted in plan.posted:
            self.handed.extend(msgspec.json.decode(posted.body, type=GatewayParcel).messages)
        self.alarms.extend(plan.alarms)
        for key, number in plan.counts.items():
            self.counts[key] = self.counts.get(key, 0) + number

    # what comes

    @property
    def link(self) -> FakeLink:
        """The first bind of the first operator."""
        return next(iter(self.links.values()))[0]

    def delivered(self, pdu: Pdu, link: FakeLink | None = None, *, ago_s: float = 0) -> Delivered:
        """A request that came on a bind, so long ago."""
        link = link or self.link
        self._sequence += 1
        name = next(name for name, links in self.links.items() if link in links)
        frame, came_s = Frame(self._sequence, 0, pdu), self.clock.monotonic() - ago_s
        return Delivered(name, link, self.connections[link], frame, came_s)  # type: ignore[arg-type]

    def text(self, text: str, number: str = OLA, to: str = "2030", **fields: Any) -> Plan:
        """A text from a phone, in Latin-1 as this test world's phones write."""
        return self.turn(self.delivered(mo(text, number, to, **fields)))

    def answered(
        self,
        piece: Piece,
        status: int = 0,
        message_id: str | None = None,
        kind: AnswerKind = AnswerKind.ANSWERED,
    ) -> Answered:
        """What became of a submit_sm; by default it is accepted under an id of its own."""
        if kind in (AnswerKind.ANSWERED, AnswerKind.LATE) and message_id is None:
            self._smsc_ids += 1
            message_id = f"smsc-{self._smsc_ids}" if status == 0 else ""
        for links in self.links.values():
            for link in links:
                link.pending = [each for each in link.pending if each is not piece]
        return Answered(Answer(piece, kind, status, message_id or ""))

    def answer(
        self,
        piece: Piece | None = None,
        status: int = 0,
        message_id: str | None = None,
        kind: AnswerKind = AnswerKind.ANSWERED,
    ) -> Plan:
        """The same, at once; without a piece, for the one that was submitted last."""
        return self.turn(self.answered(piece or self.submitted[-1], status, message_id, kind))

    def said(self, query: Query, state: int, *, status: int = 0, **fields: Any) -> Plan:
        """The answer to a query_sm."""
        answer = QuerySmResp(**{"message_id": query.pdu.message_id, "message_state": state, **fields})
        kind = AnswerKind.ANSWERED
        return self.turn(Answered(Answer(query, kind, status, answer.message_id, (), answer)))

    def receipt(self, message_id: str, stat: str = "DELIVRD", number: str = OLA, **fields: Any) -> Plan:
        """A delivery receipt."""
        return self.turn(self.delivered(receipt(message_id, stat, number, **fields)))

    def parcel(self, *messages: FromBridge, id: str | None = None) -> Plan:
        """The bridge hands something over."""
        return self.turn(self.parcel_came(*messages, id=id))

    def parcel_came(self, *messages: FromBridge, id: str | None = None) -> ParcelCame:
        """A parcel of the bridge."""
        body = msgspec.json.encode(
            BridgeParcel(id=id or self.ids.new(), sender="bridge", messages=list(messages))
        )
        return self.raw_parcel(body)

    def raw_parcel(self, body: bytes) -> ParcelCame:
        """Octets in a parcel's place."""
        return ParcelCame(body, Future())  # type: ignore[arg-type]  # as asyncio's, without a loop

    def tick(self, seconds: float = 0, *, quiet: bool = False) -> Plan:
        """Time passes; `quiet`: every connection is told to have had no MO for a while."""
        self.clock.advance(seconds)
        for queue in self.queues.values():
            queue.forget_held(self.clock.us)
        live = tuple((connection, "telco") for connection in self.connections.values())
        plan = self.turn(Tick(live if quiet else ()))
        for queue in self.queues.values():
            queue.retry_held()
        return plan

    # what the bridge asks for

    def charge(
        self,
        conversation: str = "",
        *,
        id: str | None = None,
        kr: int = 50,
        ore: int | None = None,
        number: str = OLA,
        org: str = "ORG1",
        invoice: str = "invoice",
        expires_s: float = 600,
    ) -> Charge:
        """A charge to ask for; without a conversation, one of its own."""
        charge = id or self.ids.new()
        return Charge(
            id=charge,
            conversation=conversation or self.ids.new(),
            at=self.clock.us,
            org=org,
            invoice=invoice,
            recipient=number,
            amount=kr * 100 if ore is None else ore,
            expires=self.clock.us + round(expires_s * SECOND_US),
        )

    def reply(
        self,
        conversation: str = "",
        name: str = "joined",
        *,
        number: str = OLA,
        org: str = "ORG1",
        **values: str,
    ) -> Reply:
        """A named text to send."""
        return Reply(
            id=self.ids.new(),
            conversation=conversation or self.ids.new(),
            at=self.clock.us,
            org=org,
            recipient=number,
            name=name,
            values=values,
        )

    def send(
        self, text: str = "Hei!", *, number: str = OLA, org: str = "ORG1", conversation: str = ""
    ) -> Send:
        """A text to send."""
        return Send(
            id=self.ids.new(),
            conversation=conversation or self.ids.new(),
            at=self.clock.us,
            org=org,
            recipient=number,
            text=text,
        )

    def resolve(self, charge: str, outcome: Any = "charged") -> Resolve:
        """A human's word."""
        return Resolve(
            id=self.ids.new(),
            conversation=self.ids.new(),
            at=self.clock.us,
            charge=charge,
            outcome=outcome,
            who="Kari",
            why="the operator said so on the phone",
        )

    def start_charge(self, **wishes: Any) -> Charge:
        """A charge that is `sending`: its submit_sm is in the air."""
        wish = self.charge(**wishes)
        before = len(self.submitted)
        self.parcel(wish)
        assert len(self.submitted) == before + 1
        assert self.state(wish) is ChargeState.SENDING
        return wish

    # what is seen

    def rows(self, query: str, *values: Any) -> list[Any]:
        """Rows of the store."""
        return self.connection.execute(query, values).fetchall()

    def value(self, query: str, *values: Any) -> Any:
        """One value of the store."""
        (row,) = self.rows(query, *values)
        return row[0]

    def state(self, charge: Charge | str) -> ChargeState:
        """The state of a charge."""
        key = charge if isinstance(charge, str) else charge.id
        return ChargeState(self.value("SELECT state FROM charges WHERE id = ?", key))

    def contradicted(self, charge: Charge) -> bool:
        """Whether evidence against its final state was kept."""
        return bool(self.value("SELECT contradicted FROM charges WHERE id = ?", charge.id))

    def fate(self, piece: Piece | None = None) -> str:
        """The fate of an MT as the store has it."""
        piece = piece or self.submitted[-1]
        fate: str = self.value("SELECT fate FROM messages WHERE id = ?", piece.outgoing.message)
        return fate

    def told(self, kind: type[T]) -> list[T]:
        """Everything of a kind that the bridge was told."""
        return [message for message in self.handed if isinstance(message, kind)]

    def evidence(self, charge: Charge) -> list[str]:
        """All evidence that was kept for a charge."""
        found = self.rows("SELECT evidence FROM charge_events WHERE charge = ? ORDER BY id", charge.id)
        return [row[0] for row in found]

    def texts(self) -> list[str]:
        """The texts of all MTs written, in order."""
        return [row[0] for row in self.rows("SELECT text FROM messages WHERE direction = 'out' ORDER BY id")]

    def waiting_parcels(self) -> list[FromGateway]:
        """What the outbox holds, whatever memory knows."""
        found = Outbox().waiting(self.tx, BRIDGE, 0, 10_000)
        return [m for posted in found for m in msgspec.json.decode(posted.body, type=GatewayParcel).messages]


def mo(text: str, number: str = OLA, to: str = "2030", **fields: Any) -> DeliverSm:
    """A deliver_sm with a text in Latin-1."""
    usual: dict[str, Any] = {
        "source_addr_ton": 1,
        "source_addr_npi": 1,
        "source_addr": number.removeprefix("+"),
        "destination_addr": to,
        "data_coding": 3,
        "short_message": text.encode("latin-1"),
    }
    return DeliverSm(**{**usual, **fields})


def receipt(
    message_id: str,
    stat: str = "DELIVRD",
    number: str = OLA,
    *,
    err: str = "000",
    esm_class: int = 0x04,
    swapped: bool = False,
    to: str = "2030",
    tlvs: Iterable[Tlv] = (),
) -> DeliverSm:
    """A delivery receipt in the form of SMPP 3.4 appendix B."""
    body = (
        f"id:{message_id} sub:001 dlvrd:001 submit date:2611231200 done date:2611231201 "
        f"stat:{stat} err:{err} text:Betalinga di"
    )
    phone = number.removeprefix("+")
    ends = (to, phone) if swapped else (phone, to)
    return DeliverSm(
        source_addr=ends[0],
        destination_addr=ends[1],
        esm_class=esm_class,
        short_message=body.encode(),
        tlvs=tuple(tlvs),
    )
