"""The programs under trial as processes: they die at any boundary and live again on what they committed."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim_carrier import SimCarrier
from sim_time import Died, SimLoop

from foundation.store import Store

if TYPE_CHECKING:
    from sim_world import World


class SimLock:
    """The lock beside a store, as a machine keeps it: gone with the process that held it."""

    def __init__(self, held: dict[Path, SimLock], path: Path) -> None:
        self._held = held
        self._path = path

    def take(self) -> bool:
        return self._held.setdefault(self._path, self) is self

    def seize(self) -> None:
        self._held[self._path] = self

    def renew(self) -> None:
        self.take()

    def release(self) -> None:
        if self._held.get(self._path) is self:
            del self._held[self._path]


class Process:
    """One process over all its lives. `births` starts its programs on a loop and returns the main tasks."""

    def __init__(self, world: World, name: str, birth: Callable[[Process], list[Any]]) -> None:
        self.world = world
        self.name = name
        self.lives = 0
        self.alive = False
        self.loop: SimLoop
        self.main: list[Any] = []
        self.boundaries = 0
        self.steps = 0
        self.die_at_boundaries: set[int] = set()
        self.die_at_steps: set[int] = set()
        self.rebirth_s = 1.0
        self.dies_silently = False
        self.fail_commits = 0
        self.slow_commits_s = 0.0
        self.crashes: Counter[str] = Counter()
        self.leaving = False
        self.takes_over = False
        """Whether its first life takes the store from whoever has it."""
        self.replaced = False
        """Whether another process has its place: paused, it is to end by itself once it wakes."""
        self.pause_at = ""
        self.on_pause: Callable[[], None] = lambda: None
        self.ends: list[SimCarrier] = []
        self._birth = birth
        self._jobs: list[Any] = []
        self._stores: dict[int, Store] = {}
        self._locks: list[SimLock] = []

    def locks(self, path: Path) -> SimLock:
        """The lock beside a store, for this life."""
        self._locks.append(SimLock(self.world.locks, path))
        return self._locks[-1]

    def start(self) -> None:
        """A new life."""
        self.lives += 1
        self.alive = True
        self.loop = SimLoop(self.world.agenda, f"{self.name} {self.lives}")
        if self.die_at_steps:
            self.loop.before_step = self._step
        self._jobs = []
        self._stores = {}
        self.ends = []
        self.world.tell(f"{self.name}: starts, life {self.lives}")
        self.main = self._birth(self)
        self.takes_over = False

    @property
    def busy(self) -> bool:
        """Whether a commit is under way."""
        return bool(self._jobs)

    def boundary(self, where: str) -> None:
        """A place where this process may die; raises where it does."""
        if not self.alive or self.leaving:
            return
        if self.pause_at == where:
            self.pause(f"gateway paused right {where.replace('after ', 'after a ')}")
        self.boundaries += 1
        if self.boundaries in self.die_at_boundaries:
            self.die(where)
            raise Died

    def _step(self) -> None:
        self.steps += 1
        if not self.leaving and self.steps in self.die_at_steps:
            self.die("between two steps")
            raise Died

    def die(self, where: str) -> None:
        """The process is killed, or its machine with it."""
        if not self.alive or self.leaving:
            return
        world = self.world
        self.alive = False
        self.loop.dead = True
        self.crashes[where] += 1
        if where != "where the store failed at the start":
            world.fired(f"crash: {where}")
        if self.dies_silently:
            world.fired("the machine dies with its process")
        world.tell(f"{self.name}: DIES {where}" + (", machine and all" if self.dies_silently else ""))
        world.network.process_died(self.loop, silently=self.dies_silently)
        self._let_go()
        for job in self._jobs:
            self._fail(job)
        self._jobs = []
        world.agenda.graves.append(self.loop)
        if not self.replaced:
            world.agenda.after(self.rebirth_s, self._reborn)

    def _let_go(self) -> None:
        for end in self.ends:
            self.world.broker.detach(end)
        for lock in self._locks:
            lock.release()
        self._locks = []

    def pause(self, kind: str) -> None:
        """No step any more until `wake` (SIGSTOP); its connections stay open, nobody tells its peers."""
        self.pause_at = ""
        self.replaced = True
        self.loop.pause()
        self.world.fired(kind)
        self.world.tell(f"{self.name}: PAUSED")
        self.on_pause()

    def wake(self) -> None:
        """Go on (SIGCONT)."""
        if self.alive:
            self.world.tell(f"{self.name}: WAKES")
            self.loop.wake()

    def gone(self) -> None:
        """Its programs have ended by themselves; the machine clears up after it."""
        self.alive = False
        self.loop.dead = True
        self.world.tell(f"{self.name}: ended")
        self.world.network.process_died(self.loop, silently=False)
        self._let_go()
        for task in self.main:
            task.cancel()
        self.world.agenda.graves.append(self.loop)

    def _reborn(self) -> None:
        if self.world.store_is_locked():
            # whoever starts it sees that its store cannot be had now, and tries again
            self.world.agenda.after(0.5, self._reborn)
            return
        for store in self._stores.values():
            store._connection.close()
        self.start()

    # the store's runner

    def runner(self, job: Callable[[], None]) -> None:
        """Commit a little later."""
        assert isinstance(job, partial)
        store = job.func.__self__
        self._stores[id(store)] = store
        if not self.alive:
            self._fail(job)
            return
        self._jobs.append(job)
        delay_s = self.world.rng_disk.uniform(0.0001, 0.003) + self.world.rng_disk.uniform(
            self.slow_commits_s / 2, self.slow_commits_s
        )
        self.world.agenda.after(delay_s, partial(self._commit, job))

    def _commit(self, job: partial[None]) -> None:
        if not any(each is job for each in self._jobs):
            return
        try:
            self.boundary("before commit")
            self._jobs = [each for each in self._jobs if each is not job]
            if self.fail_commits > 0:
                self.fail_commits -= 1
                self.world.fired(f"{'bridge' if self.name == 'bridge' else 'gateway'}'s commit fails")
                self.world.tell(f"{self.name}: a commit fails")
                self._fail(job)
                return
            job()
            self.boundary("after commit")
        except Died:
            return

    @staticmethod
    def _fail(job: Any) -> None:
        connection: sqlite3.Connection = job.func.__self__._connection
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass
        job()
