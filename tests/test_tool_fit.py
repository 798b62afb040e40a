"""Ridge regression over meanings and words: what is said as examples are is above the rivals."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.dialogue.tool_fit import Fit, list_words
from appliance.knowledge.embedder import Matrix

TEXTS = ("我的快递到哪了", "帮我查快递", "帮我退货", "我要退货", "你们几点关门", "退货要几天")
LABELS = ("find", "find", "return", "return", "", "")


def mean(text: str) -> Matrix:
    """For which texts mean the same where they share one of these."""
    row = [float(one in text) for one in ("快递", "退", "几", "我")]
    return np.array([*row, 0.1], np.float32)


def make_fit(*, has_meanings: bool = True) -> Fit:
    rows = np.array([mean(text) for text in TEXTS], np.float32)
    return Fit(TEXTS, LABELS, rows if has_meanings else None)


def score(fit: Fit, text: str, *, has_meanings: bool = True) -> dict[str, float]:
    return dict(fit.score(text, mean(text) if has_meanings else None))


@pytest.mark.parametrize("has_meanings", [True, False])
@pytest.mark.parametrize(("text", "label"), list(zip(TEXTS, LABELS, strict=True)))
def test_each_text_is_above_the_rivals_for_its_own_label_alone(
    text: str, label: str, has_meanings: bool
) -> None:
    scores = score(make_fit(has_meanings=has_meanings), text, has_meanings=has_meanings)
    assert {name for name, margin in scores.items() if margin > 0.1} == ({label} - {""})


def test_what_nobody_has_said_is_scored_by_its_meaning_and_its_words() -> None:
    scores = score(make_fit(), "我的快递还没到")
    assert scores["find"] > 0.3 > scores["return"]
    assert max(score(make_fit(), "zzz几点").values()) < 0.0


def test_what_is_half_as_near_in_meaning_counts_an_eighth() -> None:
    *rows, elsewhere = np.eye(5, dtype=np.float32)
    fit = Fit("甲乙丙丁", ("find", "", "", ""), np.array(rows))
    nowhere = np.mean(rows, axis=0)
    own = (rows[0] - nowhere) / np.linalg.norm(rows[0] - nowhere)
    near, half = (
        fit.score("戊", nowhere + row)["find"] for row in (own, own + np.sqrt(3) * elsewhere)
    )
    assert 0.0 < half == pytest.approx(near / 8, rel=0.01)


def test_the_same_texts_give_the_same_scores() -> None:
    assert score(make_fit(), "退一下") == score(make_fit(), "退一下")


def test_a_bound_is_measured_on_rivals_that_were_left_out() -> None:
    """As if each had been asked of a fit that never saw it."""
    rows = np.array([mean(text) for text in TEXTS], np.float32)
    reached = []
    for place in (4, 5):
        others = [at for at in range(len(TEXTS)) if at != place]
        rest = Fit([TEXTS[at] for at in others], [LABELS[at] for at in others], rows[others])
        reached.append(max(rest.score(TEXTS[place], rows[place]).values()))
    fit = make_fit()
    assert fit.find_bound(0.0) == pytest.approx(max(reached), abs=0.25)
    assert fit.find_bound(0.0) > max(score(fit, "退货要几天").values())
    assert fit.find_bound(0.5) <= fit.find_bound(0.0)


def test_words_are_runs_of_characters_and_pairs_of_words() -> None:
    assert list_words("我要退, my order is") == {
        *("我", "要", "退", "我要", "要退", "我要退"),
        *("my", "order", "is", "my order", "order is"),
    }
