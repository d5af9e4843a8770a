"""One connection to an MQTT 5 broker by aiomqtt, acknowledged by hand. Knows nothing of parcels.

Credentials are in no log line, no exception and no repr.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

import aiomqtt
import msgspec
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import ConnectFlags, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

T = TypeVar("T")

_MQTT_LOGGER = logging.getLogger("mqtt")
# a hand-off is a dialogue of small packets: without this each one waits 40 ms for the other's acknowledgement
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is and how to speak to it.

    With `tls` the broker's certificate is checked against the system's authorities, or those in
    `ca_file`. `limit_octets` bounds one packet, both ways; the broker may set a lower one.
    `receive_maximum` bounds the publishes that wait for this program's commit; it should exceed the
    number of gateways. The broker keeps what waits for an absent program for `session_expiry_s`, a
    single publish for `publish_expiry_s`; the outbox covers whatever it drops.
    """

    host: str
    port: int = 1883
    username: str = ""
    password: str = ""
    tls: bool = False
    ca_file: str = ""
    prefix: str = "premium-sms"
    keepalive_s: int = 30
    timeout_s: float = 10.0
    session_expiry_s: int = 300
    publish_expiry_s: int = 3_600
    receive_maximum: int = 64
    limit_octets: int = 1_100_000
    backoff_first_s: float = 1.0
    backoff_max_s: float = 60.0
    retry_s: float = 0.25
    retry_max_s: float = 10.0

    def __repr__(self) -> str:
        """Without the credentials."""
        return f"MqttSettings(host={self.host!r}, port={self.port}, tls={self.tls}, prefix={self.prefix!r})"


class MqttLink(aiomqtt.Client):
    """aiomqtt's client with acknowledgement by the program, the broker's limits and its refusals.

    aiomqtt 2.5 acknowledges on receipt and drops the reason codes of publishes; both are mended here.
    """

    def __init__(self, settings: MqttSettings, identifier: str, tls: ssl.SSLContext | None) -> None:
        super().__init__(
            settings.host,
            settings.port,
            username=settings.username or None,
            password=settings.password or None,
            identifier=identifier,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            keepalive=settings.keepalive_s,
            timeout=settings.timeout_s,
            tls_context=tls,
            logger=_MQTT_LOGGER,
            socket_options=_AT_ONCE,
            properties=_properties(
                PacketTypes.CONNECT,
                SessionExpiryInterval=settings.session_expiry_s,
                ReceiveMaximum=settings.receive_maximum,
                MaximumPacketSize=settings.limit_octets,
            ),
        )
        self._client.manual_ack_set(True)
        self._publish_properties = _properties(
            PacketTypes.PUBLISH,
            MessageExpiryInterval=settings.publish_expiry_s,
            ContentType="application/json",
        )
        self.limit_octets = settings.limit_octets
        self.refusal = ""

    async def listen(self, *topics: str) -> None:
        """Subscribe with QoS 1; retained messages are not wanted.

        Raises:
            aiomqtt.MqttError: the broker refuses, or is gone.
        """
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        granted = await self.subscribe([(topic, options) for topic in topics])
        for topic, code in zip(topics, granted, strict=True):
            if isinstance(code, ReasonCode) and code.is_failure:
                raise aiomqtt.MqttError(f"the broker refuses the subscription to {topic}: {code}")

    async def send(self, topic: str, payload: bytes) -> str:
        """Publish with QoS 1 and wait for the broker; why it refused, or the empty string.

        Raises:
            aiomqtt.MqttError: no answer, or the connection is gone.
        """
        self.refusal = ""
        await self.publish(topic, payload, qos=1, properties=self._publish_properties)
        return self.refusal

    def acknowledge(self, message: aiomqtt.Message) -> None:
        """Tell the broker that a publish is done with."""
        self._client.ack(message.mid, message.qos)

    def drop(self) -> None:
        """Close the socket if it is open: aiomqtt leaves it to a broker that never answered."""
        self._client._sock_close()
        if self._disconnected.done() and not self._disconnected.cancelled():
            # looked at, so that asyncio does not complain that nobody did
            self._disconnected.exception()

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:
        # aiomqtt's own uses asyncio.wait_for, which in Python 3.11 loses a cancellation that meets the answer
        try:
            async with asyncio.timeout(self.timeout if timeout is None else timeout):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("the broker does not answer") from None

    def _on_connect(
        self,
        client: PahoClient,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        limit: int | None = getattr(properties, "MaximumPacketSize", None)
        if limit is not None:
            self.limit_octets = min(self.limit_octets, limit)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_message(self, client: PahoClient, userdata: Any, message: MQTTMessage) -> None:
        self._answer_at_once()
        super()._on_message(client, userdata, message)

    def _on_publish(
        self, client: PahoClient, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        self._answer_at_once()
        if reason_code.is_failure:
            self.refusal = str(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _answer_at_once(self) -> None:
        # the kernel forgets this by itself; it spares 40 ms where the broker's set_tcp_nodelay is off
        open_socket = self._client.socket()
        if _QUICKACK is not None and isinstance(open_socket, socket.socket):
            open_socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


@contextlib.asynccontextmanager
async def connected(link: MqttLink) -> AsyncIterator[MqttLink]:
    """The link, connected. aiomqtt connects in a thread: a cancelled start waits for it and closes.

    Raises:
        aiomqtt.MqttError: the broker cannot be reached, or refuses.
    """
    entering = asyncio.ensure_future(link.__aenter__())
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        await asyncio.wait([entering])
        if not entering.cancelled() and entering.exception() is None:
            await _leave(link)
        link.drop()
        raise
    except BaseException:
        link.drop()
        raise
    try:
        yield link
    finally:
        await _leave(link)


async def _leave(link: MqttLink) -> None:
    # the other side may be gone already, and telling it is a courtesy
    with contextlib.suppress(aiomqtt.MqttError):
        await link.__aexit__(None, None, None)
    link.drop()


class _TlsSocket(ssl.SSLSocket):
    """Closed where the handshake fails; paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def tls_context(settings: MqttSettings) -> ssl.SSLContext | None:
    """What to check the broker's certificate with; TLS 1.2 at least.

    Raises:
        ValueError: the CA file cannot be read, with its name and what would be right.
    """
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(
            f"ca_file {settings.ca_file!r} cannot be read ({error}); give a file of PEM certificates"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TlsSocket
    return context


def _properties(packet: int, **values: int | str) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
