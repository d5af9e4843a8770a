"""The composition root: builds the gateway from its settings, supervises it, stops it with care.

Clock, randomness, connector and carrier are handed in, so that a simulation runs this same program.
Where the settings have a [bridge] and the hand-off is local, the bridge runs in the same process.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from foundation.carriers.configured import mqtt_carrier
from foundation.carriers.local import LocalCarrier
from foundation.clock import SECOND_US, Clock, SystemClock
from foundation.health import Check, HealthServer
from foundation.ids import Ids
from foundation.mailbox import Carrier, Courier, CourierSettings, Outbox
from foundation.store import Runner, Store, open_sqlite
from foundation.systemd import Notifier
from smsd.charging.correlation import Correlation
from smsd.charging.desk import Desk
from smsd.codewords import Codebook
from smsd.engine import Engine, EngineLimits
from smsd.gateway import Gateway, RouteTable
from smsd.inbox import Inbox, InboxLimits
from smsd.links import account_links
from smsd.metrics import Metrics
from smsd.operators import OperatorProfile
from smsd.outbox import OperatorQueue, Sender
from smsd.replies import Replies
from smsd.settings import Settings
from smsd.smpp.link import Connector, Link, LinkState
from smsd.store import SCHEMA

log = structlog.get_logger(__name__)


class Daemon:
    """One gateway process. Build, `run`, and `stop` from a signal or a test.

    Raises:
        StoreRefused: from `run`, where a store cannot be used as configured.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        connect: Connector | None = None,
        runner: Runner | None = None,
        carrier: Carrier | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.rng = rng or random.Random()  # noqa: S311 - ids and jitter, no secrets
        self.ids = Ids(self.clock, self.rng.getrandbits)
        self.metrics = Metrics(CollectorRegistry())
        self.ready = asyncio.Event()
        self._connect = connect
        self._runner = runner
        self._carrier = carrier
        self._stopping = asyncio.Event()
        self._store: Store | None = None
        self._engine: Engine | None = None
        self._links: dict[str, list[Link]] = {}
        self._notifier = Notifier()

    def stop(self) -> None:
        """Ask for a graceful stop; again has no further effect."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until `stop`. No new submits then, the windows are drained, and every link unbinds."""
        settings = self.settings
        store = Store(open_sqlite(settings.store.url, SCHEMA), runner=self._runner)
        self._store = store
        engine, self._links = self._build(store)
        self._engine = engine
        bridge: Coroutine[Any, Any, None] | None = None
        if self._carrier is not None:
            carrier = self._carrier
        elif settings.handoff.carrier == "mqtt":
            carrier = mqtt_carrier(settings.handoff, "gateway", clock=self.clock, rng=self.rng)
        else:
            carrier, other = LocalCarrier.pair()
            bridge = self._bridge(other)
        courier = Courier(
            store, Outbox(), carrier, self.clock, CourierSettings(retry_s=settings.handoff.retry_s, settle_at=256)
        )
        engine.hand_off_by(courier)
        self._gauges(engine, courier)
        health = None
        if settings.metrics.listen is not None:
            health = HealthServer(
                settings.metrics.listen, self._checks(store, engine, carrier), self.metrics.registry
            )
        try:
            async with asyncio.TaskGroup() as group:
                loop = group.create_task(engine.run(), name="engine")
                beside = [
                    group.create_task(courier.run(), name="courier"),
                    group.create_task(carrier.run(engine), name="carrier"),
                    group.create_task(self._notifier.keep_alive(lambda: True), name="watchdog"),
                ]
                if bridge is not None:
                    beside.append(group.create_task(bridge, name="bridge"))
                if health is not None:
                    beside.append(group.create_task(health.run(), name="health"))
                links = [link for each in self._links.values() for link in each]
                binds = [group.create_task(link.run(), name=link.name) for link in links]
                self.ready.set()
                self._notifier.ready(f"{len(links)} binds configured")
                log.info("smsd.started", binds=len(links), organisations=len(settings.organisations))
                await self._stopping.wait()
                await self._wind_down(engine, links)
                await loop
                for task in (*binds, *beside):
                    task.cancel()
        finally:
            await store.close()
        log.info("smsd.stopped")

    async def _wind_down(self, engine: Engine, links: list[Link]) -> None:
        self._notifier.stopping("draining windows")
        log.info("smsd.stopping", grace_s=self.settings.limits.stop_grace_s)
        engine.stop_sending()
        await asyncio.gather(*(link.stop(self.settings.limits.stop_grace_s) for link in links))
        engine.finish()

    def _build(self, store: Store) -> tuple[Engine, dict[str, list[Link]]]:
        settings, limits = self.settings, self.settings.limits
        profiles = {each.name: OperatorProfile(each) for each in settings.operators}
        queues = {
            each.name: OperatorQueue(
                each.name, limit=limits.mt_queue, rate=each.rate, pause_s=each.throttle_pause_s
            )
            for each in settings.operators
        }
        replies = Replies(settings.organisations)
        desk = Desk(self.ids)
        sender = Sender(profiles, desk, self.ids)
        inbox = Inbox(
            {
                code.number: Codebook(settings.codewords(code.number), ceiling_kr=limits.amount_max_kr)
                for code in settings.short_codes
            },
            replies,
            sender,
            self.ids,
            InboxLimits(
                reassembly_expiry_us=limits.reassembly_expiry_s * SECOND_US,
                guidance_every_us=limits.help_once_per_s * SECOND_US,
            ),
        )
        gateway = Gateway(
            name=settings.handoff.name,
            profiles=profiles,
            inbox=inbox,
            sender=sender,
            desk=desk,
            correlation=Correlation(desk, self.ids),
            replies=replies,
            routes=RouteTable(
                short_codes={each.org: settings.short_codes_of(each) for each in settings.organisations},
                operators={code.number: code.operators for code in settings.short_codes},
            ),
            queues=queues,
            ids=self.ids,
            clock=self.clock,
        )
        engine = Engine(
            gateway,
            store,
            queues,
            ids=self.ids,
            clock=self.clock,
            metrics=self.metrics,
            limits=EngineLimits(waiting=limits.mo_queue),
        )
        links = {}
        for operator in settings.operators:
            links[operator.name] = account_links(
                operator, limits, engine, clock=self.clock, rng=self.rng, connect=self._connect
            )
            engine.attach(operator.name, links[operator.name])
        for name, queue in queues.items():
            self.metrics.gauge("queue", "MTs that wait for a window", queue.__len__, operator=name)
        return engine, links

    async def _bridge(self, carrier: Carrier) -> None:
        # the one place where the gateway knows the bridge's program: to start it beside itself
        from billing_bridge.daemon import BridgeDaemon  # noqa: PLC0415
        from billing_bridge.settings import load as load_bridge  # noqa: PLC0415
        from billing_bridge.store import SCHEMA as BRIDGE_SCHEMA  # noqa: PLC0415

        settings = load_bridge(self.settings.path)
        store = Store(open_sqlite(settings.store, BRIDGE_SCHEMA, "bridge.store"), runner=self._runner)
        try:
            await BridgeDaemon(settings, store, carrier, self.clock, self.ids).run()
        finally:
            await store.close()

    def _checks(self, store: Store, engine: Engine, carrier: Carrier) -> Mapping[str, Any]:
        def binds() -> Check:
            down = [
                link.name
                for each in self._links.values()
                for link in each
                if link.state is not LinkState.BOUND
            ]
            return Check(not down, f"not bound: {', '.join(down)}" if down else "all bound")

        def stored() -> Check:
            fine = store.healthy and engine.healthy
            return Check(fine, "commits" if fine else "does not commit: nothing is sent or acknowledged")

        def handed() -> Check:
            return Check(carrier.healthy, "connected" if carrier.healthy else "not connected")

        return {"binds": binds, "store": stored, "handoff": handed}

    def _gauges(self, engine: Engine, courier: Courier) -> None:
        gauge = self.metrics.gauge
        gauge("inputs_waiting", "Inputs that wait for a transaction", lambda: engine.waiting)
        gauge("handoff_waiting", "Parcels the bridge has not acknowledged", lambda: courier.waiting)
        gauge("handoff_oldest_seconds", "Age of the oldest such parcel", lambda: courier.oldest_age_s)
        for operator, links in self._links.items():
            for link in links:
                gauge(
                    "bind_up",
                    "1 where bound",
                    partial(_up, link),
                    operator=operator,
                    bind=link.name,
                )
                gauge(
                    "bind_room",
                    "Free places in the window",
                    partial(_room, link),
                    operator=operator,
                    bind=link.name,
                )


def _up(link: Link) -> float:
    return float(link.state is LinkState.BOUND)


def _room(link: Link) -> float:
    return link.room


async def run_until_signal(daemon: Daemon) -> None:
    """Run a daemon; SIGTERM and SIGINT stop it gracefully."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    try:
        await daemon.run()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
