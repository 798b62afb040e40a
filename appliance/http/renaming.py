"""Refusals in the words of who asked, where his request is read as one of another interface.

It reads no request; whoever writes one as another knows the names in both. The rule that must not
break: a refusal keeps its code and status, and of its sentence only the field's name is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from appliance.errors import InvalidField


@contextmanager
def named_by(rename: Callable[[str], str]) -> Iterator[None]:
    """Raises what is raised in it."""
    try:
        yield
    except InvalidField as error:
        known, told = error.field, rename(error.field)
        sentence = str(error)
        for opening in ("", "Field "):
            if sentence.startswith(f"{opening}{known} "):
                error.args = (f"{opening}{told}{sentence[len(opening) + len(known) :]}",)
                break
        error.field = told
        raise
