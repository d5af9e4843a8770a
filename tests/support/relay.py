"""A TCP relay on loopback that can fall silent: connections stay open, and nothing passes any more."""

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
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self) -> None:
        """Nothing passes on the connections there are, in either direction; new ones are relayed."""
        self._silent.update(self._open)

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
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while octets := source.recv(65536):
                if source not in self._silent:
                    sink.sendall(octets)
            if source not in self._silent:
                sink.shutdown(socket.SHUT_WR)
