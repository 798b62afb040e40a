"""A hostile engine says what it likes; what leaves the screen is clean and invents nothing."""

from __future__ import annotations

import re
from time import process_time

import pytest

from appliance.dialogue.clean import UNCLEAN
from appliance.dialogue.guard import load_rules
from appliance.dialogue.literals import find_literals
from appliance.dialogue.screen import LONGEST_HELD, OutgoingRules, Screen
from appliance.dialogue.sources import Sources
from tests.hostile import SCRIPTS, SOURCE, HostileScript, cut
from tests.test_screen import FakeRules

SOURCES = Sources.of([SOURCE])
# What is held at most: a unit that is too long by one, what the guard waits for, half a token.
MOST_HELD = 2 * LONGEST_HELD
# The rules of a test, which find nothing, and those that are shipped.
RULES: dict[str, OutgoingRules] = {"none": FakeRules(), "shipped": load_rules()}


def show(script: HostileScript, rules: str) -> tuple[str, Screen, int]:
    screen = Screen(SOURCES, RULES[rules])
    shown, most_held = "", 0
    for piece in script.pieces:
        shown += "".join(part.text for part in screen.feed(piece, ()))
        most_held = max(most_held, screen.held_chars)
    shown += "".join(part.text for part in screen.flush())
    return shown, screen, most_held


def test_there_are_a_hundred_scripts_with_names_of_their_own() -> None:
    assert len({script.name for script in SCRIPTS}) == len(SCRIPTS) >= 100


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_nothing_but_clean_and_known_text_leaves(script: HostileScript, rules: str) -> None:
    shown, screen, most_held = show(script, rules)
    assert not UNCLEAN.search(shown)
    assert not re.search(r"<[|｜]", shown)
    assert not [found for found in find_literals(shown) if SOURCES.lacks(found)]
    assert len(shown) <= len(script.text)
    assert most_held <= MOST_HELD
    assert screen.held_chars == 0


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize(
    "script", [script for script in SCRIPTS if script.never], ids=lambda script: script.name
)
def test_an_invented_literal_is_refused_and_what_was_said_before_stands(
    script: HostileScript, rules: str
) -> None:
    shown, screen, _ = show(script, rules)
    assert screen.refused is not None
    assert screen.refused.literals
    assert shown in ("您好。", "好的，请放心。\n", "好的，请放心。")
    assert not screen.feed("然后", (1,))
    assert not screen.flush()


def test_no_script_makes_the_screen_slow() -> None:
    """Measured are 30 ms for the worst; the bound only tells linear from quadratic."""
    for script in (script for script in SCRIPTS if script.name.startswith("endless")):
        began = process_time()
        show(HostileScript(script.name, cut(script.text[:512], 3)), "none")
        assert process_time() - began < 0.5, script.name
