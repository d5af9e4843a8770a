"""The composition root: builds the gateway from its settings, supervises it, stops it with care.

Clock, randomness, connector, store runner and carrier are handed in, so that a simulation runs this same
program. Where the settings have a [bridge] and the hand-off is local, the bridge runs in the same process.
"""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from foundation import logs
from foundation.carriers.configured import mqtt_carrier
from foundation.carriers.local import LocalCarrier
from foundation.clock import Clock, SystemClock
from foundation.courier import Courier, CourierSettings
from foundation.health import Check, HealthServer
from foundation.ids import Ids
from foundation.mailbox import Carrier, Outbox
from foundation.ownership import Terms, end_where_lost, keep, open_owned
from foundation.settings import ConfigurationError
from foundation.store import Runner, Store, StoreFailed
from foundation.store_lock import FileLock, Lock
from foundation.systemd import Notifier
from smsd.assembly import engine_limits, make_gateway, make_keeping, make_queues, use_settings
from smsd.binds import Tracing, account_gauges, bind_gauges, look, watching
from smsd.charging.pauses import in_words
from smsd.charging.watch import Watch
from smsd.engine import Engine
from smsd.housekeeping import Housekeeping
from smsd.links import account_links
from smsd.metrics import Metrics
from smsd.settings import Settings, load
from smsd.smpp.link import Connector, Link, LinkState
from smsd.store import SCHEMA

log = structlog.get_logger(__name__)

_SWITCH_S = 0.0005
"""How long one thread may keep the interpreter while the commit of another waits to be told."""
_GC_THRESHOLDS = (20_000, 20, 100)
"""Messages come and go without cycles: the collector need not look after every 700 of them."""


class Daemon:
    """One gateway process. Build, `run`, and `stop` from a signal or a test.

    Raises:
        StoreRefused: from `run`, where a store cannot be used as configured; `StoreTaken` where another
            program runs on it.
        StoreLost: from `run`, where another program took a store over; nothing was written or sent since.
        CannotListenError: from `run`, where the metrics' address is taken.
        ConfigurationError: from `run`, where the bridge's part of the settings is wrong.
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
        take_over: bool = False,
        locks: Callable[[Path], Lock] = FileLock,
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
        self._take_over = take_over
        self._locks = locks
        self._stopping = asyncio.Event()
        self._hangup = asyncio.Event()
        self._queues = make_queues(settings)
        self._links: dict[str, list[Link]] = {}
        self._tracing = Tracing(self.clock)
        self._notifier = Notifier()
        self._take_bridge: Callable[[], Coroutine[Any, Any, None]] | None = None

    def stop(self) -> None:
        """Ask for a graceful stop; again has no further effect."""
        self._stopping.set()

    def reload(self) -> None:
        """Ask for the settings to be read again; what came wrong is logged and the old ones stand."""
        self._hangup.set()

    async def run(self) -> None:
        """Run until `stop`. No new submits then, the windows are drained, and every link unbinds."""
        settings = self.settings
        terms = Terms(silent_s=settings.store.take_over_s, take_over=self._take_over)
        store = open_owned(
            settings.store.url, SCHEMA, self.clock, terms, runner=self._runner, locks=self._locks
        )
        try:
            engine = self._build(store)
            carrier, bridge = self._hand_off()
            courier = Courier(
                store,
                Outbox(),
                carrier,
                self.clock,
                CourierSettings(retry_s=settings.handoff.retry_s, settle_at=256),
            )
            engine.hand_off_by(courier)
            self._gauges(engine, courier)
            housekeeping = Housekeeping(store, self.clock, make_keeping(settings))
            watch = Watch(
                store,
                self.clock,
                self.metrics,
                settings.limits.receipt_wait_h,
                settings.limits.in_doubt_alarm_s,
            )
            beside_engine = (housekeeping, watch)
            health = None
            if settings.metrics.listen is not None:
                checks = self._checks(store, engine, carrier)
                extra = {"binds": lambda: look(settings.handoff.name, self._links, self._queued, self.clock)}
                health = HealthServer(settings.metrics.listen, checks, self.metrics.registry, extra=extra)
            links = [link for each in self._links.values() for link in each]
            async with asyncio.TaskGroup() as group:
                loop = group.create_task(engine.run(), name="engine")
                beside = [
                    group.create_task(work, name=name)
                    for name, work in (
                        ("ownership", keep(store, terms.silent_s)),
                        ("courier", courier.run()),
                        ("carrier", carrier.run(engine)),
                        ("watchdog", self._notifier.keep_alive(lambda: True)),
                        ("housekeeping", housekeeping.run()),
                        ("watch", watch.run()),
                        ("reload", self._reload(engine, beside_engine)),
                        ("bridge", bridge),
                        ("health", health.run() if health else None),
                        *((link.name, link.run()) for link in links),
                    )
                    if work is not None
                ]
                self.ready.set()
                self._notifier.ready(f"{len(links)} binds configured")
                log.info("smsd.started", binds=len(links), organisations=len(settings.organisations))
                await self._stopping.wait()
                await self._wind_down(engine, links)
                await loop
                for task in beside:
                    task.cancel()
        except BaseExceptionGroup as group:
            # links were cut, not unbound: nothing leaves any more
            end_where_lost(group)
            raise
        finally:
            self._tracing.close()
            await store.close()
        log.info("smsd.stopped")

    def _queued(self, operator: str) -> int:
        return len(self._queues[operator])

    async def _wind_down(self, engine: Engine, links: list[Link]) -> None:
        self._notifier.stopping("draining windows")
        log.info("smsd.stopping", grace_s=self.settings.limits.stop_grace_s)
        engine.stop_sending()
        await asyncio.gather(*(link.stop(self.settings.limits.stop_grace_s) for link in links))
        engine.finish()

    def _build(self, store: Store) -> Engine:
        settings = self.settings
        engine = Engine(
            make_gateway(settings, self._queues, ids=self.ids, clock=self.clock),
            store,
            self._queues,
            ids=self.ids,
            clock=self.clock,
            metrics=self.metrics,
            limits=engine_limits(settings),
        )
        for operator in settings.operators:
            self._links[operator.name] = account_links(
                operator,
                settings.limits,
                engine,
                clock=self.clock,
                rng=self.rng,
                connect=self._connect,
                make=watching(operator.name, self.metrics),
                around=self._tracing.around(operator),
            )
            engine.attach(operator.name, self._links[operator.name])
        return engine

    def _hand_off(self) -> tuple[Carrier, Coroutine[Any, Any, None] | None]:
        """The gateway's end of the hand-off, and the bridge where it runs beside the gateway."""
        if self._carrier is not None:
            return self._carrier, None
        if self.settings.handoff.carrier == "mqtt":
            return mqtt_carrier(self.settings.handoff, "gateway", clock=self.clock, rng=self.rng), None
        mine, other = LocalCarrier.pair()
        return mine, self._bridge(other)

    def _bridge(self, carrier: Carrier) -> Coroutine[Any, Any, None]:
        # the one place where the gateway knows the bridge's program: to start it beside itself
        from billing_bridge.daemon import BridgeDaemon  # noqa: PLC0415
        from billing_bridge.settings import load as load_bridge  # noqa: PLC0415
        from billing_bridge.store import SCHEMA as BRIDGE_SCHEMA  # noqa: PLC0415

        settings = load_bridge(self.settings.path)
        terms = Terms("bridge.store", settings.take_over_s, self._take_over)
        store = open_owned(
            settings.store, BRIDGE_SCHEMA, self.clock, terms, runner=self._runner, locks=self._locks
        )
        daemon = BridgeDaemon(settings, store, carrier, self.clock, self.ids)

        async def take() -> None:
            await daemon.reconfigure(load_bridge(self.settings.path))

        async def serve() -> None:
            try:
                await daemon.run()
            finally:
                await store.close()

        self._take_bridge = take
        return serve()

    async def _reload(self, engine: Engine, beside: tuple[Housekeeping, Watch]) -> None:
        while True:
            await self._hangup.wait()
            self._hangup.clear()
            self._notifier.reloading(int(self.clock.monotonic() * 1_000_000))
            try:
                new = load(self.settings.path)
                bound = self.settings.only_at_start(new)
                if bound:
                    log.error("reload.refused", keys=", ".join(bound), cure="restart smsd to change these")
                else:
                    gateway = make_gateway(new, self._queues, ids=self.ids, clock=self.clock)
                    if self._take_bridge is not None:
                        await self._take_bridge()
                    self._take(new, engine, *beside)
                    engine.use(gateway)
                    log.info("reload.done", organisations=len(new.organisations))
            except (ConfigurationError, StoreFailed) as error:
                log.error("reload.refused", error=str(error))
            self._notifier.ready()

    def _take(self, new: Settings, engine: Engine, housekeeping: Housekeeping, watch: Watch) -> None:
        self.settings = new
        use_settings(self._queues, new)
        engine.limits = engine_limits(new)
        housekeeping.keeping = make_keeping(new)
        watch.receipt_wait_h = new.limits.receipt_wait_h
        watch.alarm_s = tuple(sorted(new.limits.in_doubt_alarm_s))
        logs.configure(new.log.level, new.log.format)

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
            # another's transaction may have gone well meanwhile, where it wrote nothing
            why = store.trouble or engine.trouble
            words = f"does not commit ({why}): nothing is sent or acknowledged"
            return Check(fine, "commits" if fine else words)

        def handed() -> Check:
            return Check(carrier.healthy, "connected" if carrier.healthy else "not connected")

        def charging() -> Check:
            # somebody's wish, no fault: the gateway is ready all the same
            return Check(True, in_words(engine.paused))

        return {"binds": binds, "store": stored, "handoff": handed, "charges": charging}

    def _gauges(self, engine: Engine, courier: Courier) -> None:
        gauge = self.metrics.gauge
        for name, queue in self._queues.items():
            account_gauges(self.metrics, name, queue, self.clock)
        gauge("inputs_waiting", "Inputs that wait for a transaction", lambda: engine.waiting)
        gauge("charges_paused", "Stop switches that are set", lambda: len(engine.paused))
        gauge("handoff_waiting", "Parcels the bridge has not acknowledged", lambda: courier.waiting)
        gauge("handoff_oldest_seconds", "Age of the oldest such parcel", lambda: courier.oldest_age_s)
        for operator, links in self._links.items():
            for link in links:
                bind_gauges(self.metrics, operator, link)
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
    """Run a daemon in a process tuned for it.

    SIGTERM and SIGINT stop it gracefully, SIGHUP reads the settings again.
    """
    sys.setswitchinterval(_SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    loop = asyncio.get_running_loop()
    handlers = {signal.SIGTERM: daemon.stop, signal.SIGINT: daemon.stop, signal.SIGHUP: daemon.reload}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        await daemon.run()
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def check_bridge(path: Path) -> None:
    """Read the bridge's part of the settings too, where it runs in the same process.

    Raises:
        ConfigurationError: with every fault.
    """
    from billing_bridge.settings import load as load_bridge  # noqa: PLC0415

    load_bridge(path)
