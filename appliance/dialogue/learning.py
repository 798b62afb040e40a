"""From what was missed to what is answered: groups of misses, a draft tried, published, undone.

The order of it stands here; each step is another module's. The rules that must not break: nothing
is published that was not tried against the questions of late, the library's own rebuilding takes it
in as it takes in any change of the folder, and an undone publishing leaves the folder as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from appliance.dialogue.entry_drafts import (
    Collision,
    Warned,
    find_collisions,
    find_new_faults,
    tidy,
)
from appliance.dialogue.ladder import Ladder
from appliance.dialogue.misses import Question, judge
from appliance.dialogue.replay import Asked, Replay, Replayed, gather, is_answered
from appliance.dialogue.sweeping import Sides, Sweep, sweep_rest
from appliance.errors import PublishRefused
from appliance.knowledge import published
from appliance.knowledge.build import BuildFailed
from appliance.knowledge.embedder import Embedder
from appliance.knowledge.entries import Entry
from appliance.knowledge.library import Library
from appliance.knowledge.published import FILE, Draft, NotThere
from appliance.knowledge.trial import open_trial
from appliance.store.publications import Effect, Publication, Publications, hash_text
from appliance.store.questions import Questions

DAYS = 30
DAY_MS = 86_400_000
# The latest; a shop with more has enough to learn from these.
MOST_TURNS = 20_000
MOST_SPOKEN = 5_000
# Wordings that are put to the ladder for one draft.
MOST_REPLAYED = 600
MOST_PUBLICATIONS = 200
EXAMPLE = (
    "The example shop answers, and nothing is published into it; `appliance init` makes a folder "
    "of your own. 当前使用示例店铺的资料，`appliance init` 可以建立您自己的资料夹。"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the knowledge stands, and where it is built; `writing` is held while a file of the
    folder is read and exchanged."""

    folder: Path
    data: Path
    is_example: bool
    writing: asyncio.Lock


@dataclass(frozen=True, slots=True)
class Preview:
    """`draft` is what would be published. `faults` name entries or phrasings that would be left
    out; with one of them nothing is published. Of all `wordings` the first are in `replayed`, and
    `sweep` goes on with the rest. `is_cut`: there are older questions."""

    draft: Draft
    warned: tuple[Warned, ...]
    collisions: tuple[Collision, ...]
    faults: tuple[str, ...]
    replayed: Replayed
    is_cut: bool
    wordings: int
    sweep: Sweep

    @property
    def every(self) -> Replayed:
        """With what was found behind it by now."""
        found = Replayed()
        for one in (self.replayed, self.sweep.found):
            found.add(one)
        return found


@dataclass(frozen=True, slots=True)
class Published:
    """`is_live`: customers get it from now on; else the folder's faults say why not."""

    number: int
    is_live: bool
    effect: Effect


@dataclass(frozen=True, slots=True)
class Standing:
    """What a publishing put in. `entry` is None where it is not there any more; `is_touched`: it
    was edited by hand."""

    publication: Publication
    entry: Entry | None
    is_touched: bool


class Learning:
    def __init__(
        self,
        questions: Questions,
        publications: Publications,
        library: Library,
        ladder: Ladder,
        place: Place,
        embedder: Embedder | None,
        read_now_ms: Callable[[], int],
        breathe: Callable[[], Awaitable[None]],
    ) -> None:
        self._questions = questions
        self._publications = publications
        self._library = library
        self._ladder = ladder
        self._place = place
        self.embedder = embedder
        self._read_now_ms = read_now_ms
        self._replay = Replay(ladder, breathe)
        # One at a time: each builds an index of its own.
        self._lock = asyncio.Lock()
        self._tried: tuple[Draft, str, Preview] | None = None
        self._breathe = breathe
        self._sweeping: tuple[asyncio.Task[None], AsyncExitStack] | None = None

    @property
    def version(self) -> str:
        """Of what answers; with its vectors it answers otherwise."""
        return f"{self._library.state.version}/{self._library.is_settled}"

    @property
    def library(self) -> Library:
        return self._library

    @property
    def ladder(self) -> Ladder:
        return self._ladder

    @property
    def tried(self) -> Preview | None:
        """What was tried last, as far as it is."""
        return self._tried[2] if self._tried else None

    async def read_questions(self, days: int = DAYS) -> list[Question]:
        """Raises StoreUnavailable, as all here do."""
        return (await self._read_late(days))[0]

    async def read_wordings(self) -> list[tuple[str, int]]:
        """All of late with how often each was asked, the missed ones first."""
        every, _ = gather(await self.read_questions(), MOST_TURNS)
        return [(asked.text, len(asked.questions)) for asked in every]

    async def _read_late(self, days: int) -> tuple[list[Question], bool]:
        """And whether there are older ones of those days."""
        since_ms = self._read_now_ms() - days * DAY_MS
        turns = await self._questions.read_asked(since_ms, MOST_TURNS)
        wishes = await self._questions.read_wishes(since_ms)
        spoken = await self._questions.read_spoken(since_ms, MOST_SPOKEN)
        judged = await asyncio.to_thread(judge, turns, wishes, spoken)
        return judged, len(turns) >= MOST_TURNS

    async def keep_unlearned(self, every: list[Asked]) -> list[Asked]:
        """Those that the knowledge as it is does not answer yet."""
        left = []
        for asked in every:
            told = await self._replay.foretell_now(asked.text, self._library, self.version)
            missed = tuple(one for one in asked.questions if not is_answered(one, told))
            if missed:
                left.append(Asked(missed[0].turn.text, missed))
        return left

    async def count_answered(self) -> tuple[int, int]:
        """Of how many questions of late the knowledge as it is answers how many."""
        every, _ = gather(await self.read_questions(), MOST_REPLAYED)
        return await self._replay.count_answered(every, self._library, self.version)

    async def preview(self, wish: Draft) -> Preview:
        """Raises InvalidField, PublishRefused."""
        async with self._lock:
            draft, warned = await asyncio.to_thread(tidy, self._ladder.charter.memory, wish)
            return await self._try(draft, warned)

    async def publish(self, wish: Draft, account: str) -> Published:
        """Raises InvalidField, PublishRefused."""
        if self._place.is_example:
            raise PublishRefused(EXAMPLE, "example")
        async with self._lock:
            draft, warned = await asyncio.to_thread(tidy, self._ladder.charter.memory, wish)
            preview = await self._try(draft, warned)
            await self.end_sweep()
            if preview.faults:
                fault = preview.faults[0]
                raise PublishRefused(f"It stands there already. {fault}", "fault", fault=fault)
            replayed = preview.every
            effect = Effect(replayed.asked, replayed.answered_before, replayed.answered_after)
            number = await self._publications.begin(account, effect)
            async with self._place.writing:
                text = await self._read_text()
                block = published.render(number, self._read_day(), draft)
                whole = published.put_in(text, block)
                _check_whole(text, whole, draft)
                await self._publications.keep_hash(number, block)
                await self._write(whole)
            match = await self._library.match(draft.question)
            is_live = match.outcome == "sure" and match.hits[0].entry.question == draft.question
            return Published(number, is_live, effect)

    async def undo(self, number: int, account: str) -> None:
        """Take it out of the folder again, to the letter. Raises PublishRefused."""
        async with self._lock, self._place.writing:
            kept = await self._publications.find(number)
            if kept is None or kept.undone_ms is not None:
                sentence = f"There is nothing of number {number} to undo."
                raise PublishRefused(sentence, "nothing", number=number)
            text = await self._read_text()
            block = next((one for one in published.list_blocks(text) if one.number == number), None)
            if block is None:
                sentence = f"Number {number} is not in {FILE} any more."
                raise PublishRefused(sentence, "gone", number=number, file=FILE)
            if hash_text(block.text) != kept.text_hash:
                sentence = f"Number {number} was edited in {FILE}; remove it there."
                raise PublishRefused(sentence, "edited", number=number, file=FILE)
            await self._write(published.take_out(text, block))
            await self._publications.keep_undone(number, account)

    async def list_standing(self) -> tuple[Standing, ...]:
        """All that was published, the latest first, as it stands now. Raises PublishRefused."""
        publications = await self._publications.read(MOST_PUBLICATIONS)
        text = await self._read_text()
        blocks = {block.number: block for block in published.list_blocks(text)}
        standing = []
        for one in publications:
            block = blocks.get(one.number)
            entry = published.read_block(block) if block else None
            is_touched = block is not None and hash_text(block.text) != one.text_hash
            standing.append(Standing(one, entry, is_touched))
        return tuple(standing)

    async def _try(self, draft: Draft, warned: tuple[Warned, ...]) -> Preview:
        """With the number 0, which none is given; the same draft is not tried twice in a row."""
        if self._tried and self._tried[:2] == (draft, self.version):
            return self._tried[2]
        await self.end_sweep()
        text = await self._read_text()
        whole = published.put_in(text, published.render(0, self._read_day(), draft))
        _check_whole(text, whole, draft)
        collisions = await find_collisions(draft, self._library)
        questions, is_cut = await self._read_late(DAYS)
        every, _ = gather(questions, MOST_TURNS)
        first, rest = every[:MOST_REPLAYED], every[MOST_REPLAYED:]
        sweep = Sweep(len(rest), is_running=False)
        place, version = self._place, self.version
        embedder = self.embedder if self._library.is_settled else None
        try:
            async with AsyncExitStack() as stack:
                trial = await stack.enter_async_context(
                    open_trial(
                        place.folder,
                        place.data,
                        FILE,
                        whole,
                        self._library.path,
                        embedder,
                        self._read_day(),
                        self._library.open_reranker,
                    )
                )
                faults = find_new_faults(self._library.state.faults, trial.faults)
                replayed = await self._replay.compare(first, self._library, version, trial)
                if rest and not faults:
                    sweep.is_running = True
                    sides = Sides(self._library, version, lambda: self.version, trial)
                    held = stack.pop_all()
                    task = sweep_rest(sweep, rest, draft, sides, self._replay, self._breathe, held)
                    self._sweeping = (asyncio.create_task(task), held)
        except BuildFailed as failed:
            raise PublishRefused(str(failed), "untried", why=str(failed)) from None
        count = len(every)
        preview = Preview(draft, warned, collisions, faults, replayed, is_cut, count, sweep)
        self._tried = (draft, version, preview)
        return preview

    async def end_sweep(self) -> None:
        """What was found by then stays."""
        if self._sweeping is not None:
            (task, held), self._sweeping = self._sweeping, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            # One that never began has closed nothing.
            await held.aclose()
            if self._tried:
                self._tried[2].sweep.is_running = False

    async def _read_text(self) -> str:
        try:
            return await asyncio.to_thread(published.read_text, self._place.folder)
        except NotThere as refused:
            raise PublishRefused(str(refused), "illegible", why=str(refused), file=FILE) from None

    async def _write(self, text: str) -> None:
        """And have the library take it in, before anything else is done to it."""
        try:
            await asyncio.to_thread(published.write_whole, self._place.folder, text)
        except OSError as error:
            sentence = f"{FILE} cannot be written ({error.strerror})."
            raise PublishRefused(sentence, "unwritable", file=FILE) from None
        await self._library.catch_up()

    def _read_day(self) -> date:
        return date.fromtimestamp(self._read_now_ms() / 1000)


def _check_whole(text: str, whole: str, draft: Draft) -> None:
    """The file is read back as it will be: what stood there, and the draft to the letter."""
    try:
        before, after = published.read_entries(text), published.read_entries(whole)
    except NotThere as refused:
        raise PublishRefused(str(refused), "illegible", why=str(refused), file=FILE) from None
    last = after[-1] if after else None
    said = (draft.question, draft.answer, draft.phrasings)
    if after[:-1] != before or last is None or (last.question, last.answer, last.phrasings) != said:
        sentence = f"{FILE} cannot take this entry; look at its last lines."
        raise PublishRefused(sentence, "unfit", file=FILE)
