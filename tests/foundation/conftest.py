"""Loggers as a fresh process has them, whatever ran in this one before."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def _loggers_of_a_fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A web server told to keep quiet about requests silences its logger for the whole process."""
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
