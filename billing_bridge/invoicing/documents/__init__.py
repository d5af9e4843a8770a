"""Documents as PDF, from Typst templates beside this module. The same data gives the same octets.

Only the fonts that the typesetter brings are used, so that every machine makes the same pages; templates
read no file and fetch no package.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import typst

from foundation.clock import SECOND_US

_FOLDER = Path(__file__).parent


class DocumentError(RuntimeError):
    """A template could not be set; a fault of the program."""


def pdf(template: str, data: Mapping[str, Any], made_us: int) -> bytes:
    """The document `template` (a name without its ending) with this data, as accessible PDF.

    `made_us` is when it is made, UTC microseconds; it stands in the file as its date.
    """
    (octets,) = _compiled(template, data, made_us, "pdf")
    return octets


def pictures(template: str, data: Mapping[str, Any], made_us: int) -> list[bytes]:
    """The same as one PNG a page, to be looked at."""
    return _compiled(template, data, made_us, "png")


def _compiled(
    template: str, data: Mapping[str, Any], made_us: int, form: Literal["pdf", "png"]
) -> list[bytes]:
    try:
        found: Any = typst.compile(
            _FOLDER / f"{template}.typ",
            root=_FOLDER,
            ignore_system_fonts=True,
            format=form,
            ppi=110.0 if form == "png" else None,
            sys_inputs={"data": msgspec.json.encode(data).decode()},
            timestamp=made_us // SECOND_US,
        )
    except typst.TypstError as error:
        raise DocumentError(f"{template}.typ: {error.message}") from error
    # several pages are a list, which its types do not tell
    return [bytes(page) for page in (found if isinstance(found, list) else [found])]
