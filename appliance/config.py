"""Reading the settings: once, from `appliance.toml` and `APPLIANCE_…` variables.

It is not a place for state: what an owner chooses stands here, what the appliance learns stands
in the data directory. The rule that must not break: an unknown key, a wrong type or an
impossible value stops the start with one sentence that names key, value and what is allowed.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from appliance.errors import SettingsError
from appliance.settings import Settings

ENV_PREFIX = "APPLIANCE_"
SETTINGS_FILE = Path("appliance.toml")


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings and, for each key, where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


def load_settings(
    environ: Mapping[str, str] | None = None,
    file: Path = SETTINGS_FILE,
    overrides: Mapping[str, object] | None = None,
    text: str | None = None,
) -> LoadedSettings:
    """Settings from defaults, then `file`, then `APPLIANCE_…`, then `overrides`, last one wins.
    A `text` is read as if `file` held it.

    Raises SettingsError for a file that is no TOML and for any key or value that cannot be.
    """
    environ = os.environ if environ is None else environ
    layers: list[tuple[str, Mapping[str, object]]] = [
        (str(file), _read_file(file, text)),
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


def _name(file: Path) -> Path:
    """As whoever stands in this folder would name it."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def _read_file(file: Path, text: str | None) -> dict[str, object]:
    if text is None and not file.exists():
        return {}
    try:
        layer = tomllib.loads(file.read_text("utf-8") if text is None else text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{_name(file)} cannot be read as TOML: {error}.") from None
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


def write_toml(value: object) -> str:
    """`value` as it may stand behind a key."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    text = "" if value is None else str(value)
    # A JSON string is a TOML string, but for DEL.
    lines = [json.dumps(line, ensure_ascii=False)[1:-1] for line in text.split("\n")]
    opening, closing = ('"""\n', '"""') if len(lines) > 1 else ('"', '"')
    return (opening + "\n".join(lines) + closing).replace("\x7f", "\\u007f")
