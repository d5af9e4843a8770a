"""The binds of one account, as its settings describe them, and what a support desk reads of them.

Nothing here decides what goes over a bind.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Final

import structlog

from foundation.clock import Clock, SystemClock
from foundation.settings_tables import address
from smsd.settings import Limits
from smsd.settings_operators import Operator
from smsd.smpp.connecting import connect_tcp
from smsd.smpp.hosts import Address
from smsd.smpp.link import Connector, Link, LinkListener, LinkSettings, LinkState
from smsd.smpp.outbind import OutbindDoor, OutbindSettings
from smsd.smpp.pdu import Bind, CommandId
from smsd.smpp.session import IDLE

log = structlog.get_logger(__name__)

_KINDS = {
    "transceiver": ((CommandId.BIND_TRANSCEIVER, "trx"),),
    "transmitter+receiver": ((CommandId.BIND_TRANSMITTER, "tx"), (CommandId.BIND_RECEIVER, "rx")),
}
_VERSIONS: Final = {"3.3": 0x33, "3.4": 0x34, "5.0": 0x50}
_WORDS_KEPT: Final = 32
_HELD_S: Final = 30.0
_UP: Final = "up"


@functools.cache
def pair_of(link: str) -> str:
    """What the two links of a pair have in common: ``telco-tx-2`` and ``telco-rx-2`` are ``telco-2``."""
    name, _, number = link.rpartition("-")
    return f"{name.rpartition('-')[0]}-{number}"


def account_links(
    operator: Operator,
    limits: Limits,
    listener: LinkListener,
    *,
    clock: Clock,
    rng: random.Random,
    connect: Connector | None = None,
    make: Callable[..., Link] = Link,
    around: Callable[[Connector], Connector] | None = None,
) -> list[Link]:
    """The links of an account, named ``telco-trx-1``, ``telco-tx-1``, ``telco-rx-1`` and so on.

    `make` is `Link` or what stands for it; `around` wraps each connector, to see what goes over connections.
    """
    calls = _door(operator)

    def connector(kind: CommandId) -> Connector | None:
        chosen = calls.connect if calls is not None and _is_called(operator, kind) else connect
        return chosen if around is None else around(chosen or connect_tcp)

    return [
        make(
            _settings(operator, limits, kind, f"{operator.name}-{short}-{number}", number),
            listener,
            clock=clock,
            random=rng,
            connect=connector(kind),
        )
        for number in range(1, operator.binds + 1)
        for kind, short in _KINDS[operator.bind]
    ]


def _is_called(operator: Operator, kind: CommandId) -> bool:
    return operator.outbind_listen is not None and kind is not CommandId.BIND_TRANSMITTER


def _settings(operator: Operator, limits: Limits, kind: CommandId, name: str, number: int) -> LinkSettings:
    addresses = [Address(*each) for each in operator.addresses]
    if operator.spread_binds:
        home = (number - 1) % len(addresses)
        addresses = addresses[home:] + addresses[:home]
    called = _is_called(operator, kind)
    if called and operator.outbind_listen is not None:
        addresses = [Address(*address(operator.outbind_listen))]
    return LinkSettings(
        name=name,
        host=addresses[0].host,
        port=addresses[0].port,
        standby=tuple(addresses[1:]),
        fail_back_s=operator.fail_back_s or None,
        called=called,
        needs_tlvs=operator.needs_tlvs and kind is not CommandId.BIND_RECEIVER,
        bind=Bind(
            kind=kind,
            system_id=operator.system_id,
            password=operator.password.get_secret_value(),
            system_type=operator.system_type,
            interface_version=_VERSIONS[operator.interface_version],
            address_range=operator.address_range,
        ),
        tls=operator.tls,
        window=operator.window,
        enquire_link_s=operator.enquire_link_s,
        response_timeout_s=operator.response_timeout_s,
        bind_timeout_s=operator.bind_timeout_s,
        inactivity_s=operator.inactivity_s or None,
        pdu_limit_octets=limits.pdu_limit_octets,
        backoff_first_s=operator.reconnect_first_s,
        backoff_max_s=operator.reconnect_max_s,
    )


def _door(operator: Operator) -> OutbindDoor | None:
    if operator.outbind_listen is None:
        return None
    password = operator.outbind.password or operator.password
    told = Seldom()

    def refused(peer: str, why: str) -> None:
        times = told.tell(f"{peer.rpartition(':')[0]} {why}")
        if times:
            log.warning("outbind.refused", operator=operator.name, peer=peer, why=why, times=times)

    return OutbindDoor(
        OutbindSettings(
            listen=Address(*address(operator.outbind_listen)),
            system_id=operator.outbind.system_id or operator.system_id,
            password=password.get_secret_value(),
        ),
        refused,
    )


class Seldom:
    """Lets the same words through the first, second, fourth, eighth … time. Keeps few words in memory."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def tell(self, words: str) -> int:
        """How often these words came, where it is time to tell of them; 0: not now."""
        times = self._times[words] = self._times.pop(words, 0) + 1
        if len(self._times) > _WORDS_KEPT:
            del self._times[next(iter(self._times))]
        return times if times & (times - 1) == 0 else 0

    def forget(self) -> None:
        """All is well again: the next words are told at once."""
        self._times.clear()


class BindLog:
    """Writes what becomes of binds: every change of state, but loudly only what is new.

    The same failure is told loudly the first, second, fourth, eighth … time, and so is a bind that is taken
    and soon lost again. One that held makes all of it new.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._failures: dict[str, Seldom] = {}
        self._states: dict[str, LinkState] = {}
        self._bound_at: dict[str, float] = {}
        self._untold: dict[str, str] = {}

    def tell(self, link: str, state: LinkState, detail: str) -> None:
        """A link came into a state."""
        before = self._states.get(link, LinkState.DOWN)
        self._states[link] = state
        if state is LinkState.BOUND:
            self._bound_at[link] = self._clock.monotonic()
            times = self._seldom(link).tell(_UP)
            if times:
                log.info("bind.up", link=link, detail=detail, times=times)
            else:
                self._untold[link] = detail
                log.debug("bind.state", link=link, state=str(state), detail=detail)
        elif state is not LinkState.DOWN:
            log.debug("bind.state", link=link, state=str(state), detail=detail)
        else:
            self._down(link, before, detail)

    def look(self) -> None:
        """Tell of binds that came back quietly and hold."""
        for link, detail in list(self._untold.items()):
            if self._held(link):
                del self._untold[link]
                self._seldom(link).forget()
                log.info("bind.up", link=link, detail=detail)

    def _down(self, link: str, before: LinkState, detail: str) -> None:
        if self._held(link):
            self._seldom(link).forget()
        self._untold.pop(link, None)
        self._bound_at.pop(link, None)
        if before is LinkState.UNBINDING or (before is LinkState.BOUND and detail == IDLE):
            self._seldom(link).forget()
            log.info("bind.ended", link=link, detail=detail)
            return
        times = self._seldom(link).tell(f"{before} {detail}" if before is LinkState.BOUND else detail)
        if times:
            event = "bind.lost" if before is LinkState.BOUND else "bind.failed"
            log.warning(event, link=link, detail=detail, times=times)
        else:
            log.debug("bind.state", link=link, state=str(LinkState.DOWN), detail=detail)

    def _seldom(self, link: str) -> Seldom:
        return self._failures.setdefault(link, Seldom())

    def _held(self, link: str) -> bool:
        at = self._bound_at.get(link)
        return at is not None and self._clock.monotonic() - at >= _HELD_S
