"""An entry is offered and not said where the documents have more of what is asked."""

from __future__ import annotations

import pytest

from appliance.dialogue.doubts import doubt
from appliance.knowledge.entries import Entry, Hit, Match, Origin, Passage
from appliance.knowledge.evidence import Evidence, Subject
from appliance.knowledge.wishes import find_wish

ENTRY = Entry("e", "Where are your stores?", "Hangzhou, 88 Qinghe Road.", Origin("faq.csv"))
HOURS = Entry("h", "When are you open?", "Daily 10:00–21:00.", Origin("faq.csv"))
LINE = "Metro: Qinghe station, exit C"
PASSAGE = Passage("p", "Hangzhou store", LINE, Origin("guide.md"))
METRO = Subject(
    {"metro": 3.0, "exit": 3.0, "hangzhou": 1.0}, frozenset(("metro", "exit", "hangzhou"))
)
BOTH = Subject({"metro": 1.0, "hangzhou": 1.0}, frozenset(("metro", "hangzhou")))
TOLD = Evidence(PASSAGE, (LINE,), 0.6, can_answer=True, subject=METRO)
UNTOLD = Evidence(PASSAGE, (LINE,), 0.1, subject=METRO)
UNWRITTEN = Evidence(PASSAGE, (LINE,), 0.1, subject=Subject(METRO.weights))


def ask(entry: Entry, evidence: Evidence, question: str = "Which metro exit?") -> str:
    return doubt(question, Match("sure", (Hit(entry, 0.8),)), evidence).outcome


@pytest.mark.parametrize(
    ("evidence", "outcome"), [(TOLD, "near"), (UNTOLD, "near"), (UNWRITTEN, "sure")]
)
def test_words_that_only_the_documents_have_speak_against_an_entry(
    evidence: Evidence, outcome: str
) -> None:
    assert ask(ENTRY, evidence) == outcome


def test_everyday_hours_do_not_answer_for_a_holiday() -> None:
    question = "At what time do you open at Christmas?"
    assert ask(HOURS, Evidence(wish=find_wish(question)), question) == "near"
    question = "At what time do you open?"
    assert ask(HOURS, Evidence(wish=find_wish(question)), question) == "sure"


def test_an_entry_that_says_another_dimension_is_offered() -> None:
    question = "how deep are the pools"
    pools = Entry("p", "How long are the pools?", "They are 20 metres long.", Origin("faq.csv"))
    assert ask(pools, Evidence(wish=find_wish(question)), question) == "near"


def test_things_named_behind_the_first_sentence_do_not_speak_against_an_entry() -> None:
    question = "do i pay postage for one umbrella"
    postage = "Below ¥99 it is ¥8. Furniture is charged apart."
    entry = Entry("p", "Is there any postage?", postage, Origin("faq.csv"))
    assert ask(entry, Evidence(wish=find_wish(question)), question) == "sure"
    furniture = Entry("f", "Is there any postage?", "For furniture ¥28.", Origin("faq.csv"))
    assert ask(furniture, Evidence(wish=find_wish(question)), question) == "near"


def test_a_line_that_hardly_answers_is_not_preferred_to_a_likely_entry() -> None:
    question = "Which metro exit?"
    for score, outcome in ((0.3, "sure"), (0.6, "near")):
        told = Evidence(PASSAGE, (LINE,), score, can_answer=True, subject=BOTH)
        assert doubt(question, Match("sure", (Hit(ENTRY, 0.8),)), told).outcome == outcome


def test_an_entry_in_its_own_words_is_never_doubted() -> None:
    exact = Match("sure", (Hit(ENTRY, 1.0),))
    assert doubt("Where are your stores?", exact, TOLD) is exact
