"""One setting of `appliance.toml` exchanged: its own lines and none other."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from appliance.errors import PublishRefused, SettingsError
from appliance.settings_file import SettingsFile, put_setting

FILE = '''# Our shop's box.
port = 9000   # the old one was taken
system_prompt = """
You are Mei.
retention_days = 5
Say so.
"""  # written by Li

# kept short
retention_days = 14 # "# two weeks
'''


def test_only_the_setting_s_own_lines_change() -> None:
    told = put_setting(FILE, "retention_days", 7)
    assert told == FILE.replace("retention_days = 14", "retention_days = 7")
    told = put_setting(FILE, "system_prompt", "You are # Lan.")
    assert 'system_prompt = "You are # Lan."  # written by Li\n\n# kept short' in told
    assert tomllib.loads(told) == {**tomllib.loads(FILE), "system_prompt": "You are # Lan."}
    odd = 'a\n"b"\\\n\'"""\t\x7f'
    assert tomllib.loads(put_setting(told, "system_prompt", odd))["system_prompt"] == odd


@pytest.mark.parametrize("text", ["", "port = 9000", "port = 9000\r\n", "# only words\n"])
def test_a_setting_that_was_not_there_is_the_last_line(text: str) -> None:
    told = put_setting(text, "system_prompt", "一\n二")
    assert told.startswith(text) and tomllib.loads(told)["system_prompt"] == "一\n二"
    assert told.count("\r\n") in (0, told.count("\n"))
    assert ("\r\n" in told) == ("\r\n" in text)


@pytest.mark.parametrize("name", ['"top_k"', "'top_k'", "  top_k"])
def test_a_setting_is_found_however_it_is_written(name: str) -> None:
    assert put_setting(f"{name} = 3\nport = 1\n", "top_k", 9) == "top_k = 9\nport = 1\n"


@pytest.mark.parametrize("text", ["top_k = [", "[top_k]\na = 1\n", "[x]\na = 1\n"])
def test_a_file_that_cannot_take_it_is_left_to_an_editor(text: str) -> None:
    with pytest.raises(PublishRefused):
        put_setting(text, "top_k", 9)


def test_the_file_is_exchanged_whole_behind_its_link(tmp_path: Path) -> None:
    real, link = tmp_path / "etc.toml", tmp_path / "appliance.toml"
    real.write_text(FILE, "utf-8")
    real.chmod(0o640)
    link.symlink_to(real)
    file = SettingsFile({"port": 1}, {"model": "demo"}, link)
    assert file.is_writable and file.place == real
    file.write(file.put("retention_days", 3))
    assert link.is_symlink() and real.stat().st_mode & 0o777 == 0o640
    read = file.read()
    assert (read.retention_days, read.port, read.model) == (3, 1, "demo")
    assert file.load("top_k = 7").settings.top_k == 7
    with pytest.raises(SettingsError):
        file.load("top_k = 0")
    assert {one.name for one in tmp_path.iterdir()} == {"etc.toml", "appliance.toml"}


def test_a_file_that_cannot_be_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = SettingsFile(path=tmp_path / "appliance.toml")
    file.write("top_k = 5\n")
    assert file.place.stat().st_mode & 0o777 == 0o600

    def refuse(_self: Path, _target: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PublishRefused, match="Read-only"):
        file.write("top_k = 6\n")
    assert [one.name for one in tmp_path.iterdir()] == ["appliance.toml"]
    assert file.read().top_k == 5
