"""Kinds of settings that need more than a bound: servers, networks, what becomes a header.

It holds no setting; `settings.py` does. The rule that must not break: a value that is refused is
refused with a sentence that says what is allowed and repeats no secret.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, SecretStr, ValidationInfo

from appliance.hours import read_hours

MAX_MODEL_CHARS = 200
# Without a user, a question or a fragment: nothing of it is chosen by anybody but the owner.
SERVER = re.compile(
    r"https?://(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9_.~-]+)*/?",
    re.ASCII,
)


def hold_servers(value: str, info: ValidationInfo) -> str:
    urls = value.split()
    is_needed = info.data.get("engine") == "remote"
    if all(SERVER.fullmatch(url) for url in urls) and (urls or not is_needed):
        return value
    raise ValueError(
        "with engine = remote one or more addresses such as http://gpu.lan:8000 or "
        "https://gpu.lan/v1, without users, passwords or questions, with blanks between"
    )


def hold_folder(value: str) -> str:
    if not value or SERVER.fullmatch(value):
        return value
    raise ValueError(
        "one address such as http://files.lan/models, without a user, a password or a question, "
        "or nothing"
    )


def hold_model(value: str) -> str:
    if value.isprintable() and len(value) <= MAX_MODEL_CHARS:
        return value
    raise ValueError(f"a name of up to {MAX_MODEL_CHARS} characters, or nothing")


def hold_header(value: SecretStr) -> SecretStr:
    secret = value.get_secret_value()
    if secret.isascii() and secret.isprintable() and " " not in secret:
        return value
    raise ValueError("letters, digits and signs without blanks, or nothing")


def hold_networks(value: str) -> str:
    try:
        is_narrow = all(ip_network(network).prefixlen for network in value.split())
    except ValueError:
        is_narrow = False
    if is_narrow:
        return value
    raise ValueError(
        "addresses or networks such as 192.168.1.5 or 10.0.0.0/24, not that of everybody, with "
        "blanks between"
    )


def hold_hours(value: str) -> str:
    read_hours(value)
    return value


BusinessHours: TypeAlias = Annotated[str, AfterValidator(hold_hours)]
ServerUrls: TypeAlias = Annotated[str, AfterValidator(hold_servers)]
FolderUrl: TypeAlias = Annotated[str, AfterValidator(hold_folder)]
ModelName: TypeAlias = Annotated[str, AfterValidator(hold_model)]
HeaderSecret: TypeAlias = Annotated[SecretStr, AfterValidator(hold_header)]
Networks: TypeAlias = Annotated[str, AfterValidator(hold_networks)]
