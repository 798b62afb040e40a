"""The looks of `appliance doctor` at what is installed: engine, model, port, database, backups.

It loads no model and opens the database for reading alone, so that it may be asked while the
appliance runs. The rule that must not break: a model that would end the process is found by a
process of its own, and whatever is wrong with a file, the finding names the command that mends it.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.doctor import Finding, Look, Words, giga
from appliance.engine.hardware import fits_in_memory
from appliance.engine.models import list_parts, resolve, verify
from appliance.errors import ModelFileError, StoreUnavailable
from appliance.settings import Settings
from appliance.store.backup import check_database
from appliance.store.backups import list_backups
from appliance.store.boot import CrashCounter, find_holder
from appliance.store.figures import get_size
from appliance.store.folder import FILE_NAME

ENGINE_PROGRAM = (
    "import llama_cpp; "
    "print(llama_cpp.__version__, llama_cpp.llama_print_system_info().decode(), sep='|')"
)
ENGINE_S = 60.0
ANSWER_S = 5.0
ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
LATE = 2.0
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Installed:
    """What the settings name, and how the engine's own program is run."""

    settings: Settings
    engine_command: tuple[str, ...] = (sys.executable, "-c", ENGINE_PROGRAM)
    read_clock_s: Callable[[], float] = time.time

    def list_looks(self) -> list[Look]:
        return [
            Look("engine", self.look_at_engine),
            Look("model", self.look_at_model),
            Look("port", self.look_at_port),
            Look("database", self.look_at_database),
            Look("backups", self.look_at_backups),
        ]

    def look_at_engine(self, subject: str) -> Finding:
        """By a process of its own: llama.cpp for another processor ends whoever loads it."""
        try:
            ran = subprocess.run(
                self.engine_command, capture_output=True, text=True, timeout=ENGINE_S, check=False
            )
        except subprocess.TimeoutExpired:
            seen = Words("llama.cpp did not load in a minute.", "llama.cpp 一分钟还没加载完。")
            return Finding(subject, "bad", seen, Words("Restart this machine.", "请重启这台机器。"))
        if ran.returncode == 0:
            version, _, able = ran.stdout.strip().partition("|")
            has = [part.split("=")[0].split(":")[-1].strip() for part in able.split("|")
                   if part.strip().endswith("= 1")]  # fmt: skip
            told = f"llama.cpp {version}, built with {', '.join(has)}."
            return Finding(
                subject, "good", Words(told, f"llama.cpp {version}，编译时启用 {'、'.join(has)}。")
            )
        if ran.returncode == -signal.SIGILL:
            seen = Words(
                "llama.cpp was built for another processor.", "llama.cpp 是为别的处理器编译的。"
            )
            advice = Words(
                "Build it on this one: make clean, make install.",
                "请在本机重新编译：make clean，再 make install。",
            )
            return Finding(subject, "bad", seen, advice)
        last = (ran.stderr.strip().splitlines() or ["no reason is given"])[-1]
        seen = Words(f"llama.cpp cannot be loaded: {last}.", f"llama.cpp 加载不了：{last}。")
        return Finding(
            subject, "bad", seen, Words("Install it: make install.", "请安装：make install。")
        )

    def look_at_model(self, subject: str) -> Finding:
        if (self.settings.engine, self.settings.remote_fallback) == ("remote", "none"):
            seen = Words(
                "Servers elsewhere speak; none of this machine is needed.",
                "由别处的服务器来说，本机不需要模型。",
            )
            return Finding(subject, "good", seen)
        try:
            choice = resolve(self.settings)
            header = verify(choice)
            size = sum(part.stat().st_size for part in list_parts(choice.path, ""))
        except ModelFileError as error:
            advice = Words(f"Run: {error.remedy}", f"请运行：{error.remedy}")
            return Finding(subject, "bad", str(error), advice)
        if withheld := CrashCounter(self.settings.data).find_withheld():
            return Finding(
                subject,
                "bad",
                Words(
                    f"{choice.name} is left out: loading it ended the process "
                    f"{withheld.deaths} times.",
                    f"没有用 {choice.name}：加载它时进程退出过 {withheld.deaths} 次。",
                ),
                Words(
                    "Free some memory or choose a smaller model, then run: appliance models retry",
                    "请腾出内存或换小一点的模型，再运行：appliance models retry",
                ),
            )
        known, known_zh = (
            ("its SHA-256 is right", "SHA-256 正确")
            if choice.entry
            else ("it is a file of your own", "是您自己的文件")
        )
        what, context = f"{choice.name}, {giga(size)}", f"{header.context_length:,}"
        seen = Words(
            f"{what}, {known}, {context} tokens of context.",
            f"{what}，{known_zh}，上下文 {context} 个词元。",
        )
        if find_holder(self.settings.data) is None and not fits_in_memory(size):
            advice = Words(
                "It is read from the disk while it answers: slower. More free memory helps.",
                "回答时要边读磁盘边算，会慢一些；多腾出内存会好。",
            )
            return Finding(subject, "watch", seen, advice)
        notes = choice.notes
        return Finding(
            subject, "good", Words(" ".join((seen, *notes)), " ".join((seen.zh, *notes)))
        )

    def look_at_port(self, subject: str) -> Finding:
        host, port = self.settings.host, self.settings.port
        holder = find_holder(self.settings.data)
        if holder is not None:
            return self._look_at_running(subject, holder)
        if port == 0:
            seen = Words("Any free port is taken at the start.", "启动时会自动选一个空闲端口。")
            return Finding(subject, "good", seen)
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            seen = Words(
                f"Port {port} on {host} cannot be had: {error.strerror}.",
                f"{host} 的端口 {port} 用不了：{error.strerror}。",
            )
            advice = Words(
                "Stop what uses it (`ss -ltnp` names it), or set port to another.",
                "请停掉占用它的程序（`ss -ltnp` 可查），或把 port 改成别的。",
            )
            return Finding(subject, "bad", seen, advice)
        told = f"Port {port} is free; the appliance does not run."
        return Finding(subject, "good", Words(told, f"端口 {port} 空闲；本程序没有在运行。"))

    def _look_at_running(self, subject: str, holder: int) -> Finding:
        port = self.settings.port
        where, where_zh = (
            f"The appliance runs as process {holder}",
            f"本程序在运行，进程号 {holder}",
        )
        if port == 0:
            seen = Words(f"{where}, on a port that it chose.", f"{where_zh}，端口由它自选。")
            return Finding(subject, "good", seen)
        try:
            ready = ask_ready(self.settings)
        except (OSError, ValueError, http.client.HTTPException) as error:
            advice = Words(
                "If it runs with other settings this means nothing; else restart it.",
                "如果它用的是别的设置，可以不管；否则请重启它。",
            )
            seen = Words(
                f"{where} and does not answer on port {port}: {error}.",
                f"{where_zh}，但端口 {port} 没有应答：{error}。",
            )
            return Finding(subject, "bad", seen, advice)
        rungs = ready.get("rungs", {})
        waiting = [f"{name} {state}" for name, state in rungs.items() if state != "ready"]
        if not waiting:
            seen = Words(
                f"{where} and answers on port {port}.", f"{where_zh}，端口 {port} 有应答。"
            )
            return Finding(subject, "good", seen)
        seen = Words(
            f"{where} and answers, but not all of it: {', '.join(waiting)}.",
            f"{where_zh}，有应答，但还没全部就绪：{'、'.join(waiting)}。",
        )
        advice = Words(
            "/readyz names the reasons, and what mends them.", "/readyz 里写着原因和解决办法。"
        )
        return Finding(subject, "watch", seen, advice)

    def look_at_database(self, subject: str) -> Finding:
        file = self.settings.data / FILE_NAME
        if not file.exists():
            seen = Words("There is no conversation yet.", "还没有对话。")
            return Finding(subject, "good", seen)
        try:
            contents = check_database(file)
        except StoreUnavailable as error:
            advice = Words(
                "Copy the folder `data` away first. A start saves what is legible; "
                "`appliance restore FILE` puts a backup in its place.",
                "请先把 `data` 文件夹复制到别处。再次启动会救出还能读的内容；"
                "`appliance restore 文件` 用备份换掉它。",
            )
            return Finding(subject, "bad", str(error), advice)
        size = giga(contents.file_bytes)
        talks, messages = f"{contents.conversations:,}", f"{contents.messages:,}"
        seen = Words(
            f"Whole: {talks} conversations, {messages} messages, {size}.",
            f"完好：{talks} 个对话，{messages} 条消息，{size}。",
        )
        return Finding(subject, "good", seen)

    def look_at_backups(self, subject: str) -> Finding:
        settings = self.settings
        if not settings.backup_hours:
            advice = Words(
                "Set backup_hours, or run `appliance backup` by a timer of your own.",
                "请设置 backup_hours，或用您自己的定时任务运行 `appliance backup`。",
            )
            seen = Words("None is made by itself.", "没有自动备份。")
            return Finding(subject, "watch", seen, advice)
        if not get_size(settings.data / FILE_NAME):
            return Finding(
                subject, "good", Words("There is nothing to copy yet.", "还没有可备份的。")
            )
        kept = list_backups(settings.backups or settings.data / "backups")
        newest_s = max((file.stat().st_mtime for file in kept), default=0.0)
        age_hours = (self.read_clock_s() - newest_s) / HOUR_S
        if not kept or age_hours > LATE * settings.backup_hours:
            seen = (
                Words(
                    f"The newest is {age_hours:.0f} hours old.",
                    f"最新的是 {age_hours:.0f} 小时前的。",
                )
                if kept
                else Words("There is none yet.", "还没有备份。")
            )
            advice = Words("Run: appliance backup", "请运行：appliance backup")
            return Finding(subject, "watch", seen, advice)
        told = f"{len(kept)} kept, the newest {age_hours:.0f} hours old."
        zh = f"留有 {len(kept)} 份，最新的是 {age_hours:.0f} 小时前的。"
        return Finding(subject, "good", Words(told, zh))


def ask_ready(settings: Settings) -> dict[str, Any]:
    """What the running appliance tells of itself. Raises OSError, HTTPException, ValueError."""
    host = ANY_HOST.get(settings.host, settings.host)
    if settings.tls_cert is None:
        asked = http.client.HTTPConnection(host, settings.port, timeout=ANSWER_S)
    else:
        # Its certificate is not what is looked at, and names no loopback address.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        asked = http.client.HTTPSConnection(host, settings.port, timeout=ANSWER_S, context=context)
    with closing(asked) as connection:
        connection.request("GET", "/readyz")
        told: dict[str, Any] = json.loads(connection.getresponse().read())
    return told


def list_everything(settings: Settings) -> list[Look]:
    """All looks, the machine's first."""
    from appliance.doctor_machine import Machine

    machine = Machine(Path(settings.data), settings.threads)
    return [*machine.list_looks(), *Installed(settings).list_looks()]
