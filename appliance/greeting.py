"""What the terminal shows at the start: the addresses to open, a QR code, what was chosen.

It starts nothing and logs nothing. The rule that must not break: an address that is shown can
be opened, from this machine or from the local network as it says.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TextIO

from appliance.engine.engine import EngineStatus
from appliance.wrapping import indent

# Never sent to: the routing table alone names the address that would be used (RFC 5737).
SOMEWHERE_ELSE = ("192.0.2.1", 9)
INDENT = "    "
ANY_ADDRESS = ("0.0.0.0", "::", "")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the page is: on this machine, and on the local network where it can be reached."""

    local: str
    lan: str | None


def find_addresses(host: str, port: int, scheme: str = "http") -> Addresses:
    if host not in ANY_ADDRESS:
        return Addresses(f"{scheme}://{_bracket(host)}:{port}", None)
    lan_host = find_lan_host()
    lan = f"{scheme}://{lan_host}:{port}" if lan_host else None
    return Addresses(f"{scheme}://localhost:{port}", lan)


def greet(addresses: Addresses, out: TextIO, notes: Sequence[str] = ()) -> None:
    """The page is up: say where, and what its owner should know before anybody speaks."""
    print("\n  The appliance is here · 智能客服已启动\n", file=out)
    print(f"    on this machine · 本机      {addresses.local}", file=out)
    if addresses.lan:
        print(f"    on your network · 局域网    {addresses.lan}", file=out)
        if out.isatty():
            print(f"\n{draw_qr_code(addresses.lan)}", file=out)
    for note in notes:
        print(f"\n{indent(note, INDENT, INDENT)}", file=out)
    print("\n    Ctrl-C ends it · 按 Ctrl-C 结束\n", file=out, flush=True)


def describe_engine(status: EngineStatus) -> str:
    """In one sentence, for who looks after the process."""
    if status.phase == "ready":
        return f"Ready: {status.model_name}."
    if status.phase == "unavailable":
        return f"Answers without a model: {status.reason}"
    return "Pages are served; the model is being loaded."


def greet_owner(code: str, out: TextIO) -> None:
    """Nobody administrates it yet: whoever reads this terminal may."""
    if code:
        print(
            f"    setup code of the first owner · 首位管理员的设置码    {code}\n",
            file=out,
            flush=True,
        )


def report_engine(status: EngineStatus, out: TextIO) -> None:
    """The model is there, or will not be: say what was chosen and why."""
    if status.phase == "ready":
        print(f"  Model · 模型: {status.model_name} is ready.", file=out)
    elif status.phase == "unavailable":
        print(f"  No model · 没有模型: {status.reason}", file=out)
        print("  Pages and history are served; nothing can answer.", file=out)
        if status.remedy:
            print(f"  To mend it · 解决办法: {status.remedy}", file=out)
    for note in status.notes:
        print(indent(note, INDENT, INDENT), file=out)
    print(file=out, flush=True)


def draw_qr_code(text: str) -> str:
    # Imported here: only a terminal needs it.
    import segno

    drawing = StringIO()
    segno.make(text, error="l").terminal(drawing, compact=True, border=2)
    return drawing.getvalue()


def find_lan_host() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(SOMEWHERE_ELSE)
        except OSError:
            return None
        host = str(probe.getsockname()[0])
    return None if ipaddress.ip_address(host).is_loopback else host


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host
