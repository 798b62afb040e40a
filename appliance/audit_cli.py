"""The commands `appliance audit`: show, export, check and re-key what is accounted for.

They decide nothing themselves; `store/audit.py` reads and checks, `store/keyring.py` changes the
master key. The rule that must not break: all but `rotate` only read, so they may run beside the
server, and a chain that does not hold ends with exit 1 and the first row that is wrong.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from appliance.config import load_settings
from appliance.failures import failing_plainly

if TYPE_CHECKING:
    from appliance.store.audit import Entry
    from appliance.store.audit_reading import AuditReader
    from appliance.store.master import MasterSource

STOPPED = "Stopped; nothing was changed."
CUT_OFF = "Stopped; the next start, or the same command once more, ends what was begun."
SHORT_CHARS = 12


@click.group(short_help="The sealed log of what was decided, and the master key.")
def audit() -> None:
    """The sealed log of what was decided in every turn, and the master key it hangs on.

    Example: appliance audit show
    """


@audit.command()
@click.option("-n", "most", default=20, show_default=True, help="Rows to show, the latest.")
def show(most: int) -> None:
    """Print the latest rows of the audit log.

    Example: appliance audit show -n 50
    """
    with failing_plainly(STOPPED), _opened() as log:
        for entry in log.read(most):
            click.echo(_tell(entry))


@audit.command(short_help="Write all rows to a new file, one JSON object a line.")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
def export(file: Path) -> None:
    """Write all rows to a new file, a JSON object in each line; the last tells the chain's end.

    The file is in clear. Example: appliance audit export audit.jsonl
    """
    with failing_plainly(STOPPED), _opened() as log, _begun(file) as out:
        entries = log.read()
        for entry in entries:
            out.write(json.dumps(_describe(entry), ensure_ascii=False) + "\n")
        checked = log.check()
        end = {"end": f"{checked.head_seq}:{checked.head.hex()}", "fault": checked.fault}
        out.write(json.dumps(end) + "\n")
    click.echo(
        f"{file}  {len(entries):,} rows; the file is in clear: keep it as you would keep a key."
    )


@audit.command()
@click.option("--end", "known", metavar="ROW:SIGN", help="An end that an earlier check printed.")
def verify(known: str | None) -> None:
    """Check that no row was changed, removed, exchanged or moved.

    It prints the end of the chain: with that kept elsewhere, a later check also finds a log that
    was put back to an older state. Example: appliance audit verify --end 812:9f3c…
    """
    with failing_plainly(STOPPED), _opened() as log:
        checked = log.check(known or "")
    if checked.fault:
        click.echo(f"The audit log does not hold: {checked.fault}.", err=True)
        sys.exit(1)
    click.echo(
        f"{checked.rows:,} rows, all whole; the words of {checked.destroyed:,} were destroyed in "
        f"order.\nEnd: {checked.head_seq}:{checked.head.hex()}"
    )


@audit.command(short_help="Change the master key; no conversation is lost.")
@click.option(
    "--to",
    "kind",
    type=click.Choice(["file", "passphrase", "tpm"]),
    help="What the new master key stands in; as the setting master_key says, if left out.",
)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    help="File of the new master key, with --to file.",
)
def rotate(kind: str | None, path: Path | None) -> None:
    """Change the master key; all keys of the conversations are wrapped anew.

    The appliance must be stopped. A cut at any point loses nothing. A master key that was a file
    elsewhere stays there until you delete it.

    Example: appliance audit rotate --to passphrase
    """
    from appliance.store.folder import lock_folder
    from appliance.vault import Vault

    with failing_plainly(CUT_OFF):
        settings = load_settings().settings
        changes = {"master_key": kind or settings.master_key}
        if path is not None:
            changes["master_key_file"] = str(path)
        wanted = type(settings).model_validate({**settings.model_dump(), **changes})
        with closing(lock_folder(settings.data)):
            keyring = Vault(settings, _ask).keyring
            keyring.unlock()
            rewrapped = keyring.change_master(_choose_new(wanted))
    click.echo(f"The master key is changed; {rewrapped} keys hang on the new one.")
    if changes["master_key"] != settings.master_key or path is not None:
        told = [f'{name} = "{value}"' for name, value in changes.items()]
        click.echo(f"Now set in appliance.toml: {', '.join(told)}")


def _choose_new(settings: object) -> MasterSource:
    from appliance.settings import Settings
    from appliance.store.master import PassphraseMaster, choose_source

    assert isinstance(settings, Settings)
    if settings.master_key == "passphrase":
        return PassphraseMaster("", lambda: _ask("New passphrase", is_new=True))
    return choose_source(settings)


def _ask(prompt: str = "Passphrase of the master key", *, is_new: bool = False) -> str:
    typed: str = click.prompt(prompt, hide_input=True, confirmation_prompt=is_new, err=True)
    return typed


@contextmanager
def _begun(file: Path) -> Iterator[TextIO]:
    """A new file that only its owner may read. Raises StoreUnavailable."""
    from appliance.errors import StoreUnavailable

    try:
        with file.open("x", encoding="utf-8") as out:
            file.chmod(0o600)
            yield out
    except OSError as error:
        raise StoreUnavailable(f"{file} cannot be written: {error.strerror}.") from error


@contextmanager
def _opened() -> Iterator[AuditReader]:
    from appliance.store.audit_reading import read_audit
    from appliance.store.folder import FILE_NAME
    from appliance.vault import Vault

    settings = load_settings().settings
    vault = Vault(settings, _ask)
    vault.keyring.unlock(is_reading=True)
    with read_audit(settings.data / FILE_NAME, vault.audit) as reader:
        yield reader


def _describe(entry: Entry) -> dict[str, object]:
    at = datetime.fromtimestamp(entry.at_ms / 1000, UTC).isoformat(timespec="seconds")
    return {
        "row": entry.seq,
        "at": at,
        "kind": entry.kind,
        "session": entry.session_key,
        "said": None if entry.said is None else dict(entry.said),
        "sign": entry.mac.hex(),
    }


def _tell(entry: Entry) -> str:
    shown = _describe(entry)
    said = "(destroyed)" if entry.said is None else json.dumps(entry.said, ensure_ascii=False)
    session = entry.session_key[:SHORT_CHARS]
    return f"{entry.seq:>6}  {shown['at']}  {entry.kind:<6}  {session:<{SHORT_CHARS}}  {said}"
