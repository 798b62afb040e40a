"""Each look of the doctor at a machine that is well and at one that is not.

Nothing of this machine is judged here but that every look ends. The rule that must not break: a
look changes nothing, whatever it finds.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from appliance.cli import main
from appliance.doctor import Finding, Look, examine, giga
from appliance.doctor_cli import SUBJECTS, speaks_chinese
from appliance.doctor_house import Installed, list_everything
from appliance.doctor_machine import DISKS, DiskSpeed, Machine, measure_disk
from appliance.engine.scripted import ScriptedEngine
from appliance.engine.storage import Kind
from appliance.settings import Settings
from tests.scripted_house import HouseServer

MEMORY = "MemTotal: {total} kB\nMemAvailable: {free} kB"
XEON = "model name\t: Xeon\nflags\t\t: fpu sse avx2 fma f16c avx512f"
ATOM = "model name\t: Atom\nflags\t\t: fpu sse sse4_2"
PI_5 = "Features\t: fp asimd asimddp\nModel\t\t: Raspberry Pi 5"
PI_4 = "Features\t: fp asimd\nModel\t\t: Raspberry Pi 4"


def look(files: dict[str, str], name: str, folder: Path = Path(), threads: int = 0) -> Finding:
    machine = Machine(folder, threads, files.get, lambda _: DiskSpeed(3e8, 0.002))
    (finding,) = examine([one for one in machine.list_looks() if one.subject == name])
    return finding


def tell_memory(total_mb: int, free_mb: int) -> dict[str, str]:
    return {"/proc/meminfo": MEMORY.format(total=total_mb * 1024, free=free_mb * 1024)}


@pytest.mark.parametrize(
    ("text", "verdict", "told"),
    [
        (XEON, "good", "Xeon: avx2, fma, f16c, avx512f."),
        (ATOM, "watch", "Atom: none of what makes a model quick. It has no avx2, fma, f16c."),
        (PI_5, "good", "Raspberry Pi 5: asimddp."),
        (PI_4, "watch", "Raspberry Pi 4: none of what makes a model quick. It has no asimddp."),
        ("", "watch", "A processor without a name: the kernel does not say what it can do."),
    ],
)
def test_the_processor_is_judged_by_what_it_computes_quickly_with(
    text: str, verdict: str, told: str
) -> None:
    found = look({"/proc/cpuinfo": text}, "processor")
    assert (found.verdict, found.seen) == (verdict, told)


def test_more_threads_than_the_machine_has_are_bad() -> None:
    allowed = len(os.sched_getaffinity(0))
    found = look({}, "threads", threads=allowed + 1)
    assert found.verdict == "bad" and "Set threads to 0" in found.advice
    assert look({"/sys/fs/cgroup/cpu.max": "100000 100000"}, "threads").verdict == "watch"


def test_a_part_of_a_core_is_to_be_watched() -> None:
    cpu = "/sys/fs/cgroup/cpu.max"
    assert look({}, "limits").verdict == "good"
    assert look({cpu: "200000 100000"}, "limits").seen == "A container or service allows 2 cores."
    half = look({cpu: "150000 100000"}, "limits")
    assert half.verdict == "watch" and "1.5 cores" in half.seen


def test_the_memory_of_a_container_is_what_counts() -> None:
    files = tell_memory(16_000, 9_000)
    assert look(files, "memory").verdict == "good"
    limited = files | {"/sys/fs/cgroup/memory.max": str(1_500_000_000)}
    assert look(limited, "memory").verdict == "watch"
    assert look(tell_memory(512, 100), "memory").verdict == "bad"
    assert look(limited, "limits").seen == "A container or service allows 1.5 GB of memory."


def test_a_slow_disk_is_told_by_its_commits(tmp_path: Path) -> None:
    def judge(commit_s: float, bytes_per_s: float = 1e8) -> str:
        speed = DiskSpeed(bytes_per_s, commit_s)
        return Machine(tmp_path, measure_disk=lambda _: speed).look_at_speed("disk speed").verdict

    assert [judge(0.003), judge(0.2), judge(2.0), judge(0.003, 1e6)] == [
        "good",
        "watch",
        "bad",
        "watch",
    ]


def test_trying_the_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    speed = measure_disk(tmp_path / "data" / "not" / "there")
    assert speed.bytes_per_s > 0 and speed.commit_s > 0
    assert not list(tmp_path.iterdir())


def test_a_warm_machine_is_told() -> None:
    zones = {"/sys/class/thermal/thermal_zone0/temp": "45000"}
    assert look(zones, "heat").verdict == "good"
    zones["/sys/class/thermal/thermal_zone3/temp"] = "84500"
    found = look(zones, "heat")
    assert (found.verdict, found.seen) == ("watch", "84 °C at the warmest place.")


def test_a_clock_before_the_installation_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 86_400.0)
    found = look({}, "clock")
    assert found.verdict == "bad" and "1970-01-02" in found.seen


def run_engine(program: str) -> Finding:
    return Installed(Settings(), (sys.executable, "-c", program)).look_at_engine("engine")


def test_an_engine_for_another_processor_is_found_without_dying_of_it() -> None:
    died = run_engine("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    assert (died.verdict, died.seen) == ("bad", "llama.cpp was built for another processor.")
    absent = run_engine("import a_package_that_is_not_there")
    assert absent.verdict == "bad" and "No module named" in absent.seen
    there = run_engine("print('0.3|CPU : AVX2 = 1 | FMA = 1 | VSX = 0 |')")
    assert (there.verdict, there.seen) == ("good", "llama.cpp 0.3, built with AVX2, FMA.")


def test_a_missing_model_names_the_command(tmp_path: Path) -> None:
    found = Installed(Settings(models=tmp_path, data=tmp_path)).look_at_model("model")
    assert found.verdict == "bad"
    assert found.advice == "Run: appliance models fetch qwen2.5-0.5b-instruct"


def test_where_servers_speak_alone_no_model_is_missed(tmp_path: Path) -> None:
    settings = Settings(
        engine="remote", remote_urls="http://127.0.0.1:1", remote_fallback="none", models=tmp_path
    )
    assert Installed(settings).look_at_model("model").verdict == "good"


def test_a_taken_port_is_found(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(host="127.0.0.1", port=port, data=tmp_path)
        found = Installed(settings).look_at_port("port")
    assert found.verdict == "bad" and str(port) in found.seen
    assert Installed(settings).look_at_port("port").verdict == "good"


def test_a_damaged_database_is_found_and_left_as_it_is(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    file = tmp_path / "appliance.db"
    assert Installed(settings).look_at_database("database").verdict == "good"
    content = b"SQLite format 3\0" + b"\xff" * 8192
    file.write_bytes(content)
    assert Installed(settings).look_at_database("database").verdict == "bad"
    assert file.read_bytes() == content and list(tmp_path.iterdir()) == [file]


def test_an_appliance_that_runs_is_asked(scripted_server: HouseServer[ScriptedEngine]) -> None:
    house = scripted_server.house
    port = int(scripted_server.url.rpartition(":")[2])
    settings = Settings(data=house.store.path.parent, host="127.0.0.1", port=port)
    found = Installed(settings).look_at_port("port")
    assert found.seen == f"The appliance runs as process {os.getpid()} and answers on port {port}."
    assert Installed(settings).look_at_database("database").seen.startswith("Whole: 0 conver")
    elsewhere = settings.model_copy(update={"port": 1})
    assert Installed(elsewhere).look_at_port("port").verdict == "bad"


def test_old_backups_are_told(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    (tmp_path / "appliance.db").write_bytes(b"x")
    assert "There is none" in Installed(settings).look_at_backups("backups").seen
    (tmp_path / "backups").mkdir()
    file = tmp_path / "backups" / "appliance-20261121T000000Z.db"
    file.write_bytes(b"x")
    assert Installed(settings).look_at_backups("backups").verdict == "good"
    os.utime(file, (time.time() - 3 * 86_400,) * 2)
    found = Installed(settings).look_at_backups("backups")
    assert (found.verdict, found.seen) == ("watch", "The newest is 72 hours old.")


def test_a_look_that_fails_is_a_finding_and_the_next_goes_on() -> None:
    def fail(subject: str) -> Finding:
        raise PermissionError(13, "Permission denied", "somewhere")

    found = list(
        examine([Look("a", fail), Look("b", lambda subject: Finding(subject, "good", ""))])
    )
    assert [(one.subject, one.verdict) for one in found] == [("a", "watch"), ("b", "good")]
    assert "Permission denied" in found[0].seen


def test_the_command_tells_all_of_it_as_json_and_ends_with_one_for_bad(tmp_path: Path) -> None:
    environ = {"APPLIANCE_DATA": str(tmp_path), "APPLIANCE_MODELS": str(tmp_path / "none")}
    told = CliRunner().invoke(main, ["doctor", "--json"], env=environ)
    assert told.exit_code == 1
    report = json.loads(told.stdout)
    verdicts = {one["subject"]: one["verdict"] for one in report["findings"]}
    assert len(verdicts) == 14 and verdicts["model"] == "bad"
    assert sum(report["counts"].values()) == len(verdicts)
    assert all(one["advice"] for one in report["findings"] if one["verdict"] == "bad")


def test_in_a_chinese_terminal_it_answers_in_chinese_and_to_a_program_in_english(
    tmp_path: Path,
) -> None:
    environ = {"APPLIANCE_DATA": str(tmp_path), "APPLIANCE_MODELS": str(tmp_path / "none")}
    chinese = environ | {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8"}
    told = CliRunner().invoke(main, ["doctor"], env=chinese)
    assert told.exit_code == 1
    assert "请运行：appliance models fetch" in told.stdout
    heads = [line for line in told.stdout.splitlines() if line[:1] in "✓!✗" and line]
    assert len(heads) == 14
    assert "项有问题" in told.stdout
    # Why there is no model comes from elsewhere, in English alone.
    own = [line for line in told.stdout.splitlines() if not {*"/`型"} & {*line}]
    assert not [line for line in own if re.search(r"\b(?:The|It|is|are|of|free|takes)\b", line)]
    english = CliRunner().invoke(main, ["doctor"], env=chinese | {"LC_ALL": "C.UTF-8"})
    assert "Run: appliance models fetch" in english.stdout and "bad." in english.stdout
    as_json = CliRunner().invoke(main, ["doctor", "--json"], env=chinese)
    assert "请" not in as_json.stdout and '"subject": "memory"' in as_json.stdout


def test_every_subject_and_every_kind_of_disk_has_a_chinese_name() -> None:
    subjects = {one.subject for one in list_everything(Settings())}
    assert subjects == set(SUBJECTS)
    assert set(DISKS) == set(get_args(Kind))


@pytest.mark.parametrize(
    ("environ", "is_chinese"),
    [
        ({}, False),
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_TW", "LC_ALL": "en_GB.UTF-8"}, False),
        ({"LANG": "C", "LC_MESSAGES": "zh_CN"}, True),
        ({"LANG": "en_US", "LC_ALL": ""}, False),
    ],
)
def test_the_language_of_messages_is_the_terminals(
    environ: dict[str, str], is_chinese: bool
) -> None:
    assert speaks_chinese(environ) is is_chinese


def test_a_wrong_setting_ends_the_command_with_two() -> None:
    told = CliRunner().invoke(main, ["doctor"], env={"APPLIANCE_PORT": "many"})
    assert told.exit_code == 2 and "port = 'many'" in told.stderr


def test_sizes_are_told_in_gigabytes() -> None:
    assert [giga(491_400_064), giga(2_000_000_000)] == ["491 MB", "2.0 GB"]
