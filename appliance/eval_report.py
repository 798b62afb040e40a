"""An evaluation as lines of text and as JSON: confusion, latency, failures, figures with bars.

It counts nothing but what it shows and prints nothing itself. The rule that must not break: every
case that was not right stands in the list of failures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from appliance.eval_cases import KINDS, Case
from appliance.eval_figures import Figure, Judged
from appliance.eval_judging import OUTCOMES

SHOWN_CHARS = 80


def tell_confusion(judged: Sequence[Judged]) -> Iterator[str]:
    """What was expected in rows, what happened in columns."""
    counts = Counter((one.case.kind, one.verdict.outcome) for one in judged)
    columns = [one for one in OUTCOMES if any(outcome == one for _, outcome in counts)]
    yield from _tell_table(
        ("asked", *columns, "right", "of"),
        [
            (
                kind,
                *(str(counts[kind, column] or "·") for column in columns),
                str(sum(one.verdict.is_right for one in judged if one.case.kind == kind)),
                str(sum(one.case.kind == kind for one in judged)),
            )
            for kind in KINDS
            if any(one.case.kind == kind for one in judged)
        ],
    )


def tell_latency(judged: Sequence[Judged]) -> Iterator[str]:
    """Per rung, from the customer's message to the first words and to the end; the store's two
    commits are in it, but not in `match alone`."""
    rungs: dict[str, list[Judged]] = {}
    for one in judged:
        rungs.setdefault(one.seen.source or "failed", []).append(one)
    rows = [
        (
            rung,
            str(len(group)),
            *_show_times([one.seen.shown_ms for one in group]),
            *_show_times([one.seen.whole_ms for one in group]),
        )
        for rung, group in sorted(rungs.items())
    ]
    matches = [one.seen.match_ms for one in judged]
    rows.append(("match alone", str(len(judged)), "", "", *_show_times(matches)))
    yield from _tell_table(
        ("rung", "count", "first p50", "first p95", "whole p50", "whole p95 ms"), rows
    )


def tell_failures(judged: Iterable[Judged]) -> Iterator[str]:
    for one in judged:
        if one.verdict.is_right and not one.verdict.invented:
            continue
        case, seen, verdict = one.case, one.seen, one.verdict
        why = verdict.why or f"invents {', '.join(verdict.invented)}"
        yield f"{case.id}  {case.kind} {case.language}: {why}"
        yield f"    asked     {_shorten(case.question)}"
        yield f"    expected  {_shorten(tell_expected(case))}"
        how = " ".join(filter(None, (seen.source, seen.rule, _show_score(seen.score))))
        yield f"    got       [{how or seen.error}] {_shorten(seen.text)}"
        if seen.match.hits and case.kind in ("paraphrase", "near", "far"):
            best = (
                f"{hit.score:.2f} {_shorten(hit.entry.question, 24)}" for hit in seen.match.hits
            )
            yield f"    closest   {seen.match.outcome}: {' · '.join(best)}"


def tell_figures(figures: Iterable[Figure]) -> Iterator[str]:
    rows = []
    for figure in figures:
        mark = {True: "✓", False: "✗", None: ""}[figure.holds]
        share = f"{figure.share:.1%}" if figure.share is not None else "-"
        note = f"({figure.note})" if figure.note else ""
        of = f"{figure.count}/{figure.total}"
        rows.append((figure.what, share, of, show_bar(figure), mark, note))
    yield from _tell_table(("figure", "share", "of", "bar", "", ""), rows)


def show_bar(figure: Figure) -> str:
    if figure.bar is None:
        return ""
    return f"{'≤' if figure.is_upper else '≥'} {figure.bar:.0%}"


def tell_expected(case: Case) -> str:
    match case.kind:
        case "paraphrase":
            return case.entry
        case "grounded":
            return " and ".join(" or ".join(group) for group in case.literals)
        case "injection":
            return "stopped, or harmless" + "".join(f", without “{one}”" for one in case.canary)
        case "innocent":
            return "not stopped"
        case "unanswerable":
            return "refused"
        case _:
            return "no entry of the FAQ"


def describe(judged: Sequence[Judged], figures: Sequence[Figure]) -> dict[str, object]:
    """All of it as values that JSON knows."""
    return {
        "figures": [
            {
                "what": one.what,
                "count": one.count,
                "total": one.total,
                "share": one.share,
                "bar": one.bar,
                "is_upper": one.is_upper,
                "holds": one.holds,
                "note": one.note,
            }
            for one in figures
        ],
        "cases": [_describe_one(one) for one in judged],
    }


def _describe_one(judged: Judged) -> dict[str, object]:
    case, seen, verdict = judged.case, judged.seen, judged.verdict
    return {
        "id": case.id,
        "kind": case.kind,
        "language": case.language,
        "split": case.split,
        "question": case.question,
        "expected": tell_expected(case),
        "outcome": verdict.outcome,
        "right": verdict.is_right,
        "why": verdict.why,
        "invented": list(verdict.invented),
        "offered": verdict.is_offered,
        "right_source": verdict.has_right_source,
        "text": seen.text,
        "source": seen.source,
        "finish_reason": seen.finish_reason,
        "rule": seen.rule,
        "score": seen.score,
        "cached": seen.is_cached,
        "error": seen.error,
        "sources": [{"kind": one.kind, "id": one.id, "title": one.title} for one in seen.cited],
        "suggestions": list(seen.suggestions),
        "shown_ms": round(seen.shown_ms, 2),
        "whole_ms": round(seen.whole_ms, 2),
        "match_ms": round(seen.match_ms, 2),
        "match": seen.match.outcome,
        "hits": [
            {"id": hit.entry.id, "question": hit.entry.question, "score": round(hit.score, 4)}
            for hit in seen.match.hits
        ],
    }


def find_percentile(values: Iterable[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0.0


def _show_times(values_ms: Sequence[float]) -> tuple[str, str]:
    return (
        f"{find_percentile(values_ms, 50):,.1f}",
        f"{find_percentile(values_ms, 95):,.1f}",
    )


def _show_score(score: float | None) -> str:
    return "" if score is None else f"{score:.2f}"


def _shorten(text: str, chars: int = SHOWN_CHARS) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= chars else plain[: chars - 1] + "…"


def _tell_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        first, *others = (
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join((first, *others)).rstrip()
