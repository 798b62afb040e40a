"""The shapes of what the console's tools tab sends and sees.

They hold no behaviour. The rule that must not break: no secret of a service has a place here.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

Value = str | int | float | None


class SwitchWish(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    on: bool = Field(description="Whether the assistant may use it.")


class TrialWish(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    arguments: dict[str, str] = Field(
        default_factory=dict, max_length=20, description="By the parameters' names."
    )


class ShownWordings(TypedDict):
    zh: str
    en: str


class ShownParameter(TypedDict):
    """`is_own`: the appliance gives it, nobody types it."""

    name: str
    title: ShownWordings
    example: str
    is_own: bool


class ShownTool(TypedDict):
    name: str
    kind: str
    description: ShownWordings
    is_on: bool
    is_writing: bool
    parameters: list[ShownParameter]


class ShownTools(TypedDict):
    """`faults` are sentences about the file; `is_example`: nothing of it is switched."""

    tools: list[ShownTool]
    faults: list[str]
    is_example: bool


class ShownTrial(TypedDict):
    """`asked` is the exact SQL, request or call. Where `refused` says why, there are no rows.
    `is_dry`: it writes, so nothing was written or sent. `reply`: what a customer would be told."""

    asked: list[str]
    took_ms: float
    is_dry: bool
    refused: str
    outcome: str
    rows: list[dict[str, Value]]
    is_cut: bool
    reply: ShownWordings
