"""What was missed, tried and published, as the JSON that an operator's page reads.

It is imported when it is first asked for, as the knowledge is. The rule that must not break: of a
customer it shows the words and the conversation's name in the console, never the id that opens it.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.dialogue.learning import Preview, Published, Standing
from appliance.dialogue.missed import Group, Missed
from appliance.dialogue.replay import Compared, Foretold
from appliance.http.learning_shapes import (
    ShownChange,
    ShownDraft,
    ShownFate,
    ShownGroup,
    ShownMisses,
    ShownPreview,
    ShownPublication,
    ShownPublications,
    ShownPublished,
    ShownTrial,
)
from appliance.knowledge.entries import Entry
from appliance.knowledge.published import FILE, Draft

MOST_CHANGES = 200


def show_missed(missed: Missed) -> ShownMisses:
    return {
        "groups": [_show_group(group) for group in missed.groups],
        "days": [
            {"day": one.day, "asked": one.asked, "answered": one.answered} for one in missed.days
        ],
        "asked": missed.asked,
        "answered": missed.answered,
        "learned": missed.learned,
        "is_cut": missed.is_cut,
    }


def _show_group(group: Group) -> ShownGroup:
    return {
        "id": group.id,
        "title": group.title,
        "language": group.language,
        "questions": group.questions,
        "sessions": group.sessions,
        "reasons": {str(reason): count for reason, count in group.reasons.items()},
        "last_at_ms": group.last_at_ms,
        "wordings": [
            {
                "text": one.text,
                "phrasing": one.phrasing,
                "kinds": list(one.kinds),
                "times": one.times,
                "reasons": list(one.reasons),
                "at_ms": one.at_ms,
                "id": one.session_key,
            }
            for one in group.wordings
        ],
        "said": list(group.said),
        "near": [
            {
                "id": hit.entry.id,
                "question": hit.entry.question,
                "answer": hit.entry.answer,
                "score": round(hit.score, 3),
            }
            for hit in group.offered
        ],
    }


def show_preview(preview: Preview) -> ShownPreview:
    replayed, sweep = preview.every, preview.sweep
    first = preview.wordings - sweep.wordings
    changed = sorted(replayed.changed, key=lambda one: -len(one.asked.questions))
    return {
        "entry": _show_draft(preview.draft),
        "warnings": [
            {"field": one.field, "place": one.place, "kinds": list(one.kinds)}
            for one in preview.warned
        ],
        "collisions": [
            {
                "text": one.text,
                "id": one.id,
                "title": one.title,
                "answer": one.answer,
                "score": one.score,
                "is_same": one.is_same,
            }
            for one in preview.collisions
        ],
        "faults": list(preview.faults),
        "changes": [_show_change(one) for one in changed[:MOST_CHANGES]],
        "wordings": preview.wordings,
        "replayed": first + sweep.replayed,
        "passed": sweep.looked - sweep.replayed,
        "is_running": sweep.is_running,
        "asked": replayed.asked,
        "answered_before": replayed.answered_before,
        "answered_after": replayed.answered_after,
        "is_cut": preview.is_cut or len(changed) > MOST_CHANGES,
    }


def show_trial(preview: Preview) -> ShownTrial:
    sweep = preview.sweep
    return {
        "wordings": preview.wordings,
        "looked": preview.wordings - sweep.wordings + sweep.looked,
        "is_running": sweep.is_running,
        "preview": None if sweep.is_running else show_preview(preview),
    }


def _show_change(one: Compared) -> ShownChange:
    return {
        "text": one.asked.text,
        "times": len(one.asked.questions),
        "before": _show_fate(one.before),
        "after": _show_fate(one.after),
        "gain": one.answered_after - one.answered_before,
    }


def _show_fate(told: Foretold) -> ShownFate:
    return {"rung": told.rung, "id": told.id, "title": told.title}


def _show_draft(draft: Draft | Entry) -> ShownDraft:
    return {
        "question": draft.question,
        "answer": draft.answer,
        "phrasings": list(draft.phrasings),
    }


def show_published(done: Published) -> ShownPublished:
    return {
        "number": done.number,
        "is_live": done.is_live,
        "asked": done.effect.asked,
        "answered_before": done.effect.answered_before,
        "answered_after": done.effect.answered_after,
    }


def show_standing(standing: Sequence[Standing], version: str) -> ShownPublications:
    return {
        "published": [_show_one(one) for one in standing],
        "version": version,
        "file": FILE,
    }


def _show_one(standing: Standing) -> ShownPublication:
    one = standing.publication
    return {
        "number": one.number,
        "at_ms": one.at_ms,
        "account": one.account,
        "entry": _show_draft(standing.entry) if standing.entry else None,
        "is_touched": standing.is_touched,
        "undone_ms": one.undone_ms,
        "undone_by": one.undone_by,
        "asked": one.effect.asked,
        "answered_before": one.effect.answered_before,
        "answered_after": one.effect.answered_after,
    }
