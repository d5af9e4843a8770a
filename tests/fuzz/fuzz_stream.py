"""Fuzzes the target `stream`; see `fuzzing.py`."""

from fuzzing import run

if __name__ == "__main__":
    run("stream")
