"""Settings faults in plain English: where a key stands in a TOML file, and what would be right there.

Knows pydantic's error types and models; never shows the value of a secret.
"""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

Loc: TypeAlias = "tuple[str | int, ...]"
NAMES = ("name", "number", "codeword", "category")
"""By which of its keys an entry of an array of tables is called in a fault."""

_SEGMENT = r"""(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_DOTTED = rf"{_SEGMENT}(?:\s*\.\s*{_SEGMENT})*"
_ARRAY = re.compile(rf"\s*\[\[\s*({_DOTTED})\s*\]\]")
_TABLE = re.compile(rf"\s*\[\s*({_DOTTED})\s*\]")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")
_WRONG_RIGHT = "wrong_right"
_KINDS: Sequence[tuple[type, str]] = (
    (bool, "a truth value"),
    (int, "a number"),
    (float, "a number with decimals"),
    (str, "a text"),
    (list, "a list"),
    (dict, "a table"),
)
_TYPES: Mapping[Any, str] = {
    str: "a text in quotes",
    SecretStr: "a text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}
_RANGES: Mapping[frozenset[str], str] = {
    frozenset(): "",
    frozenset({"ge", "le"}): " from {ge} to {le}",
    frozenset({"gt", "le"}): " above {gt}, at most {le}",
    frozenset({"ge"}): " of {ge} or more",
    frozenset({"gt"}): " above {gt}",
    frozenset({"le"}): " of at most {le}",
}
_PLURALS: Mapping[Any, str] = {str: "texts in quotes", int: "whole numbers"}


def told(wrong: str, right: str) -> PydanticCustomError:
    """An error that a model's validator raises to be told in these very words."""
    return PydanticCustomError(_WRONG_RIGHT, "{wrong}; {right}", {"wrong": wrong, "right": right})


def key_lines(text: str) -> dict[Loc, int]:
    """The line, from 1, on which each table and key of a TOML text stands, as far as a glance tells."""
    lines: dict[Loc, int] = {}
    counts: dict[Loc, int] = {}
    table: Loc = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _ARRAY.match(line):
            path = _through(_split(match[1])[:-1], counts)
            path = (*path, _split(match[1])[-1])
            counts[path] = counts.get(path, -1) + 1
            lines.setdefault(path, number)
            table = (*path, counts[path])
            lines[table] = number
        elif match := _TABLE.match(line):
            table = _through(_split(match[1]), counts)
            lines.setdefault(table, number)
        elif match := _KEY.match(line):
            lines.setdefault((*table, *_split(match[1])), number)
    return lines


def _split(dotted: str) -> list[str]:
    return [segment.strip("\"'") for segment in re.findall(_SEGMENT, dotted)]


def _through(segments: Iterable[str], counts: Mapping[Loc, int]) -> Loc:
    path: Loc = ()
    for segment in segments:
        path = (*path, segment)
        if path in counts:
            path = (*path, counts[path])
    return path


def find(data: Any, loc: Loc) -> tuple[bool, Any]:
    """Whether the nested tables and lists hold something there, and what."""
    for step in loc:
        in_table = isinstance(data, Mapping) and step in data
        in_list = isinstance(data, list) and isinstance(step, int) and -1 < step < len(data)
        if not (in_table or in_list):
            return False, None
        data = data[step]
    return True, data


def key_path(data: Any, loc: Loc) -> str:
    """The key as people read it: ``operators[telco].price.tag``; an entry without a name by its place."""
    path = ""
    for step in loc:
        _, data = find(data, (step,))
        if isinstance(step, int):
            names = [data[name] for name in NAMES if name in data] if isinstance(data, Mapping) else []
            path += f"[{next((name for name in names if isinstance(name, str)), step)}]"
        else:
            path += ("." if path else "") + (step if re.fullmatch(r"[\w-]+", step) else f'"{step}"')
    return path


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that a misspelt one was most likely meant to be."""
    by_small = {each.casefold(): each for each in known}
    matches = difflib.get_close_matches(word.casefold(), by_small, n=1, cutoff=0.6)
    return by_small[matches[0]] if matches else None


def one_of(words: Iterable[str], given: object = None) -> str:
    """``did you mean "a"? one of "a", "b"``."""
    known = list(words)
    close = nearest(given, known) if isinstance(given, str) else None
    quoted = ", ".join(quote(word) for word in known)
    return (f"did you mean {quote(close)}? " if close else "") + f"one of {quoted}"


def quote(value: object) -> str:
    """A value as it would stand in a TOML file, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:56] + " …" + text[-1]


def tell(error: ErrorDetails, model: type[BaseModel], data: Any, secrets: Sequence[str]) -> tuple[str, str]:
    """What is wrong and what would be right, for one of pydantic's errors in a table of raw `data`."""
    kind, loc = error["type"], error["loc"]
    context = error.get("ctx", {})
    if kind == _WRONG_RIGHT:
        return str(context["wrong"]), str(context["right"])
    last = str(loc[-1]) if loc else ""
    if kind == "extra_forbidden":
        return _unknown_key(last, model, loc)
    field = _field_at(model, loc)
    right = expected(field) if field else error["msg"]
    if kind == "missing":
        if last in secrets:
            right += f", or {last}_file"
        return "is missing", f"give {right}"
    found, value = find(data, loc)
    shown = "the secret" if last in secrets else quote(value) if found else "the value"
    if kind.endswith(("_type", "_from_float", "_parsing")):
        return f"{shown} is {_kind(value)}", f"give {right}"
    if kind in ("literal_error", "enum") and field is not None:
        return f"{shown} is not known here", one_of(_choices(_bare(field.annotation)[0]), value)
    return f"{shown} will not do", f"give {right}"


def _unknown_key(key: str, model: type[BaseModel], loc: Loc) -> tuple[str, str]:
    owner = _model_at(model, loc[:-1])
    fields = owner.model_fields.items() if owner else ()
    known = sorted(str(field.validation_alias or name) for name, field in fields)
    close = nearest(key, known)
    if close:
        return "there is no such key", f"did you mean {close}?"
    return "there is no such key", f"the keys here are {', '.join(known)}"


def _kind(value: object) -> str:
    for kind, words in _KINDS:
        if isinstance(value, kind):
            return words
    return "a date" if value is not None else "not what is wanted"


def expected(field: FieldInfo) -> str:
    """What a field takes, in words: ``a whole number from 1 to 65535, such as 2775``."""
    bare, metadata = _bare(field.annotation)
    words = _expected_type(bare)
    bounds = {}
    examples = field.examples
    constraints: list[Any] = list(field.metadata)
    for each in metadata:
        constraints += each.metadata if isinstance(each, FieldInfo) else [each]
        examples = examples or (each.examples if isinstance(each, FieldInfo) else None)
    for constraint in constraints:
        for bound in ("ge", "gt", "le", "min_length", "max_length"):
            value = getattr(constraint, bound, None)
            if value is not None:
                bounds[bound] = value
    words += _RANGES[frozenset(bounds) & {"ge", "gt", "le"}].format(**bounds)
    if "max_length" in bounds:
        words += f" of {bounds.get('min_length', 0)} to {bounds['max_length']} characters"
    elif bounds.get("min_length"):
        words += " that is not empty"
    if examples:
        words += f", such as {quote(examples[0])}"
    return words


def _expected_type(bare: Any) -> str:
    if bare in _TYPES:
        return _TYPES[bare]
    choices = _choices(bare)
    if choices:
        return one_of(choices)
    if get_origin(bare) is tuple:
        item, _ = _bare(get_args(bare)[0])
        return f"a list of {_PLURALS.get(item, 'tables')}"
    return "a table"


def _choices(bare: Any) -> list[str]:
    if get_origin(bare) is Literal:
        return [str(choice) for choice in get_args(bare)]
    if isinstance(bare, type) and issubclass(bare, Enum):
        return [str(member.value) for member in bare]
    return []


def _bare(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type without `Annotated` and `None`, and what `Annotated` said."""
    metadata: tuple[Any, ...] = ()
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *more = get_args(annotation)
            metadata += tuple(more)
        elif origin in (Union, types.UnionType):
            rest = [each for each in get_args(annotation) if each is not type(None)]
            if len(rest) != 1:
                return annotation, metadata
            annotation = rest[0]
        else:
            return annotation, metadata


def _model_at(model: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    if not loc:
        return model
    field = _field_at(model, loc)
    bare = _bare(field.annotation)[0] if field else None
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


def _by_alias(model: type[BaseModel], alias: str) -> FieldInfo | None:
    return next((field for field in model.model_fields.values() if field.validation_alias == alias), None)


def _field_at(model: type[BaseModel], loc: Loc) -> FieldInfo | None:
    owner: Any = model
    field: FieldInfo | None = None
    for step in loc:
        if step == "[key]":
            continue
        if isinstance(owner, type) and issubclass(owner, BaseModel):
            field = owner.model_fields.get(str(step)) or _by_alias(owner, str(step))
            if field is None:
                return None
            owner = _bare(field.annotation)[0]
        elif get_origin(owner) in (tuple, dict):
            inner = get_args(owner)[0 if get_origin(owner) is tuple else 1]
            field = FieldInfo.from_annotation(inner)
            owner = _bare(inner)[0]
        else:
            return None
    return field
