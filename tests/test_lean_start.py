"""A start without what it never needs, which is there again for whoever needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from appliance.lean_start import import_without


def run(program: str) -> str:
    """In a process of its own: what is imported there cannot be undone here."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


LEAN = """\
import gc
import sys
from appliance.lean_start import begin_lean, end_lean
begin_lean()
"""


def test_the_server_starts_without_drawing_library() -> None:
    show = "print([name for name in sys.modules if name.startswith('rich')])"
    program = f"{LEAN}import appliance.server\n{show}"
    assert run(program) == "[]"


def test_the_library_can_be_imported_afterwards() -> None:
    assert run(f"{LEAN}import rich.console\nprint(rich.console.Console.__name__)") == "Console"


def test_the_log_of_the_server_is_written_as_ever() -> None:
    program = (
        f"{LEAN}from appliance.server import configure_logging\nimport structlog\n"
        "configure_logging('text')\n"
        "try:\n    secret = 'words'; 1 / 0\n"
        "except ZeroDivisionError:\n    structlog.get_logger().exception('broke')\n"
        "print('done')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "ZeroDivisionError" in done.stderr
    assert "'words'" not in done.stderr.replace("secret = 'words'; 1 / 0", "")
    assert done.stdout == "done\n"


def test_the_collector_rests_for_the_start_and_is_back_afterwards() -> None:
    show = "print(gc.isenabled(), gc.get_freeze_count() > 0)"
    program = f"{LEAN}{show}\nimport appliance.server\nend_lean()\n{show}"
    assert run(program).splitlines() == ["False False", "True True"]


def test_a_module_that_is_there_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "rich", raising=False)
    module = sys.modules["json"]
    import_without("json", absent="rich")
    assert sys.modules["json"] is module
    assert "rich" not in sys.modules


def test_what_cannot_be_imported_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "rich", raising=False)
    with pytest.raises(ModuleNotFoundError):
        import_without("no_such_module", absent="rich")
    assert "rich" not in sys.modules
