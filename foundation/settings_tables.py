"""Tables that both programs' settings have: addresses, TLS, the hand-off, the web site, logs, metrics."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from foundation.settings import Table
from foundation.settings_words import told

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?\Z")
TakeOver = Annotated[float, Field(ge=5, le=3600, examples=[30])]
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]+)):(\d{1,5})\Z")


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        # all digits and points, yet no address
        return bool(_NAME.match(text)) and not re.fullmatch(r"[0-9.]+", text)
    return True


def _host(value: str) -> str:
    if not _is_host(value):
        raise told(f'"{value}" is no host', 'give a name or an address without port, such as "127.0.0.1"')
    return value


def _listen(value: str) -> str:
    match = _LISTEN.match(value)
    if not match or int(match[3]) > 65535 or not _is_host(match[1] or match[2]):
        raise told(f'"{value}" is no address to listen on', 'give host:port, such as "127.0.0.1:8030"')
    return value


def address(listen: str) -> tuple[str, int]:
    """Host and port of a checked ``listen`` value; port 0 means any free one."""
    match = _LISTEN.match(listen)
    if not match:
        raise ValueError(f"{listen!r} is not host:port")
    return match[1] or match[2], int(match[3])


def matching(pattern: str, wrong: str, right: str) -> AfterValidator:
    """A check of a text against a pattern, told in words; `{}` in `wrong` is the text."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise told(wrong.format(f'"{value}"'), right)
        return value

    return AfterValidator(check)


def url_check(*schemes: str) -> Callable[[str], str]:
    """A check that a text is an URL of one of these schemes, without blanks or a user name."""

    def check(value: str) -> str:
        scheme, mark, rest = value.partition("://")
        if scheme not in schemes or not mark or not re.fullmatch(r"[^\s@/]+(?:/\S*)?", rest):
            wanted = " or ".join(f"{each}://" for each in schemes)
            raise told(f'"{value}" is no web address', f"give one that begins with {wanted}")
        return value

    return check


def _sqlite(value: str) -> str:
    if not re.fullmatch(r"sqlite:///[^?#\0]+", value):
        scheme = value.partition("://")[0]
        raise told(f'a store of kind "{scheme}" is not supported', "write sqlite:///folder/file.db")
    return value


Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=65535, examples=[2775])]
Listen = Annotated[str, AfterValidator(_listen), Field(examples=["127.0.0.1:8030"])]
StoreUrl = Annotated[str, AfterValidator(_sqlite), Field(examples=["sqlite:///var/smsd.db"])]
WebAddress = Annotated[
    str, AfterValidator(url_check("https", "http")), Field(examples=["https://example.org"])
]


class TlsSettings(Table):
    """TLS to one peer. ``tls = true`` takes every default, ``tls = false`` is no TLS at all."""

    ca_file: str | None = None
    """PEM file of the authorities to trust; default: the system's."""
    cert_file: str | None = None
    """PEM file of this side's certificate, where the peer asks for one; needs `key_file`."""
    key_file: str | None = None
    """PEM file of the certificate's private key."""
    server_name: Host | None = None
    """The name the peer's certificate must carry; default: the host."""
    verify: bool = True
    """Whether the peer's certificate is checked. Only ever false in a laboratory."""
    minimum: Literal["1.2", "1.3"] = "1.2"
    """The oldest TLS version taken."""

    @model_validator(mode="after")
    def _consistent(self) -> TlsSettings:
        if bool(self.cert_file) != bool(self.key_file):
            one, other = ("cert_file", "key_file") if self.cert_file else ("key_file", "cert_file")
            raise told(f"{one} is given without {other}", "give both or neither")
        if not self.verify and (self.ca_file or self.server_name):
            raise told(
                "verify is false, yet ca_file or server_name says what to verify", "drop verify = false"
            )
        return self

    def context(self) -> ssl.SSLContext:
        """A client's context. Reads the files.

        Raises:
            OSError, ssl.SSLError: a file is not what its key says.
        """
        for file in (self.ca_file, self.cert_file, self.key_file):
            if file:
                # ssl's own error does not name the file
                Path(file).open("rb").close()
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if self.minimum == "1.3" else ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


def _tls(value: Any) -> Any:
    if value is False:
        return None
    return {} if value is True else value


Tls = Annotated[TlsSettings | None, BeforeValidator(_tls)]


class StoreSettings(Table):
    """[store]"""

    url: StoreUrl = "sqlite:///var/smsd.db"
    """Where all is kept: ``sqlite:///path`` from the working directory, four slashes from the root."""
    take_over_s: TakeOver = 30.0
    """Seconds without a sign of life after which an owner on another machine counts as gone."""


class MqttSettings(Table):
    """[handoff.mqtt]: the broker between the gateway and the bridge."""

    host: Host
    """The broker's host."""
    port: Annotated[int, Field(ge=1, le=65535, examples=[1883])] | None = None
    """The broker's port; default 1883, with TLS 8883."""
    username: str = ""
    """Who to be at the broker; empty: nobody."""
    password: SecretStr | None = None
    """With `username`; better by ``password_file``."""
    tls: Tls = None
    """``true``, ``false`` or a table."""
    topic: Annotated[
        str,
        matching(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*", "{} is no topic", "give letters, digits, - and /"),
    ] = "premium-sms"
    """What every topic begins with."""
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 30
    """Seconds between signs of life to the broker."""

    @model_validator(mode="after")
    def _consistent(self) -> MqttSettings:
        if self.password and not self.username:
            raise told("a password is given without username", "give both or neither")
        if self.tls and self.tls.server_name:
            raise told("tls.server_name is given for the broker", "give the name in its certificate as host")
        return self

    @property
    def actual_port(self) -> int:
        """The port as given, else the usual one."""
        return self.port or (8883 if self.tls else 1883)


class HandoffSettings(Table):
    """[handoff]: the road between the gateway and the bridge."""

    carrier: Literal["local", "mqtt"] = "local"
    """`local`: both in one process; `mqtt`: through a broker."""
    name: Annotated[
        str,
        Field(min_length=1, max_length=40),
        matching(r"[A-Za-z0-9_-]+", "{} is no name", "give letters, digits and -"),
    ] = "smsd"
    """What this gateway is called at the bridge; each gateway has its own."""
    retry_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Seconds until an unacknowledged parcel is sent again."""
    mqtt: MqttSettings | None = None
    """The broker; wanted where the carrier is `mqtt`."""

    @model_validator(mode="after")
    def _consistent(self) -> HandoffSettings:
        if self.carrier == "mqtt" and self.mqtt is None:
            raise told('the carrier is "mqtt", but no broker is named', "add [handoff.mqtt] with host")
        return self


class WebSettings(Table):
    """[web]: the bridge's one web site."""

    listen: Listen = "127.0.0.1:8030"
    """Host and port to listen on."""
    address: WebAddress | None = None
    """How people reach the site, for links in messages; default ``http://`` and `listen`."""
    behind_proxy: bool = False
    """Whether a reverse proxy on this machine sets X-Forwarded-For and X-Forwarded-Proto."""

    @property
    def base_url(self) -> str:
        """The site's address without a slash at its end."""
        return (self.address or f"http://{self.listen}").rstrip("/")


class MetricsSettings(Table):
    """[metrics]: /metrics, /healthz and /readyz."""

    listen: Listen | None = None
    """Host and port to listen on; not given: nothing listens."""


class LogSettings(Table):
    """[log]"""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least grave kind of line that is written."""
    format: Literal["auto", "console", "json"] = "auto"
    """`auto`: for people on a terminal, JSON elsewhere."""
