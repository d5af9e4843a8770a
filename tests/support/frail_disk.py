"""A disk that forgets: an SQLite VFS that keeps what was synced, and loses or tears the rest at a power cut.

Registered by ctypes with the very library that Python's sqlite3 uses, as its default; only files in the
folders given to `FrailDisk.watch` are looked after. It wraps the default VFS: of a file's methods only
those that write, sync, lock or close are ours, the rest stay C.
"""

from __future__ import annotations

import atexit
import ctypes
import random
import threading
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, cast
from pathlib import Path
from typing import Any

_OK, _IOERR = 0, 10
_IOERR_WRITE, _IOERR_FSYNC, _IOERR_TRUNCATE, _IOERR_LOCK = (_IOERR | n << 8 for n in (3, 4, 6, 15))
_TRACKED = 0x100 | 0x800 | 0x80000
"""SQLITE_OPEN_MAIN_DB, _MAIN_JOURNAL, _WAL."""
_SYNCS_FOLDER = 0x800 | 0x80000
"""Of these SQLite syncs the folder too, at their first sync."""
SECTOR = 512

_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_WITH_INT = CFUNCTYPE(c_int, c_void_p, c_int)
_CLOSE = CFUNCTYPE(c_int, c_void_p)
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)


class _Methods(Structure):
    """struct sqlite3_io_methods."""

    _fields_ = (
        ("iVersion", c_int),
        ("xClose", _CLOSE),
        ("xRead", c_void_p),
        ("xWrite", _WRITE),
        ("xTruncate", _TRUNCATE),
        ("xSync", _WITH_INT),
        ("xFileSize", c_void_p),
        ("xLock", _WITH_INT),
        *((name, c_void_p) for name in ("xUnlock", "xCheckReservedLock", "xFileControl", "xSectorSize")),
        *((name, c_void_p) for name in ("xDeviceCharacteristics", "xShmMap", "xShmLock", "xShmBarrier")),
        *((name, c_void_p) for name in ("xShmUnmap", "xFetch", "xUnfetch")),
    )


class _Vfs(Structure):
    """struct sqlite3_vfs."""

    _fields_ = (
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", _OPEN),
        ("xDelete", _DELETE),
        *((name, c_void_p) for name in ("xAccess", "xFullPathname", "xDlOpen", "xDlError", "xDlSym")),
        *((name, c_void_p) for name in ("xDlClose", "xRandomness", "xSleep", "xCurrentTime")),
        *((name, c_void_p) for name in ("xGetLastError", "xCurrentTimeInt64", "xSetSystemCall")),
        *((name, c_void_p) for name in ("xGetSystemCall", "xNextSystemCall")),
    )


class Unavailable(Exception):
    """Python's SQLite cannot be reached by ctypes on this machine."""


class Image:
    """What a disk knows of one file: `durable` (None: no such file) and what was done to it since."""

    __slots__ = ("deleted", "durable", "pending")

    def __init__(self, durable: bytes | None) -> None:
        self.durable = durable
        self.pending: list[tuple[int, bytes] | int] = []
        self.deleted = False

    def settle(self, rng: random.Random, keep: float) -> bytes | None:
        """The file after a power cut: of what was not synced each sector survives with odds of `keep`."""
        if self.durable is None and (not self.pending or rng.random() >= keep):
            return None
        if self.deleted and rng.random() < keep:
            return None
        content = bytearray(self.durable or b"")
        for change in self.pending:
            if isinstance(change, int):
                if rng.random() < keep:
                    _resize(content, change)
                continue
            offset, octets = change
            at = 0
            while at < len(octets):
                end = min(len(octets), at + SECTOR - (offset + at) % SECTOR)
                if rng.random() < keep:
                    _put(content, offset + at, octets[at:end])
                at = end
        return bytes(content)

    def synced(self) -> None:
        """All of it is on the disk."""
        content = bytearray(self.durable or b"")
        for change in self.pending:
            if isinstance(change, int):
                _resize(content, change)
            else:
                _put(content, *change)
        self.durable, self.pending, self.deleted = bytes(content), [], False


def _resize(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))


def _put(content: bytearray, offset: int, octets: bytes) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(octets)] = octets


class FrailDisk:
    """The one disk of a test process; installs itself, `remove` takes it away.

    `before_change`, where set, is asked before each write, truncation and sync of a watched file whether
    the power goes at that very moment. `sync_fails` says whether a sync fails (EIO); what it should have
    written is then lost in part or, though it can still be read, never written.

    Raises:
        Unavailable: no such library, or its VFS is not what is expected.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.before_change: Callable[[Path], bool] | None = None
        self.sync_fails: Callable[[Path], bool] | None = None
        self.cuts = 0
        self.syncs = 0
        self.failed_syncs = 0
        self.lost_octets = 0
        self._folders: set[str] = set()
        self._images: dict[str, Image] = {}
        self._open: dict[int, str] = {}
        self._dead: set[int] = set()
        self._mutex = threading.RLock()
        self._fresh: set[int] = set()
        self._tables: dict[int, _Methods] = {}
        self._real_of: dict[int, _Methods] = {}
        self._library = _library()
        found = self._library.sqlite3_vfs_find(None)
        if not found:
            raise Unavailable("SQLite has no default VFS")
        self._base_at = found
        self._base = _Vfs.from_address(found)
        self._vfs = _Vfs()
        ctypes.memmove(byref(self._vfs), found, ctypes.sizeof(_Vfs))
        self._vfs.iVersion = min(3, self._base.iVersion)
        self._vfs.zName = b"frail"
        self._vfs.pNext = None
        self._vfs.xOpen = _OPEN(self._on_open)
        self._vfs.xDelete = _DELETE(self._on_delete)
        self._write, self._truncate = _WRITE(self._on_write), _TRUNCATE(self._on_truncate)
        self._sync, self._lock = _WITH_INT(self._on_sync), _WITH_INT(self._on_lock)
        self._close = _CLOSE(self._on_close)
        if self._library.sqlite3_vfs_register(byref(self._vfs), 1) != _OK:
            raise Unavailable("SQLite does not take another VFS")
        # a connection that outlives Python must not call it
        atexit.register(self.remove)

    @staticmethod
    def reachable() -> None:
        """Raises Unavailable where a disk cannot be made on this machine."""
        _library()

    def remove(self) -> None:
        """Make the former VFS the default again. Connections made through this one go on without us."""
        atexit.unregister(self.remove)
        with self._mutex:
            for file, real in self._real_of.items():
                ctypes.c_void_p.from_address(file).value = ctypes.addressof(real)
        self._library.sqlite3_vfs_unregister(byref(self._vfs))
        self._library.sqlite3_vfs_register(self._base_at, 1)
        _KEPT.append(self)

    def watch(self, folder: Path) -> None:
        """Look after the databases in this folder; what lies there is on the disk."""
        self._folders.add(str(folder))

    def forget(self, folder: Path) -> None:
        """No more."""
        self._folders.discard(str(folder))
        with self._mutex:
            for path in [path for path in self._images if Path(path).parent == folder]:
                del self._images[path]

    def power_is_out(self, store: Path) -> bool:
        """Whether the power went in the middle of something done to this store's files."""
        return any(self._open.get(file, "").startswith(str(store)) for file in self._dead)

    def cut(self, store: Path, keep: float | None = None) -> None:
        """The power goes: this database's files are what was synced, and some of what was not.

        Connections that are open see only errors from now on, and the old files.
        """
        rng = self.rng
        self.cuts += 1
        odds = rng.choice((0.0, 0.1, 0.5, 0.9, 1.0)) if keep is None else keep
        with self._mutex:
            self._dead.update(file for file, path in self._open.items() if path.startswith(str(store)))
            for path, image in self._images.items():
                if path.startswith(str(store)):
                    self._restore(Path(path), image, odds)
            store.with_name(store.name + "-shm").unlink(missing_ok=True)
            for file in self._dead:
                # what they do concerns files that have no name any more
                self._open[file] = ""

    def _restore(self, path: Path, image: Image, odds: float) -> None:
        content = image.settle(self.rng, odds)
        before = path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
        if content is not None:
            # a new file of that name: connections from before keep the old one
            path.write_bytes(content)
        self.lost_octets += max(0, before - len(content or b""))
        image.durable, image.pending, image.deleted = content, [], False

    def _goes(self, path: str) -> bool:
        """Whether the power goes before a change of this file."""
        if self.before_change is None or not self.before_change(Path(path)):
            return False
        store = path.removesuffix("-wal").removesuffix("-journal")
        self._dead.update(file for file, each in self._open.items() if each.startswith(store))
        return True

    def _on_open(self, _vfs: Any, name: Any, file: int, flags: int, out: Any) -> int:
        path = cast(name, c_char_p).value.decode() if name else ""  # type: ignore[union-attr]
        watched = bool(flags & _TRACKED) and str(Path(path).parent) in self._folders
        new = watched and not Path(path).exists()
        status: int = self._base.xOpen(self._base_at, name, file, flags, out)
        if status != _OK or not watched:
            return status
        with self._mutex:
            self._open[file] = path
            self._dead.discard(file)
            if flags & _SYNCS_FOLDER:
                self._fresh.add(file)
            if path not in self._images:
                self._images[path] = Image(None if new else Path(path).read_bytes())
            elif new and self._images[path].deleted:
                # until the new one is synced, the old one may come back
                self._images[path].pending = [0]
            pointer = ctypes.c_void_p.from_address(file)
            assert pointer.value is not None
            pointer.value = self._shadow(pointer.value, file)
        return status

    def _shadow(self, at: int, file: int) -> int:
        if at not in self._tables:
            table = _Methods()
            ctypes.memmove(byref(table), at, ctypes.sizeof(_Methods))
            table.iVersion = min(3, table.iVersion)
            table.xWrite, table.xTruncate = self._write, self._truncate
            table.xSync, table.xLock, table.xClose = self._sync, self._lock, self._close
            self._tables[at] = table
        self._real_of[file] = _Methods.from_address(at)
        return ctypes.addressof(self._tables[at])

    def _on_delete(self, _vfs: Any, name: bytes, sync: int) -> int:
        status: int = self._base.xDelete(self._base_at, name, sync)
        image = self._images.get(name.decode())
        if status == _OK and image is not None:
            with self._mutex:
                if sync:
                    image.durable, image.pending = None, []
                else:
                    image.deleted = True
        return status

    def _on_write(self, file: int, octets: int, amount: int, offset: int) -> int:
        with self._mutex:
            path = self._open[file]
            if file in self._dead or self._goes(path):
                return _IOERR_WRITE
            self._images[path].pending.append((offset, ctypes.string_at(octets, amount)))
        return int(self._real_of[file].xWrite(file, octets, amount, offset))

    def _on_truncate(self, file: int, size: int) -> int:
        with self._mutex:
            path = self._open[file]
            if file in self._dead or self._goes(path):
                return _IOERR_TRUNCATE
            self._images[path].pending.append(size)
        return int(self._real_of[file].xTruncate(file, size))

    def _on_sync(self, file: int, _flags: int) -> int:
        with self._mutex:
            path = self._open[file]
            if file in self._dead or self._goes(path):
                return _IOERR_FSYNC
            image = self._images[path]
            if self.sync_fails is not None and self.sync_fails(Path(path)):
                self.failed_syncs += 1
                self._lose(Path(path), image)
                return _IOERR_FSYNC
            self.syncs += 1
            image.synced()
            if file in self._fresh:
                self._fresh.discard(file)
                for each, other in self._images.items():
                    if other.deleted and Path(each).parent == Path(path).parent:
                        other.durable, other.pending, other.deleted = None, [], False
        return _OK

    def _lose(self, path: Path, image: Image) -> None:
        """A sync failed: the kernel counts its pages as clean now, whether or not they reached the disk."""
        content = image.settle(self.rng, self.rng.choice((0.0, 0.5, 1.0)))
        image.durable, image.pending = content, []
        if self.rng.random() < 0.5:
            # and some kernels throw them away: what is read is what the disk has
            with path.open("r+b") as file:
                file.truncate(0)
                file.write(content or b"")

    def _on_lock(self, file: int, level: int) -> int:
        if file in self._dead:
            return _IOERR_LOCK
        return int(self._real_of[file].xLock(file, level))

    def _on_close(self, file: int) -> int:
        with self._mutex:
            real = self._real_of.pop(file)
            self._open.pop(file, None)
            self._fresh.discard(file)
            self._dead.discard(file)
        return int(real.xClose(file))


_KEPT: list[FrailDisk] = []
"""Connections may outlive a disk; what they call must stay."""


def _library() -> Any:
    import _sqlite3

    where = getattr(_sqlite3, "__file__", None)
    try:
        # a look-up in the extension finds the library that it was linked with, or that is part of it
        library = ctypes.CDLL(where)
        library.sqlite3_vfs_find.restype = c_void_p
        library.sqlite3_vfs_find.argtypes = [c_char_p]
        library.sqlite3_vfs_register.argtypes = [c_void_p, c_int]
        library.sqlite3_vfs_unregister.argtypes = [c_void_p]
    except (OSError, AttributeError) as error:
        raise Unavailable(f"the SQLite of this Python cannot be reached: {error}") from error
    return library
