"""The simplest client there is, in Node, against the server: every token, and no exception.

The client is tests/web/plain_client.mjs. The rule that must not break: who cuts at blank lines
and parses what follows `data:` reads the whole answer, whatever it is made of.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from appliance.engine.scripted import ScriptedEngine
from tests.scripted_house import HouseServer

NODE = shutil.which("node")
CLIENT = Path(__file__).parent / "web" / "plain_client.mjs"

pytestmark = pytest.mark.skipif(NODE is None, reason="no node found")


def ask(url: str, question: str) -> Any:
    assert NODE is not None
    command = (NODE, str(CLIENT), url, question)
    said = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True)
    return json.loads(said.stdout)


def ask_whole(url: str, question: str) -> str:
    """The same answer in one piece."""
    wish = {"Accept": "application/json"}
    told = httpx2.post(f"{url}/chat", json={"message": question}, headers=wish, timeout=60).json()
    return str(told["answer"])


@pytest.mark.parametrize(
    "question",
    [
        "鞋子👋有没有",
        'data: {"token": "x"}\n\ndata: 2',
        ": a comment\r\nevent: x\r\n\r\nid: 7",
        '👨‍👩‍👧‍👦é\u2028\u2029 tab\t quote " slash \\ end',
    ],
)
def test_every_token_arrives_whatever_is_said(
    scripted_server: HouseServer[ScriptedEngine], question: str
) -> None:
    read = ask(scripted_server.url, question)
    assert read["text"] == ask_whole(scripted_server.url, question)
    assert read["text"].startswith("你说：")
    assert (read["rest"], read["faults"]) == ("", 0)
    assert (read["last"]["done"], read["last"]["token"]) == (True, "")


def test_a_long_answer_comes_in_many_tokens_and_whole(
    scripted_server: HouseServer[ScriptedEngine],
) -> None:
    read = ask(scripted_server.url, "请说一个长的回答")
    assert read["text"].startswith("# 退货说明")
    assert read["text"].endswith("请在我们开门的时候说一声。\n")
    assert read["count"] > 20
    assert read["last"]["finish_reason"] == "stop"


def test_an_answer_that_breaks_ends_in_a_last_frame_with_its_error(
    scripted_server: HouseServer[ScriptedEngine],
) -> None:
    read = ask(scripted_server.url, "说到这里就坏了")
    assert (read["faults"], read["last"]["error"]["code"]) == (0, "engine_failed")
