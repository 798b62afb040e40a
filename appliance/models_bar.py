"""What a person sees of a fetch: a bar with speed and time left, or plain lines in a log.

It fetches nothing. The rule that must not break: without a terminal no line is rewritten.
"""

from __future__ import annotations

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import (
    Progress as Bar,
)

from appliance.engine.fetch import Progress, Watch

LINE_EVERY_PERCENT = 10


def make_watch(is_terminal: bool) -> Watch:
    return BarWatch() if is_terminal else LineWatch()


class LineWatch:
    """A line for each tenth of a file."""

    def __init__(self) -> None:
        self._told: tuple[str, int] = ("", -1)

    def say(self, sentence: str) -> None:
        click.echo(sentence, err=True)

    def progress(self, progress: Progress) -> None:
        percent = 100 * progress.done_bytes // max(1, progress.total_bytes)
        step = (progress.name, percent // LINE_EVERY_PERCENT)
        if step == self._told:
            return
        self._told = step
        left = "" if progress.left_s is None else f", {progress.left_s:.0f} s left"
        megabytes, speed = progress.done_bytes / 1e6, progress.bytes_per_s / 1e6
        self.say(f"{percent:3} %, {megabytes:,.0f} MB, {speed:.1f} MB/s{left}")


class BarWatch:
    """One bar a file, drawn by rich; it is taken away when the file is whole."""

    def __init__(self) -> None:
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task: TaskID | None = None
        self._name = ""

    def say(self, sentence: str) -> None:
        self._end()
        self._bar.console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def progress(self, progress: Progress) -> None:
        if self._task is None or self._name != progress.name:
            self._end()
            self._name = progress.name
            self._task = self._bar.add_task("", total=progress.total_bytes)
            self._bar.start()
        self._bar.update(self._task, completed=progress.done_bytes)
        if progress.done_bytes == progress.total_bytes:
            self._end()

    def _end(self) -> None:
        if self._task is not None:
            self._bar.stop()
            self._bar.remove_task(self._task)
            self._task = None
