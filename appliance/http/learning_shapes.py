"""The shapes of the JSON bodies by which an operator learns from misses.

They hold no behaviour. The rule that must not break: what is published is typed in full, so that
nothing gets into the shop's knowledge that nobody wrote.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

MAX_PHRASINGS = 60
MAX_CHARS = 6000


class WishedEntry(BaseModel):
    """An entry as the operator wrote it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    question: str = Field(min_length=1, max_length=MAX_CHARS, description="As it is asked best.")
    answer: str = Field(min_length=1, max_length=MAX_CHARS, description="Said to the letter.")
    phrasings: list[str] = Field(
        default_factory=list, max_length=MAX_PHRASINGS, description="Other ways to ask for it."
    )


class Undo(BaseModel):
    """Which publishing is taken back."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    number: int = Field(ge=1, le=10**12, description="Of the publishing.")


class ShownWording(TypedDict):
    """`phrasing` is `text` without what is somebody's; `kinds` names what that was."""

    text: str
    phrasing: str
    kinds: list[str]
    times: int
    reasons: list[str]
    at_ms: int
    id: str


class ShownNear(TypedDict):
    id: str
    question: str
    answer: str
    score: float


class ShownGroup(TypedDict):
    """`said` is what operators answered, `near` are the entries that come closest."""

    id: str
    title: str
    language: str
    questions: int
    sessions: int
    reasons: dict[str, int]
    last_at_ms: int
    wordings: list[ShownWording]
    said: list[str]
    near: list[ShownNear]


class ShownDay(TypedDict):
    day: str
    asked: int
    answered: int


class ShownMisses(TypedDict):
    """`answered` of `asked` needed no person and were no miss; `learned` misses are answered by
    now. `is_cut`: there are more."""

    groups: list[ShownGroup]
    days: list[ShownDay]
    asked: int
    answered: int
    learned: int
    is_cut: bool


class ShownDraft(TypedDict):
    question: str
    answer: str
    phrasings: list[str]


class ShownWarning(TypedDict):
    field: str
    place: int
    kinds: list[str]


class ShownCollision(TypedDict):
    text: str
    id: str
    title: str
    answer: str
    score: float
    is_same: bool


class ShownFate(TypedDict):
    """What is said to a question: by which rung, from which entry or document."""

    rung: str
    id: str
    title: str


class ShownChange(TypedDict):
    """`gain` of its `times` questions more are answered without a person and without a miss."""

    text: str
    times: int
    before: ShownFate
    after: ShownFate
    gain: int


class ShownPreview(TypedDict):
    """Of `wordings` of the last 30 days so many were `replayed`, and of all others `passed` were
    seen not to have the draft among their closest entries. While `is_running` the rest is looked
    at. `is_cut`: there are older questions, or not all changes are shown."""

    entry: ShownDraft
    warnings: list[ShownWarning]
    collisions: list[ShownCollision]
    faults: list[str]
    changes: list[ShownChange]
    wordings: int
    replayed: int
    passed: int
    is_running: bool
    asked: int
    answered_before: int
    answered_after: int
    is_cut: bool


class ShownTrial(TypedDict):
    """How far it is, without a word of a customer; `preview` is there once it has ended."""

    wordings: int
    looked: int
    is_running: bool
    preview: ShownPreview | None


class ShownPublished(TypedDict):
    """`is_live`: customers get it from now on."""

    number: int
    is_live: bool
    asked: int
    answered_before: int
    answered_after: int


class ShownUndone(TypedDict):
    number: int
    is_undone: bool


class ShownPublication(TypedDict):
    """`entry` is null where it is not in the folder any more; `is_touched`: edited by hand, so
    that it is not undone here. `answered_…` are of `asked`, as they were tried then."""

    number: int
    at_ms: int
    account: str
    entry: ShownDraft | None
    is_touched: bool
    undone_ms: int | None
    undone_by: str
    asked: int
    answered_before: int
    answered_after: int


class ShownPublications(TypedDict):
    """`version` is that of the knowledge that answers; `file` is where the entries stand."""

    published: list[ShownPublication]
    version: str
    file: str
