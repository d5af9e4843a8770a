"""A TCP relay on loopback that falls silent when told: the connection stays open, nothing passes any more."""

from __future__ import annotations

import contextlib
import socket
import threading


class Relay:
    """Relays connections made to `port` to another loopback port, until closed."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.connections = 0
        self._silent: set[socket.socket] = set()
        self._last_words: bytes | None = None
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def silence_after(self, octets: bytes) -> None:
        """Fall silent of itself: once these have been passed on to the target, nothing comes back."""
        self._last_words = octets

    def close(self) -> None:
        """End it all."""
        self._listening.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.connections += 1
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                outward = source is near
                threading.Thread(target=self._pump, args=(source, sink, outward), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, outward: bool) -> None:
        passed = b""
        with contextlib.suppress(OSError):
            while octets := source.recv(65536):
                if source in self._silent:
                    continue
                passed = passed[-64:] + octets
                if outward and self._last_words is not None and self._last_words in passed:
                    self._last_words = None
                    # before the target has them: its answer is not to slip through
                    self._silent.add(sink)
                    sink.sendall(octets)
                    self._silent.add(source)
                else:
                    sink.sendall(octets)
            if source not in self._silent:
                sink.shutdown(socket.SHUT_WR)
