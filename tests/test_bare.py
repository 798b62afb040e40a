"""What an answer of the bare model took, as whoever computed it counts."""

from __future__ import annotations

import time

from appliance.dialogue.bare import conclude
from appliance.engine.engine import Counted, Finished, Prefilled
from appliance.events import Usage


def test_a_server_s_own_count_goes_before_the_ids() -> None:
    begun = Prefilled(11, 2, 0.0, 0.0)
    ids = tuple(range(43))
    now = time.monotonic()
    assert conclude(begun, Finished("stop", ids, 1.0), now).usage == Usage(11, 2, 43)
    counted = Finished("stop", ids, 1.0, counted=Counted(25, 16, 9))
    assert conclude(begun, counted, now).usage == Usage(25, 16, 9)
