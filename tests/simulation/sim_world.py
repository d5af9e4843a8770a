"""One simulated world: the unchanged gateway and bridge, model operators, phones, and all between them.

It is played from its beginning until nothing moves any more; `sim_oracle` then looks at it.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sim_carrier import Broker, SimCarrier
from sim_faults import FAULTS
from sim_kinds import known
from sim_message import MO_TAG, Mo
from sim_network import Network
from sim_operator import ModelOperator
from sim_plot import Fault, Plot, Text
from sim_process import Process, SimLock
from sim_settings import (
    SHORT_CODE,
    bridge_settings,
    empty_gateway_store,
    first_bridge_store,
    gateway_settings,
    operator_settings,
)
from sim_time import Agenda, SimClock, SimLoop

from billing_bridge.daemon import BridgeDaemon
from billing_bridge.store import SCHEMA as BRIDGE_SCHEMA
from foundation.carriers.local import LocalCarrier
from foundation.ids import Ids
from foundation.ownership import Terms, open_owned
from foundation.store import StoreFailed, StoreLost
from smsd.daemon import Daemon
from smsd.smpp.link import LinkSettings
from smsd.smpp.pdu import DeliverSm, Tlv

_CALM_AFTER_S = 60.0
_QUIET_S = 120.0
_MOST_CLUSTERS = 60
_SUBMIT_SM = 4


@dataclass
class Phone:
    """A subscriber: what came to it, and the money on a prepaid card where it has one."""

    number: str
    credit_ore: int | None = None
    told: list[tuple[float, str, bytes]] = field(default_factory=list)


@dataclass
class Finding:
    """Something that must not be."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


class World:
    """All of it; made anew for every run."""

    make_process: type[Process] = Process

    def __init__(self, plot: Plot, folder: Path) -> None:
        self.plot = plot
        self.folder = folder
        self.agenda = Agenda()
        self.story: list[str] = []
        self.faults: Counter[str] = Counter()
        self.findings: list[Finding] = []
        self.alarms: list[tuple[str, dict[str, Any]]] = []
        self.calm = False
        self.together = plot.together
        self.short_code = SHORT_CODE
        self.response_timeout_s = plot.response_timeout_s
        self.rng = random.Random(f"world {plot.seed}")
        self.rng_disk = random.Random(f"disk {plot.seed}")
        self.network = Network(self.agenda, random.Random(f"network {plot.seed}"), self.fired)
        self.broker = Broker(self.agenda, random.Random(f"broker {plot.seed}"), self.fired)
        self.clocks = {name: SimClock(self.agenda, plot.started_us) for name in ("gateway", "bridge", "true")}
        self.gateway_store = folder / "gateway.db"
        self.locks: dict[Path, SimLock] = {}
        self.bridge_store = folder / "bridge.db"
        self.gateway_store.write_bytes(empty_gateway_store())
        self.bridge_store.write_bytes(first_bridge_store())
        self.phones = {f"+479000000{digit}": Phone(f"+479000000{digit}") for digit in range(1, 8)}
        self.phones["+4790000007"].credit_ore = self.rng.choice((0, 6000, 100_000))
        self.mos: list[Mo] = []
        self._readers: dict[str, sqlite3.Connection] = {}
        self.operators = {
            traits.port: ModelOperator(self, traits, random.Random(f"{traits.name} {plot.seed}"))
            for traits in plot.operators
        }
        self.settings = gateway_settings(
            self.gateway_store,
            tuple(
                operator_settings(traits, plot.bind, plot.binds, plot.window, plot.response_timeout_s)
                for traits in plot.operators
            ),
            stop_grace_s=5,
        )
        self.network.watch = self._watch
        self.gateway = self.make_process(self, "gateway", self.birth_of_gateway)
        self.superseded: list[Process] = []
        """Gateways whose store another has taken over."""
        self.bridge = self.make_process(self, "bridge", self._birth_of_bridge)
        self.processes = {"gateway": self.gateway, "bridge": self.gateway if self.together else self.bridge}
        for name, process in (("gateway", self.gateway), ("bridge", self.bridge)):
            process.die_at_boundaries = set(plot.die_at.get(name, ()))
            process.die_at_steps = set(plot.die_at_step.get(name, ()))
            process.rebirth_s = plot.rebirth_s
            process.dies_silently = plot.dies_silently
        self.daemon: Daemon

    # telling

    def tell(self, what: str) -> None:
        """A line of the story."""
        self.story.append(f"{self.agenda.now:12.4f}  {what}")

    def find(self, rule: str, what: str) -> None:
        """Something that must not be."""
        self.findings.append(Finding(rule, what))

    def fired(self, kind: str) -> None:
        """A fault that really happened."""
        self.faults[known(kind)] += 1

    def _watch(self, loop: SimLoop, octets: bytes) -> None:
        """Nothing that costs anything leaves a gateway whose store is another's."""
        if not any(process.loop is loop for process in self.superseded):
            return
        while len(octets) >= 16:
            if int.from_bytes(octets[4:8], "big") == _SUBMIT_SM:
                self.find("fence", f"{loop.name} sends a submit_sm after another took its store over")
            octets = octets[max(16, int.from_bytes(octets[:4], "big")) :]

    def clock_of(self, _name: str) -> SimClock:
        """A clock that is right."""
        return self.clocks["true"]

    # births

    def birth_of_gateway(self, process: Process) -> list[Any]:
        """The gateway's program, and the bridge's where they run together."""
        life = process.lives
        loop = process.loop
        if self.together:
            mine, other = LocalCarrier.pair()
        else:
            mine = SimCarrier(self.broker, "gateway", "bridge", process.boundary)  # type: ignore[assignment]
            process.ends.append(mine)  # type: ignore[arg-type]
        self.daemon = Daemon(
            self.settings,
            clock=self.clocks["gateway"],
            rng=random.Random(f"{process.name} {self.plot.seed} {life}"),
            connect=partial(self._connect, process),
            runner=process.runner,
            carrier=mine,
            take_over=process.takes_over,
            locks=process.locks,
        )
        tasks = [loop.create_task(self.daemon.run(), name="gateway")]
        tasks[0].add_done_callback(partial(self._gateway_ended, process))
        if self.together:
            tasks.append(self._start_bridge(process, other))
        return tasks

    def _gateway_ended(self, process: Process, done: asyncio.Task[None]) -> None:
        if not process.replaced or not process.alive or done.cancelled():
            return
        if not isinstance(done.exception(), StoreLost):
            self.find("fence", f"{process.name} ended otherwise than it should: {done.exception()!r}")
        process.gone()

    def _birth_of_bridge(self, process: Process) -> list[Any]:
        end = SimCarrier(self.broker, "bridge", "gateway", process.boundary)
        process.ends.append(end)
        return [self._start_bridge(process, end)]

    def _start_bridge(self, process: Process, carrier: Any) -> asyncio.Task[None]:
        task = process.loop.create_task(self._serve_bridge(process, carrier, process.lives), name="bridge")

        def ended(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and isinstance(done.exception(), StoreFailed) and process.alive:
                # it says so: where the store fails at the start, the program ends and is started again
                process.die("where the store failed at the start")

        task.add_done_callback(ended)
        return task

    async def _serve_bridge(self, process: Process, carrier: Any, life: int) -> None:
        clock = self.clocks["bridge"]
        store = open_owned(
            f"sqlite:///{self.bridge_store}",
            BRIDGE_SCHEMA,
            clock,
            Terms("bridge.store", bridge_settings().take_over_s),
            runner=process.runner,
            locks=process.locks,
        )
        ids = Ids(clock, random.Random(f"bridge {self.plot.seed} {life}").getrandbits)
        try:
            await BridgeDaemon(bridge_settings(), store, carrier, clock, ids).run()
        finally:
            await store.close()

    async def _connect(
        self, process: Process, make: Callable[[], asyncio.Protocol], settings: LinkSettings
    ) -> object:
        operator = self.operators[settings.port]
        await asyncio.sleep(self.network.latency())
        if self.agenda.now < operator.hangs_until:
            self.fired("connecting hangs")
            await asyncio.sleep(1e6)
        if self.agenda.now < operator.down_until:
            raise ConnectionRefusedError(111, "refused")
        return self.network.connect(process.loop, make, operator.loop, operator.accept, process.boundary)

    # what happens

    def play(self) -> None:
        """From the beginning until nothing moves any more."""
        self.tell(f"seed {self.plot.seed}, {self.plot.started}")
        for text in self.plot.texts:
            self.agenda.at(text.at, partial(self._text, text))
        for fault in self.plot.faults:
            self.agenda.at(fault.at, partial(self._fault, fault))
        if not self.together:
            self.bridge.start()
        self.gateway.start()
        self.agenda.run_until(0.3)
        if self.plot.begins_s > 20:
            self.skip_to(self.plot.begins_s - 3)
        last = max([text.at for text in self.plot.texts] + [fault.at for fault in self.plot.faults])
        self.agenda.run_until(last + 1)
        self._calm_down()
        self.settle()

    def _text(self, text: Text) -> None:
        operator = self.rng.choice(list(self.operators.values()))
        ref = f"mo-{len(self.mos) + 1}"
        tlvs = (Tlv(MO_TAG, ref.encode()),) if operator.traits.echo else ()
        body = text.text.encode("latin-1")
        parts = [(body, 0)]
        if text.kind == "join" and self.rng.random() < 0.3:
            cut = self.rng.randint(8, len(body) - 8)
            reference = self.rng.randrange(256)
            parts = [
                (bytes((5, 0, 3, reference, 2, number)) + piece, 0x40)
                for number, piece in ((1, body[:cut]), (2, body[cut:]))
            ]
        pdus = [
            DeliverSm(
                source_addr_ton=1,
                source_addr_npi=1,
                source_addr=text.number.removeprefix("+"),
                destination_addr=SHORT_CODE,
                esm_class=esm_class,
                data_coding=3,
                short_message=octets,
                tlvs=tlvs,
            )
            for octets, esm_class in parts
        ]
        if any((each.number, each.text) == (text.number, text.text) for each in self.mos):
            self.fired("a member texts the same again")
        at_us = self.clocks["true"].now_us()
        mo = Mo(ref, text.number, text.text, text.kind, at_us, operator.traits.name, pdus)
        self.mos.append(mo)
        self.tell(f"phone {text.number[-2:]} texts {text.text!r} ({ref})")
        operator.text_from_phone(mo)

    def _fault(self, fault: Fault) -> None:
        act = FAULTS[fault.kind]
        if act(self, fault) is not False:
            self.tell(f"FAULT {fault.kind}")

    def _calm_down(self) -> None:
        """From now on the world is kind: whatever is late comes, and nothing new goes wrong."""
        self.calm = True
        self.tell("calm")
        # what is under way stays as late as it is
        self.network.slow_until = min(self.network.slow_until, self.agenda.now)
        self.broker.loses = self.broker.repeats = self.broker.slow_s = self.broker.reorders = 0.0
        for operator in self.operators.values():
            operator.hangs_until = 0.0
        for process in (self.gateway, self.bridge):
            process.pause_at = ""
            process.die_at_boundaries.clear()
            process.die_at_steps.clear()
            process.fail_commits = 0
            process.slow_commits_s = 0.0
            process.rebirth_s = min(process.rebirth_s, 1.0)
        for connection in list(self.network.order):
            connection.client.stop_writes(False)

    def _moving(self) -> str:
        """What is under way and will go on by itself; nothing where all is quiet."""
        for process in {id(each): each for each in self.processes.values()}.values():
            if not process.alive:
                return f"{process.name} is dead"
            if process.replaced:
                return f"{process.name} is paused"
        for process in self.superseded:
            if process.alive:
                return f"{process.name} runs on, though its store is another's"
        for operator in self.operators.values():
            if operator.busy:
                return (
                    f"{operator.traits.name} has {len(operator.items)} deliver_sm: {operator.items[0].what}"
                )
        if any(end.flying for each in self.network.order for end in (each.client, each.server)):
            return "octets are under way"
        for store, query in _OPEN_WORK.items():
            for what, count in self.rows(store, query):
                if count:
                    return f"{store}: {count} {what}"
        return ""

    def store_is_locked(self) -> bool:
        """Whether a start would find the gateway's store written to by another process."""
        probe = sqlite3.connect(self.gateway_store, isolation_level=None, timeout=0)
        try:
            probe.execute("BEGIN IMMEDIATE")
            probe.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
        finally:
            probe.close()
        return False

    def all_processes(self) -> list[Process]:
        """Every process there ever was."""
        return [self.gateway, self.bridge, *self.superseded]

    def rows(self, store: str, query: str) -> list[tuple[Any, ...]]:
        """Look into a store as a stranger does, past the programs."""
        reader = self._readers.get(store)
        if reader is None:
            reader = self._readers[store] = sqlite3.connect(self.folder / store, isolation_level=None)
        return reader.execute(query).fetchall()

    def close(self) -> None:
        """Let go of the stores."""
        for reader in self._readers.values():
            reader.close()

    def settle(self) -> None:
        """Let late receipts come, and everything that follows from them."""
        for _ in range(_MOST_CLUSTERS):
            quiet = self.agenda.run_while(self._moving, 1500.0, 1.0)
            self.agenda.run_until(self.agenda.now + 1.0)
            if not quiet:
                self.findings.append(Finding("settling", f"something moves for ever: {self._moving()}"))
                return
            coming = self.agenda.next_plot()
            if coming is None:
                if self._moving():
                    # the last that was to come came in that second, and is not through yet
                    continue
                return
            if coming - self.agenda.now > 5.0:
                self.skip_to(coming - 0.5)
            self.agenda.run_until(coming + 1.0)
        self.findings.append(Finding("settling", "events without end"))

    def skip_to(self, when: float) -> None:
        """Nothing happens for a long while: all processes sleep through it."""
        self.agenda.stand_still(when)
        self.agenda.run_until(self.agenda.now + 0.2)

    # the end

    def locked_store(self) -> sqlite3.Connection:
        """The gateway's store for a command beside it, at a moment when nobody holds it."""
        connection = sqlite3.connect(self.gateway_store, isolation_level=None, timeout=0)
        for _ in range(100):
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                self.agenda.run_until(self.agenda.now + 0.37)
                continue
            connection.execute("ROLLBACK")
            return connection
        raise RuntimeError("somebody holds the store for ever")

    def end(self) -> None:
        """Stop everything in good order."""
        self.tell("the gateway is stopped")
        self.gateway.leaving = self.bridge.leaving = True
        self.daemon.stop()
        gateway_task = self.gateway.main[0]
        if not self.agenda.run_while(lambda: not gateway_task.done(), 60.0, 0.1):
            self.findings.append(Finding("stopping", "the gateway does not stop"))
        for process in set(self.processes.values()):
            for task in process.main:
                if task.done():
                    if not task.cancelled() and task.exception() is not None:
                        self.findings.append(
                            Finding("program", f"{task.get_name()} ended: {task.exception()!r}")
                        )
                else:
                    task.cancel()
            self.agenda.run_until(self.agenda.now + 1.0)
        for loop in [process.loop for process in (*set(self.processes.values()), *self.superseded)] + [
            operator.loop for operator in self.operators.values()
        ]:
            for error in loop.errors:
                self.findings.append(Finding("program", f"{loop.name}: {error}"))
            if not loop.dead:
                loop.dead = True
                loop.bury()

    def note(self, _logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        """What the programs log."""
        name = event.pop("event")
        self.alarms.append((name, event))
        raise structlog.DropEvent


_OPEN_WORK = {
    "gateway.db": "SELECT 'charges', count(*) FROM charges WHERE state IN ('intended', 'sending') UNION ALL "
    "SELECT 'MTs', count(*) FROM messages WHERE fate IN ('queued', 'sending') UNION ALL "
    "SELECT 'parcels', count(*) FROM handoff_outbox UNION ALL "
    "SELECT 'fragments', count(*) FROM fragments WHERE whole_us = 0",
    "bridge.db": "SELECT 'parcels', count(*) FROM handoff_outbox",
}
