"""What somebody in front of a session sees, kept so that every lie of the stream is found out.

It asks for nothing; frames are fed to it, over any number of connections. The rule that must not
break: a number that was seen never comes again and never means something else, unless a `rewind`
has taken it back.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.faults.client import Frame

# What passes by without a number; an `error` only where its end could not be saved.
PASSING = ("queued", "bye", "error")


@dataclass
class Watcher:
    """`texts` are the answers by run, `endings` their last events, `questions` the messages."""

    last: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    questions: dict[str, str] = field(default_factory=dict)
    endings: dict[str, Frame] = field(default_factory=dict)
    rewinds: int = 0
    # What the stream should never have done, in words.
    complaints: list[str] = field(default_factory=list)
    # What each number meant when it came.
    meanings: dict[int, tuple[str, str]] = field(default_factory=dict)

    def see(self, frame: Frame) -> None:
        run_id = str(frame.data.get("run_id", ""))
        self.complaints += self._find_fault(frame, run_id)
        if frame.number is not None:
            self.last = frame.number
            self.meanings[frame.number] = describe(frame)
        match frame.event:
            case "message" if frame.data["role"] == "customer":
                self.questions[run_id] = frame.data["text"]
            case "token":
                self.texts[run_id] = self.text_of(run_id) + frame.data["text"]
            case "rewind":
                self._rewind(run_id, frame)
            case "done" | "error":
                self.endings[run_id] = frame

    def _find_fault(self, frame: Frame, run_id: str) -> list[str]:
        if frame.number is None and frame.event not in PASSING:
            return [f"{frame} has no number"]
        if frame.number is not None and frame.number <= self.last:
            return [f"{frame} came after number {self.last}"]
        if frame.event in ("token", "done", "error") and run_id in self.endings:
            return [f"{frame} came after the end of its turn"]
        return []

    def text_of(self, run_id: str) -> str:
        return self.texts.get(run_id, "")

    def has_seen_end_of(self, run_id: str) -> bool:
        return run_id in self.endings

    def _rewind(self, run_id: str, frame: Frame) -> None:
        """What it takes back; without a number it goes for the session and not for one turn."""
        self.rewinds += 1
        after, chars = frame.data["after"], frame.data["chars"]
        taken_back = {number for number in self.meanings if after < number != frame.number}
        for number in taken_back:
            del self.meanings[number]
        for one in [run_id] if run_id else self.texts.keys() - self.endings.keys():
            self.texts[one] = self.text_of(one)[:chars]
        if frame.number is None:
            self.last = after


def describe(frame: Frame) -> tuple[str, str]:
    """What an event says, as far as its number stands for it."""
    return frame.event, str(frame.data.get("text", frame.data.get("code", "")))
