"""The hand-off over an MQTT 5 broker, which may forget, delay and repeat whatever it is given.

Topics, under ``<prefix>/gateways/<gateway>``: ``parcels`` (gateway to bridge), ``replies`` (bridge to
gateway), ``acks/parcels`` and ``acks/replies`` (the other way each). A publish on the first two is a
JSON array of parcels, on the last two an `Ack`. All is QoS 1 and acknowledged to the broker after the
program's commit. Bridges share one subscription, and must share a store.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Sequence
from typing import Literal

import aiomqtt
import msgspec
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from foundation.carriers.delivery import Delivery
from foundation.carriers.mqtt_link import MqttLink, MqttSettings, connected, tls_context
from foundation.clock import Clock
from foundation.contract import Ack
from foundation.mailbox import Posted, Receiver

__all__ = ["MqttCarrier", "MqttSettings"]

log = structlog.get_logger(__name__)

SHARE = "$share/bridge/"
_IDS_TO_AN_ACK = 1000
_PARCELS_AT_ONCE = 1024
_OVERHEAD_OCTETS = 512
_WILDCARDS = frozenset("+#$\0")

_read_ack = msgspec.json.Decoder(Ack).decode
_read_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Head(msgspec.Struct, frozen=True):
    """All that a carrier reads of a parcel."""

    id: str
    sender: str


_read_head = msgspec.json.Decoder(_Head).decode


class _Line:
    """What was offered for one peer and is not acknowledged by it, and what of that was published."""

    __slots__ = ("due", "parcels", "sent")

    def __init__(self) -> None:
        self.parcels: dict[str, bytes] = {}
        self.sent: set[str] = set()
        self.due = False


class _Publish:
    """One publish of parcels that came; `missing` are those not committed yet."""

    __slots__ = ("gateway", "message", "missing", "parcels")

    def __init__(self, message: aiomqtt.Message, gateway: str, parcels: dict[str, bytes]) -> None:
        self.message = message
        self.gateway = gateway
        self.parcels = parcels
        self.missing = set(parcels)


class _Connection:
    """What lives as long as one connection: the publishes that came by it and wait for a commit."""

    def __init__(self, link: MqttLink) -> None:
        self.link = link
        self.publishes: list[_Publish] = []
        self.acks: list[tuple[aiomqtt.Message, list[str]]] = []
        self.parcels_came = asyncio.Event()
        self.acks_came = asyncio.Event()


class MqttCarrier:
    """One end: the gateway called `name`, or the bridge process called `name`.

    Two programs of one role must not share a name: the broker would disconnect them in turn.
    `tls` is used in place of what `settings.tls` makes.
    `limit` bounds the parcels kept for one peer until it acknowledges them.

    Raises:
        ValueError: the name, the prefix or the CA file cannot be used, and what would be right.
    """

    def __init__(
        self,
        settings: MqttSettings,
        role: Literal["gateway", "bridge"],
        *,
        name: str,
        clock: Clock,
        random: random.Random,
        tls: ssl.SSLContext | None = None,
        limit: int = 1024,
    ) -> None:
        for what, value, refused in (
            ("name", name, _WILDCARDS | {"/"}),
            ("prefix", settings.prefix, _WILDCARDS),
        ):
            if not value or refused & set(value):
                raise ValueError(f"MQTT {what} {value!r} cannot be used; give letters, digits and dashes")
        self._settings = settings
        self._role = role
        self._name = name
        self._clock = clock
        self._random = random
        self._limit = limit
        self._tls = tls or tls_context(settings)
        self._identifier = f"{settings.prefix}-{role}-{name}".replace("/", "-")
        self._root = f"{settings.prefix}/gateways/"
        self._lines: dict[str, _Line] = {}
        self._acks: dict[str, dict[str, None]] = {}
        self._to_send = asyncio.Event()
        self._delivery: Delivery | None = None
        self.connected = False
        self.since_us = clock.now_us()
        self.connections = 0
        self.last_error = ""
        self.dropped = 0
        self.refused = 0
        self.unreadable = 0

    @property
    def healthy(self) -> bool:
        """Connected, and the receiver takes what comes."""
        return self.connected and self._delivery is not None and not self._delivery.failing

    def offer(self, posted: Sequence[Posted]) -> None:
        """Publish committed parcels, and again at each new connection until they are acknowledged."""
        for parcel in posted:
            gateway = self._name if self._role == "gateway" else parcel.peer
            line = self._lines.setdefault(gateway, _Line())
            if parcel.id not in line.parcels and len(line.parcels) >= self._limit:
                self.dropped += 1
                continue
            line.parcels[parcel.id] = parcel.body
            line.sent.discard(parcel.id)
            line.due = True
        self._to_send.set()

    async def run(self, receiver: Receiver) -> None:
        """Carry until cancelled; reconnects with growing, random waits."""
        settings = self._settings
        delivery = Delivery(receiver, first_s=settings.retry_s, max_s=settings.retry_max_s)
        self._delivery = delivery
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(aiomqtt.MqttError),
            wait=self._wait_s,
            sleep=asyncio.sleep,
            before_sleep=self._tell,
        )
        try:
            while True:
                await retrying(self._connect_and_carry, delivery)
        finally:
            self._delivery = None

    def _wait_s(self, state: RetryCallState) -> float:
        settings = self._settings
        longest_s = min(
            settings.backoff_max_s, settings.backoff_first_s * 2.0 ** min(state.attempt_number - 1, 30)
        )
        return longest_s * self._random.uniform(0.5, 1.0)

    def _tell(self, state: RetryCallState) -> None:
        log.warning("mqtt.away", error=self.last_error, attempt=state.attempt_number)

    async def _connect_and_carry(self, delivery: Delivery) -> None:
        """One connection's life. Returns where a connection that lasted ends; else raises why."""
        connected_at = None
        try:
            async with connected(MqttLink(self._settings, self._identifier, self._tls)) as link:
                await link.listen(*self._filters())
                connected_at = self._clock.monotonic()
                self._mark(connected=True)
                await self._carry(_Connection(link), delivery)
        except aiomqtt.MqttError as error:
            self.last_error = str(error)
            if connected_at is None or self._clock.monotonic() - connected_at < self._settings.backoff_max_s:
                raise
            log.warning("mqtt.lost", error=self.last_error)
        finally:
            self._mark(connected=False)

    def _mark(self, *, connected: bool) -> None:
        if self.connected == connected:
            return
        self.connected = connected
        self.since_us = self._clock.now_us()
        if connected:
            self.connections += 1
            self.last_error = ""
            log.info("mqtt.connected", host=self._settings.host, port=self._settings.port)

    def _filters(self) -> tuple[str, ...]:
        if self._role == "bridge":
            return SHARE + self._root + "+/parcels", self._root + "+/acks/replies"
        return f"{self._root}{self._name}/replies", f"{self._root}{self._name}/acks/parcels"

    async def _carry(self, connection: _Connection, delivery: Delivery) -> None:
        for line in self._lines.values():
            line.sent.clear()
            line.due = True
        self._to_send.set()
        # no task group: in Python 3.11 a lost connection would outdo a cancellation of the same moment
        tasks = [
            asyncio.create_task(work)
            for work in (
                self._send(connection.link),
                self._read(connection),
                self._deliver_parcels(connection, delivery),
                self._deliver_acks(connection, delivery),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _send(self, link: MqttLink) -> None:
        mine, theirs = ("parcels", "replies") if self._role == "gateway" else ("replies", "parcels")
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            for gateway, acks in list(self._acks.items()):
                ids = list(acks)
                for start in range(0, len(ids), _IDS_TO_AN_ACK):
                    some = ids[start : start + _IDS_TO_AN_ACK]
                    refusal = await link.send(
                        f"{self._root}{gateway}/acks/{theirs}", msgspec.json.encode(Ack(parcels=some))
                    )
                    self._note(refusal)
                    for parcel in some:
                        acks.pop(parcel, None)
                if not acks:
                    self._acks.pop(gateway, None)
            for gateway, line in list(self._lines.items()):
                if line.due:
                    line.due = False
                    await self._send_line(link, f"{self._root}{gateway}/{mine}", line)

    async def _send_line(self, link: MqttLink, topic: str, line: _Line) -> None:
        """Publish the oldest parcels that fit one packet; the rest follows when these are acknowledged."""
        room = link.limit_octets - _OVERHEAD_OCTETS - len(topic)
        flight: dict[str, bytes] = {}
        for parcel, body in line.parcels.items():
            room -= len(body) + 1
            if room < 0:
                break
            flight[parcel] = body
        if flight:
            line.sent.update(flight)
            self._note(await link.send(topic, b"[" + b",".join(flight.values()) + b"]"))
        elif line.parcels:
            parcel, body = next(iter(line.parcels.items()))
            self._note(
                f"parcel {parcel} has {len(body)} octets; the broker takes packets of {link.limit_octets}"
            )

    def _note(self, refusal: str) -> None:
        if refusal:
            self.refused += 1
            self.last_error = refusal
            log.error("mqtt.refused", error=refusal)

    async def _read(self, connection: _Connection) -> None:
        async for message in connection.link.messages:
            gateway, _, kind = str(message.topic).removeprefix(self._root).partition("/")
            try:
                if kind.startswith("acks/"):
                    self._read_acks(connection, message, gateway)
                else:
                    self._read_parcels(connection, message, gateway)
            except msgspec.MsgspecError as error:
                # nobody will ever be able to read it, and its sender does not get an acknowledgement
                self.unreadable += 1
                connection.link.acknowledge(message)
                log.error(
                    "mqtt.unreadable", kind=kind, octets=len(message.payload), error=type(error).__name__
                )

    def _read_acks(self, connection: _Connection, message: aiomqtt.Message, gateway: str) -> None:
        line = self._lines.get(gateway, _Line())
        ids = [
            parcel
            for parcel in _read_ack(message.payload).parcels
            if line.parcels.pop(parcel, None) is not None
        ]
        line.sent.difference_update(ids)
        if not line.parcels:
            self._lines.pop(gateway, None)
        elif not line.sent:
            line.due = True
            self._to_send.set()
        connection.acks.append((message, ids))
        connection.acks_came.set()

    def _read_parcels(self, connection: _Connection, message: aiomqtt.Message, gateway: str) -> None:
        parcels: dict[str, bytes] = {}
        for raw in _read_array(message.payload):
            head = _read_head(raw)
            if self._role == "bridge" and head.sender != gateway:
                raise msgspec.ValidationError(f"a parcel on the topic of another gateway than {gateway}")
            parcels[head.id] = bytes(raw)
        waiting = {parcel for publish in connection.publishes for parcel in publish.missing}
        if waiting.issuperset(parcels):
            # the sender repeats what still waits for its commit here; one copy will do
            connection.link.acknowledge(message)
            return
        connection.publishes.append(_Publish(message, gateway, parcels))
        connection.parcels_came.set()

    async def _deliver_parcels(self, connection: _Connection, delivery: Delivery) -> None:
        while True:
            await connection.parcels_came.wait()
            batch: dict[str, bytes] = {}
            for publish in connection.publishes:
                batch.update(
                    (parcel, body) for parcel, body in publish.parcels.items() if parcel in publish.missing
                )
                if len(batch) >= _PARCELS_AT_ONCE:
                    break
            if not batch:
                connection.parcels_came.clear()
                continue
            accepted = await delivery.parcels(list(batch.items()))
            for publish in connection.publishes:
                landed = [parcel for parcel in accepted if parcel in publish.missing]
                if landed:
                    self._acks.setdefault(publish.gateway, {}).update(dict.fromkeys(landed))
                    publish.missing.difference_update(landed)
                    if not publish.missing:
                        connection.link.acknowledge(publish.message)
            connection.publishes[:] = [publish for publish in connection.publishes if publish.missing]
            self._to_send.set()
            if len(accepted) < len(batch):
                await asyncio.sleep(self._settings.retry_s)

    async def _deliver_acks(self, connection: _Connection, delivery: Delivery) -> None:
        while True:
            await connection.acks_came.wait()
            connection.acks_came.clear()
            taken, connection.acks = connection.acks, []
            ids = [parcel for _, some in taken for parcel in some]
            if ids:
                await delivery.acks(ids)
            for message, _ in taken:
                connection.link.acknowledge(message)
