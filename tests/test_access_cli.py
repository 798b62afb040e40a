"""`appliance keys`, `accounts` and `tls` as a person types them, and a certificate in use."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from appliance.certificates import make_certificate
from appliance.cli import main
from appliance.engine.scripted import ScriptedEngine
from appliance.errors import SettingsError
from appliance.http.passwords import is_right
from appliance.store.access_file import AccessFile
from appliance.store.accounts import Account, Accounts, Role
from tests.scripted_house import answer, choose_settings, serving


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APPLIANCE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def run(*arguments: str, typed: str = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(main, arguments, input=typed)
    return result.exit_code, result.stdout, result.stderr


def test_a_key_is_shown_once_listed_and_revoked() -> None:
    code, out, _ = run("keys", "create", "shop", "--scope", "v1", "--scope", "chat", "--days", "2")
    key = out.strip()
    assert code == 0 and re.fullmatch(r"ak_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", key)
    key_id = key.split("_")[1]
    _, listed, _ = run("keys", "list")
    assert listed.startswith(f"{key_id}  shop  chat,v1  until 20") and "never used" in listed
    assert key not in listed
    assert run("keys", "revoke", key_id)[0] == 0
    assert "revoked" in run("keys", "list")[1]
    code, _, mistake = run("keys", "revoke", key_id)
    assert code == 1 and mistake.count("\n") == 1


def test_an_account_is_added_listed_and_removed(data: Path) -> None:
    typed = "a long password\na long password\n"
    assert run("accounts", "add", "王", "--role", "viewer", typed=typed)[0] == 0
    accounts = Accounts(AccessFile(data), lambda: 0)
    assert accounts.list_all() == [Account("王", Role.VIEWER)]
    assert not accounts.has_owner()
    assert run("accounts", "list")[1] == "王  viewer\n"
    assert run("accounts", "add", "b", typed="short\nshort\n")[0] == 1
    assert run("accounts", "remove", "王")[0] == 0
    assert run("accounts", "remove", "王")[0] == 1


def test_passwords_are_kept_as_argon2id(data: Path) -> None:
    typed = "密码密码密码密码密码\n密码密码密码密码密码\n"
    run("accounts", "add", "a", typed=typed)
    row = AccessFile(data).do(
        lambda connection: connection.execute("SELECT password FROM accounts").fetchone()
    )
    assert row[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert is_right("密码密码密码密码密码", row[0]) and not is_right("other", row[0])
    assert not is_right("other", None)


def test_the_certificate_serves_https_to_whoever_trusts_the_authority(tmp_path: Path) -> None:
    files = make_certificate(tmp_path / "tls", ("localhost", "127.0.0.1"))
    assert files.is_authority_new
    for private in (files.key, tmp_path / "tls" / "ca.key"):
        assert private.stat().st_mode & 0o777 == 0o600
    settings = choose_settings(tmp_path).model_copy(
        update={"tls_cert": files.certificate, "tls_key": files.key}
    )
    trusting = ssl.create_default_context(cafile=files.authority)
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    with serving(settings, ScriptedEngine(answer)) as house:
        address = house.url.replace("http:", "https:")
        with httpx2.Client(base_url=address, verify=trusting) as client:
            assert client.get("/healthz").status_code == 200
        with httpx2.Client(base_url=address) as client, pytest.raises(httpx2.ConnectError):
            client.get("/healthz")


def test_the_authority_is_kept_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    first = make_certificate(tmp_path, ("localhost",))
    known = first.authority.read_bytes()
    second = make_certificate(tmp_path, ("localhost", "shop.lan"))
    assert not second.is_authority_new and second.authority.read_bytes() == known
    (tmp_path / "ca.key").write_text("damaged", "utf-8")
    with pytest.raises(SettingsError, match="Remove both"):
        make_certificate(tmp_path, ("localhost",))


def test_tls_init_tells_what_to_set(data: Path) -> None:
    code, out, _ = run("tls", "init", "--name", "shop.lan")
    assert code == 0
    assert f"tls_cert = '{data / 'tls' / 'server.crt'}'" in out
    assert "shop.lan" in out and "localhost" in out
