"""Reads the one operator that a probe is about: from a whole configuration, or from a profile alone."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

from foundation.settings import ConfigurationError, Fault, Part, Reader
from smsd.settings import ENVIRONMENT_PREFIX, TABLES
from smsd.settings_checks import fill_hosts
from smsd.settings_contradictions import contradictions
from smsd.settings_operators import Operator

__all__ = ["read_operator"]


def read_operator(path: Path, name: str = "", given: Mapping[str, object] | None = None) -> Operator:
    """The operator of a file.

    Args:
        path: a whole configuration, or a file such as those in ``operators/``.
        name: which of a configuration's operators; needed where it has several.
        given: keys that lie over the file's, such as ``host`` (a profile often has no account in it).

    Raises:
        ConfigurationError: with every fault of that operator.
    """
    reader = Reader(path, TABLES, prefix=ENVIRONMENT_PREFIX) if _is_whole(path) else None
    if reader is None:
        return _profile(path, name, given or {})
    parts = reader.array("operators")
    names = [str(part.data.get("name", "")) for part in parts]
    found = [part for part in parts if part.data.get("name") == name or not name]
    if len(found) != 1:
        wrong = f'there is no operator "{name}"' if name else "there are several operators"
        raise ConfigurationError([Fault(str(path), "operators", wrong, f"give --name: {', '.join(names)}")])
    return _read(reader, found[0], given or {})


def _is_whole(path: Path) -> bool:
    try:
        return "operators" in tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        # `Reader` tells what is wrong with it
        return True


def _read(reader: Reader, part: Part, given: Mapping[str, object]) -> Operator:
    part.data.update(given)
    fill_hosts(part)
    operator = part.read(Operator)
    for each in contradictions(operator) if operator is not None else ():
        part.fault(*each)
    if operator is None or reader.faults:
        raise ConfigurationError(reader.faults)
    return operator


def _profile(path: Path, name: str, given: Mapping[str, object]) -> Operator:
    """A profile, as an entry that has nothing but `file` would take it."""
    with tempfile.TemporaryDirectory() as folder:
        main = Path(folder) / "probe.toml"
        # JSON's strings are TOML's
        main.write_text(f"[[operators]]\nfile = {json.dumps(str(path.resolve()))}\n", "utf-8")
        try:
            reader = Reader(main, TABLES, prefix=ENVIRONMENT_PREFIX)
            (part,) = reader.array("operators")
            part.data.setdefault("name", name or path.stem)
            return _read(reader, part, given)
        except ConfigurationError as error:
            whole = str(path.resolve())
            mine = [
                dataclasses.replace(fault, file=str(path)) if fault.file in (str(main), whole) else fault
                for fault in error.faults
            ]
            raise ConfigurationError(mine) from None
