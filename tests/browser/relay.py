"""A line between the browser and the appliance that a test can cut.

It forwards bytes and reads none of them. The rule that must not break: its address stays the same
whatever stands behind it, so the page meets a restarted appliance where the old one was.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK_BYTES = 65_536


class Relay:
    """`port` is where the appliance listens; it may change."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lines: set[socket.socket] = set()
        self._changing = threading.Lock()
        self._is_dead = False
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def live(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._join(client)

    def die(self) -> None:
        """Cut every connection and refuse new ones."""
        self._is_dead = True
        self.cut()

    def revive(self) -> None:
        self._is_dead = False

    def cut(self) -> None:
        """Cut every connection there is; new ones come through."""
        with self._changing:
            lines = list(self._lines)
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _join(self, client: socket.socket) -> None:
        try:
            if self._is_dead:
                raise ConnectionRefusedError
            appliance = socket.create_connection(("127.0.0.1", self.port))
        except OSError:
            client.close()
            return
        with self._changing:
            self._lines |= {client, appliance}
        for ends in ((client, appliance), (appliance, client)):
            threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, start: socket.socket, end: socket.socket) -> None:
        with suppress(OSError):
            while piece := start.recv(CHUNK_BYTES):
                end.sendall(piece)
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        with self._changing:
            self._lines.discard(start)
        start.close()


@contextmanager
def relaying(port: int) -> Iterator[Relay]:
    relay = Relay(port)
    thread = threading.Thread(target=relay.live, name="relay")
    thread.start()
    try:
        yield relay
    finally:
        relay.close()
        thread.join()
