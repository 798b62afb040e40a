"""Settings: where each value comes from, and the one sentence for each that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config import ENV_PREFIX, load_settings, tell_allowed
from appliance.errors import SettingsError
from appliance.settings import Settings


def write(folder: Path, toml: str) -> Path:
    file = folder / "appliance.toml"
    file.write_text(toml, "utf-8")
    return file


def refusal_of(environ: dict[str, str], file: Path = Path("absent.toml")) -> str:
    with pytest.raises(SettingsError) as refused:
        load_settings(environ, file)
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence


def test_every_value_says_where_it_comes_from(tmp_path: Path) -> None:
    file = write(tmp_path, 'port = 1\nhost = "127.0.0.1"\nqueue = 3\n')
    environ = {"APPLIANCE_PORT": "2", "APPLIANCE_HOST": "0.0.0.0"}
    loaded = load_settings(environ, file, {"port": 3})
    settings, origins = loaded.settings, loaded.origins
    assert (settings.port, settings.host, settings.queue) == (3, "0.0.0.0", 3)
    assert [origins[key] for key in ("port", "host", "queue", "data")] == [
        "command line",
        "environment",
        str(file),
        "default",
    ]


def test_the_environment_without_our_prefix_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell's $HOST and a container's $PORT were once taken for the appliance's."""
    for key in Settings.model_fields:
        monkeypatch.setenv(key.upper(), "7")
    assert load_settings({}, Path("absent.toml")).settings == Settings()
    assert Settings().port == 8000


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("port", "abc", "a whole number from 0 to 65535"),
        ("port", "65536", "a whole number from 0 to 65535"),
        ("port", "", "a whole number from 0 to 65535"),
        ("parallel", "0", "a whole number from 1 to 64"),
        ("max_new_tokens", "5000", "a whole number from 1 to 4096"),
        ("max_new_tokens", "600", "a whole number from 1 to max_new_tokens_cap, which is 512"),
        ("answer_deadline_s", "0", "a number from 1 to 600"),
        ("temperature", "nan", "a number from 0 to 2"),
        ("temperature", "warm", "a number from 0 to 2"),
        ("top_p", "0", "a number above 0 and up to 1"),
        ("load_mode", "disk", "auto, memory or map"),
        ("log_format", "xml", "auto, text or json"),
        ("host", "", "a text that is not empty"),
        ("system_prompt", "", "a text of 1 to 4000 characters"),
    ],
)
def test_a_wrong_value_is_told_with_key_value_origin_and_what_is_allowed(
    key: str, value: str, allowed: str
) -> None:
    sentence = refusal_of({f"{ENV_PREFIX}{key.upper()}": value})
    assert sentence == (
        f"{key} = {value!r} (from environment) is not possible; allowed: {allowed}."
    )


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("port = true", "port = True"),
        ("temperature = false", "temperature = False"),
        ("port = 1.5", "port = 1.5"),
        ("host = 5", "host = 5"),
        ("data = 5", "data = 5"),
        ("cache = [1]", "cache = [1]"),
    ],
)
def test_a_value_of_a_wrong_type_in_the_file_is_refused(
    tmp_path: Path, line: str, shown: str
) -> None:
    file = write(tmp_path, line)
    key = line.split(" ")[0]
    assert refusal_of({}, file) == (
        f"{shown} (from {file}) is not possible; allowed: {tell_allowed(key)}."
    )


def test_a_cap_below_the_default_names_both() -> None:
    assert refusal_of({"APPLIANCE_MAX_NEW_TOKENS_CAP": "100"}) == (
        "max_new_tokens = 128 (from default) is not possible; "
        "allowed: a whole number from 1 to max_new_tokens_cap, which is 100."
    )


def test_a_long_wrong_value_is_shortened() -> None:
    assert len(refusal_of({"APPLIANCE_SYSTEM_PROMPT": "长" * 5000})) < 200


def test_every_setting_can_say_what_is_allowed() -> None:
    for key in Settings.model_fields:
        assert tell_allowed(key)


def test_an_unknown_variable_hints_at_the_name_as_it_is_written_there() -> None:
    assert refusal_of({"APPLIANCE_PROT": "1"}) == (
        "Unknown setting APPLIANCE_PROT in the environment; did you mean APPLIANCE_PORT?"
    )


def test_an_unknown_key_hints_at_the_name_as_it_is_written_there(tmp_path: Path) -> None:
    file = write(tmp_path, "prot = 1")
    assert refusal_of({}, file) == f"Unknown setting prot in {file}; did you mean port?"


def test_a_key_like_no_other_is_sent_to_the_list(tmp_path: Path) -> None:
    assert "`appliance config`" in refusal_of({}, write(tmp_path, "[xyzzy]\nport = 1"))


@pytest.mark.parametrize("toml", [b"port = ", b"\xff\xfe", b"port = 1\nport = 2"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, toml: bytes) -> None:
    file = tmp_path / "appliance.toml"
    file.write_bytes(toml)
    assert refusal_of({}, file).startswith(f"{file} cannot be read as TOML: ")


def test_an_empty_cache_is_the_users_own() -> None:
    assert load_settings({"APPLIANCE_CACHE": ""}, Path("absent.toml")).settings.cache is None


def test_a_number_in_quotes_is_a_wrong_type_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "appliance.toml"
    file.write_text('port = "9000"')
    with pytest.raises(SettingsError, match=r'port = "9000" .* allowed: a number, unquoted'):
        load_settings({}, file)


@pytest.mark.parametrize(
    "origins",
    [
        "shop.lan",
        "http://shop.lan/",
        "http://shop.lan/page",
        "http://Shop.lan",
        "http://*.shop.lan",
        "*",
        "http://shop.lan, http://other.lan",
        "http://shop.lan;script-src",
        "ftp://shop.lan",
        "http://shop.lan:0",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(origins: str) -> None:
    assert "such as http://shop.lan" in refusal_of({"APPLIANCE_WIDGET_ORIGINS": origins})


def test_origins_stand_with_blanks_between() -> None:
    origins = "http://shop.lan  https://192.168.1.7:8443\nhttp://[fe80::1]:80"
    loaded = load_settings({"APPLIANCE_WIDGET_ORIGINS": origins}, Path("absent.toml"))
    assert loaded.settings.widget_origins.split() == origins.split()


def test_a_secret_is_shown_nowhere(tmp_path: Path) -> None:
    secret = "short and secret"
    sentence = refusal_of({"APPLIANCE_WIDGET_SECRET": secret})
    assert "32 characters or more" in sentence and secret not in sentence
    file = write(tmp_path, f'widget_secret = "{secret * 3}"')
    settings = load_settings({}, file).settings
    assert settings.widget_secret.get_secret_value() == secret * 3
    assert secret not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert secret not in refusal_of({}, write(tmp_path, "widget_secret = 12345678901234567"))
