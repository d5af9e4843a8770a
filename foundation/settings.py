"""Reading settings: TOML files into strict frozen models, all faults of all files told at once.

Over what the files say lies the environment (``PREFIX_TABLE__KEY``); secrets come from files beside the
settings, from systemd credentials, or from the environment. Decides nothing about what the keys mean.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from foundation.settings_words import NAMES, Loc, find, key_lines, key_path, nearest, tell

SECRETS = ("password", "token", "secret")
"""Keys whose value never shows; each may be given as a file's content by ``<key>_file``."""

WRITTEN = ("trace_file",)
"""Keys of files that the program writes: taken from the working directory, and need not be there."""

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_ENVIRONMENT = "the environment"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a settings file: where, what, and what would be right. `line` 0: not known."""

    file: str
    key: str
    wrong: str
    right: str
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        parts = [place, self.key] if self.key else [place]
        return f"{': '.join(parts)}: {self.wrong}; {self.right}"


class ConfigurationError(Exception):
    """The settings cannot be used; `faults` has every reason, told one a line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class Table(BaseModel):
    """A table of a settings file: no conversions, no unknown keys, never changed after reading."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


TableT = TypeVar("TableT", bound=Table)


@dataclass(slots=True)
class Document:
    """One file as read."""

    path: Path | None
    data: dict[str, Any]
    text: str = ""
    _lines: dict[Loc, int] | None = None

    @property
    def name(self) -> str:
        return str(self.path) if self.path else _ENVIRONMENT

    def line(self, loc: Loc) -> int:
        """Where a key stands; for one that is missing, where the table it is missing from begins."""
        if self._lines is None:
            self._lines = key_lines(self.text)
        while loc and loc not in self._lines:
            loc = loc[:-1]
        return self._lines.get(loc, 0)


@dataclass(frozen=True, slots=True)
class Layer:
    """A table's place in one document."""

    document: Document
    base: Loc

    def find(self, loc: Loc) -> tuple[bool, Any]:
        return find(self.document.data, (*self.base, *loc))


@dataclass(slots=True)
class Part:
    """One table as the layers make it, the first layer winning; knows where to lay a fault."""

    reader: Reader
    layers: tuple[Layer, ...]
    data: dict[str, Any]
    home: Layer
    """Where a key that is missing ought to be."""
    secrets_in_plain: list[Loc] = field(default_factory=list)

    def fault(self, loc: Loc, wrong: str, right: str) -> None:
        """Say that something is wrong with a key of this table."""
        self.reader.faults.append(self._told(loc, wrong, right))

    def warn(self, loc: Loc, wrong: str, right: str) -> None:
        """Say that something is allowed, but unwise."""
        self.reader.warnings.append(self._told(loc, wrong, right))

    def _told(self, loc: Loc, wrong: str, right: str) -> Fault:
        layer = self.layer(loc)
        whole = (*layer.base, *loc)
        document = layer.document
        return Fault(document.name, key_path(document.data, whole), wrong, right, document.line(whole))

    def layer(self, loc: Loc) -> Layer:
        """Where the key was given; for one given nowhere, where its table is."""
        for length in range(len(loc), 0, -1):
            for layer in self.layers:
                if layer.find(loc[:length])[0]:
                    return layer
        return self.home

    def read(self, model: type[TableT]) -> TableT | None:
        """The table as a model; ``None`` where it has faults, which are then told."""
        before = len(self.reader.faults)
        try:
            read = model.model_validate_json(json.dumps(self.data, default=str))
        except ValidationError as error:
            for each in error.errors(include_url=False):
                self._lay(each, model)
            return None
        return read if len(self.reader.faults) == before else None

    def _lay(self, error: Any, model: type[BaseModel]) -> None:
        wrong, right = tell(error, model, self.data, SECRETS)
        loc: Loc = tuple(step for step in error["loc"] if step != "[key]")
        if error["type"] == "missing" and self._from_file(loc):
            return  # what is wrong with that file is told already
        self.fault(loc, wrong, right)

    def _from_file(self, loc: Loc) -> bool:
        by_file: Loc = (*loc[:-1], f"{loc[-1]}_file")
        return any(layer.find(by_file)[0] for layer in self.layers)


class Reader:
    """Reads one settings file and those it names, keeping every fault until `finish`.

    Args:
        path: the main file.
        tables: what it may have at its top; anything else is a fault.
        prefix: of the environment variables that lie over it (``SMSD`` for ``SMSD_STORE__URL``).
        environment: where variables are looked up; the process's own by default.

    Raises:
        ConfigurationError: at once where the main file cannot be read at all.
    """

    def __init__(
        self,
        path: Path,
        tables: Iterable[str],
        *,
        prefix: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        self._variables = os.environ if environment is None else environment
        main = self._document(path)
        if main is None:
            raise ConfigurationError(self.faults)
        self.main = main
        self._tables = tuple(tables)
        self._over = Document(None, self._overlay(prefix))
        self._only_known()

    def table(self, key: str) -> Part:
        """A table of the main file, empty where it is not there."""
        value = self.main.data.get(key, {})
        layers = (Layer(self._over, (key,)), Layer(self.main, (key,)))
        if not isinstance(value, dict):
            self._add(self.main, (key,), "is not a table", f"write [{key}] on a line of its own")
            value = {}
        return self._part(layers, value, layers[-1])

    def array(self, key: str, *, from_files: bool = True) -> list[Part]:
        """The entries of an array of tables; one with `file` lies over that file's keys."""
        value = self.main.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self._add(self.main, (key,), "is not a list of tables", f"write [[{key}]] above each entry")
            return []
        parts = [self._entry(key, place, each, from_files) for place, each in enumerate(value)]
        read = [part for part in parts if part is not None]
        self._check_overlay(key, read)
        return read

    def fault(self, loc: Loc, wrong: str, right: str) -> None:
        """Say that something is wrong with the main file as a whole."""
        self._add(self.main, loc, wrong, right)

    def finish(self) -> tuple[Fault, ...]:
        """The warnings.

        Raises:
            ConfigurationError: where anything was wrong.
        """
        if self.faults:
            unique = dict.fromkeys(self.faults)
            raise ConfigurationError(sorted(unique, key=lambda fault: (fault.file, fault.line)))
        return tuple(dict.fromkeys(self.warnings))

    def _only_known(self) -> None:
        for key in self.main.data:
            if key not in self._tables:
                close = nearest(key, self._tables)
                right = f"did you mean {close}?" if close else f"the tables are {', '.join(self._tables)}"
                self._add(self.main, (key,), "there is no such table", right)

    def _add(self, document: Document, loc: Loc, wrong: str, right: str) -> None:
        self.faults.append(
            Fault(document.name, key_path(document.data, loc), wrong, right, document.line(loc))
        )

    def _document(self, path: Path, told_by: Callable[[str, str], None] | None = None) -> Document | None:
        def told_plainly(wrong: str, right: str) -> None:
            self.faults.append(Fault(str(path), "", wrong, right))

        tell_it = told_by or told_plainly
        try:
            text = path.read_bytes().decode()
        except FileNotFoundError:
            tell_it(f"there is no file {path}", "give the path of a settings file")
        except UnicodeDecodeError as error:
            self.faults.append(
                Fault(str(path), "", f"octet {error.start} is not UTF-8", "save the file as UTF-8")
            )
        except OSError as error:
            tell_it(f"{path} cannot be read ({error.strerror})", "give a file that this user may read")
        else:
            return self._parse(path, text)
        return None

    def _parse(self, path: Path, text: str) -> Document | None:
        try:
            return Document(path, tomllib.loads(text), text)
        except tomllib.TOMLDecodeError as error:
            match = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
            line, column = (int(match[1]), int(match[2])) if match else (text.count("\n") + 1, 1)
            what = re.sub(r" \(at .*\)$", "", str(error))
            self.faults.append(
                Fault(
                    str(path),
                    "",
                    f"this is not TOML at line {line}, column {column}: {what}",
                    "mend it there",
                    line,
                )
            )
            return None

    def _entry(self, key: str, place: int, entry: dict[str, Any], from_files: bool) -> Part | None:
        base: Loc = (key, place)
        home = Layer(self.main, base)
        layers = [home]
        data = dict(entry)
        if from_files and "file" in entry:
            file = data.pop("file")
            if not isinstance(file, str) or self.main.path is None:
                self._add(self.main, (*base, "file"), "is not a text", "give a path in quotes")
                return None
            document = self._document(
                self.main.path.parent / file,
                lambda wrong, right: self._add(self.main, (*base, "file"), wrong, right),
            )
            if document is None:
                return None
            layers.append(Layer(document, ()))
            if not data:
                home = layers[-1]
            data = _merge(data, document.data)
        name = next((data[each] for each in NAMES if isinstance(data.get(each), str)), None)
        if name is not None:
            layers.insert(0, Layer(self._over, (key, _variable_name(name))))
        return self._part(tuple(layers), data, home)

    def _part(self, layers: tuple[Layer, ...], data: dict[str, Any], home: Layer) -> Part:
        _, over = layers[0].find(()) if layers[0].document is self._over else (False, None)
        if isinstance(over, dict):
            data = _merge(over, data)
        part = Part(self, layers, data, home)
        part.data = self._with_files(part, (), data)
        return part

    def _with_files(self, part: Part, loc: Loc, data: dict[str, Any]) -> dict[str, Any]:
        """The table with each ``*_file`` read (a secret) or made a whole path (any other)."""
        result: dict[str, Any] = {}
        for key, value in data.items():
            here: Loc = (*loc, key)
            name = key.removesuffix("_file")
            if isinstance(value, dict):
                result[key] = self._with_files(part, here, value)
            elif name == key or key in WRITTEN or not isinstance(value, str):
                if key in SECRETS and part.layer(here).document.path:
                    part.secrets_in_plain.append(here)
                result[key] = value
            elif name not in SECRETS:
                path = self._path(part, here, value)
                if path is not None and self._content(part, here, path) is not None:
                    result[key] = str(path)
            elif name not in data:
                path = self._path(part, here, value)
                secret = self._secret(part, here, path) if path else None
                if secret is not None:
                    result[name] = secret
            elif part.layer((*loc, name)).document.path:
                part.fault(here, f"{name} is given too", "keep one of the two")
        return result

    def _path(self, part: Part, loc: Loc, text: str) -> Path | None:
        if not text:
            part.fault(loc, "is empty", "give the path of a file")
            return None
        missing = [name for name in _VARIABLE.findall(text) if not self._variables.get(name)]
        if missing:
            right = (
                "systemd sets it where the unit has LoadCredential="
                if missing == ["CREDENTIALS_DIRECTORY"]
                else "set it, or write the path in full"
            )
            part.fault(loc, f"the environment has no {' and no '.join(missing)}", right)
            return None
        path = Path(_VARIABLE.sub(lambda match: self._variables[match[1]], text))
        beside = part.layer(loc).document.path or self.main.path
        return beside.parent / path if beside else path

    def _content(self, part: Part, loc: Loc, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except OSError as error:
            part.fault(
                loc, f"{path} cannot be read ({error.strerror})", "give a file that this user may read"
            )
            return None

    def _secret(self, part: Part, loc: Loc, path: Path) -> str | None:
        content = self._content(part, loc, path)
        if content is None:
            return None
        if path.stat().st_mode & stat.S_IROTH:
            part.warn(loc, f"{path} can be read by everybody on this machine", f"chmod 600 {path}")
        try:
            secret = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            part.fault(loc, f"{path} is not UTF-8", "save it as UTF-8 text")
            return None
        if not secret:
            part.fault(loc, f"{path} is empty", "write the secret in it")
            return None
        return secret

    def _overlay(self, prefix: str) -> dict[str, Any]:
        start = f"{prefix}_"
        names = [name for name in self._variables if name.startswith(start) and "__" in name]
        if not names:
            return {}
        # takes a tenth of a second to import; only a start with such variables pays for it
        from foundation.settings_environment import overlay  # noqa: PLC0415

        data, unknown = overlay(prefix, names, self._tables, SECRETS, self._variables)
        for name in unknown:
            right = f"the tables are {', '.join(self._tables)}"
            self.faults.append(Fault(_ENVIRONMENT, name, "names no table of the settings", right))
        return data

    def _check_overlay(self, key: str, parts: list[Part]) -> None:
        named = {part.layers[0].base[-1] for part in parts if part.layers[0].document is self._over}
        for name in self._over.data.get(key, {}):
            if name not in named:
                wrong = f"no entry of {key} has this name"
                self._add(self._over, (key, name), wrong, "mend the variable's name")


def _variable_name(name: str) -> str:
    return re.sub(r"\W", "_", name).lower()


def _merge(over: dict[str, Any], under: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged
