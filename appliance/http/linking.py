"""The modules that a page's first one needs, as one script: one answer instead of thirty-four.

The files of `web/` stay modules of their own, and what a page imports only later is still one file
each. Its import map leads such a file to the linked script for what is linked there. The rule that
must not break: a module exists once in a page, however it is asked for; and a line that is not
understood is refused and never guessed at.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

SUFFIX = ".linked.js"
# Whole lines only, so that nothing in a text is taken for a comment.
COMMENT = re.compile(r"^[ \t]*(?:/\*\*.*?\*/|//[^\n]*)\n", re.MULTILINE | re.DOTALL)
IMPORT = re.compile(r'^import (?:\{([^}"]*)\}|\* as (\w+)) from "(\.[^"]+)";$', re.MULTILINE)
IMPORTED = re.compile(r'^(?:import|export)\b[^;"]*"(\.[^"]+)";$', re.MULTILINE)
LATER = re.compile(r'(?<!\w)import\("(\.[^"]+)"\)')
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|const|class) (\w+))", re.MULTILINE)
EXPORT_LIST = re.compile(r"(?:^|(?<=[;}]))export ?\{([^{}]*)\};?\s*\Z", re.MULTILINE)
LEFT = re.compile(r"^(?:import|export)\b(?!\()|\bimport\.meta\b|^await\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Module:
    """One file. `imports` are the modules it begins with, `later` those it loads when it runs;
    `exports` are its own names of what it gives, by the names that others know."""

    name: str
    code: str
    imports: tuple[str, ...]
    later: tuple[str, ...]
    exports: Mapping[str, str]


@dataclass(frozen=True)
class Linked:
    """`parts` come in the order in which they run. `wanted` is what is asked for by name when they
    run: by them, and by all the files that they load."""

    first: str
    parts: Mapping[str, Module]
    wanted: frozenset[str]

    @cached_property
    def shared(self) -> tuple[str, ...]:
        """The parts that a file loaded later imports too."""
        return tuple(name for name in self.parts if name in self.wanted)

    @cached_property
    def script(self) -> str:
        numbers = {name: number for number, name in enumerate(self.parts)}
        texts = [_wrap(module, numbers) for module in self.parts.values()]
        given = [(name, export) for name in self.shared for export in self.parts[name].exports]
        if len({export for _, export in given}) < len(given):
            raise ValueError(f"Two modules that {self.first} shares export the same name.")
        for name in self.shared:
            exports = ", ".join(self.parts[name].exports)
            texts.append(f"export const {{ {exports} }} = ${numbers[name]};\n")
        return "".join(texts)

    @cached_property
    def import_map(self) -> str:
        address = f"/web/{name_linked(self.first)}"
        imports = {f"/web/{name}": address for name in self.shared}
        return json.dumps({"imports": imports}, separators=(",", ":"))


def name_linked(first: str) -> str:
    return first.removesuffix(".js") + SUFFIX


def link(first: str, read: Callable[[str], str]) -> Linked:
    """`read` gives the text of a file below `web/` by its name."""
    parts: dict[str, Module] = {}
    _gather(first, read, parts, ())
    wanted: set[str] = set()
    waiting = [name for module in parts.values() for name in module.later]
    while waiting:
        name = waiting.pop()
        if name not in wanted and name not in parts:
            text = read(name)
            waiting += (_find(name, it[1]) for it in IMPORTED.finditer(text))
            waiting += (_find(name, it[1]) for it in LATER.finditer(text))
        wanted.add(name)
    return Linked(first, parts, frozenset(wanted))


def parse(name: str, text: str) -> Module:
    """The module with its imports as lines of a function, to be filled in by `_wrap`."""
    imports: list[str] = []
    later: list[str] = []
    exports: dict[str, str] = {}

    def put_import(found: re.Match[str]) -> str:
        imports.append(_find(name, found[3]))
        names = found[2] or "{" + found[1].replace(" as ", ": ") + "}"
        return f"const {names} = \0{len(imports) - 1}\0;"

    def put_later(found: re.Match[str]) -> str:
        later.append(_find(name, found[1]))
        return f'import("/web/{later[-1]}")'

    def put_list(found: re.Match[str]) -> str:
        for item in found[1].split(","):
            inner, _, outer = item.strip().partition(" as ")
            exports[outer or inner] = inner
        return ""

    code = COMMENT.sub("", text)
    code = LATER.sub(put_later, IMPORT.sub(put_import, code))
    exports.update({found[1]: found[1] for found in EXPORT.finditer(code)})
    code = EXPORT_LIST.sub(put_list, EXPORT.sub("", code))
    if left := LEFT.search(code):
        line = code[left.start() :].split("\n", 1)[0][:80]
        raise ValueError(f"{name} has a line that the linker does not know: {line}")
    return Module(name, code, tuple(imports), tuple(later), exports)


def _find(name: str, path: str) -> str:
    """The module that `name` means by `path`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def _gather(
    name: str, read: Callable[[str], str], parts: dict[str, Module], above: tuple[str, ...]
) -> None:
    if name in parts:
        return
    if name in above:
        raise ValueError(f"{name} imports itself by way of {above[-1]}.")
    module = parse(name, read(name))
    for imported in module.imports:
        _gather(imported, read, parts, (*above, name))
    parts[name] = module


def _wrap(module: Module, numbers: Mapping[str, int]) -> str:
    code = re.sub("\0(\\d+)\0", lambda it: f"${numbers[module.imports[int(it[1])]]}", module.code)
    returned = ", ".join(
        inner if inner == outer else f"{outer}: {inner}" for outer, inner in module.exports.items()
    )
    return f"const ${numbers[module.name]} = (() => {{\n{code}\nreturn {{ {returned} }};\n}})();\n"
