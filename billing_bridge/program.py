"""The bridge as a program of its own: store, carrier, daemon, health, signals. Decides nothing."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry, Gauge

from billing_bridge.daemon import BridgeDaemon
from billing_bridge.settings import BridgeSettings
from billing_bridge.store import SCHEMA
from foundation.carriers.configured import mqtt_carrier
from foundation.clock import Clock, SystemClock
from foundation.health import Check, HealthServer
from foundation.ids import Ids
from foundation.mailbox import Carrier
from foundation.ownership import Terms, end_where_lost, open_owned
from foundation.settings import ConfigurationError
from foundation.store import Store, StoreFailed
from foundation.systemd import Notifier

log = structlog.get_logger(__name__)


class CannotRunError(Exception):
    """The settings do not make a program of its own."""


async def serve(
    settings: BridgeSettings, reload: Callable[[], BridgeSettings], *, take_over: bool = False
) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP takes what `reload` gives, all or nothing.

    Raises:
        CannotRunError, StoreRefused, CannotListenError: in words for people.
        StoreLost: another program has taken the store over; nothing was written since.
    """
    clock = SystemClock()
    carrier = _carrier(settings, clock)
    terms = Terms("bridge.store", settings.take_over_s, take_over)
    store = open_owned(settings.store, SCHEMA, clock, terms)
    daemon = BridgeDaemon(settings, store, carrier, clock, Ids(clock))
    stopping, hangup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    notifier = Notifier()
    try:
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(daemon.run()),
                tasks.create_task(_reload(daemon, reload, hangup)),
                tasks.create_task(notifier.keep_alive(lambda: store.healthy)),
            ]
            if settings.metrics.listen:
                health = HealthServer(
                    settings.metrics.listen, checks(daemon, store, carrier), registry(daemon, store)
                )
                beside.append(tasks.create_task(health.run()))
            log.info("bridge.started", organisations=len(settings.organisations))
            notifier.ready()
            await stopping.wait()
            notifier.stopping()
            for task in beside:
                task.cancel()
    except BaseExceptionGroup as group:
        end_where_lost(group)
        raise
    finally:
        await store.close()
        log.info("bridge.stopped")


def checks(daemon: BridgeDaemon, store: Store, carrier: Carrier) -> dict[str, Callable[[], Check]]:
    """How the bridge's parts fare."""
    return {
        "store": lambda: Check(
            store.healthy,
            "commits" if store.healthy else f"does not commit ({store.trouble}): nothing is acknowledged",
        ),
        "handoff": lambda: Check(carrier.healthy, f"{daemon.waiting} parcels wait"),
    }


def registry(daemon: BridgeDaemon, store: Store) -> CollectorRegistry:
    """What /metrics tells of the bridge."""
    found = CollectorRegistry()
    for name, what, read in (
        ("bridge_parcels_taken", "Parcels taken since the start", lambda: daemon.parcels),
        ("bridge_messages_taken", "Messages taken since the start", lambda: daemon.messages),
        ("bridge_messages_refused", "Messages put aside since the start", lambda: daemon.refused),
        ("bridge_parcels_waiting", "Parcels no gateway has acknowledged", lambda: daemon.waiting),
        ("bridge_store_commits", "Transactions committed since the start", lambda: store.commits),
        ("bridge_healthy", "1 where the store commits and gateways can be reached", lambda: daemon.healthy),
    ):
        Gauge(name, what, registry=found).set_function(read)
    return found


def _carrier(settings: BridgeSettings, clock: Clock) -> Carrier:
    if settings.handoff.carrier != "mqtt":
        raise CannotRunError(
            f"{settings.path}: handoff.carrier is {settings.handoff.carrier!r}, with which smsd starts the "
            'bridge in its own process; run smsd, or give both sides carrier = "mqtt" and [handoff.mqtt]'
        )
    try:
        return mqtt_carrier(settings.handoff, "bridge", clock=clock, rng=random.SystemRandom())
    except ValueError as error:
        raise CannotRunError(f"{settings.path}: handoff.mqtt: {error}") from error


async def _reload(daemon: BridgeDaemon, reload: Callable[[], BridgeSettings], hangup: asyncio.Event) -> None:
    while True:
        await hangup.wait()
        hangup.clear()
        try:
            await daemon.reconfigure(await asyncio.to_thread(reload))
        except (ConfigurationError, StoreFailed) as error:
            log.error("bridge.reload_refused", error=str(error))
        else:
            log.info("bridge.reloaded")
