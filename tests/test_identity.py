"""A visitor's identity: whose word counts, for how long, and where it is kept."""

from __future__ import annotations

import base64
import hmac
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest

from appliance.dialogue.identity import LONGEST_S, Identities
from appliance.errors import IdentityRefused, SessionNotFound
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.identities import Identity, IdentityRows
from appliance.store.live import LiveLog
from appliance.store.sealing import PLAIN, Label, Seals
from appliance.store.sessions import Sessions, key_of
from tests.test_http_house import SECRET, open_house

NOW_S = 1_800_000_000


def sign(claim: object, secret: str = SECRET) -> str:
    """As docs/widget.md tells a site to do it."""
    payload = base64.urlsafe_b64encode(json.dumps(claim).encode()).decode().rstrip("=")
    return payload + "." + hmac.new(secret.encode(), payload.encode(), sha256).hexdigest()


def read(token: str, secret: str = SECRET) -> Identity:
    return Identities(cast("IdentityRows", None), secret).read_token(token, NOW_S)


def test_what_the_site_signed_is_who_the_visitor_is() -> None:
    claim = {"id": "u-17", "name": "王女士", "expires": NOW_S + 300, "shop": "north"}
    assert read(sign(claim)) == Identity("u-17", "王女士")
    assert read(sign({"id": "u", "expires": NOW_S + 1})) == Identity("u", "")


GOOD = {"id": "u-17", "name": "Ann", "expires": NOW_S + 300}


@pytest.mark.parametrize("position", range(len(sign(GOOD))))
def test_a_token_with_any_letter_changed_is_refused(position: int) -> None:
    token = sign(GOOD)
    other = "0" if token[position] != "0" else "1"
    with pytest.raises(IdentityRefused):
        read(token[:position] + other + token[position + 1 :])


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "a.b",
        sign(GOOD).partition(".")[0],
        sign(GOOD) + "0",
        sign(GOOD).replace(".", ".."),
        "ä.ö",
        "\ud800.\udfff",
        sign(GOOD, "another secret that is long enough"),
        sign({**GOOD, "expires": NOW_S}),
        sign({**GOOD, "expires": NOW_S - 1}),
        sign({**GOOD, "expires": NOW_S + LONGEST_S + 1}),
        sign({**GOOD, "expires": str(NOW_S + 300)}),
        sign({**GOOD, "expires": float("inf")}),
        sign({"id": "u-17"}),
        sign({**GOOD, "id": ""}),
        sign({**GOOD, "id": 17}),
        sign({**GOOD, "id": "x" * 129}),
        sign({**GOOD, "name": "two\nlines"}),
        sign({**GOOD, "name": "\u202enn A"}),
        sign([GOOD]),
        sign("text"),
    ],
)
def test_what_is_not_a_signed_claim_is_refused(token: str) -> None:
    with pytest.raises(IdentityRefused):
        read(token)


def test_without_a_secret_nobody_is_believed() -> None:
    with pytest.raises(IdentityRefused, match="No secret is set"):
        read(sign(GOOD, ""), "")


def test_a_proved_identity_is_told_and_an_unproved_one_changes_nothing(tmp_path: Path) -> None:
    claim = {"id": "u-17", "name": "王女士", "expires": int(time.time()) + 300}
    with open_house(tmp_path) as client:
        path = "/sessions/known/identity"
        refused = client.post(path, json={"token": sign(claim, "x" * 40)})
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "identity_refused"
        assert SECRET not in refused.text
        assert client.get("/sessions/known/messages").json()["identity"] is None
        told = client.post(path, json={"token": sign(claim)})
        assert (told.status_code, told.json()) == (200, {"id": "u-17", "name": "王女士"})
        assert client.get("/sessions/known/messages").json()["identity"] == told.json()
        elsewhere = client.post("/sessions/other/identity", json={"token": sign(claim)})
        assert elsewhere.status_code == 404


@dataclass
class Cipher:
    """Turns bytes around, and tells under which labels."""

    labels: list[Label]

    def turn(self, value: bytes, label: Label) -> bytes:
        self.labels.append(label)
        return value[::-1]


async def test_it_is_kept_sealed_and_goes_with_its_session(tmp_path: Path) -> None:
    cipher = Cipher([])
    seals = Seals(cipher.turn, cipher.turn)
    store = Store(tmp_path)
    log = EventLog(store, LiveLog(tmp_path, PLAIN), PLAIN)
    await store.open()
    await log.open()
    sessions = Sessions(store, log, PLAIN, lambda: 1)
    rows = IdentityRows(store, seals)
    session_id = await sessions.create()
    assert await rows.find(session_id) is None
    await rows.keep(session_id, Identity("u-17", "Ann"))
    assert await rows.find(session_id) == Identity("u-17", "Ann")
    kept = await store.read(
        lambda connection: connection.execute("SELECT identity FROM sessions").fetchone()[0]
    )
    assert b"u-17" not in kept and b"71-u" in kept
    assert {label.session_key for label in cipher.labels} == {key_of(session_id)}
    await sessions.forget(session_id)
    assert await rows.find(session_id) is None
    with pytest.raises(SessionNotFound):
        await rows.keep(session_id, Identity("u-17", "Ann"))
    await log.close()
    await store.close()


GUIDE = (Path(__file__).parents[1] / "docs" / "widget.md").read_text("utf-8")


def read_recipe(language: str) -> str:
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    return next(block for block in blocks if "sign(" in block)


def check_recipe(token: str) -> None:
    identities = Identities(cast("IdentityRows", None), SECRET)
    assert identities.read_token(token, int(time.time())) == Identity("u-17", "王女士")


def test_the_guide_s_python_signs_what_is_believed() -> None:
    names: dict[str, object] = {}
    exec(read_recipe("python"), names)
    sign_it = cast("Callable[[str, str, str], str]", names["sign"])
    check_recipe(sign_it(SECRET, "u-17", "王女士"))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_guide_s_javascript_signs_what_is_believed(tmp_path: Path) -> None:
    (tmp_path / "sign.mjs").write_text(read_recipe("js"), "utf-8")
    call = f"import {{ sign }} from './sign.mjs'; console.log(sign({SECRET!r}, 'u-17', '王女士'))"
    (tmp_path / "call.mjs").write_text(call, "utf-8")
    ran = subprocess.run(
        ["node", "call.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    check_recipe(ran.stdout.strip())
