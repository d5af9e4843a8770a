"""Fuzzes the target `pdu`; see `fuzzing.py`."""

from fuzzing import run

if __name__ == "__main__":
    run("pdu")
