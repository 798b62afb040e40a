"""The shapes of the JSON bodies of the console's door.

They hold no behaviour. The rule that must not break: a password or a code comes in and never
goes out.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict


class Setup(BaseModel):
    """The first owner; the code is the terminal's."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    code: str = Field(min_length=1, max_length=64, description="What the terminal shows.")
    name: str = Field(min_length=1, max_length=64, description="Of the account.")
    password: str = Field(max_length=1024, description="10 to 200 characters.")


class Login(BaseModel):
    """An operator's name and password."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    name: str = Field(min_length=1, max_length=64, description="Of the account.")
    password: str = Field(max_length=1024, description="Its password.")


class LoggedIn(TypedDict):
    """`csrf` goes into the header X-CSRF-Token of whatever changes something."""

    account: str
    role: str
    scopes: list[str]
    csrf: str


class LoggedOut(TypedDict):
    logged_out: bool
