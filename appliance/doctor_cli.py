"""The command `appliance doctor`: how the machine and what is installed on it are, with advice.

It prints what `doctor_machine.py` and `doctor_house.py` found. The rule that must not break: it
changes nothing, and exit 1 means that something is bad, 0 that nothing is.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from appliance.doctor import Finding

EXIT_BAD = 1
EXIT_BAD_SETTINGS = 2
SIGNS = {"good": "✓", "watch": "!", "bad": "✗"}
COLOURS = {"good": "green", "watch": "yellow", "bad": "red"}
SUBJECT_WIDTH = 12


@click.command(short_help="Look at this machine and say what to do about it.")
@click.option("--json", "as_json", is_flag=True, help="All findings as one JSON object.")
def doctor(as_json: bool) -> None:
    """Look at this machine and at what is installed, and say what to do about it.

    It may be asked while the appliance runs. Every finding is good, to be watched or bad; with a
    bad one it ends with 1.

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
    findings = []
    for finding in examine(list_everything(settings)):
        findings.append(finding)
        if not as_json:
            _tell(finding)
    _sum_up(findings, as_json)
    sys.exit(EXIT_BAD if any(found.verdict == "bad" for found in findings) else 0)


def _tell(finding: Finding) -> None:
    from appliance.wrapping import indent

    sign, blank = SIGNS[finding.verdict], " " * (SUBJECT_WIDTH + 3)
    told = indent(finding.seen, f"{sign} {finding.subject:<{SUBJECT_WIDTH}} ", blank)
    # Coloured behind, for what colours it takes no columns.
    click.echo(told.replace(sign, click.style(sign, fg=COLOURS[finding.verdict]), 1))
    if finding.advice:
        click.echo(indent(finding.advice, f"{blank}→ ", f"{blank}  "))


def _sum_up(findings: list[Finding], as_json: bool) -> None:
    from dataclasses import asdict

    from appliance.doctor import count

    counts = count(findings)
    if as_json:
        told = {"counts": counts, "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        click.echo(f"\n{counts['good']} good, {counts['watch']} to watch, {counts['bad']} bad.")
