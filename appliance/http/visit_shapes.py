"""The shapes of what a customer sends and gets beside talking.

They hold no behaviour. The rule that must not break: a key that is not here is never sent.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict


class ContactWish(BaseModel):
    """How one can be reached."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    text: str = Field(min_length=1, description="A number, an address, at most 200 characters.")


class RatingWish(BaseModel):
    """How the whole conversation was."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    stars: int = Field(ge=1, le=5, description="5 is best.")
    comment: str | None = Field(
        None,
        description="In words, at most 1000 characters. Without it the one given before is kept, "
        "an empty one takes it away.",
    )


class TypingSeen(TypedDict):
    noted: Literal[True]


class ContactLeft(TypedDict):
    contact: str


class Rated(TypedDict):
    stars: int
