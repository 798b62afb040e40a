"""The shapes of what the console's settings tab sends and sees.

They hold no behaviour. The rule that must not break: a password comes in and never goes out, and a
key goes out once, when it is made.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from appliance.http.learning_shapes import ShownChange

Scope = Literal["chat", "v1", "knowledge", "admin", "metrics"]
MOST_DAYS = 3650


class DraftText(BaseModel):
    """A draft; `base` is the hash of the text that it was made from."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    name: str = Field(min_length=1, max_length=500, description="Of the file.")
    text: str = Field(max_length=500_000, description="What it shall hold.")
    base: str = Field(max_length=64, description="As `GET …/files/{name}` gave it.")


class PublishWish(BaseModel):
    """`hash` is that of the checked text, as the check told it; `accept` says that worse answers
    were seen and are meant."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    name: str = Field(min_length=1, max_length=500, description="Of the file.")
    hash: str = Field(min_length=64, max_length=64, description="Of the text that was checked.")
    accept: bool = Field(False, description="Publish it though it answers worse.")


class RollbackWish(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    name: str = Field(min_length=1, max_length=500, description="Of the file.")
    number: int = Field(ge=1, description="Of the version.")


class NewAccount(BaseModel):
    """An operator, or another role and password for one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    name: str = Field(min_length=1, max_length=64, description="Of the account.")
    role: Literal["owner", "operator", "viewer"] = Field(description="What he may do.")
    password: str = Field(max_length=1024, description="10 to 200 characters.")


class NewKey(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    name: str = Field(min_length=1, max_length=80, description="What it is for.")
    scopes: list[Scope] = Field(min_length=1, max_length=5, description="What it opens.")
    days: int = Field(0, ge=0, le=MOST_DAYS, description="How long; 0 without an end.")


class ShownFile(TypedDict):
    name: str
    kind: str
    bytes: int
    is_there: bool


class Files(TypedDict):
    """`is_example`: the example shop answers, and nothing of it is changed."""

    files: list[ShownFile]
    is_example: bool


class ShownVersion(TypedDict):
    number: int
    account: str
    note: str
    at_ms: int


class ShownSetting(TypedDict):
    """`fixed_by`: a variable, the command line or a file that cannot be written; empty where it
    can be changed. Not `is_live`: taken at the next start. `is_taken`: it is in use."""

    allowed: str
    fixed_by: str
    is_live: bool
    is_taken: bool


class OpenedFile(TypedDict):
    """`setting` is null for a file."""

    name: str
    kind: str
    text: str
    base: str
    versions: list[ShownVersion]
    setting: ShownSetting | None


class ChangedAnswer(TypedDict):
    question: str
    kind: str
    before: str
    after: str


class ShownLoss(TypedDict):
    """Words older than `days` become unreadable for good, in so many conversations."""

    days: int
    conversations: int


class ShownReplay(TypedDict):
    """Of so many `wordings` of the last 30 days so many were `replayed`; `changed` of them would be
    answered otherwise, of which the first are `changes`."""

    wordings: int
    replayed: int
    changed: int
    changes: list[ShownChange]


class ShownCheck(TypedDict):
    """`refused`: `faults` have to be mended. `done`: `cases` questions were put to what stands
    there and to the draft; `broken` were right and are not any more, `mended` the other way.
    `note` says that the draft is an older version; empty for one that was written."""

    state: str
    name: str
    hash: str
    faults: list[str]
    warnings: list[str]
    added: list[str]
    removed: list[str]
    cases: int
    right_before: int
    right_after: int
    broken: list[ChangedAnswer]
    mended: list[ChangedAnswer]
    replay: ShownReplay
    note: str
    loss: ShownLoss | None


class Published(TypedDict):
    """The number of the version that stands there now; `needs_restart`: it is taken at the next
    start."""

    number: int
    needs_restart: bool


class ShownAccount(TypedDict):
    name: str
    role: str


class ShownAccounts(TypedDict):
    accounts: list[ShownAccount]


class ShownKey(TypedDict):
    id: str
    name: str
    scopes: list[str]
    created_ms: int
    expires_ms: int | None
    used_ms: int | None
    revoked_ms: int | None


class ShownKeys(TypedDict):
    keys: list[ShownKey]


class MadeKey(TypedDict):
    """It is shown here and never again."""

    key: str
