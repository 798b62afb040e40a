"""What a tool's result is told in: the shop's sentences, with values put into their places.

It runs no tool and knows no language model. The rules that must not break: a value is put in once
and never read as a template, and a line that lacks its value is left out rather than shown bare.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from appliance.tools.declared import ERROR, ROW, SEVERAL, Language, Result, Row, Tool, Value

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
MAX_VALUE_CHARS = 200
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
# Of the appliance itself, in every template.
OWN_VALUES = ("count",)


def list_placeholders(template: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(PLACEHOLDER.findall(template)))


def render(tool: Tool, result: Result, arguments: Mapping[str, str], language: Language) -> str:
    """The words for `result`; a result that has no reply of its own is told as an error."""
    outcome = result.outcome if result.outcome in tool.replies else ERROR
    first = result.rows[0] if result.rows else {}
    values: Row = {**arguments, **first, "count": len(result.rows)}
    if outcome != SEVERAL:
        return fill(tool.replies[outcome][language], values)
    rows = (fill(tool.replies[ROW][language], {**arguments, **row}) for row in result.rows)
    return "\n".join((fill(tool.replies[SEVERAL][language], values), *rows))


def fill(template: str, values: Mapping[str, Value]) -> str:
    """Each line of `template` whose values are all there."""
    lines = (line for line in template.strip().splitlines() if _has_all(line, values))
    return "\n".join(
        PLACEHOLDER.sub(lambda found: _show(values[found[1]]), line) for line in lines
    ).strip()


def find_unknown(tool: Tool, columns: Iterable[str], outcome: str) -> str:
    """A placeholder of the reply that nothing fills in; empty where there is none."""
    known = {*tool.parameters, *columns, *OWN_VALUES}
    wordings = tool.replies.get(outcome, {})
    names = (name for text in wordings.values() for name in list_placeholders(text))
    return next((name for name in names if name not in known), "")


def _has_all(line: str, values: Mapping[str, Value]) -> bool:
    return all(values.get(name) not in (None, "") for name in PLACEHOLDER.findall(line))


def _show(value: Value) -> str:
    """On one line and of bounded length, whatever a database holds."""
    text = UNSEEN.sub(" ", str(value))
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"
