"""The networks and simulators of the other tests, to be disturbed here."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
for room in ("simulators", "smsd/smpp"):
    sys.path.insert(0, str(TESTS / room))
