"""`/v1` as LangChain, LlamaIndex and `llm` see it; skipped where they are not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from appliance.engine.scripted import Line
from tests.test_api_openai import open_house, speak_of_weather

pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("ignore")]
WHY = "large: pip install --group clients"
SCHEMA = {
    "title": "Size",
    "type": "object",
    "properties": {"size": {"type": "integer"}},
    "required": ["size"],
}


def speak(question: str) -> list[Line]:
    """In a shape, where the question asks for a size."""
    return ['{"size"', ": 42}"] if "size" in question else speak_of_weather(question)


def open_line() -> AbstractContextManager[Any]:
    """Both libraries keep a client of their own open for good, with its connections."""
    client: AbstractContextManager[Any] = pytest.importorskip("httpx", reason=WHY).Client()
    return client


def test_langchain_talks_streams_calls_and_reads_shapes(tmp_path: Path) -> None:
    langchain_openai = pytest.importorskip("langchain_openai", reason=WHY)

    def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"Rain in {city}."

    with open_house(tmp_path, speak) as server, open_line() as line:
        chat: Any = langchain_openai.ChatOpenAI(
            base_url=f"{server.url}/v1",
            api_key=server.key,
            model="appliance",
            max_retries=0,
            http_client=line,
        )
        assert chat.invoke("Tell me of the sky").content == "Hello."
        assert "".join(part.content for part in chat.stream("Tell me of the sky")) == "Hello."
        called = chat.bind_tools([get_weather]).invoke("What is the weather in Lyon?")
        assert called.tool_calls[0]["args"] == {"city": "Lyon"}
        told = chat.bind_tools([get_weather]).invoke(
            [
                ("human", "What is the weather in Lyon?"),
                called,
                {"role": "tool", "tool_call_id": called.tool_calls[0]["id"], "content": "Rain."},
            ]
        )
        assert told.content == "It rains."
        shaped = chat.with_structured_output(SCHEMA, method="json_schema")
        assert shaped.invoke("What size?") == {"size": 42}
        embeddings: Any = langchain_openai.OpenAIEmbeddings(
            base_url=f"{server.url}/v1",
            api_key=server.key,
            model="m",
            check_embedding_ctx_length=False,
            http_client=line,
        )
        assert len(embeddings.embed_query("退货")) == 384


def test_llamaindex_talks_and_streams(tmp_path: Path) -> None:
    openai_like = pytest.importorskip("llama_index.llms.openai_like", reason=WHY)
    llms = pytest.importorskip("llama_index.core.llms", reason=WHY)
    with open_house(tmp_path, speak) as server, open_line() as line:
        llm: Any = openai_like.OpenAILike(
            api_base=f"{server.url}/v1",
            api_key=server.key,
            model="appliance",
            is_chat_model=True,
            max_retries=0,
            http_client=line,
        )
        hello = [llms.ChatMessage(role="user", content="Tell me of the sky")]
        assert llm.chat(hello).message.content == "Hello."
        assert list(llm.stream_chat(hello))[-1].message.content == "Hello."
        assert llm.complete("Tell me of the sky").text == "Hello."
        plain: Any = openai_like.OpenAILike(
            api_base=f"{server.url}/v1",
            api_key=server.key,
            model="appliance",
            is_chat_model=False,
            http_client=line,
        )
        assert plain.complete("Tell me of the sky").text == "Hello."


@pytest.mark.skipif(importlib.util.find_spec("llm") is None, reason=WHY)
def test_a_front_end_of_the_terminal_talks_and_streams(tmp_path: Path) -> None:
    with open_house(tmp_path, speak) as server:
        (tmp_path / "extra-openai-models.yaml").write_text(
            f"- model_id: shop\n  model_name: appliance\n  api_base: {server.url}/v1\n"
            "  api_key_name: shop\n"
        )
        (tmp_path / "keys.json").write_text(json.dumps({"shop": server.key}))
        environ = {**os.environ, "LLM_USER_PATH": str(tmp_path)}
        for more in ([], ["--no-stream"], ["--system", "Be brief."]):
            told = subprocess.run(
                [sys.executable, "-m", "llm", "prompt", "-m", "shop", *more, "Tell me of the sky"],
                env=environ,
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert (told.returncode, told.stdout) == (0, "Hello.\n"), told.stderr
