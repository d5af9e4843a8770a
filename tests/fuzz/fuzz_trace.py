"""Fuzzes the target `trace`; see `fuzzing.py`."""

from fuzzing import run

if __name__ == "__main__":
    run("trace")
