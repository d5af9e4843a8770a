"""Harm done to the programs on purpose: each takes one thing away that an invariant rests on.

A simulation that does not find them proves nothing.
"""

from __future__ import annotations

import sabotages_gateway
import sabotages_words
from sabotage import SABOTAGES

__all__ = ["SABOTAGES", "sabotages_gateway", "sabotages_words"]
