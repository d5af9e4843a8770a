"""What waits to be sent, written anew after a reload: an MT leaves as the settings of its day say.

Pure. A text of which a part has left stays as it was begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TypeAlias

from smsd.work import Outgoing, Piece

Make: TypeAlias = Callable[[Outgoing], "list[Piece] | None"]
"""The submit_sm of an MT by the settings of today; None where they cannot send it any more."""


def renewed(pieces: Iterable[Piece], make: Make) -> Iterator[Piece]:
    """The same MTs in the same order; one that can no longer be written stays as it is."""
    for _, group in groupby(pieces, key=lambda piece: id(piece.outgoing)):
        old = list(group)
        new = make(old[0].outgoing) if len(old) == old[0].total else None
        yield from new or old
