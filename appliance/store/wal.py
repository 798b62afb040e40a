"""The write-ahead log a dead process left behind, read before SQLite does.

It is not a recovery: SQLite replays a log up to the first broken frame and forgets the rest
without a word. This finds out whether what it would forget had been acknowledged. The rule that
must not break: a log that a power cut tore is whole enough, only certain loss is damage.
"""

from __future__ import annotations

import struct
from pathlib import Path

# header | frame header, page | frame header, page | …  (all numbers big-endian)
HEADER = struct.Struct(">IIIIIIII")  # magic, version, page bytes, checkpoint, 2 salts, 2 sums
FRAME = struct.Struct(">IIIIII")  # page, pages after a commit or 0, 2 salts, 2 sums
MAGIC = 0x377F0682  # its lowest bit set means big-endian sums
SUMMED_HEADER_BYTES = 24
SUMMED_FRAME_BYTES = 8
# A power cut may leave a part of the last change, which nobody was told was kept: with one
# writer and synchronous=FULL that is one commit frame behind a broken one, never two.
UNACKNOWLEDGED_COMMITS = 1


def find_damage(wal: Path) -> str:
    """What is wrong with the log in a few words; empty where SQLite may replay it."""
    content = wal.read_bytes() if wal.exists() else b""
    if len(content) <= HEADER.size:
        return ""
    magic, _, page_bytes, _, *salts, sum1, sum2 = HEADER.unpack_from(content)
    order = ">" if magic & 1 else "<"
    sums = _add_up(content[:SUMMED_HEADER_BYTES], order, (0, 0))
    if magic & ~1 != MAGIC or sums != (sum1, sum2):
        return "its write-ahead log has a broken header"
    lost = _count_commits_behind_a_break(content, page_bytes, order, tuple(salts), sums)
    if lost > UNACKNOWLEDGED_COMMITS:
        return "its write-ahead log is broken in the middle"
    return ""


def _count_commits_behind_a_break(
    content: bytes, page_bytes: int, order: str, salts: tuple[int, ...], sums: tuple[int, int]
) -> int:
    """Frames with other salts are the rest of an older log and count as none of this one."""
    frame_bytes = FRAME.size + page_bytes
    is_whole, commits = True, 0
    for start in range(HEADER.size, len(content) - frame_bytes + 1, frame_bytes):
        _, pages_after_commit, *frame_salts, sum1, sum2 = FRAME.unpack_from(content, start)
        if tuple(frame_salts) != salts:
            is_whole = False
            continue
        if is_whole:
            head = content[start : start + SUMMED_FRAME_BYTES]
            page = content[start + FRAME.size : start + frame_bytes]
            sums = _add_up(head + page, order, sums)
            is_whole = sums == (sum1, sum2)
        if not is_whole and pages_after_commit:
            commits += 1
    return commits


def _add_up(content: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    """SQLite's running sum over pairs of 32-bit words."""
    sum1, sum2 = sums
    words = iter(struct.unpack(f"{order}{len(content) // 4}I", content))
    for word1, word2 in zip(words, words, strict=True):
        sum1 = (sum1 + word1 + sum2) & 0xFFFFFFFF
        sum2 = (sum2 + word2 + sum1) & 0xFFFFFFFF
    return sum1, sum2
