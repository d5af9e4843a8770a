"""The lock beside a store: held by one living process, gone with it, replaced where it is seized."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol


class Lock(Protocol):
    """Held by one living process."""

    def take(self) -> bool:
        """Hold it, unless another process does."""

    def seize(self) -> None:
        """Hold it, whoever does; whoever did is not disturbed, but nobody looks at theirs any more."""

    def renew(self) -> None:
        """Hold it again where its file was removed."""

    def release(self) -> None:
        """Let go; twice is nothing."""


class FileLock:
    """flock(2) on a file of its own, which is left behind empty.

    Seizing puts a new file in the place of the old one: a paused holder's lock is then on a file without a
    name.

    Raises:
        OSError: from all but `release`, where the file or its file system does not allow it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1

    def take(self) -> bool:
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
            except OSError:
                os.close(file)
                raise
            if self._is_at_path(file):
                self.release()
                self._file = file
                return True
            # somebody put a new one in its place meanwhile
            os.close(file)

    def seize(self) -> None:
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        file = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.rename(self.path)
        except OSError:
            os.close(file)
            raise
        self.release()
        self._file = file

    def renew(self) -> None:
        if self._file >= 0 and not self._is_at_path(self._file):
            self.take()

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _is_at_path(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self.path.stat())
        except FileNotFoundError:
            return False
