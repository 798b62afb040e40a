"""The settings: one frozen object, read once from `appliance.toml` and `APPLIANCE_…` variables.

It is not a place for state: what an owner chooses stands here, what the appliance learns stands
in the data directory. The rule that must not break: an unknown key, a wrong type or an
impossible value stops the start with one sentence that names key, value and what is allowed.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from appliance.errors import SettingsError
from appliance.persona import DEFAULT_SYSTEM_PROMPT

ENV_PREFIX = "APPLIANCE_"
SETTINGS_FILE = Path("appliance.toml")

# As browsers write an origin: in small letters, without a path, IPv6 in brackets.
ORIGIN = re.compile(r"https?://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?", re.ASCII)
MIN_SECRET_CHARS = 32


class Settings(BaseModel):
    """Every setting with its default; `description` is what `appliance config` prints."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    host: str = Field("0.0.0.0", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    data: Path = Field(Path("data"), description="Folder of the conversations' database.")
    knowledge: Path = Field(
        Path("knowledge"),
        description="Folder of the shop's questions, documents, words and rules; where it is "
        "missing, the example shop is served.",
    )
    model: str = Field(
        "",
        description="Catalogue id or path of a chat GGUF; empty takes what `appliance models use` "
        "chose, else the catalogue's default, else its stand-in.",
    )
    models: Path = Field(Path("models"), description="Folder of the model files.")
    cache: Path | None = Field(
        None,
        description="Shared folder of downloaded models; empty takes the user's cache folder.",
    )
    threads: int = Field(
        0, ge=0, le=256, description="Threads of the engine; 0 takes what the machine gives."
    )
    context_tokens: int = Field(
        0, ge=0, le=131072, description="Cells of the KV cache; 0 takes what the memory gives."
    )
    load_mode: Literal["auto", "memory", "map"] = Field(
        "auto", description="Read the model into memory or map its file; auto reads where it fits."
    )
    parallel: int = Field(4, ge=1, le=64, description="Answers generated at the same time.")
    queue: int = Field(32, ge=0, le=1024, description="Questions that may wait; more are refused.")
    gap_ms: float = Field(
        150.0,
        ge=20.0,
        le=2000.0,
        description="Longest pause of an open stream, in milliseconds, while a new question is "
        "read beside it.",
    )
    parking_mb: int = Field(
        0,
        ge=0,
        le=65536,
        description="Memory for conversations that gave up their place in the KV cache; 0 takes a "
        "tenth of the memory, 256 MB at most.",
    )
    park_on_disk: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Keep parked conversations on disk over a restart; auto does where the data "
        "folder is on no SD card.",
    )
    # Stands before what it bounds: a validator sees only the fields above its own.
    max_new_tokens_cap: int = Field(
        512, ge=1, le=4096, description="Upper bound of max_new_tokens, whoever sets it."
    )
    max_new_tokens: int = Field(
        128, ge=1, le=4096, description="Longest answer, in tokens; at most max_new_tokens_cap."
    )
    answer_deadline_s: float = Field(
        60.0, ge=1.0, le=600.0, description="Longest time one answer may take once begun."
    )
    history_turns: int = Field(
        6, ge=0, le=64, description="Past exchanges that the model is shown."
    )
    history_window: Literal["blocks", "sliding"] = Field(
        "blocks",
        description="How old exchanges leave: history_turns at once, between two questions, so "
        "that what was read stays valid; or one by one.",
    )
    scope: Literal["all", "shop"] = Field(
        "all", description="What the model may answer: all, or only what the documents hold."
    )
    answer_cache_minutes: int = Field(
        60,
        ge=0,
        le=10080,
        description="Minutes that a repeated answer of the model is kept; 0 keeps none.",
    )
    model_wait_s: float = Field(
        20.0,
        ge=0.0,
        le=600.0,
        description="Longest wait for a loading model before other words are said.",
    )
    queue_wait_s: float = Field(
        60.0,
        ge=1.0,
        le=600.0,
        description="Longest wait in the queue before other words are said.",
    )
    moderation_url: str = Field(
        "",
        description="Address of a moderation service that every message and answer must pass; "
        "empty asks none.",
    )
    moderation_timeout_s: float = Field(
        2.0,
        ge=0.1,
        le=30.0,
        description="Longest wait for the moderation service; late is refused.",
    )
    retention_days: int = Field(
        30, ge=0, le=3650, description="Days an untouched conversation stays; 0 keeps it for good."
    )
    backup_hours: float = Field(
        24.0, ge=0.0, le=8760.0, description="Hours between two backups; 0 makes none."
    )
    backups: Path | None = Field(
        None, description="Folder of the backups; empty takes `backups` in the data folder."
    )
    backups_kept: int = Field(3, ge=1, le=365, description="Backups that are kept.")
    max_message_chars: int = Field(
        2000, ge=1, le=4000, description="Longest message of a customer, in characters."
    )
    system_prompt: str = Field(
        DEFAULT_SYSTEM_PROMPT,
        min_length=1,
        max_length=4000,
        description="What the model is told before every conversation.",
    )
    temperature: float = Field(
        0.3,
        ge=0.0,
        le=2.0,
        description="Chance in the choice of words; 0 always takes the likeliest.",
    )
    top_k: int = Field(40, ge=1, le=1000, description="Candidates kept for each token.")
    top_p: float = Field(0.8, gt=0.0, le=1.0, description="Probability mass kept for each token.")
    repeat_penalty: float = Field(
        1.1, ge=1.0, le=2.0, description="Divisor for what was already said; 1 is none."
    )
    widget_origins: str = Field(
        "",
        description="Addresses of the sites whose pages may show the widget, with blanks between, "
        "as http://shop.lan:8080; empty allows none but the appliance's own.",
    )
    widget_secret: SecretStr = Field(
        SecretStr(""),
        description="Secret of 32 or more characters by which those sites sign who a visitor is; "
        "empty takes nobody's word for it.",
    )
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="Log lines; auto writes text on a terminal and JSON elsewhere."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_booleans(cls, value: object) -> object:
        """Else `port = true` would be port 1."""
        if isinstance(value, bool):
            raise PydanticCustomError("boolean", "a boolean")
        return value

    @field_validator("cache", "backups", mode="before")
    @classmethod
    def _read_empty_as_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("widget_origins")
    @classmethod
    def _hold_origins(cls, value: str) -> str:
        """A slash at the end or a path would be an origin that no browser ever sends."""
        if all(ORIGIN.fullmatch(origin) for origin in value.split()):
            return value
        raise ValueError(
            "addresses such as http://shop.lan or https://shop.lan:8443, in small letters, without "
            "a path or a slash at the end, with blanks between"
        )

    @field_validator("widget_secret")
    @classmethod
    def _hold_secret(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < MIN_SECRET_CHARS:
            raise ValueError(f"{MIN_SECRET_CHARS} characters or more, or nothing")
        return value

    @field_validator("max_new_tokens")
    @classmethod
    def _hold_cap(cls, value: int, info: ValidationInfo) -> int:
        cap = info.data.get("max_new_tokens_cap", value)
        if value > cap:
            raise ValueError(f"a whole number from 1 to max_new_tokens_cap, which is {cap}")
        return value


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings and, for each key, where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


def load_settings(
    environ: Mapping[str, str] | None = None,
    file: Path = SETTINGS_FILE,
    overrides: Mapping[str, object] | None = None,
) -> LoadedSettings:
    """Settings from defaults, then `file`, then `APPLIANCE_…`, then `overrides`, last one wins.

    Raises SettingsError for a file that is no TOML and for any key or value that cannot be.
    """
    environ = os.environ if environ is None else environ
    layers: list[tuple[str, Mapping[str, object]]] = [
        (str(file), _read_file(file)),
        ("environment", _read_environment(environ)),
        ("command line", overrides or {}),
    ]
    values: dict[str, object] = {}
    origins = dict.fromkeys(Settings.model_fields, "default")
    for origin, layer in layers:
        values.update(layer)
        origins.update(dict.fromkeys(layer, origin))
    try:
        return LoadedSettings(Settings.model_validate(values), origins)
    except ValidationError as error:
        raise SettingsError(_explain(error.errors()[0], origins)) from None


def _read_file(file: Path) -> dict[str, object]:
    if not file.exists():
        return {}
    try:
        layer = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{file} cannot be read as TOML: {error}.") from None
    for key, value in layer.items():
        _check_known(key, str(file))
        # Pydantic would take "9000" for a number: right for the environment, wrong for TOML.
        if isinstance(value, str) and isinstance(Settings.model_fields[key].default, int | float):
            raise SettingsError(
                f'{key} = "{value}" (from {file}) is not possible; allowed: a number, unquoted.'
            )
    return dict(layer)


def _read_environment(environ: Mapping[str, str]) -> dict[str, object]:
    layer: dict[str, object] = {}
    for name, value in environ.items():
        if name.startswith(ENV_PREFIX):
            key = name.removeprefix(ENV_PREFIX).lower()
            _check_known(key, "the environment", ENV_PREFIX)
            layer[key] = value
    return layer


def _check_known(key: str, origin: str, prefix: str = "") -> None:
    """`prefix` is that of the environment, where keys are written in capitals."""
    if key in Settings.model_fields:
        return

    def show(name: str) -> str:
        return f"{prefix}{name.upper()}" if prefix else name

    close = get_close_matches(key, Settings.model_fields, n=1)
    hint = f"did you mean {show(close[0])}?" if close else "`appliance config` lists all settings."
    raise SettingsError(f"Unknown setting {show(key)} in {origin}; {hint}")


def _explain(error: ErrorDetails, origins: Mapping[str, str]) -> str:
    """One sentence with key, value, what is allowed and where the value stands."""
    key = str(error["loc"][0])
    # A secret that is refused is a secret still.
    value = "…" if Settings.model_fields[key].annotation is SecretStr else repr(error["input"])
    if len(value) > 60:
        value = value[:57] + "…"
    is_ours = error["type"] == "value_error"
    allowed = error["msg"].removeprefix("Value error, ") if is_ours else tell_allowed(key)
    return f"{key} = {value} (from {origins[key]}) is not possible; allowed: {allowed}."


def tell_allowed(key: str) -> str:
    """What the setting `key` may be, in words."""
    field = Settings.model_fields[key]
    if get_origin(field.annotation) is Literal:
        *others, last = get_args(field.annotation)
        return f"{', '.join(others)} or {last}"
    bounds = {
        name: getattr(rule, name)
        for rule in field.metadata
        for name in ("ge", "gt", "le", "min_length", "max_length")
        if hasattr(rule, name)
    }
    if field.annotation is int:
        return f"a whole number from {bounds['ge']} to {bounds['le']}"
    if field.annotation is float:
        least = f"above {bounds['gt']:g} and up" if "gt" in bounds else f"from {bounds['ge']:g}"
        return f"a number {least} to {bounds['le']:g}"
    if field.annotation is SecretStr:
        return "a text"
    if field.annotation is not str:
        return "a path"
    if "max_length" in bounds:
        return f"a text of {bounds['min_length']} to {bounds['max_length']} characters"
    return "a text that is not empty" if bounds else "a text"
