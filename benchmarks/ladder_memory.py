"""The memory that an open index adds, in a process of its own: nothing else moves its figure.

    .venv/bin/python -m benchmarks.ladder_memory FILE [--vectors FILE]

It prints one JSON object: resident bytes before and after, after the same questions were asked.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
from datetime import date
from pathlib import Path

from appliance.knowledge.embedder import load_embedder
from appliance.knowledge.index import Index
from appliance.knowledge.reranker import load_reranker
from appliance.knowledge.vectors import Vectors
from benchmarks.ladder_shop import choose_questions, make_rows

ASKED = 100


def read_resident_bytes() -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--entries", type=int, required=True)
    arguments = parser.parse_args()
    questions = choose_questions(make_rows(arguments.entries), ASKED)
    gc.collect()
    before = read_resident_bytes()
    embedder = load_embedder(arguments.vectors.parent) if arguments.vectors else None
    index = Index(arguments.file, embedder)
    if embedder is not None:
        vectors = Vectors(arguments.vectors, embedder)
        matrix = vectors.matrix(index.texts_to_embed())
        vectors.close()
        assert matrix is not None, "vectors are missing"
        reranker = load_reranker(arguments.vectors.parent)
        index.attach(matrix, reranker)
        del matrix, vectors
        if reranker is not None:
            reranker.rate_lines(questions[0], questions[:3])
    for question in questions:
        index.match(question, date.today())
    gc.collect()
    after = read_resident_bytes()
    print(json.dumps({"before_bytes": before, "after_bytes": after}))


if __name__ == "__main__":
    main()
