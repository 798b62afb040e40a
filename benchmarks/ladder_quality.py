"""How well the ladder answers the report split and everyday messages, beside what its parts can do
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.app import House
from appliance.engine.engine import Engine
from appliance.eval_cases import LANGUAGES, Case, Kind, Language, choose_cases
from appliance.eval_cli import make_engine
from appliance.eval_figures import Figure, Judged, count_figures, find_threshold
from appliance.eval_judging import Judge, find_lacking, is_among, says_all, sounds_unknown
from appliance.eval_report import show_bar, tell_failures
from appliance.evaluation import ask_all, open_house
from appliance.knowledge.embedder import load_embedder
from appliance.knowledge.importer import read_folder
from appliance.settings import Settings
from benchmarks.fault_report import tell
from benchmarks.ladder_report import Comparison, Part, Row, Sizes
from benchmarks.ladder_rivals import Bm25, Cosine, Ranker, ask_bare
from benchmarks.ladder_sets import SHOP, read_everyday, read_set

LADDER, BM25, EMBEDDINGS, MODEL = WAYS = (
    "the ladder",
    "BM25 alone",
    "embeddings alone",
    "bare model",
)
TOLD_EVERY = 20
LEASTS = (0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


@dataclass(frozen=True, slots=True)
class BareAnswer:
    case: Case
    text: str


async def measure_quality(_: Path, sizes: Sizes) -> Part:
    cases = choose_cases(read_set(), "report", [], 60 if sizes.is_quick else 0)
    tell(f"{len(cases)} cases of the report split …")
    settings = Settings(knowledge=SHOP)
    engine = make_engine(settings, not sizes.has_model)
    bare: list[BareAnswer] = []
    async with open_house(settings, engine) as house:
        judged = await judge_all(house, settings, cases)
        curve = await draw_curve(house, cases)
        if sizes.has_model:
            bare = await ask_bare_cases(engine, settings, cases, 4 if sizes.is_quick else 40)
    figures = count_figures(judged)
    return Part(
        rows=(*(_show_row(one) for one in figures), *curve),
        comparison=Comparison(WAYS, tuple(compare(cases, figures, bare))),
        notes=(_describe(cases, bare, sizes),),
    )


async def measure_everyday(_: Path, sizes: Sizes) -> Part:
    """The same for messages whose writers neither sought nor shunned the shop's words."""
    cases = choose_cases(read_everyday(), "report", [], 60 if sizes.is_quick else 0)
    tell(f"{len(cases)} everyday messages …")
    settings = Settings(knowledge=SHOP)
    async with open_house(settings, make_engine(settings, not sizes.has_model)) as house:
        judged = await judge_all(house, settings, cases)
        curve = await draw_curve(house, cases)
    figures = count_figures(judged)
    rows = (*map(_show_row, figures), *curve)
    compared = [(f"everyday: {name}", *shown) for name, *shown in compare(cases, figures, ())]
    return Part(
        rows=tuple(replace(row, what=f"everyday: {row.what}") for row in rows),
        comparison=Comparison(WAYS, tuple(compared)),
        notes=(f"{len(cases)} everyday messages of `evals/everyday/`.",),
    )


async def judge_all(house: House, settings: Settings, cases: Sequence[Case]) -> list[Judged]:
    """What became of each; the failures are told."""
    judge = Judge.of(settings)
    judged: list[Judged] = []
    async for case, seen in ask_all(house, cases):
        judged.append(Judged(case, seen, judge.judge(case, seen)))
        if len(judged) % TOLD_EVERY == 0:
            tell(f"  {len(judged)} of {len(cases)}")
    for line in tell_failures(judged):
        tell(f"  {line}")
    return judged


async def draw_curve(house: House, cases: Sequence[Case]) -> list[Row]:
    """What would come of believing a document's line sooner or later, the FAQ and the model left
    aside: right lines of questions that are answered, and none for those that are not."""
    found = [
        (case, await house.library.find_evidence(case.question))
        for case in choose_cases(cases, None, ["grounded", "unanswerable"], 0)
    ]
    rows = []
    for least in LEASTS:
        grounded = [
            one.score >= least and says_all(one.lines[0], case.literals)
            for case, one in found
            if case.kind == "grounded"
        ]
        refused = [one.score < least for case, one in found if case.kind == "unanswerable"]
        shown = f"{share(grounded)}, and for {share(refused)} of the unanswerable none"
        rows.append(Row(f"a document's line believed from {least:.2f}: right for", shown))
    return rows


def share(held: Sequence[bool]) -> str:
    return f"{sum(held) / max(1, len(held)):.0%}"


async def ask_bare_cases(
    engine: Engine, settings: Settings, cases: Sequence[Case], count: int
) -> list[BareAnswer]:
    """`count` of each kind that only a model could answer."""
    kinds: tuple[Kind, ...] = ("grounded", "unanswerable")
    chosen = [case for kind in kinds for case in choose_cases(cases, None, [kind], count)]
    return [
        BareAnswer(case, await ask_bare(engine, settings, case.question, number))
        for number, case in enumerate(chosen)
    ]


def compare(
    cases: Sequence[Case], figures: Sequence[Figure], bare: Sequence[BareAnswer]
) -> list[tuple[str, ...]]:
    """One row for each figure that more than one way has."""
    entries = read_folder(SHOP).entries
    embedder = load_embedder()
    rankers: dict[str, Ranker] = {BM25: Bm25(entries)}
    if embedder is not None:
        rankers[EMBEDDINGS] = Cosine(embedder, entries)
    shown: dict[str, dict[str, str]] = {LADDER: {one.what: show(one) for one in figures}}
    for name, ranker in rankers.items():
        ranked = [one for language in LANGUAGES for one in rank_cases(ranker, cases, language)]
        shown[name] = {one.what: show(one) for one in ranked}
    shown[MODEL] = {one.what: show(one) for one in judge_bare(bare)}
    names = [one.what for one in figures]
    return [
        (name, *(shown.get(way, {}).get(name, "-") for way in WAYS))
        for name in names
        if sum(name in values for values in shown.values()) > 1
    ]


def rank_cases(ranker: Ranker, cases: Sequence[Case], language: Language) -> list[Figure]:
    """The same figures, by the same names, as `count_figures` has for the ladder."""
    ranked = {
        case.id: ranker.rank(case.question)
        for case in cases
        if case.language == language and case.kind in ("paraphrase", "near", "far")
    }
    asked = [case for case in cases if case.kind == "paraphrase" and case.id in ranked]
    right = sum(is_among(case.entry, ranked[case.id][0].questions) for case in asked)
    figures = [
        Figure(f"{language} paraphrase, best entry is the right one (top-1)", right, len(asked))
    ]
    threshold = find_threshold(ranked[case.id][1] for case in asked)
    for kind in ("near", "far"):
        scores = [ranked[case.id][1] for case in cases if case.kind == kind and case.id in ranked]
        if threshold is not None and scores:
            answered = sum(score >= threshold for score in scores)
            what = f"{language} {kind} off-topic wrongly answered at 80% coverage"
            figures.append(Figure(what, answered, len(scores)))
    return figures


def judge_bare(bare: Sequence[BareAnswer]) -> list[Figure]:
    """A bare model knows no fixed words, so any refusal counts."""
    grounded = [one for one in bare if one.case.kind == "grounded"]
    unanswerable = [one for one in bare if one.case.kind == "unanswerable"]
    invented = [find_lacking(one.text, [one.case.question]) for one in bare]
    counted = [
        Figure(
            "grounded answers with the right literal",
            sum(says_all(one.text, one.case.literals) for one in grounded),
            len(grounded),
        ),
        Figure(
            "… refused in whatever words",
            sum(sounds_unknown(one.text) for one in unanswerable),
            len(unanswerable),
        ),
        Figure(
            "answers of the model with literals found in no source",
            sum(map(bool, invented)),
            len(invented),
        ),
    ]
    return [one for one in counted if one.total]


def show(figure: Figure) -> str:
    return f"{figure.share:.1%} ({figure.count}/{figure.total})"


def _show_row(figure: Figure) -> Row:
    note = f", {figure.note}" if figure.note else ""
    return Row(figure.what, show(figure) + note, show_bar(figure), figure.holds)


def _describe(cases: Sequence[Case], bare: Sequence[BareAnswer], sizes: Sizes) -> str:
    model = f"the bare model was asked {len(bare)} of them" if bare else "no model was asked"
    flag = "" if sizes.has_model else " (the fallback answered where the model would have)"
    return f"{len(cases)} cases of the report split of `evals/`{flag}; {model}."
