"""The settings: one frozen object, read once from `appliance.toml` and `APPLIANCE_…` variables.

It is not a place for state: what an owner chooses stands here, what the appliance learns stands
in the data directory. The rule that must not break: an unknown key, a wrong type or an
impossible value stops the start with one sentence that names key, value and what is allowed.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, TomlConfigSettingsSource

from appliance.errors import SettingsError

ENV_PREFIX = "APPLIANCE_"
SETTINGS_FILE = Path("appliance.toml")

DEFAULT_SYSTEM_PROMPT = """\
你是“小助”，一家商店的智能客服助手，运行在店里的一台小机器上，不联网。
- 用顾客使用的语言回答；顾客写中文就用中文，写英文就用英文。
- 礼貌、准确、简短，先给结论，一般不超过三句话；写信或写代码时可以长一些。
- 不知道的事就说不知道，不编造价格、日期、订单和天气；需要时建议联系人工客服。"""


class Settings(BaseSettings):
    """Every setting with its default; `description` is the text of `appliance config --help`."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)

    host: str = Field("0.0.0.0", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    data: Path = Field(Path("data"), description="Folder of the conversations' database.")
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
    max_new_tokens: int = Field(128, ge=1, description="Longest answer, in tokens.")
    max_new_tokens_cap: int = Field(
        512, ge=1, le=4096, description="Upper bound of max_new_tokens, whoever sets it."
    )
    answer_deadline_s: float = Field(
        60.0, ge=1.0, le=600.0, description="Longest time one answer may take once begun."
    )
    history_turns: int = Field(
        6, ge=0, le=64, description="Past exchanges that the model is shown."
    )
    max_message_chars: int = Field(
        2000, ge=1, le=4000, description="Longest message of a customer, in characters."
    )
    system_prompt: Annotated[str, Field(min_length=1, max_length=4000)] = Field(
        DEFAULT_SYSTEM_PROMPT, description="What the model is told before every conversation."
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
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="Log lines; auto writes text on a terminal and JSON elsewhere."
    )

    @model_validator(mode="after")
    def _caps_hold(self) -> Self:
        if self.max_new_tokens > self.max_new_tokens_cap:
            raise ValueError(
                f"max_new_tokens is {self.max_new_tokens}; "
                f"allowed: 1 to max_new_tokens_cap, which is {self.max_new_tokens_cap}"
            )
        return self


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
        layer = TomlConfigSettingsSource(Settings, file)()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{file} cannot be read as TOML: {error}.") from None
    for key in layer:
        _check_known(key, key, str(file))
    return dict(layer)


def _read_environment(environ: Mapping[str, str]) -> dict[str, object]:
    layer: dict[str, object] = {}
    for name, value in environ.items():
        if name.startswith(ENV_PREFIX):
            key = name.removeprefix(ENV_PREFIX).lower()
            _check_known(key, name, "the environment")
            layer[key] = value
    return layer


def _check_known(key: str, shown: str, origin: str) -> None:
    if key in Settings.model_fields:
        return
    close = get_close_matches(key, Settings.model_fields, n=1)
    hint = f"did you mean {close[0]}?" if close else "`appliance config` lists the known ones."
    raise SettingsError(f"Unknown setting {shown} in {origin}; {hint}")


def _explain(error: ErrorDetails, origins: Mapping[str, str]) -> str:
    """One sentence with key, value, what is allowed and where the value stands."""
    if not error["loc"]:
        return f"{error['msg'].removeprefix('Value error, ')}."
    key = str(error["loc"][0])
    value = repr(error["input"])
    if len(value) > 60:
        value = value[:57] + "…"
    allowed = error["msg"].removeprefix("Input should be ").removeprefix("Value should ")
    return f"{key} = {value} (from {origins[key]}) is not possible; allowed: {allowed}."
