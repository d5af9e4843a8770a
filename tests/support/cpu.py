"""How much of a processor something takes, whatever else the machine does."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def cpu_s(work: Callable[[], object], most_s: float) -> float:
    """CPU seconds of `work`: the least of five runs, no more of them once one has taken less than `most_s`.

    What makes a run take more than it needs, such as another program in the caches or a collection of all
    that other tests have left, is not the work's; what it needs shows in each run.
    """
    least = float("inf")
    gc.disable()
    try:
        for _ in range(5):
            began = time.process_time()
            work()
            least = min(least, time.process_time() - began)
            if least < most_s:
                break
    finally:
        gc.enable()
    return least
