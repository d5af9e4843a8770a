"""A gateway to play with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playbook import Play


@pytest.fixture(name="play")
def _play(tmp_path: Path) -> Iterator[Play]:
    """One operator, ORG1 at 2030."""
    play = Play(tmp_path)
    yield play
    play.close()


@pytest.fixture(name="plays")
def _plays(tmp_path: Path) -> Iterator[Callable[..., Play]]:
    """Makes plays of other settings, each on a file of its own."""
    made: list[Play] = []

    def make(**settings: Any) -> Play:
        folder = tmp_path / f"play{len(made)}"
        folder.mkdir()
        made.append(Play(folder, **settings))
        return made[-1]

    yield make
    for play in made:
        play.close()
