"""Runs one target under atheris, which follows what the code does and looks for octets that go new ways.

    python tests/fuzz/fuzz_pdu.py -max_total_time=60

All options are libFuzzer's. Octets that broke something are kept beside the corpus and named at the end.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOUND = ROOT / "var" / "fuzz"
LONGEST_OCTETS = 2048
MOST_SECONDS = 5
MOST_MB = 1024


def run(name: str) -> None:
    """Fuzz the target of this name until the options given on the command line end it."""
    # optional: the project's tests run without it
    import atheris

    sys.path.insert(0, str(Path(__file__).parent))
    with atheris.instrument_imports(include=["smsd"]):
        from fuzz_targets import TARGETS
    from hostile_samples import seeds

    corpus = FOUND / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number:03d}").write_bytes(seed)
    options = [
        sys.argv[0],
        f"-max_len={LONGEST_OCTETS}",
        f"-timeout={MOST_SECONDS}",
        f"-rss_limit_mb={MOST_MB}",
        f"-artifact_prefix={FOUND}/{name}-",
        "-print_final_stats=1",
        *sys.argv[1:],
        str(corpus),
    ]
    atheris.Setup(options, TARGETS[name])
    atheris.Fuzz()
