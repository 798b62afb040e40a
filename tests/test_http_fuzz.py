"""What a machine makes of the contract: thousands of requests, none of which may break anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shield_fuzz import fuzz

CASES = 500


@pytest.mark.slow
def test_no_generated_request_ends_in_a_server_error(tmp_path: Path) -> None:
    told = fuzz(tmp_path, CASES)
    assert told.cases >= CASES
    assert not told.faults
