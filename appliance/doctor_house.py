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

from appliance.doctor import Finding, Look, giga
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
            return Finding(
                subject, "bad", "llama.cpp did not load in a minute.", "Restart this machine."
            )
        if ran.returncode == 0:
            version, _, able = ran.stdout.strip().partition("|")
            has = [part.split("=")[0].split(":")[-1].strip() for part in able.split("|")
                   if part.strip().endswith("= 1")]  # fmt: skip
            return Finding(subject, "good", f"llama.cpp {version}, built with {', '.join(has)}.")
        if ran.returncode == -signal.SIGILL:
            seen = "llama.cpp was built for another processor."
            return Finding(subject, "bad", seen, "Build it on this one: make clean, make install.")
        last = (ran.stderr.strip().splitlines() or ["no reason is given"])[-1]
        advice = "Install it: make install."
        return Finding(subject, "bad", f"llama.cpp cannot be loaded: {last}.", advice)

    def look_at_model(self, subject: str) -> Finding:
        if (self.settings.engine, self.settings.remote_fallback) == ("remote", "none"):
            return Finding(
                subject, "good", "Servers elsewhere speak; none of this machine is needed."
            )
        try:
            choice = resolve(self.settings)
            header = verify(choice)
            size = sum(part.stat().st_size for part in list_parts(choice.path, ""))
        except ModelFileError as error:
            return Finding(subject, "bad", str(error), f"Run: {error.remedy}")
        if withheld := CrashCounter(self.settings.data).find_withheld():
            return Finding(
                subject,
                "bad",
                f"{choice.name} is left out: loading it ended the process {withheld.deaths} times.",
                "Free some memory or choose a smaller model, then run: appliance models retry",
            )
        known = "its SHA-256 is right" if choice.entry else "it is a file of your own"
        seen = f"{choice.name}, {giga(size)}, {known}, {header.context_length:,} tokens of context."
        if find_holder(self.settings.data) is None and not fits_in_memory(size):
            advice = "It is read from the disk while it answers: slower. More free memory helps."
            return Finding(subject, "watch", seen, advice)
        return Finding(subject, "good", " ".join((seen, *choice.notes)))

    def look_at_port(self, subject: str) -> Finding:
        host, port = self.settings.host, self.settings.port
        holder = find_holder(self.settings.data)
        if holder is not None:
            return self._look_at_running(subject, holder)
        if port == 0:
            return Finding(subject, "good", "Any free port is taken at the start.")
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            seen = f"Port {port} on {host} cannot be had: {error.strerror}."
            advice = "Stop what uses it (`ss -ltnp` names it), or set port to another."
            return Finding(subject, "bad", seen, advice)
        return Finding(subject, "good", f"Port {port} is free; the appliance does not run.")

    def _look_at_running(self, subject: str, holder: int) -> Finding:
        where = f"The appliance runs as process {holder}"
        if self.settings.port == 0:
            return Finding(subject, "good", f"{where}, on a port that it chose.")
        try:
            told = ask_ready(self.settings)
        except (OSError, ValueError, http.client.HTTPException) as error:
            advice = "If it runs with other settings this means nothing; else restart it."
            seen = f"{where} and does not answer on port {self.settings.port}: {error}."
            return Finding(subject, "bad", seen, advice)
        rungs = told.get("rungs", {})
        waiting = [f"{name} {state}" for name, state in rungs.items() if state != "ready"]
        if not waiting:
            return Finding(subject, "good", f"{where} and answers on port {self.settings.port}.")
        seen = f"{where} and answers, but not all of it: {', '.join(waiting)}."
        return Finding(subject, "watch", seen, "/readyz names the reasons, and what mends them.")

    def look_at_database(self, subject: str) -> Finding:
        file = self.settings.data / FILE_NAME
        if not file.exists():
            return Finding(subject, "good", "There is no conversation yet.")
        try:
            contents = check_database(file)
        except StoreUnavailable as error:
            advice = (
                "Copy the folder `data` away first. A start saves what is legible; "
                "`appliance restore FILE` puts a backup in its place."
            )
            return Finding(subject, "bad", str(error), advice)
        seen = (
            f"Whole: {contents.conversations:,} conversations, {contents.messages:,} messages, "
            f"{giga(contents.file_bytes)}."
        )
        return Finding(subject, "good", seen)

    def look_at_backups(self, subject: str) -> Finding:
        settings = self.settings
        if not settings.backup_hours:
            advice = "Set backup_hours, or run `appliance backup` by a timer of your own."
            return Finding(subject, "watch", "None is made by itself.", advice)
        if not get_size(settings.data / FILE_NAME):
            return Finding(subject, "good", "There is nothing to copy yet.")
        kept = list_backups(settings.backups or settings.data / "backups")
        newest_s = max((file.stat().st_mtime for file in kept), default=0.0)
        age_hours = (self.read_clock_s() - newest_s) / HOUR_S
        if not kept or age_hours > LATE * settings.backup_hours:
            seen = f"The newest is {age_hours:.0f} hours old." if kept else "There is none yet."
            return Finding(subject, "watch", seen, "Run: appliance backup")
        return Finding(subject, "good", f"{len(kept)} kept, the newest {age_hours:.0f} hours old.")


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
