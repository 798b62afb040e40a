"""Questions that the owner's files hold twice: the first one stays, the others are told.

Two entries may share a question when they are never valid on the same day, as a price before and
after a change. The rule that must not break: an id stands for one entry, and on any one day a
question has one answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from appliance.knowledge.entries import Entry, Fault
from appliance.knowledge.faq_entries import make_id, make_key


def drop_doubles(entries: Iterable[Entry]) -> tuple[list[Entry], list[Fault]]:
    """In the order given; questions go before phrasings of other entries."""
    kept: list[Entry] = []
    faults: list[Fault] = []
    ids: set[str] = set()
    holders: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        key = make_key(entry.question)
        if first := _find_rival(entry, holders[key]):
            sentence = (
                f'"{entry.question[:40]}": The same question stands in {_tell_place(first)}. '
                "This entry was left out."
            )
            faults.append(Fault("error", sentence, replace(entry.origin, column="question")))
            continue
        if entry.id in ids and entry.id == make_id(entry.origin.file, entry.question):
            # The same question at another time, or in a file of the same name elsewhere.
            since = (entry.valid_from or date.min).isoformat()
            entry = replace(
                entry, id=make_id(entry.origin.file, entry.question, entry.origin.file, since)
            )
        if entry.id in ids:
            sentence = f'The id "{entry.id}" is taken already. This entry was left out.'
            faults.append(Fault("error", sentence, replace(entry.origin, column="id")))
            continue
        ids.add(entry.id)
        holders[key].append(entry)
        kept.append(entry)
    return [_drop_taken_phrasings(entry, holders, faults) for entry in kept], faults


def _drop_taken_phrasings(
    entry: Entry, holders: dict[str, list[Entry]], faults: list[Fault]
) -> Entry:
    phrasings = []
    for phrasing in entry.phrasings:
        holder = holders[make_key(phrasing)]
        if first := _find_rival(entry, holder):
            sentence = f'"{phrasing[:40]}" stands in {_tell_place(first)} too; it stays there only.'
            faults.append(Fault("warning", sentence, replace(entry.origin, column="phrasings")))
        else:
            holder.append(entry)
            phrasings.append(phrasing)
    if len(phrasings) == len(entry.phrasings):
        return entry
    return replace(entry, phrasings=tuple(phrasings))


def _find_rival(entry: Entry, others: Iterable[Entry]) -> Entry | None:
    """The first that is valid on a day on which `entry` is."""
    for other in others:
        starts_in_time = (entry.valid_from or date.min) <= (other.valid_to or date.max)
        if starts_in_time and (other.valid_from or date.min) <= (entry.valid_to or date.max):
            return other
    return None


def _tell_place(entry: Entry) -> str:
    sheet = f'sheet "{entry.origin.sheet}" of ' if entry.origin.sheet else ""
    return f"row {entry.origin.row:,} of {sheet}{entry.origin.file}"
