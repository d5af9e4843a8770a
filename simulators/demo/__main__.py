"""``python -m simulators.demo``."""

from __future__ import annotations

from simulators.demo.cli import app

app()
