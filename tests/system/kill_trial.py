"""Kills gateway, bridge and broker again and again under load, then compares everybody's books.

Run on its own: ``python tests/system/kill_trial.py --victim all --kills 1000``; exit status 1 on any
difference.
The simulated SMSC stays up throughout; its ledger is the judge.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mosquitto import Mosquitto

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]

from trial_kinds import Mischief  # noqa: E402 - the folders are known from here on
from trial_verdict import Books, compare  # noqa: E402
from trial_world import SHORT_CODE, TrialError, World, until  # noqa: E402

from foundation.clock import SystemClock, oslo_year  # noqa: E402

WAVE = 40
RATE = 250.0
TEXTS = (
    "ORG1 BETAL 50",
    "org1 betal kr 100",
    "ORG1 BETAL 250,-",
    "ORG1 BETAL 1000",
    "ORG2 Kari Nordmann kari{i}@example.org",
    "ORG2 Per Hansen per{i}@example.org",
    "ORG1 Ola Nordmann ola{i}@example.org Verva av Stian. "
    + "Eg vil gjerne vere med på turen i sommar og kan ta med telt, kokeapparat og kart over heile området. "
    * 5,
    "ORG1 BETAL 50",
    "ORG1 MEDLEM",
    "HALLO DER",
)
"""What a wave's phones text, by the last digit of their number. The seventh takes four segments."""
OWED_KR = {0: 50, 1: 100, 2: 250, 3: 1000, 7: 50, 8: 50}
"""What the phones with this last digit owe ORG1 beforehand."""
_SETTLE_S = 600.0


@dataclass
class Figures:
    """What a trial came to."""

    victim: str
    seed: int
    kills: int = 0
    kills_while_bound: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    starts_s: list[float] = field(default_factory=list, repr=False)
    seconds: float = 0.0
    settling_s: float = 0.0
    mo: int = 0
    mo_resent: int = 0
    charges: int = 0
    charged: int = 0
    not_charged: int = 0
    in_doubt: int = 0
    found_sending: int = 0
    unanswered: int = 0
    billed: int = 0
    billed_kr: int = 0
    differences: list[str] = field(default_factory=list)

    def shown(self) -> dict[str, object]:
        """All of it, start-ups as one number."""
        told = asdict(self)
        starts = sorted(told.pop("starts_s"))
        told["kinds"] = dict(self.kinds.most_common())
        told["median_start_s"] = round(starts[len(starts) // 2], 3) if starts else None
        return told


def registers(waves: int) -> tuple[str, str]:
    """People and invoices as CSV: everybody who is going to pay, and what they owe."""
    year = oslo_year(SystemClock().now_us())
    people, invoices = ["organisation,name,number"], ["organisation,number,kind,amount_kr,period,due"]
    for wave in range(waves):
        for place in range(WAVE):
            owed = OWED_KR.get(place % 10)
            if owed is None:
                continue
            number = f"+479{wave:05d}{place:02d}"
            people.append(f"ORG1,Medlem {wave}-{place},{number}")
            invoices.append(f"ORG1,{number},membership_fee,{owed},{year},{year}-12-31")
    return "\n".join(people) + "\n", "\n".join(invoices) + "\n"


class Trial:
    """One run: waves of texts, and something that dies at random moments while they are worked on."""

    def __init__(self, world: World, figures: Figures, kills: int, limit_s: float) -> None:
        self.world = world
        self.figures = figures
        self._kills = kills
        self._deadline = time.monotonic() + limit_s
        self._random = random.Random(figures.seed)
        self._wave = ""

    def crash_gateway(self) -> None:
        """The gateway with the bridge in its process dies and comes back."""
        world, figures = self.world, self.figures
        world.smsd.start(cold=True)
        until(lambda: world.phones.binds == 1, "the first bind")
        for number in self._numbers():
            self.text(number)
            if self._random.random() < 0.9:
                time.sleep(self._random.uniform(0.003, 0.3))
            world.smsd.kill()
            figures.kills += 1
            until(lambda: world.phones.binds == 0, "the SMSC notices that the link is gone")
            world.smsd.start()
            if self._random.random() < 0.05:
                # before it is bound: while it reads its stores, migrates nothing, makes up its mind
                time.sleep(self._random.uniform(0.0, 0.08))
                figures.kills_while_bound -= 1
            else:
                figures.starts_s.append(until(self._bound, "a bind after a start"))
            figures.kills_while_bound += 1
        until(self._bound, "the last bind")

    def crash_beside(self, victim: Callable[[], None]) -> None:
        """Something beside the gateway dies and comes back: `victim` does both."""
        world = self.world
        world.bridge.start(cold=True)
        world.smsd.start(cold=True)
        until(self._bound, "the first bind")
        for number in self._numbers():
            self.text(number)
            time.sleep(self._random.uniform(0.02, 0.6))
            victim()
            self.figures.kills += 1
        world.smsd.check()

    def crash_all(self, broker: Mosquitto) -> None:
        """Everything beside the SMSC dies, one thing at a time, or hangs and is taken over from."""
        world, figures = self.world, self.figures
        world.bridge.start(cold=True)
        world.smsd.start(cold=True)
        until(self._bound, "the first bind")
        mischief = Mischief(world, broker, self._random, figures.kinds, figures.starts_s)
        for number in self._numbers():
            self.text(number)
            if self._random.random() < 0.9:
                time.sleep(self._random.uniform(0.003, 0.3))
            mischief.one_kill()
            figures.kills += 1
            figures.kills_while_bound += 1
        until(self._bound, "the last bind")

    def crash_bridge(self) -> None:
        """The bridge's process dies and comes back, perhaps at once, perhaps a while later."""

        def victim() -> None:
            self.world.bridge.kill()
            time.sleep(self._random.choice((0.0, 0.0, 0.4)))
            self.world.bridge.start()

        self.crash_beside(victim)

    def settle(self) -> None:
        """Wait until nothing moves any more, then stop all but the SMSC."""
        world = self.world
        if self._wave:
            world.phones.end_wave(self._wave)
        with (
            contextlib.closing(_reader(world.store)) as gateway,
            contextlib.closing(_reader(world.billing)) as bridge,
        ):
            moving = lambda: _moving(world, gateway, bridge)  # noqa: E731
            for _ in range(2):
                try:
                    self.figures.settling_s += until(
                        lambda: not any(moving().values()), "all is quiet", within_s=_SETTLE_S, every_s=0.2
                    )
                except TrialError as error:
                    raise TrialError(f"{error}: {moving()}") from None
                time.sleep(0.5)
        for program in (world.smsd, world.bridge):
            if program.pid and (status := program.stop()):
                raise TrialError(f"{program.module} ended with {status}; see {program.log}")

    def _numbers(self) -> Iterator[int]:
        for number in range(self._kills):
            if time.monotonic() > self._deadline:
                return
            yield number

    def _bound(self) -> bool:
        self.world.smsd.check()
        return self.world.phones.binds > 0

    def text(self, number: int) -> None:
        """The next wave; the one before it ends."""
        if self._wave:
            self.world.phones.end_wave(self._wave)
        self._wave = self.world.phones.wave(
            {
                "from_prefix": f"479{number:05d}",
                "count": WAVE,
                "to": SHORT_CODE,
                "texts": TEXTS,
                "rate": RATE,
                "replies": 0,
                "timeout_s": 60,
            }
        )


def _reader(store: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{store}?mode=ro", uri=True, isolation_level=None, timeout=10)


_OPEN = {
    "charges": "SELECT count(*) FROM charges WHERE state IN ('intended', 'sending', 'accepted')",
    "messages": "SELECT count(*) FROM messages WHERE fate IN ('queued', 'sending')",
    "parcels": "SELECT count(*) FROM handoff_outbox",
    "fragments": "SELECT count(*) FROM fragments WHERE whole_us = 0",
}


def _moving(world: World, gateway: sqlite3.Connection, bridge: sqlite3.Connection) -> dict[str, int]:
    """What is under way, by kind."""
    for program in world.programs:
        program.check()
    return {
        **{what: gateway.execute(query).fetchone()[0] for what, query in _OPEN.items()},
        "the bridge's parcels": bridge.execute("SELECT count(*) FROM handoff_outbox").fetchone()[0],
        "deliver_sm": world.phones.unanswered(),
    }


def run(victim: str, *, kills: int, seed: int, folder: Path, limit_s: float, warm: bool) -> Figures:
    """One trial in an empty folder."""
    figures = Figures(victim, seed)
    started = time.monotonic()
    broker = None
    if victim != "gateway":
        from mosquitto import Mosquitto

        broker = Mosquitto(folder)
        broker.start()
    world = World(
        folder, carrier="mqtt" if broker else "local", mqtt_port=broker.port if broker else 0, warm=warm
    )
    gc.freeze()
    try:
        world.import_registers(*registers(kills))
        world.smsc.start()
        until(world.phones.listens, "the simulated SMSC listens")
        trial = Trial(world, figures, kills, limit_s)
        if broker is None:
            trial.crash_gateway()
        elif victim == "bridge":
            trial.crash_bridge()
        elif victim == "all":
            trial.crash_all(broker)
        else:
            held = broker

            def restart() -> None:
                held.kill()
                held.start()

            trial.crash_beside(restart)
        trial.settle()
        compare(Books.read(world), figures)
    finally:
        world.end()
        if broker is not None:
            broker.kill()
    figures.seconds = round(time.monotonic() - started, 1)
    return figures


def main() -> int:
    """The program; 1 where the books differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--victim", choices=("gateway", "bridge", "broker", "all"), default="gateway")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None, help="default: drawn, and printed")
    parser.add_argument("--limit-s", type=float, default=1800.0, help="no more kills after so many seconds")
    parser.add_argument(
        "--folder", type=Path, default=None, help="keeps stores and logs there; must be empty"
    )
    parser.add_argument("--cold", action="store_true", help="a whole new interpreter for every start")
    parser.add_argument("--figures", type=Path, default=None, help="writes the figures there, as JSON")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            parser.error(f"--folder {folder} is not empty")
        figures = run(
            given.victim,
            kills=given.kills,
            seed=seed,
            folder=folder.resolve(),
            limit_s=given.limit_s,
            warm=not given.cold,
        )
    told = figures.shown()
    if given.figures is not None:
        given.figures.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    for name, value in told.items():
        if name != "differences":
            print(f"{name.replace('_', ' '):>20}: {value}")
    for difference in figures.differences:
        print(f"DIFFERENCE: {difference}")
    print(f"{len(figures.differences)} differences")
    return 1 if figures.differences else 0


if __name__ == "__main__":
    sys.exit(main())
