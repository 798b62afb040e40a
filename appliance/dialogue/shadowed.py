"""Questions of the owner's own that something answers before the FAQ can: a rule of the guard, or
the wish for a person.

It changes nothing. The rule that must not break: a phrasing is told with its file and row, what
answers it, and the way out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from appliance.dialogue.guard import Rules
from appliance.dialogue.literals import find_literals
from appliance.dialogue.wish import wants_human
from appliance.knowledge.entries import Entry, Fault

CONTACTS = frozenset({"phone", "email"})


def find_shadowed(entries: Sequence[Entry], rules: Rules) -> Iterator[Fault]:
    """A warning for each phrasing that its entry will never answer."""
    for entry in entries:
        # Who is handed over is told the contact as well: such an entry loses nothing.
        tells_contact = any(one.kind in CONTACTS for one in find_literals(entry.answer))
        for question in entry.questions:
            if verdict := rules.check(question):
                sentence = (
                    f'"{question}" is answered by the rule {verdict.rule} and never by this '
                    'entry; put the phrase into the rule\'s "allow" in guard.toml.'
                )
            elif wants_human(question) and not tells_contact:
                sentence = (
                    f'"{question}" is taken for the wish for a person and never answered by this '
                    "entry; word it otherwise."
                )
            else:
                continue
            yield Fault("warning", sentence, entry.origin)
