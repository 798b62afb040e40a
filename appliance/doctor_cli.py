"""The command `appliance doctor`: how the machine and what is installed on it are, with advice.

It prints what `doctor_machine.py` and `doctor_house.py` found. The rule that must not break: it
changes nothing, and exit 1 means that something is bad, 0 that nothing is.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from appliance.doctor import Finding

EXIT_BAD = 1
EXIT_BAD_SETTINGS = 2
SIGNS = {"good": "✓", "watch": "!", "bad": "✗"}
SUBJECTS = {
    "processor": "处理器", "threads": "线程", "limits": "限额", "memory": "内存", "disk": "磁盘",
    "disk speed": "磁盘速度", "free space": "剩余空间", "clock": "时钟", "heat": "温度",
    "engine": "引擎", "model": "模型", "port": "端口", "database": "数据库", "backups": "备份",
}  # fmt: skip
# The first of these that says something names the language of messages.
LANGUAGES = ("LC_ALL", "LC_MESSAGES", "LANG")
COLOURS = {"good": "green", "watch": "yellow", "bad": "red"}
SUBJECT_WIDTH = 12


@click.command(short_help="Look at this machine and say what to do about it.")
@click.option("--json", "as_json", is_flag=True, help="All findings as one JSON object.")
def doctor(as_json: bool) -> None:
    """Look at this machine and at what is installed, and say what to do about it.

    It may be asked while the appliance runs. Every finding is good, to be watched or bad; with a
    bad one it ends with 1. Where the terminal's language (LANG) is Chinese it answers in Chinese;
    --json is English always.

    \b
    Example: appliance doctor
             appliance doctor --json
    """
    from appliance.config import load_settings
    from appliance.doctor import examine
    from appliance.doctor_house import list_everything
    from appliance.errors import SettingsError

    try:
        settings = load_settings().settings
    except SettingsError as error:
        click.echo(error, err=True)
        sys.exit(EXIT_BAD_SETTINGS)
    findings, is_chinese = [], speaks_chinese(os.environ)
    for finding in examine(list_everything(settings)):
        findings.append(finding)
        if not as_json:
            _tell(finding, is_chinese)
    _sum_up(findings, as_json, is_chinese)
    sys.exit(EXIT_BAD if any(found.verdict == "bad" for found in findings) else 0)


def speaks_chinese(environ: Mapping[str, str]) -> bool:
    chosen = next((environ[name] for name in LANGUAGES if environ.get(name)), "")
    return chosen.lower().startswith("zh")


def _tell(finding: Finding, is_chinese: bool) -> None:
    from appliance.wrapping import indent, measure

    seen, advice, subject = finding.seen, finding.advice, finding.subject
    if is_chinese:
        seen, advice, subject = _in_chinese(seen), _in_chinese(advice), SUBJECTS[subject]
    sign, blank = SIGNS[finding.verdict], " " * (SUBJECT_WIDTH + 3)
    head = f"{sign} {subject}{' ' * (SUBJECT_WIDTH - measure(subject))} "
    told = indent(seen, head, blank)
    # Coloured behind, for what colours it takes no columns.
    click.echo(told.replace(sign, click.style(sign, fg=COLOURS[finding.verdict]), 1))
    if advice:
        click.echo(indent(advice, f"{blank}→ ", f"{blank}  "))


def _in_chinese(text: str) -> str:
    """What comes from elsewhere, as an error's reason, is English alone."""
    from appliance.doctor import Words

    return text.zh if isinstance(text, Words) else text


def _sum_up(findings: list[Finding], as_json: bool, is_chinese: bool) -> None:
    from dataclasses import asdict

    from appliance.doctor import count

    counts = count(findings)
    if as_json:
        told = {"counts": counts, "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(told, ensure_ascii=False, indent=1))
    elif is_chinese:
        click.echo(
            f"\n{counts['good']} 项良好，{counts['watch']} 项要留意，{counts['bad']} 项有问题。"
        )
    else:
        click.echo(f"\n{counts['good']} good, {counts['watch']} to watch, {counts['bad']} bad.")
