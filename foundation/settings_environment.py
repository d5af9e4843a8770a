"""Settings from environment variables, read by pydantic-settings: ``SMSD_STORE__URL``,
``SMSD_OPERATORS__TELCO__PASSWORD``. Apart, since its import is slow and seldom needed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import create_model
from pydantic_settings import BaseSettings, EnvSettingsSource

_NESTING = "__"


class _Source(EnvSettingsSource):
    """Reads the variables handed in, not the process's own."""

    def __init__(self, prefix: str, variables: Mapping[str, str | None], model: type[BaseSettings]) -> None:
        self._handed_in = variables
        super().__init__(model, env_prefix=prefix, env_nested_delimiter=_NESTING)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._handed_in.items()}


def overlay(
    prefix: str,
    names: Iterable[str],
    tables: Iterable[str],
    secrets: Iterable[str],
    variables: Mapping[str, str],
) -> tuple[dict[str, Any], list[str]]:
    """What the variables called `names` say, as nested tables, and those that name none of the `tables`.

    A value is read as TOML where it is such (``20``, ``true``, ``["a"]``), else as text; a secret is
    always text. Entries of an array of tables stand by name.
    """
    known = set(tables)
    mine = {name: variables[name] for name in names}
    start = len(prefix) + 1
    unknown = [name for name in mine if name[start:].split(_NESTING)[0].lower() not in known]
    fields: dict[str, Any] = {table: (dict[str, Any], {}) for table in known}
    model = create_model("Environment", __base__=BaseSettings, **fields)
    found = _Source(f"{prefix}_", dict(mine), model)()
    return {table: _typed(value, frozenset(secrets)) for table, value in found.items()}, unknown


def _typed(value: Any, secrets: frozenset[str], key: str = "") -> Any:
    if isinstance(value, dict):
        return {each: _typed(inner, secrets, each) for each, inner in value.items()}
    if not isinstance(value, str) or key in secrets:
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value
