"""The rules of the house that a machine can hold, one test each.

It reads the files as text and syntax trees and runs nothing of them. The rule that must not
break: a rule that fails here is mended where it is broken; the tables below grow only with the
house itself.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "appliance"
WEB = ROOT / "web"

MAX_MODULE_LINES = 350
MAX_FUNCTION_LINES = 50

# A room is a folder, or loose files that make one floor together: (floor, what belongs to it).
ROOMS: dict[str, tuple[int, tuple[str, ...]]] = {
    "values": (
        0,
        (
            "__init__",
            "config",
            "errors",
            "events",
            "hours",
            "patience",
            "persona",
            "setting_rules",
            "settings",
        ),
    ),
    "engine": (1, ("engine",)),
    "knowledge": (1, ("knowledge",)),
    "store": (1, ("store",)),
    "tools": (1, ("tools",)),
    "dialogue": (2, ("dialogue",)),
    "http": (3, ("http",)),
    "app": (
        4,
        (
            "admission",
            "app",
            "background",
            "bench",
            "bench_load",
            "doctor",
            "doctor_house",
            "doctor_machine",
            "draft_check",
            "draft_folder",
            "file_exchange",
            "draft_settings",
            "drafting",
            "eval_cases",
            "eval_figures",
            "eval_judging",
            "eval_memory",
            "eval_report",
            "eval_tools",
            "evaluation",
            "interface",
            "knowing",
            "loading",
            "measuring",
            "model_check",
            "overseeing",
            "reloading",
            "settings_file",
            "staff",
            "teaching",
            "telling",
            "tool_desk",
            "toolbox",
            "vault",
        ),
    ),
    "door": (
        5,
        (
            "__main__",
            "access_cli",
            "audit_cli",
            "bench_cli",
            "certificates",
            "chat_cli",
            "cli",
            "connections",
            "doctor_cli",
            "eval_cli",
            "failures",
            "greeting",
            "install",
            "install_checks",
            "knowledge_bar",
            "knowledge_cli",
            "lean_start",
            "models_bar",
            "models_cli",
            "notify",
            "reload_cli",
            "server",
            "store_cli",
            "supervise",
            "tools_cli",
            "update_cli",
            "wrapping",
        ),
    ),
}

# Who may import a library that has a room of its own. A name that ends in "/" is a folder.
OWNERS = {
    "llama_cpp": ("engine/llama.py", "engine/llama_sampling.py"),
    "sqlite3": ("store/", "knowledge/", "tools/"),
    "sqlite_utils": ("store/",),
    "httpx2": (
        "engine/sources.py",
        "engine/remote.py",
        "engine/remote_server.py",
        "dialogue/moderation.py",
        "tools/hooks.py",
        "tools/mcp.py",
        "tools/requests.py",
        "tools/trust.py",
    ),
    "mcp": ("tools/mcp.py",),
    "smtplib": ("tools/mail.py",),
    "ahocorasick": ("dialogue/lexicon.py",),
    "starlette": ("http/", "app.py"),
    "sse_starlette": ("http/", "server.py"),
    "uvicorn": ("connections.py", "server.py"),
    "cryptography": ("store/", "certificates.py", "http/passwords.py"),
    "limits": ("http/rates.py",),
    "prometheus_client": ("http/metrics.py",),
}

# The doors where an exception of any kind may end, because one broken answer must not be two.
DOORS = (
    "http/errors.py",
    "http/events.py",
    "http/frames.py",
    "http/outlets.py",
    "http/responses.py",
    "http/socket.py",
    "engine/cells.py",
    "engine/loop.py",
    "engine/local.py",
    "dialogue/answering.py",
    # Behind it is code of the shop's own.
    "tools/entries.py",
)
LOGGING = ("exception", "error", "report_unexpected")

SPEAKING = (
    "access_cli.py",
    "cli.py",
    "eval_cli.py",
    "greeting.py",
    "install.py",
    "install_checks.py",
    "knowledge_bar.py",
    "knowledge_cli.py",
    "models_bar.py",
    "models_cli.py",
    "server.py",
    "store_cli.py",
    "supervise.py",
)

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
MUTABLE = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
MUTABLE_MAKERS = {"dict", "list", "set", "defaultdict", "deque", "Counter", "OrderedDict"}

WRITES_HTML = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\bnew Function\b"
)
OUTSIDE_ADDRESS = re.compile(r"https?://(?!www\.w3\.org/)")
PATH_OF_A_MACHINE = re.compile(r"(?<![\w.:*}])/(?:root|home|work|tmp)\b(?!-)")
RULE = re.compile(r"rules? that must not break", re.IGNORECASE)
SENTENCE_END = re.compile(r"[.!?:](?:\s|$)")

MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))
PYTHON = [*MODULES, *TESTS, *BENCHMARKS]
PAGE = sorted(p for p in WEB.rglob("*") if p.is_file() and "vendor" not in p.parts)
COMMITTED_FOLDERS = (
    ".ci",
    "appliance",
    "benchmarks",
    "deploy",
    "docs",
    "evals",
    "examples",
    "tests",
    "web",
)
TEXT_SUFFIXES = {".cfg", ".css", ".html", ".js", ".json", ".md", ".mjs", ".py", ".svg", ".toml"}


def name(path: Path) -> str:
    """A module's path below the package, as the tables above write it."""
    return path.relative_to(PACKAGE).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def list_imports(path: Path) -> Iterator[str]:
    """Dotted names of all imported modules, those inside functions too."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by dots; write the whole name"
            assert node.module is not None
            yield node.module
            if node.module == "appliance":
                yield from (f"appliance.{alias.name}" for alias in node.names)


def find_room(module: str) -> str | None:
    """The room of `appliance.x.y`, or None for a name that is no module of ours."""
    part = module.split(".")[1] if "." in module else "__init__"
    return next((room for room, (_, members) in ROOMS.items() if part in members), None)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_file_imports_only_from_its_room_and_from_lower_floors(path: Path) -> None:
    own_room = find_room("appliance." + name(path).removesuffix(".py").replace("/", "."))
    assert own_room is not None, "this file stands in no room; give it one in ROOMS"
    for module in list_imports(path):
        if module.split(".")[0] != "appliance":
            continue
        room = find_room(module)
        if room is None or room == own_room:
            continue
        assert ROOMS[room][0] < ROOMS[own_room][0], f"{own_room} must not know {module}"


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_imported_only_in_its_room(library: str) -> None:
    importers = {
        name(path)
        for path in MODULES
        if any(module.split(".")[0] == library for module in list_imports(path))
    }
    strangers = {path for path in importers if not path.startswith(OWNERS[library])}
    assert importers, f"{library} is imported nowhere; drop it from the table"
    assert not strangers


def test_no_module_is_longer_than_its_cap() -> None:
    scripts = [path for path in PAGE if path.suffix == ".js"]
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in [*MODULES, *scripts]}
    assert not {str(path): lines for path, lines in lengths.items() if lines > MAX_MODULE_LINES}


def test_no_function_is_longer_than_its_cap() -> None:
    too_long = [
        f"{path.name}:{node.lineno} {node.name}"
        for path in [*MODULES, *BENCHMARKS]
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not too_long


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_says_what_it_is_and_which_rule_must_not_break(path: Path) -> None:
    if path.stem in ("__init__", "__main__"):
        return
    docstring = " ".join((ast.get_docstring(parse(path)) or "").split())
    assert len(SENTENCE_END.findall(docstring)) >= 2
    assert RULE.search(docstring)


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not [str(p) for p in [*PYTHON, *PAGE] if VAGUE_NAMES & set(p.stem.split("_"))]


def test_nothing_is_global_and_nothing_mutable_stands_in_a_module() -> None:
    faults = []
    for path in MODULES:
        tree = parse(path)
        faults += [
            f"{name(path)}:{node.lineno} global"
            for node in ast.walk(tree)
            if isinstance(node, ast.Global)
        ]
        faults += [f"{name(path)}:{variable}" for variable in find_mutable_variables(tree)]
    assert not faults


def find_mutable_variables(tree: ast.Module) -> Iterator[str]:
    """Names in lower case that a module binds to something that can be changed in place."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, MUTABLE) or (
            isinstance(value, ast.Call) and get_called(value) in MUTABLE_MAKERS
        ):
            for target in targets:
                if isinstance(target, ast.Name) and not target.id.isupper():
                    yield target.id


def get_called(call: ast.Call) -> str:
    """The last part of what is called: `sleep` of `time.sleep(1)`."""
    match call.func:
        case ast.Attribute(attr=called) | ast.Name(id=called):
            return called
    return ""


def test_nobody_sleeps() -> None:
    """Waiting is for an event; a pause between tries is a function that is handed in."""
    sleepers = [
        f"{path.name}:{node.lineno}"
        for path in [*MODULES, *TESTS]
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and get_called(node) == "sleep" and not is_one_turn(node)
    ]
    assert not sleepers


def is_one_turn(call: ast.Call) -> bool:
    """`asyncio.sleep(0)` lets others have their turn and waits for nothing."""
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0


def test_only_the_door_prints() -> None:
    printing = {
        name(path)
        for path in MODULES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert not printing - set(SPEAKING)


def test_a_broad_except_stands_only_at_a_door_and_logs() -> None:
    faults = []
    for path in MODULES:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ExceptHandler) and is_broad(node.type):
                is_clean_up = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
                if not is_clean_up and not (name(path) in DOORS and logs(node)):
                    faults.append(f"{name(path)}:{node.lineno}")
            elif isinstance(node, ast.Call) and get_called(node) == "suppress":
                faults += [f"{name(path)}:{node.lineno}" for kind in node.args if is_broad(kind)]
    assert not faults


def is_broad(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(map(is_broad, kind.elts))
    return kind is None or (
        isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")
    )


def logs(handler: ast.ExceptHandler) -> bool:
    calls = (node for node in ast.walk(handler) if isinstance(node, ast.Call))
    return any(get_called(call) in LOGGING for call in calls)


def test_an_ignored_type_error_names_its_code() -> None:
    nameless = [
        f"{path.name}:{token.start[0]}"
        for path in PYTHON
        for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
        if token.type == tokenize.COMMENT and re.match(r"#\s*type:\s*ignore(?!\[)", token.string)
    ]
    assert not nameless


def test_the_page_never_writes_html_from_text() -> None:
    scripts = [path for path in PAGE if path.suffix in (".js", ".html")]
    assert not [str(path) for path in scripts if WRITES_HTML.search(path.read_text("utf-8"))]


def test_the_page_needs_nothing_from_outside() -> None:
    texts = [path for path in PAGE if path.suffix != ".png"]
    assert not [str(path) for path in texts if OUTSIDE_ADDRESS.search(path.read_text("utf-8"))]


def test_no_file_names_a_place_on_somebody_s_machine() -> None:
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for folder in COMMITTED_FOLDERS for path in (ROOT / folder).rglob("*")]
    faults = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        if path.is_file() and (path.suffix in TEXT_SUFFIXES or path.parent.name == ".ci")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if PATH_OF_A_MACHINE.search(line)
    ]
    assert not faults
