"""What happens to the programs in a mixed trial: killed, paused, taken over from while they hang."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from trial_world import TrialError, World, until

from foundation.ownership import EXIT_LOST, EXIT_NOT_NOW

if TYPE_CHECKING:
    from mosquitto import Mosquitto

DECK = {"gateway": 24, "bridge": 5, "broker": 4, "takeover": 7, "pause": 5}
"""How often each happens in a round of 40 kills, in an order drawn anew; after a pause something else does,
with the same texts under way."""


class Mischief:
    """Does one thing after another to a world's programs; `counts` says what was done and how it ended."""

    def __init__(
        self, world: World, broker: Mosquitto, rng: random.Random, counts: Counter[str], starts_s: list[float]
    ) -> None:
        self._world = world
        self._broker = broker
        self._random = rng
        self._counts = counts
        self._starts_s = starts_s
        self._deck: list[str] = []
        self._acts: dict[str, Callable[[], None]] = {
            "gateway": self._gateway,
            "bridge": self._bridge,
            "broker": self._broker_dies,
            "takeover": self._takeover,
            "pause": self._pause,
        }

    def one_kill(self) -> None:
        """Until something was killed or had its store taken."""
        kind = "pause"
        while kind == "pause":
            if not self._deck:
                self._deck = [kind for kind, times in DECK.items() for _ in range(times)]
                self._random.shuffle(self._deck)
            kind = self._deck.pop()
            self._acts[kind]()
            self._counts[kind] += 1

    def _gateway(self) -> None:
        world = self._world
        world.smsd.kill()
        until(lambda: world.phones.binds == 0, "the SMSC notices that the link is gone")
        world.smsd.start()
        if self._random.random() < 0.05:
            # the next one comes before it is bound: while it reads its store
            time.sleep(self._random.uniform(0.0, 0.08))
            self._counts["gateway, before it was bound"] += 1
            world.smsd.kill()
            world.smsd.start()
        self._starts_s.append(until(self._bound, "a bind after a start"))

    def _bridge(self) -> None:
        self._world.bridge.kill()
        time.sleep(self._random.choice((0.0, 0.0, 0.2)))
        self._world.bridge.start()

    def _broker_dies(self) -> None:
        self._broker.kill()
        self._broker.start()

    def _pause(self) -> None:
        victim = self._random.choice((self._world.smsd, self._world.smsd, self._world.bridge))
        os.kill(victim.pid, signal.SIGSTOP)
        time.sleep(self._random.uniform(0.005, 0.3))
        os.kill(victim.pid, signal.SIGCONT)
        time.sleep(self._random.uniform(0.0, 0.05))

    def _takeover(self) -> None:
        """The gateway hangs, another takes its store over; then it wakes, or is gone for good."""
        world, old = self._world, self._world.smsd
        in_commit = hang(old.pid, world.store, even_in_a_commit=self._random.random() < 0.1)
        before = _epoch(world.store)
        new = world.another_gateway("--take-over")
        new.start()
        ended: list[int] = []

        def decided() -> bool:
            ended.extend([status] if (status := new.status()) is not None else [])
            return bool(ended) or _epoch(world.store) > before

        until(decided, "the second gateway takes the store, or says why not")
        if ended:
            if not in_commit or ended != [EXIT_NOT_NOW]:
                raise TrialError(f"the second gateway ended with {ended[0]}; see {new.log}")
            # it hangs in the middle of a commit: nobody can write until it is killed
            self._counts["takeover, refused as it hung in a commit"] += 1
            old.kill()
            new.start()
        elif self._random.random() < 0.7:
            # at once, or when the other is at work already
            time.sleep(self._random.choice((0.0, self._random.uniform(0.0, 0.3))))
            os.kill(old.pid, signal.SIGCONT)
            status = old.ended()
            if status != EXIT_LOST:
                raise TrialError(f"the gateway that was taken over from ended with {status}; see {old.log}")
            self._counts["takeover, the former one woke and ended"] += 1
        else:
            time.sleep(self._random.uniform(0.0, 0.2))
            old.kill()
            self._counts["takeover, the former one never woke"] += 1
        world.swap_gateway(new)
        until(lambda: world.phones.binds == 1 and self._bound(), "the second gateway alone is bound")

    def _bound(self) -> bool:
        self._world.smsd.check()
        return self._world.phones.binds > 0


def hang(pid: int, *stores: Path, even_in_a_commit: bool = False) -> bool:
    """Stop a process, unless asked otherwise at a moment when it holds the write lock of none of its stores;
    whether it holds one."""

    def stopped() -> bool:
        os.kill(pid, signal.SIGSTOP)
        # what it is doing in the kernel, such as a lock, it does to the end
        until(lambda: _stands_still(pid), "all its threads to stop")
        if even_in_a_commit or not any(map(_is_locked, stores)):
            return True
        os.kill(pid, signal.SIGCONT)
        return False

    until(stopped, "a moment outside a commit")
    return any(map(_is_locked, stores))


def _stands_still(pid: int) -> bool:
    """Whether each of its threads is stopped, or ended."""
    stats = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(")")[2].split()[0] in "TtZX" for stat in stats)


def _is_locked(store: Path) -> bool:
    with contextlib.closing(sqlite3.connect(store, isolation_level=None, timeout=0)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
        return False


def _epoch(store: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=5)) as connection:
        found: int = connection.execute("SELECT epoch FROM ownership").fetchone()[0]
        return found
