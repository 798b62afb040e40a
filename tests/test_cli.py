"""The command line: help that teaches, settings that can be read back, mistakes in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from appliance import __version__
from appliance.cli import main
from appliance.config import load_settings
from appliance.settings import Settings


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environ)


def list_commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from list_commands(command, (*path, name))


@pytest.mark.parametrize("command", [*list_commands(main)], ids=" ".join)
def test_the_help_of_every_command_teaches_by_an_example(command: tuple[str, ...]) -> None:
    shown = run(*command, "--help")
    assert shown.exit_code == 0
    _, _, example = shown.output.partition("Example: ")
    assert "appliance " in example


def test_no_line_of_a_list_of_commands_is_cut_off() -> None:
    groups = {path[:-1] for path in list_commands(main)}
    for group in sorted(groups):
        shown = CliRunner().invoke(main, [*group, "--help"], terminal_width=80).output
        listed = shown.partition("Commands:")[2]
        assert listed and "..." not in listed, listed


def test_the_first_help_shows_how_to_begin() -> None:
    shown = run("-h").output
    commands = ("serve --demo", "models list", "backup", "restore", "config")
    for line in (*(f"appliance {command}" for command in commands), "APPLIANCE_PORT=9000"):
        assert line in shown


def test_the_version_is_told() -> None:
    assert run("--version").output == f"appliance, version {__version__}\n"


def test_the_settings_are_printed_as_a_file_that_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prompt = '第一行 "引号" 和 \\n\n"""\t第二行\x7f\r\n'
    shown = run("config", APPLIANCE_SYSTEM_PROMPT=prompt, APPLIANCE_TOP_P="0.00001")
    assert shown.exit_code == 0
    file = tmp_path / "printed.toml"
    file.write_text(shown.output, "utf-8", newline="")
    assert load_settings({}, file).settings == Settings(system_prompt=prompt, top_p=0.00001)


def test_the_settings_are_printed_with_their_meaning_and_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = run("config", APPLIANCE_PORT="9000").output
    assert "# Port to listen on; 0 takes a free one.\nport = 9000  # environment\n" in shown
    assert "queue = 32  # default" in shown


def test_a_secret_is_not_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secret = "of the shop's site and of nobody else"
    shown = run("config", APPLIANCE_WIDGET_SECRET=secret).output
    assert secret not in shown
    assert "\n# widget_secret is set and not shown  # environment\n" in shown
    (tmp_path / "printed.toml").write_text(shown, "utf-8")
    loaded = load_settings({}, tmp_path / "printed.toml")
    assert loaded.settings == Settings()


@pytest.mark.parametrize("command", [("config",), ("serve", "--demo"), ("models", "list")])
def test_a_wrong_setting_is_one_sentence(command: tuple[str, ...], tmp_path: Path) -> None:
    shown = run(*command, APPLIANCE_PORT="abc")
    assert shown.exit_code in (1, 2)
    assert shown.stderr == (
        "port = 'abc' (from environment) is not possible; "
        "allowed: a whole number from 0 to 65535.\n"
    )


def test_the_command_line_goes_before_the_environment() -> None:
    shown = run("serve", "--demo", "--port", "65536", APPLIANCE_PORT="9000")
    assert shown.exit_code == 2
    assert shown.stderr.startswith("port = 65536 (from command line) is not possible")
