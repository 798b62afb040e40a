"""The commands `appliance keys`, `appliance accounts` and `appliance tls`.

They work beside a running appliance, which heeds a change at its next request. The rule that must
not break: a key is printed once, to standard output alone, and a password is never an argument.
"""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime

import click

from appliance.config import load_settings
from appliance.failures import Failure, failing_plainly
from appliance.store.access_file import AccessFile
from appliance.store.accounts import Account, Accounts, Role
from appliance.store.keys import SCOPES, Key, Keys

STOPPED = "Stopped; nothing was changed."
DAY_MS = 86_400_000


@click.group()
def keys() -> None:
    """Make, list and revoke API keys.

    A key is sent as `Authorization: Bearer ak_…`, over https or on this machine.

    Example: appliance keys create website --scope v1
    """


@keys.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("v1",),
    show_default=True,
    help="What it opens; may be given several times.",
)
@click.option("--days", type=click.IntRange(1, 3650), help="Days it is valid; without, for good.")
def create_key(name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make a key and print it, this once.

    Example: appliance keys create website --scope v1 --days 365
    """
    with failing_plainly(STOPPED):
        expires_ms = read_clock_ms() + days * DAY_MS if days else None
        key = _open_keys().create(name, tuple(dict.fromkeys(scopes)), expires_ms)
    click.echo("Keep it now; nobody can show it again:", err=True)
    click.echo(key)


@keys.command("list")
def list_keys() -> None:
    """Every key, what it opens, when it ends and when it was used last.

    Example: appliance keys list
    """
    with failing_plainly(STOPPED):
        found = _open_keys().list_all()
    now_ms = read_clock_ms()
    for key in found:
        scopes = ",".join(sorted(key.scopes))
        used = f"used {_tell_day(key.used_ms)}" if key.used_ms else "never used"
        click.echo(f"{key.id}  {key.name}  {scopes}  {_tell_end(key, now_ms)}  {used}")
    if not found:
        click.echo("There are no keys; `appliance keys create NAME` makes one.")


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
def revoke_key(key_id: str) -> None:
    """End the key with this ID, from its next request on.

    Example: appliance keys revoke 0123456789ab
    """
    with failing_plainly(STOPPED):
        if not _open_keys().revoke(key_id):
            raise Failure(f"No open key has the id {key_id}; see `appliance keys list`.")
    click.echo(f"{key_id} is revoked.")


@click.group()
def accounts() -> None:
    """Add, list and remove operators' accounts.

    Example: appliance accounts add wang --role viewer
    """


@accounts.command("add", short_help="Add an account, or give one another password and role.")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([str(role) for role in Role]),
    default=str(Role.OPERATOR),
    show_default=True,
)
@click.password_option()
def add_account(name: str, role: str, password: str) -> None:
    """Add an account, or give one another password and role; whoever was in is logged out.

    Example: appliance accounts add wang --role viewer
    """
    from appliance.http.console import check_name, check_password
    from appliance.http.passwords import hash_password

    with failing_plainly(STOPPED):
        account = Account(check_name(name), Role(role))
        _open_accounts().keep(account, hash_password(check_password(password)))
    click.echo(f"{account.name} is {account.role}.")


@accounts.command("list")
def list_accounts() -> None:
    """Every account and its role.

    Example: appliance accounts list
    """
    with failing_plainly(STOPPED):
        found = _open_accounts().list_all()
    for account in found:
        click.echo(f"{account.name}  {account.role}")
    if not found:
        click.echo("There are no accounts; the setup code of the start makes the first owner.")


@accounts.command("remove")
@click.argument("name")
def remove_account(name: str) -> None:
    """Remove an account; whoever was in by it is logged out.

    Example: appliance accounts remove wang
    """
    with failing_plainly(STOPPED):
        if not _open_accounts().remove(name):
            raise Failure(f"There is no account {name}; see `appliance accounts list`.")
    click.echo(f"{name} is removed.")


@click.group()
def tls() -> None:
    """Serve over https by a certificate of its own.

    Example: appliance tls init
    """


@tls.command("init")
@click.option("--name", "names", multiple=True, help="One more name or address to be valid for.")
def init_tls(names: tuple[str, ...]) -> None:
    """Make a certificate, and the first time the authority that signs it.

    Run it again before the certificate ends, or when names change: devices that trust the
    authority go on trusting.

    Example: appliance tls init --name shop.lan
    """
    from appliance.certificates import make_certificate
    from appliance.greeting import find_lan_host

    with failing_plainly(STOPPED):
        settings = load_settings().settings
        lan_host = find_lan_host()
        wanted = (
            "localhost",
            f"{socket.gethostname().lower()}.local",
            *settings.hosts.lower().split(),
            *(name.lower() for name in names),
            "127.0.0.1",
            *([lan_host] if lan_host else []),
        )
        files = make_certificate(settings.data / "tls", tuple(dict.fromkeys(wanted)))
    click.echo(f"Valid until {files.ends:%Y-%m-%d} for {', '.join(dict.fromkeys(wanted))}.")
    click.echo(f"\nSet in appliance.toml:\n\ntls_cert = {str(files.certificate)!r}")
    click.echo(f"tls_key = {str(files.key)!r}\n")
    click.echo(f"Every device that is to trust it is given {files.authority}, once.")


def _open_keys() -> Keys:
    return Keys(AccessFile(load_settings().settings.data), read_clock_ms)


def _open_accounts() -> Accounts:
    return Accounts(AccessFile(load_settings().settings.data), read_clock_ms)


def read_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _tell_end(key: Key, now_ms: int) -> str:
    if key.revoked_ms is not None:
        return "revoked"
    if key.expires_ms is None:
        return "open"
    return f"until {_tell_day(key.expires_ms)}" if key.is_open(now_ms) else "expired"


def _tell_day(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"
