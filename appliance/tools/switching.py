"""One tool of `tools.toml` switched on or off: the text of the file with one row more or less.

It reads and writes no file. The rule that must not break: every other line stays to the letter, and
a text is given out only where it was read back as exactly what was wanted.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress

from appliance.errors import PublishRefused

LINE = re.compile(r"[^\n]*\n|[^\n]+")
OFF = re.compile(r"""[ \t]*(?:off|"off"|'off')[ \t]*=[ \t]*(?:true|false)""")


def switch(text: str, name: str, *, is_on: bool) -> str:
    """Raises PublishRefused where that cannot be done without touching anything else."""
    try:
        wanted = tomllib.loads(text)
        tool = wanted["tool"][name]
        tool.pop("off", None)
        if not is_on:
            tool["off"] = True
    except (tomllib.TOMLDecodeError, LookupError, TypeError, AttributeError):
        raise PublishRefused(f"There is no tool {name} in this file.") from None
    for candidate in _list_candidates(text, name, is_on=is_on):
        with suppress(tomllib.TOMLDecodeError):
            if tomllib.loads(candidate) == wanted:
                return candidate
    raise PublishRefused(f"{name} cannot be switched here; write off = true in its table.")


def _list_candidates(text: str, name: str, *, is_on: bool) -> Iterator[str]:
    yield text
    lines = LINE.findall(text)
    for at, line in enumerate(lines):
        before, after = "".join(lines[:at]), "".join(lines[at + 1 :])
        if OFF.match(line):
            # A comment that stands behind it stays with the row.
            row = OFF.sub("off = true", line)
            yield f"{before}{'' if is_on else row}{after}"
        if is_on:
            continue
        if re.match(rf"""[ \t]*\[[ \t]*tool[ \t]*\.[ \t]*["']?{name}["']?[ \t]*\]""", line):
            whole = line if line.endswith("\n") else f"{line}\n"
            yield f"{before}{whole}off = true\n{after}"
