"""A configuration on a stage of its own: its ports, its folder, a simulated SMSC that fits its operators.

Changes nothing of the configuration's files: what differs lies over them as environment variables.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from simulators.smsc.settings import (
    Alphabet,
    PriceCarrier,
    PriceSettings,
    PriceType,
    PriceUnit,
    Script,
    SmscSettings,
)
from smsd.settings import Settings, load

LOOPBACK = "127.0.0.1"
_MOST_WAIT_S = 60.0
_MOST_KEPT = 128
_kept: deque[int] = deque()


class StageError(Exception):
    """The stage cannot be set; the words say why and what to do."""


@dataclass(frozen=True)
class Port:
    """A port that somebody is to listen on: its number, what for, and how to give another."""

    number: int
    what: str
    option: str


@dataclass(frozen=True)
class Stage:
    """Where everything listens and lies. `var` None leaves the stores where the configuration has them."""

    config: Path
    var: Path | None
    smpp: int
    control: int
    metrics: int
    web: int

    @property
    def ports(self) -> tuple[Port, ...]:
        """All of them, with the words of a complaint."""
        return (
            Port(self.smpp, "SMPP of the simulated SMSC", "--port"),
            Port(self.control, "the phones and their control API", "--control"),
            Port(self.metrics, "the gateway's metrics", "--metrics"),
            Port(self.web, "the bridge's web site", "--web"),
        )

    @property
    def ledger(self) -> Path:
        """The simulated operator's own account."""
        return (self.var or Path("var")) / "smsc-ledger.jsonl"

    def environment(self, operators: Iterable[str], **more: str) -> dict[str, str]:
        """The variables that put the configuration on this stage; `more` are further ones."""
        found = {
            "SMSD_METRICS__LISTEN": f"{LOOPBACK}:{self.metrics}",
            "SMSD_WEB__LISTEN": f"{LOOPBACK}:{self.web}",
            "BILLING_BRIDGE_WEB__LISTEN": f"{LOOPBACK}:{self.web}",
            "SMSD_LIMITS__STOP_GRACE_S": "1",
            **more,
        }
        for name in operators:
            found[f"SMSD_OPERATORS__{name}__HOST"] = LOOPBACK
            found[f"SMSD_OPERATORS__{name}__PORT"] = str(self.smpp)
        if self.var is not None:
            var = self.var.resolve()
            found["SMSD_STORE__URL"] = f"sqlite:///{var}/smsd.db"
            found["SMSD_BRIDGE__STORE"] = f"sqlite:///{var}/billing.db"
            found["BILLING_BRIDGE_BRIDGE__STORE"] = f"sqlite:///{var}/billing.db"
        return found

    def settle(self, **more: str) -> tuple[Settings, dict[str, str]]:
        """The settings as they are on this stage, and the variables that make them so.

        Raises:
            ConfigurationError: the configuration cannot be used.
        """
        plain = load(self.config)
        variables = self.environment([operator.name for operator in plain.operators], **more)
        return load(self.config, {**os.environ, **variables}), variables


def free_port() -> int:
    """A loopback port that nobody listens on, nor is given to anybody else while this process runs.

    It is kept by a socket that is bound and does not listen: connections are refused, and who names the
    port and sets SO_REUSEADDR, as servers do, may listen there, as often as wanted.
    """
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind((LOOPBACK, 0))
    port: int = keeper.getsockname()[1]
    # as a number: it is to live as long as the process, and nobody closes it
    _kept.append(keeper.detach())
    if len(_kept) > _MOST_KEPT:
        os.close(_kept.popleft())
    return port


def refuse_taken(ports: Iterable[Port]) -> None:
    """Raises StageError, naming every port that somebody listens on already."""
    faults = []
    for port in ports:
        try:
            socket.create_server((LOOPBACK, port.number)).close()
        except OSError as error:
            faults.append(
                f"port {port.number} ({port.what}) cannot be used: {os.strerror(error.errno or 0)}; "
                f"stop what listens there (ss -ltnp 'sport = :{port.number}' tells), "
                f"or give another with {port.option}"
            )
    if faults:
        raise StageError("\n".join(faults))


def simulated(settings: Settings, stage: Stage, script: Script | None = None) -> SmscSettings:
    """An SMSC that all the configuration's operators can bind to, with the first one's price and alphabet."""
    script = script or Script()
    if settings.operators:
        first = settings.operators[0]
        price = PriceSettings(
            carrier=PriceCarrier(first.price.carrier),
            tag=first.price.tag or PriceSettings().tag,
            type=PriceType(first.price.type),
            unit=PriceUnit(first.price.unit),
        )
        script = script.model_copy(update={"price": price, "alphabet": Alphabet(first.data_coding_default)})
    return SmscSettings(
        host=LOOPBACK,
        port=stage.smpp,
        control_host=LOOPBACK,
        control_port=stage.control,
        accounts={
            operator.system_id: operator.password.get_secret_value() for operator in settings.operators
        },
        ledger=stage.ledger,
        script=script,
    )


def import_register(what: str, file: Path, config: Path, variables: Mapping[str, str]) -> str:
    """Run ``billing-bridge import``; what it says.

    Raises:
        StageError: it refused the file, in its own words.
    """
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "billing_bridge.cli", "import", what, str(file), "--config", str(config)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=_MOST_WAIT_S,
        check=False,
    )
    if done.returncode:
        raise StageError((done.stderr or done.stdout).strip())
    return done.stdout.strip()
