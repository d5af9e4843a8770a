"""What the gateway's settings may say, with units, defaults and bounds; `load` tells all faults at once.

Paths of stores are taken from the working directory, all others from the folder of the file that names
them. The bridge's own tables are left to the bridge.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, PrivateAttr

from foundation.settings import Fault, Part, Reader, Table
from foundation.settings_tables import (
    HandoffSettings,
    LogSettings,
    MetricsSettings,
    StoreSettings,
    WebSettings,
)
from smsd import settings_checks as checks
from smsd.codewords import Codeword
from smsd.settings_limit_checks import check_charge_limits
from smsd.settings_limits import ChargeLimits
from smsd.settings_operators import BOUND_TO, Operator
from smsd.settings_price import FixedTlv, Price
from smsd.settings_tables import BridgeTable, Limits, Organisation, ShortCode

__all__ = [
    "ENVIRONMENT_PREFIX",
    "TABLES",
    "BridgeTable",
    "ChargeLimits",
    "FixedTlv",
    "Limits",
    "Operator",
    "Organisation",
    "Price",
    "Settings",
    "ShortCode",
    "load",
]

TABLES = (
    "store",
    "handoff",
    "bridge",
    "web",
    "operators",
    "short_codes",
    "organisations",
    "limits",
    "metrics",
    "log",
)
ENVIRONMENT_PREFIX = "SMSD"
_ONLY_AT_START = ("store", "handoff", "bridge", "web", "metrics")
TableT = TypeVar("TableT", bound=Table)


class Settings(Table):
    """All of it, checked. Operators, short codes and organisations in the files' order."""

    path: Annotated[Path, Field(strict=False)]
    """The file all was read from."""
    store: StoreSettings
    handoff: HandoffSettings
    bridge: BridgeTable | None
    """``None`` where another file has it."""
    web: WebSettings
    operators: tuple[Operator, ...]
    short_codes: tuple[ShortCode, ...]
    organisations: tuple[Organisation, ...]
    limits: Limits
    metrics: MetricsSettings
    log: LogSettings
    warnings: tuple[Fault, ...] = ()
    """What is allowed but unwise."""

    _organisations: dict[str, Organisation] = PrivateAttr(default_factory=dict)
    _operators: dict[str, tuple[Operator, ...]] = PrivateAttr(default_factory=dict)

    def model_post_init(self, _context: Any) -> None:
        by_name = {operator.name: operator for operator in self.operators}
        self._organisations.update((each.org, each) for each in self.organisations)
        for code in self.short_codes:
            self._operators[code.number] = tuple(by_name[name] for name in code.operators)

    def organisation(self, org: str) -> Organisation | None:
        """The organisation of this codeword in upper case."""
        return self._organisations.get(org)

    @property
    def runs_bridge(self) -> bool:
        """Whether the bridge runs in the gateway's own process."""
        return self.bridge is not None and self.handoff.carrier == "local"

    def operator(self, name: str) -> Operator | None:
        """The operator of this name."""
        return next((each for each in self.operators if each.name == name), None)

    def operators_of(self, short_code: str) -> tuple[Operator, ...]:
        """The operators that carry a configured short code, the preferred first; none for any other."""
        return self._operators.get(short_code, ())

    def short_codes_of(self, organisation: Organisation) -> tuple[str, ...]:
        """The short codes at which an organisation is reached."""
        return organisation.short_codes or tuple(code.number for code in self.short_codes)

    def only_at_start(self, new: Settings) -> list[str]:
        """Keys that differ in `new` and cannot change while the gateway runs; empty: all of it can."""
        changed = [name for name in _ONLY_AT_START if getattr(self, name) != getattr(new, name)]
        mine = {operator.name: operator for operator in self.operators}
        theirs = {operator.name: operator for operator in new.operators}
        changed += [f"operators[{name}]" for name in sorted(mine.keys() ^ theirs.keys())]
        for name in sorted(mine.keys() & theirs.keys()):
            for key in sorted(BOUND_TO):
                if getattr(mine[name], key) != getattr(theirs[name], key):
                    changed.append(f"operators[{name}].{key}")
        return changed

    def codewords(self, short_code: str) -> list[Codeword]:
        """What a `Codebook` of this short code is made of."""
        return [
            organisation.as_codeword()
            for organisation in self.organisations
            if short_code in self.short_codes_of(organisation)
        ]


def load(path: Path | str, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings.

    Args:
        path: the main file.
        environment: variables that lie over the files (``SMSD_STORE__URL``); default: the process's.

    Raises:
        ConfigurationError: with every fault of every file.
    """
    reader = Reader(Path(path), TABLES, prefix=ENVIRONMENT_PREFIX, environment=environment)
    store = reader.table("store").read(StoreSettings)
    handoff = reader.table("handoff").read(HandoffSettings)
    bridge = reader.table("bridge").read(BridgeTable) if "bridge" in reader.main.data else None
    web = reader.table("web").read(WebSettings)
    metrics = reader.table("metrics").read(MetricsSettings)
    log = reader.table("log").read(LogSettings)
    limits = reader.table("limits").read(Limits)
    bounds = limits or Limits()
    operator_parts = reader.array("operators")
    for part in operator_parts:
        _fill_ceiling(part, bounds.amount_max_kr)
        checks.fill_hosts(part)
    operators = _read(operator_parts, Operator)
    short_codes = _read(reader.array("short_codes"), ShortCode)
    organisations = _read(reader.array("organisations"), Organisation)
    checks.check_handoff(reader, handoff, has_bridge="bridge" in reader.main.data)
    checks.check_operators(reader, operators, bounds)
    checks.check_short_codes(reader, short_codes, operators)
    checks.check_organisations(reader, organisations, short_codes, operators)
    check_charge_limits(reader, organisations, operators, bounds)
    warnings = reader.finish()
    return Settings(
        path=Path(path),
        store=_sure(store),
        handoff=_sure(handoff),
        bridge=bridge,
        web=_sure(web),
        operators=_whole(operators),
        short_codes=_whole(short_codes),
        organisations=_whole(organisations),
        limits=bounds,
        metrics=_sure(metrics),
        log=_sure(log),
        warnings=warnings,
    )


def _sure(table: TableT | None) -> TableT:
    assert table is not None, "a table that could not be read has laid a fault"
    return table


def _read(parts: list[Part], model: type[TableT]) -> list[tuple[Part, TableT | None]]:
    return [(part, part.read(model)) for part in parts]


def _whole(read: list[tuple[Part, TableT | None]]) -> tuple[TableT, ...]:
    return tuple(each for _, each in read if each is not None)


def _fill_ceiling(part: Part, ceiling_kr: int) -> None:
    price = part.data.get("price")
    if isinstance(price, dict):
        price.setdefault("max_kr", ceiling_kr)
