"""The bridge as a running program: parcels in, one transaction for all of them, answers out after the commit.

Nothing is acknowledged before it is committed. A message that cannot be taken is put aside with the kind
of its error, and what stands beside it goes on.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from functools import partial
from operator import attrgetter

import msgspec
import structlog

from billing_bridge.bridge import Bridge
from billing_bridge.settings import BridgeSettings
from billing_bridge.store import statements as s
from foundation.clock import DAY_US, Clock
from foundation.contract import BridgeParcel, FromBridge, FromGateway, GatewayParcel
from foundation.courier import Courier, CourierSettings
from foundation.ids import Ids
from foundation.mailbox import BRIDGE, Carrier, Inbox, Outbox, Posted
from foundation.ownership import keep
from foundation.store import Store, StoreFailed, StoreLost, Tx

log = structlog.get_logger(__name__)

_PARCEL_MESSAGES = 1000
"""The most messages put in one parcel, well below what the outbox takes."""
_INBOX_KEPT_US = 30 * DAY_US
_TIDY_S = 3600.0
_LOOK_S = 2.0


class _LooseParcel(msgspec.Struct, frozen=True):
    """A parcel whose messages are read one by one."""

    id: str
    sender: str = ""
    messages: list[msgspec.Raw] = []


class _Named(msgspec.Struct, frozen=True):
    id: str = ""


class Refused(msgspec.Struct, frozen=True):
    """A message that could not be taken: the kind of the error, and the message whole."""

    id: str
    gateway: str
    error: str
    body: bytes


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
_PARCEL = msgspec.json.Decoder(GatewayParcel)
_LOOSE = msgspec.json.Decoder(_LooseParcel)
_MESSAGE: msgspec.json.Decoder[FromGateway] = msgspec.json.Decoder(FromGateway)
_NAMED = msgspec.json.Decoder(_Named)
_ENCODER = msgspec.json.Encoder()


class BridgeDaemon:
    """Takes what a carrier brings and hands the answers back; one to a store.

    `parcels`, `messages` and `refused` count what was taken since the start.
    """

    def __init__(
        self, settings: BridgeSettings, store: Store, carrier: Carrier, clock: Clock, ids: Ids
    ) -> None:
        self._store = store
        self._carrier = carrier
        self._clock = clock
        self._ids = ids
        self._inbox = Inbox()
        self._outbox = Outbox()
        self._courier = Courier(
            store,
            self._outbox,
            carrier,
            clock,
            CourierSettings(retry_s=settings.handoff.retry_s, settle_at=256),
        )
        self._silent_s = settings.take_over_s
        self.bridge = Bridge(settings, ids, clock)
        self._taking: set[asyncio.Future[list[str]]] = set()
        self.parcels = 0
        self.messages = 0
        self.refused = 0

    @property
    def healthy(self) -> bool:
        """The store commits and the other side can be reached."""
        return self._store.healthy and self._carrier.healthy

    @property
    def waiting(self) -> int:
        """Parcels that no gateway has acknowledged yet."""
        return self._courier.waiting

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            StoreFailed: the configuration could not be written at the start.
            StoreLost, in a group: another program has taken the store over.
        """
        await self._store.run(self.bridge.synchronise)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._courier.run())
                tasks.create_task(self._carrier.run(self))
                tasks.create_task(self._keep_tidy())
                tasks.create_task(self._look_for_parcels())
                tasks.create_task(keep(self._store, self._silent_s))
        finally:
            await asyncio.gather(*self._taking, return_exceptions=True)

    async def reconfigure(self, settings: BridgeSettings) -> None:
        """Take new settings from the next batch on.

        Raises:
            StoreFailed: the old settings stand; try again.
        """
        before = self.bridge.settings
        self.bridge.configure(settings)
        try:
            await self._store.run(self.bridge.synchronise)
        except StoreFailed:
            self.bridge.configure(before)
            raise

    async def on_parcels(self, bodies: list[bytes]) -> list[str]:
        """Take parcels, in one transaction; the ids that are committed, now or before.

        Raises:
            StoreFailed: nothing is taken; all of it is to come again.
        """
        # a carrier that loses its connection cancels us, but not what is being committed: the courier must
        # hear of the answers, or they wait for a restart
        taking = asyncio.ensure_future(self._take(bodies))
        self._taking.add(taking)
        taking.add_done_callback(self._taken)
        return await asyncio.shield(taking)

    def _taken(self, taking: asyncio.Future[list[str]]) -> None:
        self._taking.discard(taking)
        if not taking.cancelled():
            # told to whoever waits; where nobody does any more, it comes again
            taking.exception()

    async def _take(self, bodies: list[bytes]) -> list[str]:
        parcels, refused = self._decode(bodies)

        def unit(tx: Tx) -> list[Posted]:
            unseen = self._inbox.unseen(tx, list(parcels), self._clock.now_us())
            posted: list[Posted] = []
            fresh = [parcel for parcel in parcels.values() if parcel.id in unseen]
            for gateway, group in itertools.groupby(fresh, attrgetter("sender")):
                messages = list(itertools.chain.from_iterable(parcel.messages for parcel in group))
                posted += self._answer(tx, messages, gateway)
            self._put_aside(tx, refused)
            return posted

        try:
            posted = await self._store.run(unit)
        except (StoreFailed, StoreLost):
            raise
        except Exception as error:  # noqa: BLE001 - one message must not stop the others
            log.error("bridge.batch_failed", error=type(error).__name__, parcels=len(parcels))
            await self._one_by_one(list(parcels.values()), refused)
        else:
            self._courier.committed(posted)
        for one in refused:
            log.error("bridge.refused", message=one.id, gateway=one.gateway, error=one.error)
        self.refused += len(refused)
        self.parcels += len(parcels)
        self.messages += sum(len(parcel.messages) for parcel in parcels.values())
        return list(parcels)

    async def on_acks(self, ids: list[str]) -> None:
        """A gateway committed these parcels of ours."""
        await self._courier.on_acks(ids)

    def _answer(self, tx: Tx, messages: Sequence[FromGateway], gateway: str) -> list[Posted]:
        answers = self.bridge.handle(tx, messages, gateway)
        parcels = [
            self._parcel(answers[start : start + _PARCEL_MESSAGES])
            for start in range(0, len(answers), _PARCEL_MESSAGES)
        ]
        return self._outbox.post(tx, gateway, parcels)

    def _parcel(self, answers: list[FromBridge]) -> tuple[str, bytes]:
        parcel = BridgeParcel(id=self._ids.new(), sender=BRIDGE, messages=answers)
        return parcel.id, _ENCODER.encode(parcel)

    async def _one_by_one(self, parcels: list[GatewayParcel], refused: list[Refused]) -> None:
        """Each message in a unit of its own, so that only what cannot be taken stays behind.

        Messages may be handled twice (a crash, a parcel seen before); that changes nothing. The parcels
        count as seen only after all of it is committed.
        """
        for parcel in parcels:
            for message in parcel.messages:
                try:
                    posted = await self._store.run(
                        partial(self._answer, messages=[message], gateway=parcel.sender)
                    )
                except (StoreFailed, StoreLost):
                    raise
                except Exception as error:  # noqa: BLE001 - put aside, whatever it is
                    refused.append(
                        Refused(message.id, parcel.sender, type(error).__name__, _ENCODER.encode(message))
                    )
                else:
                    self._courier.committed(posted)

        def unit(tx: Tx) -> None:
            self._inbox.unseen(tx, [parcel.id for parcel in parcels], self._clock.now_us())
            self._put_aside(tx, refused)

        await self._store.run(unit)

    def _put_aside(self, tx: Tx, refused: Sequence[Refused]) -> None:
        now_us = self._clock.now_us()
        tx.run(s.KEEP_REFUSED, [(one.id, one.gateway, one.error, one.body, now_us) for one in refused])

    def _decode(self, bodies: Sequence[bytes]) -> tuple[dict[str, GatewayParcel], list[Refused]]:
        parcels: dict[str, GatewayParcel] = {}
        refused: list[Refused] = []
        for body in bodies:
            try:
                parcel = _PARCEL.decode(body)
            except _UNREADABLE:
                parcel = self._decode_loosely(body, refused)
            parcels.setdefault(parcel.id, parcel)
        return parcels, refused

    def _decode_loosely(self, body: bytes, refused: list[Refused]) -> GatewayParcel:
        try:
            loose = _LOOSE.decode(body)
        except _UNREADABLE as error:
            known = _id_of(body) or self._ids.new()
            refused.append(Refused(known, "", type(error).__name__, body))
            return GatewayParcel(id=known, sender="", messages=[])
        messages: list[FromGateway] = []
        for raw in loose.messages:
            octets = bytes(raw)
            try:
                messages.append(_MESSAGE.decode(octets))
            except _UNREADABLE as error:
                known = _id_of(octets) or self._ids.new()
                refused.append(Refused(known, loose.sender, type(error).__name__, octets))
        return GatewayParcel(id=loose.id, sender=loose.sender, messages=messages)

    async def _look_for_parcels(self) -> None:
        """What commands beside this program hand off goes too."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self._courier.look()
            except StoreFailed as error:
                # a long import holds the store: what it does not read now it finds next time
                log.info("bridge.look_put_off", error=str(error))

    def forget(self, tx: Tx) -> None:
        """Let go of what need not be kept: ids of parcels taken long ago, and messages refused long ago."""
        now_us = self._clock.now_us()
        self._inbox.forget(tx, now_us - _INBOX_KEPT_US)
        refused = tx.run(s.FORGET_REFUSED, [(now_us - self.bridge.settings.refused_days * DAY_US,)])
        if refused:
            log.warning("bridge.refused_deleted", messages=refused)

    async def _keep_tidy(self) -> None:
        while True:
            try:
                await self._store.run(self.forget)
            except StoreFailed as error:
                log.warning("bridge.store_failed", error=str(error))
            await asyncio.sleep(_TIDY_S)


def _id_of(body: bytes) -> str:
    try:
        return _NAMED.decode(body).id
    except _UNREADABLE:
        return ""
