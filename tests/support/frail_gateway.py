"""`smsd` on a disk whose fsync fails while a file named by the first argument exists."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from frail_disk import FrailDisk

from smsd.cli import main as smsd


def main() -> None:
    """The program; the other arguments are smsd's."""
    trouble = Path(sys.argv[1])
    disk = FrailDisk(random.Random(0))
    disk.watch(trouble.parent)
    disk.sync_fails = lambda _path: trouble.exists()
    sys.argv = ["smsd", *sys.argv[2:]]
    smsd()


if __name__ == "__main__":
    main()
