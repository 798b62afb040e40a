"""Tool cases through the whole house: what was said, which call came of it, how often it was right.

It prints nothing. A case is a conversation whose last message is judged. The rule that must not
break: a doubt is decided against the appliance, and an argument counts as quoted only where it
stands in the customer's own messages.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from appliance.app import House
from appliance.errors import ApplianceError
from appliance.eval_cases import BadCases, Language, Split, read_table, refuse_repeated
from appliance.eval_figures import Figure
from appliance.events import Done
from appliance.store.calls import StoredCall
from appliance.store.sessions import key_of

Kind: TypeAlias = Literal["call", "ask", "none"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KEYS = ("id", "language", "kind", "split", "said", "tool", "missing", "arguments")
ASKING, DECLINED = "asking", "declined"
TOOL_BAR, ARGUMENT_BAR, NONE_BAR, MISSING_BAR = 0.90, 0.95, 0.95, 0.95
BLANKS = re.compile(r"[\s_-]+")


@dataclass(frozen=True, slots=True)
class ToolCase:
    """The last of `said` leads to `tool` with `arguments`, to the question for `missing`, or, of
    kind "none", to no call."""

    id: str
    language: Language
    kind: Kind
    split: Split
    said: tuple[str, ...]
    tool: str = ""
    missing: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeenCall:
    """What came of the last message; `unquoted` are arguments that the customer never wrote."""

    case: ToolCase
    calls: tuple[StoredCall, ...]
    source: str
    unquoted: tuple[str, ...] = ()
    total_ms: float = 0.0

    @property
    def call(self) -> StoredCall | None:
        return self.calls[0] if self.calls else None

    @property
    def has_tool(self) -> bool:
        return self.call is not None and self.call.tool == self.case.tool

    @property
    def has_arguments(self) -> bool:
        """All of them, no other, and none is still asked for."""
        if self.call is None or self.call.state.startswith(ASKING) or len(self.calls) > 1:
            return False
        return _drop_own(self.call.arguments) == dict(self.case.arguments)

    @property
    def has_asked(self) -> bool:
        call = self.call
        return call is not None and call.state == ASKING and call.detail == self.case.missing

    @property
    def is_right(self) -> bool:
        match self.case.kind:
            case "none":
                return not self.calls
            case "ask":
                return self.has_tool and self.has_asked
            case _:
                return self.has_tool and self.has_arguments


def read_tool_cases(files: Iterable[Path]) -> tuple[ToolCase, ...]:
    """Raises BadCases."""
    cases = [case for file in files for case in _read_file(file)]
    refuse_repeated(case.id for case in cases)
    return tuple(cases)


def _read_file(file: Path) -> list[ToolCase]:
    rows = read_table(file).get("case", [])
    return [_read_case(row, f"{file}: case {row.get('id', at)}") for at, row in enumerate(rows)]


def _read_case(row: Mapping[str, object], place: str) -> ToolCase:
    if unknown := next((key for key in row if key not in KEYS), ""):
        raise BadCases(f"{place}: {unknown}: unknown; the keys are {', '.join(KEYS)}.")
    said = row.get("said")
    if not isinstance(said, list) or not said or not all(isinstance(one, str) for one in said):
        raise BadCases(f"{place}: said: must be a list of texts.")
    kind, arguments = row.get("kind"), row.get("arguments", {})
    needed = {"call": "arguments", "ask": "missing"}
    if kind not in KINDS:
        raise BadCases(f"{place}: kind: is none of {', '.join(KINDS)}.")
    if kind != "none" and not (row.get("tool") and row.get(needed[str(kind)])):
        raise BadCases(f"{place}: tool and {needed[str(kind)]} must be there for kind {kind}.")
    if not isinstance(arguments, dict):
        raise BadCases(f"{place}: arguments: must be a table.")
    return ToolCase(
        str(row.get("id")),
        cast(Language, row.get("language")),
        kind,
        cast(Split, row.get("split")),
        tuple(said),
        str(row.get("tool", "")),
        str(row.get("missing", "")),
        {str(name): str(value) for name, value in arguments.items()},
    )


async def ask_tool_cases(house: House, cases: Sequence[ToolCase]) -> AsyncIterator[SeenCall]:
    for case in cases:
        yield await _ask(house, case)


async def _ask(house: House, case: ToolCase) -> SeenCall:
    session_id = await house.conversations.open()
    source, total_ms = "failed", 0.0
    try:
        for message in case.said:
            source = "failed"
            asked = await house.conversations.say(message, session_id)
            assert asked.turn is not None
            async for numbered in asked.turn.watch():
                if isinstance(numbered.event, Done):
                    source = numbered.event.source
                    total_ms = numbered.event.timings.total_ms
        last = await house.sessions.calls.read_last(key_of(session_id))
        await house.conversations.forget(session_id)
    except ApplianceError:
        return SeenCall(case, (), "failed")
    calls = tuple(call for call in last if call.state != DECLINED)
    unquoted = tuple(
        value
        for call in calls
        for value in _drop_own(call.arguments).values()
        if not is_quoted(value, case.said)
    )
    return SeenCall(case, calls, source, unquoted, total_ms)


def is_quoted(value: str, said: Sequence[str]) -> bool:
    """But for width, case, blanks and hyphens."""
    return any(_squeeze(value) in _squeeze(text) for text in said)


def count_tool_figures(seen: Sequence[SeenCall]) -> list[Figure]:
    figures = [*_count(seen, "")]
    for language in ("zh", "en"):
        figures += _count([one for one in seen if one.case.language == language], f"… {language} ")
    unquoted = sum(bool(one.unquoted) for one in seen)
    failed = sum(one.source == "failed" for one in seen)
    by_model = [one for one in seen if one.call is not None and one.call.chosen_by == "model"]
    return [
        *figures,
        Figure("calls with an argument that is no quote", unquoted, len(seen), 0.0, is_upper=True),
        Figure("turns that failed", failed, len(seen), 0.0, is_upper=True),
        Figure(
            "calls that the model chose, right", sum(o.is_right for o in by_model), len(by_model)
        ),
    ]


def _count(seen: Sequence[SeenCall], name: str) -> list[Figure]:
    wanted = [one for one in seen if one.case.kind != "none"]
    called = [one for one in seen if one.case.kind == "call" and one.has_tool]
    asked = [one for one in seen if one.case.kind == "ask"]
    none = [one for one in seen if one.case.kind == "none"]
    return [
        Figure(
            f"{name}tool chosen rightly", sum(o.has_tool for o in wanted), len(wanted), TOOL_BAR
        ),
        Figure(
            f"{name}arguments exactly right, of those",
            sum(o.has_arguments for o in called),
            len(called),
            ARGUMENT_BAR,
        ),
        Figure(
            f"{name}no call where none fits", sum(o.is_right for o in none), len(none), NONE_BAR
        ),
        Figure(
            f"{name}missing argument asked for",
            sum(o.is_right for o in asked),
            len(asked),
            MISSING_BAR,
        ),
    ]


def describe_failure(seen: SeenCall) -> tuple[str, str, str]:
    """What was said, what was expected, what came."""
    case = seen.case
    expected = {
        "none": "no call",
        "ask": f"{case.tool} asks for {case.missing}",
        "call": f"{case.tool}({_list(case.arguments)})",
    }[case.kind]
    came = "; ".join(
        f"{call.tool}({_list(_drop_own(call.arguments))}) {call.state} {call.detail}".rstrip()
        for call in seen.calls
    )
    return " // ".join(case.said), expected, came or f"[{seen.source}]"


def _list(arguments: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in arguments.items())


def _drop_own(arguments: Mapping[str, str]) -> dict[str, str]:
    """Without what the house itself fills in: the conversation's key."""
    return {name: value for name, value in arguments.items() if name != "conversation" and value}


def _squeeze(text: str) -> str:
    return BLANKS.sub("", unicodedata.normalize("NFKC", text)).casefold()
