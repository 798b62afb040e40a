"""The benchmark of learning, small: two topics of misses in a shop of three questions."""

from __future__ import annotations

from pathlib import Path

from benchmarks.learning import holds, measure, read_topics
from tests.knowledge_files import write_faq


async def test_published_entries_answer_what_was_missed_and_undo_is_exact(tmp_path: Path) -> None:
    write_faq(
        tmp_path / "shop",
        "门店几点开门？,营业时间,每天 9:00 到 21:00。",
        "怎么申请退货？,我要退货,七天内凭小票退货。",
        "Where are your stores?,store addresses,At 5 Main Street.",
    )
    result = await measure(tmp_path / "run", read_topics(2), tmp_path / "shop")
    assert holds(result)
    assert (result.misses, result.entries) == (30, 2)
    # The rest stands in groups of another topic.
    assert result.after - result.before >= 27
    assert result.later_after > result.later_before
