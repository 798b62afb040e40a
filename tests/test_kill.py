"""`kill -9` in the middle of everything: nobody loses a word, every answer goes on.

`benchmarks/faults.py --only kill` does the same two hundred times.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.killing import SCRIPTED, Plan, is_as_told, is_whole_text, kill_again_and_again
from tests.test_real_model import REASON

QUESTIONS = ("怎么退货？", "这双鞋还有四十二码吗？", "什么时候到账？")
REAL_QUESTIONS = ("请详细介绍一下怎样挑选一双跑鞋。", "帮我写一封请假信。")


@pytest.mark.slow
async def test_no_kill_loses_doubles_or_breaks_a_word(tmp_path: Path) -> None:
    plan = Plan(rounds=20, most=200, questions=QUESTIONS, is_right=is_as_told)
    figures = await kill_again_and_again(tmp_path / "data", plan, *SCRIPTED)
    assert figures.faults == []
    assert figures.kills == 20
    assert figures.continued >= 20, "the kills met hardly a turn under way"


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(bool(REASON), reason=REASON or "no model")
async def test_the_real_model_goes_on_where_the_kill_cut_it_off(tmp_path: Path) -> None:
    plan = Plan(
        rounds=3, most=12, least=1, questions=REAL_QUESTIONS, is_right=is_whole_text, customers=2
    )
    figures = await kill_again_and_again(tmp_path / "data", plan, "--engine", "model")
    assert figures.faults == []
    assert figures.continued >= 3
