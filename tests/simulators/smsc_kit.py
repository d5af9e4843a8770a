"""Scripted ESMEs that bind to a simulated SMSC over real TCP."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from foundation.clock import SystemClock
from simulators.smsc.settings import Script, SmscSettings
from smsd.smpp.alphabet import Coding
from smsd.smpp.link import Answer, Link, LinkSettings, LinkState
from smsd.smpp.pdu import Bind, CommandId, DeliverSm, Frame, SubmitSm, Tlv
from smsd.smpp.segments import read_content

T = TypeVar("T")
PATIENCE_S = 60.0
"""How long a test waits for what must come; never waited out where all is well."""
PRICE_TAG = 0x1403


class Esme:
    """A bind that notes what comes, and in `taken` the MOs it answered.

    `reply` makes the submit_sm that answer an MO; with `holds` nothing is answered.
    """

    def __init__(self, link: Link | None = None) -> None:
        self.link = link
        self.mos: list[DeliverSm] = []
        self.taken: list[DeliverSm] = []
        self.receipts: list[DeliverSm] = []
        self.answers: list[Answer] = []
        self.order: list[str] = []
        self.states: list[LinkState] = []
        self.holds = False
        self.status = 0
        self.reply: Callable[[DeliverSm], list[SubmitSm]] = lambda mo: []
        self._changed = asyncio.Event()

    def on_state(self, link: Link, state: LinkState, detail: str) -> None:
        self.states.append(state)
        self._changed.set()

    def on_requests(self, link: Link, frames: list[Frame]) -> None:
        for frame in frames:
            assert isinstance(frame.pdu, DeliverSm)
            receipt = bool(frame.pdu.esm_class & 0x3C)
            (self.receipts if receipt else self.mos).append(frame.pdu)
            self.order.append("receipt" if receipt else "mo")
            if self.holds:
                continue
            link.respond(frame, self.status)
            if not receipt:
                self.taken.append(frame.pdu)
                for number, submit in enumerate(self.reply(frame.pdu)):
                    assert link.submit(submit, f"reply {number}")
        self._changed.set()

    def on_answers(self, link: Link, answers: list[Answer]) -> None:
        self.answers.extend(answers)
        self.order.extend("response" for _ in answers)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits for something that comes with a PDU or a change of the link."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def send(self, pdu: SubmitSm, tag: object = "mt") -> Answer:
        """Submits, and waits for the answer."""
        before = len(self.answers)
        assert self.link is not None
        assert self.link.submit(pdu, tag)
        await self.until(lambda: len(self.answers) > before)
        return self.answers[-1]

    def texts(self) -> list[str]:
        return [read_content(mo, Coding.GSM7).text for mo in self.mos]

    def taken_texts(self) -> list[str]:
        """Of the MOs that were answered."""
        return [read_content(mo, Coding.GSM7).text for mo in self.taken]

    def receipt_texts(self) -> list[str]:
        return [receipt.short_message.decode("latin-1") for receipt in self.receipts]


async def eventually(ask: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
    """Asks until the answer is good."""
    async with asyncio.timeout(PATIENCE_S):
        while not good(answer := await ask()):
            pass
    return answer


def premium(number: str = "4799999999", price: bytes = b"5000\0", **fields: Any) -> SubmitSm:
    """A submit_sm that costs its recipient 50 kr and wants a receipt."""
    usual: dict[str, Any] = {
        "source_addr": "2030",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": number,
        "registered_delivery": 1,
        "short_message": b"Betalinga di er under handsaming",
        "tlvs": (Tlv(PRICE_TAG, price),),
    }
    return SubmitSm(**{**usual, **fields})


def free(number: str = "4799999999", **fields: Any) -> SubmitSm:
    return premium(number, tlvs=(), **fields)


@contextlib.asynccontextmanager
async def bound(
    port: int, kind: CommandId = CommandId.BIND_TRANSCEIVER, **settings: Any
) -> AsyncIterator[Esme]:
    """An ESME bound as smsd, unbound when the block ends; `settings` are its link's, and `clock`."""
    esme = Esme()
    system_id = settings.pop("system_id", "smsd")
    clock = settings.pop("clock", None) or SystemClock()
    link = Link(
        LinkSettings(
            name="test",
            host="127.0.0.1",
            port=port,
            bind=Bind(kind, system_id, "secret"),
            backoff_first_s=0.01,
            backoff_max_s=0.05,
            **settings,
        ),
        esme,
        clock=clock,
        random=random.Random(1),
    )
    esme.link = link
    running_link = asyncio.create_task(link.run())
    try:
        await esme.until(lambda: link.state is LinkState.BOUND)
        yield esme
    finally:
        await link.stop(0.1)
        await running_link


def settings_of(**script: Any) -> SmscSettings:
    """Free ports, receipts at once, and what the script says."""
    script = {"receipts": {"delay_s": 0}, **script}
    return SmscSettings(port=0, control_port=0, script=Script.model_validate(script))
