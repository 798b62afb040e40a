"""What the audit log keeps of a turn: how it was decided and from what, never in whose words.

It writes nothing itself. The rule that must not break: the record names rungs, rules, tools,
sources and settings; the words stand with the messages, sealed and destroyed with them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from appliance.events import Done, Ending
from appliance.settings import Settings
from appliance.store.calls import StoredCall
from appliance.store.verdicts import StoredVerdict


def describe_turn(
    run_id: str,
    ending: Ending,
    model_id: str,
    settings_hash: str,
    verdicts: Sequence[StoredVerdict],
    calls: Sequence[StoredCall],
) -> Mapping[str, object]:
    record: dict[str, object] = {"run_id": run_id}
    if isinstance(ending, Done):
        record |= {"rung": ending.source, "finish": ending.finish_reason}
        record |= {"rule": ending.rule} if ending.rule else {}
        record |= {"cached": True} if ending.is_cached else {}
        record |= (
            {"sources": [f"{one.kind}:{one.id}" for one in ending.sources]}
            if ending.sources
            else {}
        )
    else:
        record |= {"error": ending.code}
    if verdicts:
        record["verdicts"] = [[one.stage, one.rule, one.category, one.action] for one in verdicts]
    if calls:
        record["tools"] = [[one.tool, one.state, one.chosen_by] for one in calls]
    return record | {"model": model_id, "settings": settings_hash}


def hash_settings(settings: Settings) -> str:
    """The same for the same settings; no secret can be told from it, for none is in it."""
    plain = settings.model_dump_json(exclude={"widget_secret", "passphrase"})
    ordered = json.dumps(json.loads(plain), sort_keys=True)
    return hashlib.sha256(ordered.encode()).hexdigest()[:16]
