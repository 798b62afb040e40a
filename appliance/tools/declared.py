"""What a shop declares in `tools.toml`, as plain values: tools, parameters, databases, replies.

They read no file and run nothing. The rule that must not break: what is run is what stands here,
to the letter; a call adds values to it and never text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
Kind: TypeAlias = Literal["sql", "http", "python", "mcp"]
KINDS: tuple[Kind, ...] = ("sql", "http", "python", "mcp")
Origin: TypeAlias = Literal["words", "memory", "session"]
ORIGINS: tuple[Origin, ...] = ("words", "memory", "session")
Fold: TypeAlias = Literal["none", "code", "digits"]
FOLDS: tuple[Fold, ...] = ("none", "code", "digits")
Wordings: TypeAlias = Mapping[Language, str]
Value: TypeAlias = str | int | float | None
Row: TypeAlias = Mapping[str, Value]

FOUND, SEVERAL, NONE, ERROR, DONE = "found", "several", "none", "error", "done"
CONFIRM, ROW = "confirm", "row"
NOT_DIGITS = re.compile(r"[^0-9]+")
NOT_CODE = re.compile(r"[\s_-]+")


@dataclass(frozen=True, slots=True)
class Schema:
    """The part of JSON Schema that a value which was said in a chat needs."""

    type: Literal["string", "integer"] = "string"
    pattern: str = ""
    min_length: int = 1
    max_length: int = 200
    minimum: int | None = None
    maximum: int | None = None
    enum: tuple[str, ...] = ()

    def allows(self, value: str) -> bool:
        if not self.min_length <= len(value) <= self.max_length:
            return False
        if self.pattern and re.fullmatch(self.pattern, value) is None:
            return False
        if self.enum and value not in self.enum:
            return False
        if self.type == "integer":
            if not re.fullmatch(r"-?[0-9]{1,18}", value):
                return False
            number = int(value)
            low = self.minimum if self.minimum is not None else number
            return low <= number <= (self.maximum if self.maximum is not None else number)
        return True


@dataclass(frozen=True, slots=True)
class Parameter:
    """`find` are patterns whose match ends in the value, `whole` such as fit only a reply to the
    question for it; without either the whole reply is the value. `memory` is the kind of fact
    that the conversation's memory knows it as."""

    name: str
    title: Wordings
    schema: Schema
    ask: Wordings
    example: str
    find: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    fold: Fold = "none"
    origins: tuple[Origin, ...] = ("words", "memory")
    memory: str = ""
    unlike: str = ""

    @property
    def is_free(self) -> bool:
        """A sentence of the customer's own, as what is wrong with an article."""
        return not self.find and not self.whole and "session" not in self.origins

    def read(self, said: str) -> str | None:
        """The value that stands at the end of `said`, or None where there is none."""
        if self.is_free:
            value = " ".join(said.split())[: self.schema.max_length]
            return value if self.schema.allows(value) else None
        folded = said.strip()
        if self.fold == "code":
            folded = NOT_CODE.sub("", folded).upper()
        elif self.fold == "digits":
            folded = NOT_DIGITS.sub("", folded)
        starts = range(max(0, len(folded) - self.schema.max_length), len(folded))
        return next((folded[at:] for at in starts if self.schema.allows(folded[at:])), None)


@dataclass(frozen=True, slots=True)
class Database:
    """`tables` makes what is written to, where it is not there yet; `is_example` is the order
    database of the example shop, which is made and not shipped."""

    name: str
    path: Path
    tables: str = ""
    is_example: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """A fixed text with named parameters."""

    database: str
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """`url` holds `{parameter}` in its path and query alone; `secrets` are header names and the
    environment variables whose values they carry; `rows` is the way to the answer's objects."""

    method: Literal["GET", "POST"]
    url: str
    hosts: tuple[str, ...]
    timeout_s: float
    secrets: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the Model Context Protocol: the process that `command` starts in `folder`, or
    what answers at `url`. `environment` are the variables that the process may see."""

    name: str
    command: tuple[str, ...]
    url: str
    folder: Path
    environment: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServerCall:
    """`tool` is its name at the server."""

    server: str
    tool: str
    arguments: Mapping[str, str]
    timeout_s: float
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """`read` is what is looked up, and before a `write` what allows it; `receipt` reads what was
    written. A tool that `is_writing` is run only once the customer has confirmed it in words. A
    message that holds nothing but values means the tool that `is_bare`. `unless_signed` are those
    parameters that it needs of nobody whom the host site has signed."""

    name: str
    kind: Kind
    description: Wordings
    parameters: tuple[str, ...]
    replies: Mapping[str, Wordings]
    identity: tuple[str, ...] = ()
    unless_signed: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    max_rows: int = 10
    read: Statement | None = None
    write: Statement | None = None
    receipt: Statement | None = None
    request: Request | None = None
    server_call: ServerCall | None = None
    entry: str = ""
    is_writing: bool = False
    is_bare: bool = False
    is_off: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """One sentence with file, tool, key and the way out."""

    file: str
    message: str


@dataclass(frozen=True, slots=True)
class Registry:
    """`general` are words of questions about how things are done, which no tool answers; `others`
    are whole questions of that kind, to compare a tool's `examples` with; `alike` are writings and
    what they are read as, where a tool is chosen; `off` are tools that are declared and switched
    off."""

    tools: Mapping[str, Tool] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    databases: Mapping[str, Database] = field(default_factory=dict)
    servers: Mapping[str, Server] = field(default_factory=dict)
    general: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    alike: tuple[tuple[str, str], ...] = ()
    faults: tuple[Fault, ...] = ()
    off: Mapping[str, Tool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """`key` makes a writing call one, however often it is run. `is_confirmed`: the customer has
    said yes to exactly these arguments. `visitor` is who the host site has signed them to be."""

    tool: str
    arguments: Mapping[str, str]
    key: str = ""
    is_confirmed: bool = False
    visitor: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """`outcome` names the reply; `is_cut` where there were more rows than are shown. `is_unsure`:
    a write was begun and nobody knows yet what came of it."""

    outcome: str
    rows: tuple[Row, ...] = ()
    is_cut: bool = False
    is_unsure: bool = False
