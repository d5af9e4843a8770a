"""What a seed decides beforehand: the operators' traits, what people text, and what goes wrong when."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime

from sim_message import Traits

from foundation.clock import OSLO, to_us

STARTS = {
    "an evening in November": datetime(2026, 11, 24, 18, 0, tzinfo=OSLO),
    "New Year's Eve": datetime(2026, 12, 31, 23, 59, 30, tzinfo=OSLO),
    "the night summer time ends": datetime(2026, 10, 25, 2, 59, 30, fold=0, tzinfo=OSLO),
    "the night summer time begins": datetime(2027, 3, 28, 1, 59, 30, tzinfo=OSLO),
}
PAYS, JOINS, ASKS, STOPS, NONE = "pay", "join", "status", "stop", ""


@dataclass(frozen=True)
class Text:
    """One text from a phone: when, what, and the command it is."""

    at: float
    number: str
    text: str
    kind: str
    amount_kr: int = 0


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    at: float
    kind: str
    value: float = 0.0
    more: float = 0.0


@dataclass
class Plot:
    """All of it."""

    seed: int
    started: str
    started_us: int
    together: bool
    """Whether the bridge runs in the gateway's process."""
    bind: str
    binds: int
    window: int
    response_timeout_s: float
    begins_s: float
    operators: list[Traits]
    texts: list[Text]
    faults: list[Fault]
    die_at: dict[str, set[int]] = field(default_factory=dict)
    die_at_step: dict[str, set[int]] = field(default_factory=dict)
    rebirth_s: float = 1.0
    dies_silently: bool = False


PAYERS = ("+4790000001", "+4790000002", "+4790000003", "+4790000007")
JOINERS = ("+4790000004", "+4790000005", "+4790000001", "+4790000006")
NUMBERS = tuple(f"+479000000{digit}" for digit in range(1, 8))
_OWED = {"+4790000001": (50,), "+4790000002": (50,), "+4790000003": (100, 50), "+4790000007": (50, 250)}


def draw(seed: int, *, faults: bool = True) -> Plot:
    """The plot of a seed; without faults everything goes well."""
    rng = random.Random(f"plot {seed}")
    started = rng.choices(list(STARTS), weights=(7, 1, 1, 1))[0]
    storm = rng.choices((0.0, 0.3, 1.0), weights=(1, 5, 4))[0] if faults else 0.0
    begins_s = rng.choice((1.0, 1.0, 1.0, 400.0))
    plot = Plot(
        seed=seed,
        started=started,
        started_us=to_us(STARTS[started]),
        together=rng.random() < 0.4,
        bind=rng.choice(("transceiver", "transceiver", "transmitter+receiver")),
        binds=rng.choice((1, 1, 2)),
        window=rng.choice((1, 2, 10)),
        response_timeout_s=rng.choice((3.0, 5.0, 10.0)),
        begins_s=begins_s,
        operators=_operators(rng, storm),
        texts=_texts(rng, begins_s),
        faults=_faults(rng, storm, begins_s),
        rebirth_s=rng.choice((0.05, 0.5, 3.0, 20.0)),
        dies_silently=rng.random() < 0.2,
    )
    if any(traits.lies for traits in plot.operators) and rng.random() < 0.5:
        _try_again(rng, plot)
    if storm and rng.random() < 0.1:
        _use_ids_again(rng, plot)
    if storm:
        for text in plot.texts:
            if rng.random() < 0.15:
                # in the middle of what the text sets off
                kind = rng.choice(("gateway commits fail", "gateway dies", "connection cut"))
                plot.faults.append(
                    Fault(round(text.at + rng.uniform(0.005, 0.05), 4), kind, 0.1 * rng.random(), 0.0)
                )
            elif rng.random() < 0.03:
                # it is taken so slowly that its SMSC grows impatient
                plot.faults.append(Fault(text.at - 0.01, "gateway commits slowly", rng.random(), 0.02))
        if not plot.together:
            for text in plot.texts:
                if rng.random() < 0.12:
                    # while what it set off is handed over
                    at = round(text.at + rng.uniform(0.01, 0.3), 4)
                    kind = rng.choice(_HAND_OFF)
                    if kind != "broker forgets":
                        at = text.at
                    plot.faults.append(Fault(at, kind, rng.random(), rng.random()))
        plot.faults.sort(key=lambda fault: fault.at)
    if storm:
        for name in ("gateway", "bridge"):
            if rng.random() < (0.55 if name == "gateway" else 0.25):
                places = {rng.randint(3, rng.choice((40, 90, 160))) for _ in range(rng.choice((1, 1, 2, 3)))}
                (plot.die_at if rng.random() < 0.75 else plot.die_at_step)[name] = places
        for name, places in plot.die_at_step.items():
            plot.die_at_step[name] = {place * rng.randint(5, 25) for place in sorted(places)}
    return plot


def _use_ids_again(rng: random.Random, plot: Plot) -> None:
    """The SMSC gives its ids out anew while it still owes receipts for the old ones."""
    plot.operators = [
        replace(
            traits,
            ids=rng.choice(("decimal", "hex", "resp-hex")),
            receipt_late=0.8,
            receipt_never=0.0,
            swallows=0.0,
        )
        for traits in plot.operators[:1]
    ]
    payers = rng.sample(PAYERS, 3)
    at = plot.begins_s
    plot.texts = [
        Text(at + 4 * place, number, f"ORG1 BETAL {_OWED[number][0]}", PAYS)
        for place, number in enumerate(payers)
    ]
    plot.faults = [*plot.faults[:2], Fault(at + 3, "operator restarts with ids anew", 0.05, 0.0)]
    plot.faults.sort(key=lambda fault: fault.at)


def _try_again(rng: random.Random, plot: Plot) -> None:
    """Somebody who was told that it failed texts again, a while after an operator said something else."""
    paying = next((text for text in plot.texts if text.kind == PAYS and text.amount_kr), None)
    if paying is not None:
        plot.texts.append(Text(paying.at + rng.choice((6.0, 20.0, 130.0)), *_same(paying)))
        plot.texts.sort(key=lambda text: text.at)


def _operators(rng: random.Random, storm: float) -> list[Traits]:
    def odds(most: float) -> float:
        # each trouble by itself most of the time, so that one does not hide another
        return rng.choice((0.0, 0.0, most / 3, most)) * min(1.0, storm * 2)

    def one(name: str, port: int) -> Traits:
        return Traits(
            name=name,
            port=port,
            ids=rng.choice(("decimal", "padded", "hex", "uuid", "resp-hex", "receipt-hex")),
            price=rng.choice(("tlv", "tlv", "int", "kroner", "service_type")),
            billing=rng.choice(("accept", "delivery", "delivery", "late")),
            receipts=rng.choice(("text", "text", "tlv", "both", "swapped")),
            report=rng.choice(("all", "all", "billed", "receipt-ids")),
            echo=rng.random() < 0.8,
            throttles=odds(0.25),
            refuses=odds(0.15),
            unclear=odds(0.15),
            nacks=odds(0.1),
            swallows=odds(0.2),
            silent=odds(0.3),
            answers_late=odds(0.3),
            drops_link=odds(0.15),
            undelivered=rng.choice((0.0, 0.15, 0.5)),
            receipt_first=odds(0.3),
            receipt_twice=odds(0.3),
            receipt_never=odds(0.25),
            receipt_late=odds(0.3),
            receipt_odd=odds(0.4),
            lies=rng.choice((0.0, 0.0, 0.0, 0.5)) * storm,
            closes_on_silence=rng.random() < 0.6,
            patience_s=rng.choice((5.0, 15.0, 30.0)),
        )

    traits = [one("telco", 2775)]
    if rng.random() < 0.2:
        traits.append(one("mobilia", 2776))
    return traits


def _texts(rng: random.Random, begins_s: float) -> list[Text]:
    texts: list[Text] = []
    at = begins_s
    for _ in range(rng.choice((1, 2, 2, 3, 4, 6))):
        at += rng.choice((0.0, rng.uniform(0, 1), rng.uniform(0, 15)))
        fresh = _text(rng, at)
        if any(_same(each) == _same(fresh) and abs(each.at - at) < 1 for each in texts):
            # nobody writes the same twice in a second
            continue
        texts.append(fresh)
        if rng.random() < 0.15:
            again = at + rng.choice((rng.uniform(1, 4), rng.uniform(4, 30)))
            texts.append(Text(again, *_same(texts[-1])))
    return sorted(texts, key=lambda text: text.at)


def _same(text: Text) -> tuple[str, str, str, int]:
    return text.number, text.text, text.kind, text.amount_kr


def _text(rng: random.Random, at: float) -> Text:
    draw = rng.random()
    if draw < 0.6:
        number = rng.choice(PAYERS)
        kr = rng.choice(_OWED[number])
        org = "ORG2" if kr == 150 else "ORG1"
        words = rng.choice((f"{org} BETAL {kr}", f"{org.lower()} betal {kr} kr", f"{org} BETAL {kr},-"))
        return Text(at, number, words, PAYS, kr)
    if draw < 0.78:
        number = rng.choice(JOINERS)
        org = rng.choice(("ORG1", "ORG2", "ORG2"))
        return Text(
            at,
            number,
            f"{org} Ny Medlem{number[-1]} ny{number[-1]}@example.org Vegen 1. Verva av Stian",
            JOINS,
        )
    number = rng.choice(NUMBERS)
    words, kind = rng.choice(
        (
            ("ORG1 BETAL 70", PAYS),
            ("ORG1 BETAL 49.90", NONE),
            ("ORG1 BETAL", NONE),
            ("ORG1 MEDLEM", ASKS),
            ("STOPP", STOPS),
            ("ORG1 STOPP", STOPS),
            ("HJELP", NONE),
            ("ORG1 hallo der", NONE),
            ("HEI", NONE),
            ("ORG2 BETAL 150", PAYS),
        )
    )
    return Text(at, number, words, kind)


def _faults(rng: random.Random, storm: float, begins_s: float) -> list[Fault]:
    if not storm:
        return []
    faults = []
    for _ in range(rng.choice((0, 1, 2, 3, 5) if storm < 1 else (1, 2, 3, 5, 8))):
        at = max(0.5, begins_s + rng.choice((rng.uniform(-1, 5), rng.uniform(0, 40))))
        kind = rng.choices(list(_KINDS), weights=list(_KINDS.values()))[0]
        faults.append(Fault(round(at, 4), kind, rng.random(), rng.random()))
    return sorted(faults, key=lambda fault: fault.at)


_HAND_OFF = ("hand-off loses", "hand-off repeats", "hand-off slow", "hand-off reorders", "broker forgets")
_KINDS = {
    "gateway dies": 3,
    "bridge dies": 1,
    "connection cut": 3,
    "half open": 2,
    "network slow": 2,
    "send buffer full": 1,
    "connections hang": 1,
    "operator restarts": 3,
    "operator restarts with ids anew": 2,
    "gateway commits fail": 2,
    "bridge commits fail": 1,
    "gateway commits slowly": 1,
    "store locked": 1,
    "hand-off loses": 2,
    "hand-off repeats": 2,
    "hand-off slow": 1,
    "hand-off reorders": 2,
    "broker forgets": 1,
    "gateway's clock jumps": 2,
    "bridge's clock jumps": 1,
    "machine suspended": 1,
    "gateway stops and starts": 1,
    "another gateway takes over": 2,
}
