"""What is MQTT's alone: limits, strangers' messages, shared subscriptions, credentials, TLS, reconnecting."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiomqtt
import msgspec
import pytest
from handoff import LONG_S, ManualClock, Side, eventually, numbers
from mosquitto import Mosquitto, free_port
from programs import need
from structlog.testing import capture_logs

from foundation.carriers.mqtt import MqttCarrier, MqttSettings
from foundation.carriers.mqtt_link import MqttLink, connected

pytestmark = pytest.mark.real
FAST = {"backoff_first_s": 0.02, "backoff_max_s": 0.1, "retry_s": 0.01, "retry_max_s": 0.05}


class World:
    """Programs on one broker, ended with the test."""

    def __init__(self, tmp_path: Path, port: int) -> None:
        self.clock = ManualClock()
        self.folder = tmp_path
        self.settings = MqttSettings(host="127.0.0.1", port=port, **FAST)
        self.tasks: list[asyncio.Task[None]] = []
        self.sides: list[Side] = []

    def side(self, name: str, **settings: float) -> Side:
        side = Side(name, self.folder / f"{name}.db", self.clock)
        self.sides.append(side)
        return side

    async def run(self, side: Side, role: str, name: str | None = None, **changes: object) -> MqttCarrier:
        settings = msgspec.structs.replace(self.settings, **changes)
        carrier = MqttCarrier(
            settings,
            role,
            name=name or side.name,
            clock=self.clock,
            random=random.Random(1),  # type: ignore[arg-type]
        )
        if not hasattr(side, "courier"):
            side.attach(carrier, in_flight=50)
            await side.courier.start()
        self.tasks.append(asyncio.create_task(carrier.run(side)))
        return carrier

    async def gateway(self, name: str = "smsd", **changes: object) -> tuple[Side, MqttCarrier]:
        side = self.side(name)
        carrier = await self.run(side, "gateway", **changes)
        await eventually(lambda: carrier.healthy)
        return side, carrier

    async def bridge(self, name: str = "billing", **changes: object) -> tuple[Side, MqttCarrier]:
        side = self.side(name)
        carrier = await self.run(side, "bridge", **changes)
        await eventually(lambda: carrier.healthy)
        return side, carrier

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)
        for side in self.sides:
            await side.store.close()


@pytest.fixture
def broker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path, lines=getattr(request, "param", ()))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
async def world(broker: Mosquitto, tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path, broker.port)
    yield world
    await world.end()


async def test_several_gateways_feed_one_bridge_and_get_their_own_replies(world: World) -> None:
    bridge, _ = await world.bridge()
    gateways = [(await world.gateway(f"smsd-{number}"))[0] for number in range(3)]
    for gateway in gateways:
        await gateway.post(20)
        await bridge.post(5, peer=gateway.name)
    for gateway in gateways:
        await gateway.until_settled()
    await bridge.until_settled()
    effects = await bridge.effects()
    for place, gateway in enumerate(gateways):
        assert [effect for effect in effects if effect[0] == gateway.name] == numbers(gateway.name, 20)
        assert await gateway.effects() == [("billing", 5 * place + number) for number in range(1, 6)]


async def test_bridges_on_one_store_share_the_load_and_take_each_parcel_once(world: World) -> None:
    bridge, _ = await world.bridge()
    second = await world.run(bridge, "bridge", "billing-2")
    await eventually(lambda: second.healthy)
    gateways = [(await world.gateway(f"smsd-{number}"))[0] for number in range(4)]
    for _ in range(10):
        for gateway in gateways:
            await gateway.post(3)
    for gateway in gateways:
        await gateway.until_settled()
    assert bridge.taken == 120
    effects = await bridge.effects()
    for gateway in gateways:
        assert [effect for effect in effects if effect[0] == gateway.name] == numbers(gateway.name, 30)


async def test_a_flight_over_the_packet_limit_travels_in_pieces_and_in_order(world: World) -> None:
    bridge, _ = await world.bridge()
    gateway, carrier = await world.gateway(limit_octets=4096)
    await gateway.post(20, padding=1000)
    await gateway.until_settled()
    assert await bridge.effects() == numbers("smsd", 20)
    assert max(bridge.calls) == 3
    assert carrier.refused == 0


@pytest.mark.parametrize("broker", [("max_packet_size 4096",)], indirect=True)
async def test_the_brokers_own_packet_limit_is_kept(world: World) -> None:
    bridge, _ = await world.bridge()
    gateway, _ = await world.gateway()
    await gateway.post(20, padding=1000)
    await gateway.until_settled()
    assert await bridge.effects() == numbers("smsd", 20)


async def test_a_parcel_over_the_packet_limit_is_told_and_stays_and_nothing_overtakes_it(
    world: World,
) -> None:
    bridge, _ = await world.bridge()
    gateway, carrier = await world.gateway(limit_octets=4096)
    await gateway.post(1, padding=5000)
    await gateway.post(1)
    await eventually(lambda: carrier.refused > 0)
    assert "octets; the broker takes packets of 4096" in carrier.last_error
    world.clock.advance(10)
    await gateway.courier.tick()
    assert gateway.courier.waiting == 2
    assert await bridge.effects() == []


@contextlib.asynccontextmanager
async def stranger(world: World) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", world.settings.port) as client:
        yield client


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("parcels", b"not json"),
        ("parcels", b'{"id": "no array"}'),
        ("parcels", b'[{"no": "id"}]'),
        ("parcels", b'[{"id": "0", "sender": "another", "number": 9}]'),
        ("acks/replies", b"[]"),
        ("acks/replies", b'{"parcels": [1]}'),
    ],
)
async def test_what_nobody_can_read_is_told_without_its_content_and_does_not_block(
    world: World, topic: str, payload: bytes
) -> None:
    bridge, carrier = await world.bridge()
    gateway, _ = await world.gateway()
    with capture_logs() as logs:
        async with stranger(world) as client:
            await client.publish(f"premium-sms/gateways/smsd/{topic}", payload, qos=1)
        await eventually(lambda: carrier.unreadable == 1)
    assert payload.decode() not in str(logs)
    await gateway.post(2)
    await gateway.until_settled()
    assert await bridge.effects() == numbers("smsd", 2)


async def test_an_acknowledgement_of_another_gateway_settles_nothing(world: World) -> None:
    bridge, _ = await world.bridge()
    bridge.gate.set()
    await bridge.post(1, peer="absent")
    posted = await bridge.store.run(lambda tx: bridge.outbox.waiting(tx, "absent", 0, 10))
    async with stranger(world) as client:
        await client.publish(
            "premium-sms/gateways/intruder/acks/replies",
            msgspec.json.encode({"parcels": [posted[0].id]}),
            qos=1,
        )
    gateway, _ = await world.gateway()
    await bridge.post(1, peer="smsd")
    await bridge.until(lambda: bridge.courier.waiting_by_peer()["smsd"] == 0)
    assert bridge.courier.waiting_by_peer() == {"absent": 1, "smsd": 0}
    assert len(await gateway.effects()) == 1


def make_passwords(folder: Path) -> Path:
    passwords = folder / "passwords"
    command = [need("mosquitto_passwd"), "-b", "-c", str(passwords), "smsd", "open-sesame"]
    subprocess.run(command, check=True, capture_output=True)
    passwords.chmod(0o644)
    return passwords


async def test_credentials_are_used_and_never_shown(tmp_path: Path) -> None:
    passwords = make_passwords(tmp_path)
    broker = Mosquitto(tmp_path, lines=("allow_anonymous false", f"password_file {passwords}"))
    broker.start()
    world = World(tmp_path, broker.port)
    try:
        with capture_logs() as logs:
            refused = await world.run(world.side("a"), "gateway", username="smsd", password="wrong-secret")
            await eventually(lambda: "authori" in refused.last_error.lower())
            assert not refused.healthy
            await world.gateway("b", username="smsd", password="open-sesame")
        settings = msgspec.structs.replace(world.settings, username="smsd", password="open-sesame")
        shown = f"{logs} {refused.last_error} {settings!r} {settings}"
        assert "wrong-secret" not in shown
        assert "open-sesame" not in shown
    finally:
        await world.end()
        broker.stop()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o644)
    return certificate, key


async def test_tls_is_checked_against_the_given_authority(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    broker = Mosquitto(tmp_path, lines=(f"certfile {certificate}", f"keyfile {key}"))
    broker.start()
    world = World(tmp_path, broker.port)
    try:
        suspicious = await world.run(world.side("a"), "gateway", tls=True)
        await eventually(lambda: "CERTIFICATE_VERIFY_FAILED" in suspicious.last_error)
        bridge, _ = await world.bridge(tls=True, ca_file=str(certificate))
        gateway, _ = await world.gateway(tls=True, ca_file=str(certificate))
        await gateway.post(30, padding=2000)
        await gateway.until_settled()
        assert await bridge.effects() == numbers("smsd", 30)
    finally:
        await world.end()
        broker.stop()


def test_settings_that_cannot_work_are_refused_with_what_is_wrong(tmp_path: Path) -> None:
    def carrier(name: str = "smsd", **changes: object) -> MqttCarrier:
        settings = msgspec.structs.replace(MqttSettings(host="localhost"), **changes)
        return MqttCarrier(settings, "gateway", name=name, clock=ManualClock(), random=random.Random(1))

    with pytest.raises(ValueError, match="MQTT name 'a/b' cannot be used"):
        carrier("a/b")
    with pytest.raises(ValueError, match="MQTT prefix '#' cannot be used"):
        carrier(prefix="#")
    with pytest.raises(ValueError, match="ca_file '/nowhere' cannot be read"):
        carrier(tls=True, ca_file="/nowhere")
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ValueError, match="cannot be read"):
        carrier(tls=True, ca_file=str(tmp_path / "empty.pem"))
    strict = carrier(tls=True)._tls
    assert strict is not None
    assert strict.minimum_version == ssl.TLSVersion.TLSv1_2
    assert strict.verify_mode == ssl.CERT_REQUIRED


async def test_waits_between_connections_grow_to_a_limit_and_are_random(tmp_path: Path) -> None:
    waits: list[float] = []
    clock = ManualClock()
    settings = MqttSettings(host="127.0.0.1", port=free_port(), backoff_first_s=1, backoff_max_s=60)
    carrier = MqttCarrier(settings, "gateway", name="smsd", clock=clock, random=random.Random(7))
    enough = asyncio.Event()

    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 9:
            enough.set()
            await asyncio.Event().wait()
        await real_sleep(0)

    side = Side("smsd", tmp_path / "smsd.db", clock)
    side.attach(carrier)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("foundation.carriers.mqtt.asyncio.sleep", sleep)
        running = asyncio.create_task(carrier.run(side))
        await asyncio.wait_for(enough.wait(), LONG_S)
        running.cancel()
        await asyncio.wait([running])
    await side.store.close()
    longest = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert all(top / 2 <= wait <= top for wait, top in zip(waits, longest, strict=True))
    assert len(set(waits)) == 9
    assert not carrier.healthy


async def test_a_copy_of_what_still_waits_is_not_kept_twice(world: World) -> None:
    bridge, carrier = await world.bridge(receive_maximum=2)
    bridge.gate.clear()
    gateway, _ = await world.gateway()
    await gateway.post(5)
    await bridge.until(lambda: bridge.calls == [5])
    for _ in range(10):
        world.clock.advance(100)
        await gateway.courier.tick()
    await bridge.post(1, peer="smsd")
    await bridge.until_settled()
    bridge.gate.set()
    await gateway.until_settled()
    assert bridge.calls == [5]
    assert carrier.unreadable == 0


async def test_cancelling_while_the_broker_does_not_answer_ends_at_once(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await reader.read()
        writer.close()

    came = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clock = ManualClock()
    side = Side("smsd", tmp_path / "smsd.db", clock)
    settings = MqttSettings(host="127.0.0.1", port=port, timeout_s=0.2)
    carrier = MqttCarrier(settings, "gateway", name="smsd", clock=clock, random=random.Random(1))
    side.attach(carrier)
    running = asyncio.create_task(carrier.run(side))
    await came.wait()
    running.cancel()
    await asyncio.wait_for(asyncio.wait([running]), LONG_S)
    assert running.cancelled()
    server.close()
    await server.wait_closed()
    await side.store.close()


async def test_a_cancellation_that_meets_the_brokers_answer_is_not_lost(broker: Mosquitto) -> None:
    link = MqttLink(MqttSettings(host="127.0.0.1", port=broker.port), "somebody", None)
    async with connected(link):
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(link._wait_for(answer, 5))
        await asyncio.sleep(0)
        answer.set_result("in time, but nobody wants it any more")
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        silence: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        with pytest.raises(aiomqtt.MqttError, match="does not answer"):
            await link._wait_for(silence, 0)


async def test_a_carrier_ends_when_told_though_the_broker_dies_at_the_same_moment(
    world: World, broker: Mosquitto
) -> None:
    for moment in range(8):
        side = world.side(f"side-{moment}")
        carrier = await world.run(side, "gateway", retry_max_s=1.0)
        await eventually(lambda carrier=carrier: carrier.healthy)
        broker.kill()
        for _ in range(moment):
            await asyncio.sleep(0)
        world.tasks[-1].cancel()
        await asyncio.wait_for(asyncio.wait([world.tasks[-1]]), LONG_S)
        assert world.tasks[-1].cancelled()
        broker.start()
