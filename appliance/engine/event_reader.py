"""Server-sent events from bytes, whatever way these are cut: the payloads of `data:` lines.

It knows neither JSON nor HTTP, and no `event:` or `id:` line matters to it. The rule that must not
break: whatever a server sends, what is kept of an unfinished event has a bound.
"""

from __future__ import annotations

MAX_EVENT_BYTES = 1 << 20


class EventTooLong(Exception):
    """An event that has no end in sight."""


class EventReader:
    """`feed` gives the payloads that became whole; what has no blank line behind it never does."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._line = bytearray()
        self._data: list[bytes] = []
        self._held_bytes = 0
        self._was_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """Raises EventTooLong."""
        if not data:
            return []
        payloads: list[bytes] = []
        # Of a line's end in two bytes the second may come by itself.
        text = data.removeprefix(b"\n") if self._was_cr else data
        self._was_cr = data.endswith(b"\r")
        *whole, rest = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            self._take(bytes(self._line) + line, payloads)
            self._line.clear()
        self._line += rest
        if len(self._line) + self._held_bytes > self._max_event_bytes:
            raise EventTooLong
        return payloads

    def _take(self, line: bytes, payloads: list[bytes]) -> None:
        if not line:
            if self._data:
                payloads.append(b"\n".join(self._data))
            self._data, self._held_bytes = [], 0
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._held_bytes += len(value)
            if self._held_bytes > self._max_event_bytes:
                raise EventTooLong
