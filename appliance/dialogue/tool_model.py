"""The model is asked which of the declared tools a message means, under a grammar of their names.

It takes no argument from the model and runs no tool. Each tool is a letter, none is one too, so
that an answer is one token. The rule that must not break: whatever the model says, the answer is a
tool that was offered or none, and it is never waited for long.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence

import structlog

from appliance.dialogue.language import Language
from appliance.engine.engine import Engine, Generation, Piece, Sampling
from appliance.engine.grammar import compile_choice
from appliance.engine.prompt import Prompt
from appliance.errors import ApplianceError
from appliance.tools.declared import Tool

# The cells of these conversations hold the list of tools, which never changes.
CONVERSATION = "tool-choice-"
PATIENCE_S = 4.0
MAX_QUESTION_CHARS = 300
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
HEADS = {
    "zh": "判断顾客想要店员做什么，只回答一个字母。",
    "en": "Decide what the customer wants the clerk to do. Answer with one letter only.",
}
NONE = {
    "zh": "以上都不是：只是提问、咨询规定或闲聊",
    "en": "none of these: a question about rules, products, or small talk",
}
LABELS = {"zh": ("顾客说", "答案"), "en": ("The customer says", "Answer")}


class ToolModel:
    def __init__(
        self, engine: Engine, tools: Sequence[Tool], turn: asyncio.Lock | None = None
    ) -> None:
        self._engine = engine
        self._tools = tools
        # One question at a time, because all share the cells of one conversation.
        self._turn = turn or asyncio.Lock()
        self._log = structlog.get_logger(__name__)

    def with_tools(self, tools: Sequence[Tool]) -> ToolModel:
        """Others, asked about in the same cells."""
        return ToolModel(self._engine, tools, self._turn)

    async def choose(self, offered: Collection[str], text: str, language: Language) -> str:
        """One of the names `offered`, or "" where none is meant or nobody can be asked."""
        if not offered or self._engine.status.phase != "ready":
            return ""
        try:
            async with asyncio.timeout(PATIENCE_S), self._turn:
                said = await self._ask(offered, text, language)
        except (TimeoutError, ApplianceError, ValueError) as error:
            self._log.warning("tool not chosen by the model", reason=type(error).__name__)
            return ""
        found = re.match(r"\s*([A-Z])", said)
        place = LETTERS.find(found[1]) if found else -1
        name = self._tools[place].name if 0 <= place < len(self._tools) else ""
        return name if name in offered else ""

    async def _ask(self, offered: Collection[str], text: str, language: Language) -> str:
        """The list of all tools stands in front, so that it is computed once."""
        letters = LETTERS[: len(self._tools) + 1]
        lines = [tool.description[language] for tool in self._tools] + [NONE[language]]
        named = zip(letters, (tool.name for tool in self._tools), strict=False)
        possible = (*(letter for letter, name in named if name in offered), letters[-1])
        listed = "\n".join(f"{letter}. {line}" for letter, line in zip(letters, lines, strict=True))
        says, answer = LABELS[language]
        asked = f"{says}：{text[:MAX_QUESTION_CHARS]}\n{answer}："
        system, question = await self._engine.encode([f"{HEADS[language]}\n{listed}", asked])
        # Shared by nobody: else it would push the instructions of all conversations aside.
        template, conversation = self._engine.template, CONVERSATION + language
        ids = template.render(system, (), question).ids
        run = self._engine.generate(
            Generation(
                conversation=conversation,
                prompt=Prompt(ids),
                max_new_tokens=2,
                sampling=Sampling(temperature=0.0, repeat_penalty=1.0),
                deadline_s=PATIENCE_S,
                grammar=compile_choice(possible),
            )
        )
        pieces: list[str] = []
        try:
            async for output in run:
                if isinstance(output, Piece):
                    pieces.append(output.text)
        except asyncio.CancelledError:
            # Too slow this time: what stands in front is read while nobody speaks.
            head = template.render_head(system, ())
            self._engine.prepare(conversation, Prompt(head.ids))
            raise
        finally:
            run.cancel()
        return "".join(pieces)
