"""A word that stands nowhere else, in every spelling in which a file could hold it.

It is not a test. The rule that must not break: a file that holds the canary in any of the
spellings is found, whatever kind of file it is.
"""

from __future__ import annotations

import base64
import json
import unicodedata
from pathlib import Path

# A letter with an accent is one sign or two; Chinese is neither ASCII nor one byte a sign.
CANARY = "Zoë-Kanári-金丝雀-4711-0815"
BASE64_PLACES = 3


def spell(canary: str = CANARY) -> dict[str, bytes]:
    spellings: dict[str, bytes] = {}
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, canary)
        for code in ("utf-8", "utf-16-le", "utf-16-be", "gb18030"):
            spellings[f"{form} {code}"] = text.encode(code)
        spellings[f"{form} json"] = json.dumps(text)[1:-1].encode()
        spellings[f"{form} hex"] = text.encode().hex().encode()
        for place in range(BASE64_PLACES):
            # The first signs depend on what stands before, the last on what stands behind.
            coded = base64.b64encode(bytes(place) + text.encode())
            spellings[f"{form} base64 {place}"] = coded[4:-4]
    return spellings


def find_canaries(folder: Path, canary: str = CANARY) -> dict[str, list[str]]:
    """By file, the spellings in which it holds the canary."""
    spellings, found = spell(canary), {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            hits = [name for name, spelling in spellings.items() if spelling in content]
            if hits:
                found[path.relative_to(folder).as_posix()] = hits
    return found
