"""`tools.toml` read into declared tools: every key is known, and every name leads somewhere.

It opens no database and sends no request. The rule that must not break: a tool is taken whole or
left out with one sentence that names file, tool, key and the way out, and what is left out takes
no other tool along.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from appliance.tools.declared import (
    CONFIRM,
    DONE,
    ERROR,
    FOLDS,
    FOUND,
    KINDS,
    LANGUAGES,
    NONE,
    ORIGINS,
    ROW,
    SEVERAL,
    Database,
    Fault,
    Parameter,
    Registry,
    Schema,
    Server,
    Statement,
    Tool,
    Wordings,
)
from appliance.tools.request_table import read_request
from appliance.tools.server_table import read_server, read_server_call
from appliance.tools.tables import Refused, Table, take_choice

TOOLS_FILE = "tools.toml"
MAX_FILE_BYTES = 500_000
# As many as there are letters to name them by, and one for none.
MAX_TOOLS = 25
MAX_ALIKE_CHARS = 30
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
VISITOR = re.compile(r":visitor\b")
ENTRY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
EXAMPLE = "orders"
KEYS = ("database", "server", "parameter", "tool", "general", "others", "alike")
# What a pattern's fault is, or nothing.
CheckPattern = Callable[[str], str]


def read_tools(folder: Path, data: Path, check_pattern: CheckPattern) -> Registry:
    """What `tools.toml` in `folder` declares; nothing where it is not there."""
    path = folder / TOOLS_FILE
    try:
        if not path.exists():
            return Registry()
        if path.stat().st_size > MAX_FILE_BYTES:
            raise Refused("", f"is larger than {MAX_FILE_BYTES:,} bytes; shorten it")
        tables = tomllib.loads(path.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        return Registry(faults=(Fault(TOOLS_FILE, f"{TOOLS_FILE} cannot be read: {error}."),))
    except Refused as refused:
        return Registry(faults=(_tell(refused),))
    return _Reader(folder, data, check_pattern).read(tables)


def _tell(refused: Refused) -> Fault:
    place = f"{TOOLS_FILE}: {refused.key} " if refused.key else f"{TOOLS_FILE} "
    return Fault(TOOLS_FILE, f"{place}{refused.sentence}.")


class _Reader:
    def __init__(self, folder: Path, data: Path, check_pattern: CheckPattern) -> None:
        self._folder = folder
        self._data = data
        self._check_pattern = check_pattern
        self._faults: list[Fault] = []
        self._databases: dict[str, Database] = {}
        self._servers: dict[str, Server] = {}
        self._parameters: dict[str, Parameter] = {}
        self._tools: dict[str, Tool] = {}
        self._general: tuple[str, ...] = ()
        self._others: tuple[str, ...] = ()
        self._alike: tuple[tuple[str, str], ...] = ()

    def read(self, tables: Mapping[str, Any]) -> Registry:
        for key in tables:
            if key not in KEYS:
                self._complain(Refused(key, f"is unknown; known are {', '.join(KEYS)}"))
        try:
            self._general = self._take_patterns(Table(tables, ""), "general")
            self._others = Table(tables, "").take_texts("others", ())
            self._alike = _read_alike(Table(tables, "").take_optional_table("alike"))
        except Refused as refused:
            self._complain(refused)
        self._read_each(tables, "database", self._databases, self._read_database)
        self._read_each(tables, "server", self._servers, self._read_server)
        self._read_each(tables, "parameter", self._parameters, self._read_parameter)
        self._read_each(tables, "tool", self._tools, self._read_tool)
        on = {name: tool for name, tool in self._tools.items() if not tool.is_off}
        off = {name: tool for name, tool in self._tools.items() if tool.is_off}
        return Registry(
            MappingProxyType(on),
            MappingProxyType(self._parameters),
            MappingProxyType(self._databases),
            MappingProxyType(self._servers),
            self._general,
            self._others,
            self._alike,
            tuple(self._faults),
            MappingProxyType(off),
        )

    def _complain(self, refused: Refused) -> None:
        self._faults.append(_tell(refused))

    def _read_each(
        self,
        tables: Mapping[str, Any],
        kind: str,
        target: dict[str, Any],
        read: Callable[[str, Table], object],
    ) -> None:
        named = tables.get(kind, {})
        if not isinstance(named, dict):
            self._complain(Refused(kind, f"must be tables, as [{kind}.name]"))
            return
        for name, value in named.items():
            key = f"{kind}.{name}"
            try:
                if not NAME.fullmatch(name):
                    raise Refused(key, "is no name; write small letters, digits and _")
                if not isinstance(value, dict):
                    raise Refused(key, f"must be a table; write [{key}]")
                if kind == "tool" and len(target) >= MAX_TOOLS:
                    raise Refused(key, f"is one tool too many; {MAX_TOOLS} are possible")
                table = Table(value, key)
                target[name] = read(name, table)
                table.refuse_rest()
            except Refused as refused:
                target.pop(name, None)
                self._complain(refused)

    def _read_database(self, name: str, table: Table) -> Database:
        example = table.take_text("example", "")
        if example not in ("", EXAMPLE):
            raise Refused(table.name("example"), f'must be "{EXAMPLE}"; or leave it out')
        where = take_choice(table, "folder", ("shop", "data"), "data" if example else "shop")
        file = table.take_text("file")
        base = self._data if where == "data" else self._folder
        tables = table.take_text("tables", "")
        return Database(name, base / file, tables, is_example=bool(example))

    def _read_server(self, name: str, table: Table) -> Server:
        return read_server(name, table, self._folder)

    def _read_parameter(self, name: str, table: Table) -> Parameter:
        schema = self._read_schema(table.take_table("schema"))
        origins = table.take_texts("from", ("words", "memory"))
        if wrong := sorted(set(origins) - set(ORIGINS)):
            raise Refused(table.name("from"), f"has “{wrong[0]}”; known are {', '.join(ORIGINS)}")
        is_asked = "session" not in origins
        example = table.take_text("example", None if is_asked else "")
        parameter = Parameter(
            name,
            self._take_wordings(table, "title"),
            schema,
            self._take_wordings(table, "ask", is_needed=is_asked),
            example,
            self._take_patterns(table, "find"),
            self._take_patterns(table, "whole"),
            take_choice(table, "fold", FOLDS, "none"),
            tuple(one for one in ORIGINS if one in origins),
            table.take_text("memory", ""),
            self._take_pattern(table, "unlike"),
        )
        if is_asked and parameter.read(example) != example:
            raise Refused(table.name("example"), f"= “{example}” does not fit its own schema")
        return parameter

    def _read_schema(self, table: Table) -> Schema:
        schema = Schema(
            take_choice(table, "type", ("string", "integer"), "string"),
            self._take_pattern(table, "pattern"),
            table.take_number("minLength", 1),
            table.take_number("maxLength", 200),
            table.take_optional_number("minimum"),
            table.take_optional_number("maximum"),
            table.take_texts("enum", ()),
        )
        table.refuse_rest()
        if not 0 <= schema.min_length <= schema.max_length <= 2000:
            raise Refused(table.name("maxLength"), "must be from minLength to 2000")
        return schema

    def _read_tool(self, name: str, table: Table) -> Tool:
        kind = take_choice(table, "kind", KINDS, None)
        parameters = table.take_texts("parameters", ())
        for one in parameters:
            if one not in self._parameters:
                raise Refused(
                    table.name("parameters"), f"names “{one}”; declare it as [parameter.{one}]"
                )
        identity = table.take_texts("identity", ())
        if wrong := next((one for one in identity if one not in parameters), ""):
            raise Refused(table.name("identity"), f"names “{wrong}”, which is no parameter of it")
        read, write, receipt = self._read_statements(table, kind)
        unless_signed = _take_unless_signed(table, identity, read)
        request = read_request(table, parameters) if kind == "http" else None
        entry = table.take_text("entry") if kind == "python" else ""
        if entry and not ENTRY.fullmatch(entry):
            raise Refused(table.name("entry"), "must be as “package.module:function”")
        is_writing = write is not None or table.take_truth("writes")
        server_call = None
        if kind == "mcp":
            server_call = read_server_call(table, parameters, self._servers, is_writing=is_writing)
        return Tool(
            name,
            kind,
            self._take_wordings(table, "description"),
            parameters,
            self._read_replies(
                table.take_table("reply"),
                is_writing=is_writing,
                is_looking=not is_writing or read is not None,
            ),
            identity,
            unless_signed,
            self._take_patterns(table, "asks"),
            table.take_texts("examples", ()),
            self._take_patterns(table, "words"),
            table.take_number("max_rows", 10),
            read,
            write,
            receipt,
            request,
            server_call,
            entry,
            is_writing,
            table.take_truth("bare"),
            table.take_truth("off"),
        )

    def _read_statements(
        self, table: Table, kind: str
    ) -> tuple[Statement | None, Statement | None, Statement | None]:
        if kind != "sql":
            return None, None, None
        read = self._take_statement(table, "sql", "database")
        write = self._take_statement(table, "write", "write_to")
        receipt = None
        if write is not None:
            receipt = Statement(write.database, table.take_text("receipt"))
            if not self._databases[write.database].tables:
                key = f"database.{write.database}.tables"
                raise Refused(key, "is missing; a database that is written to says its tables")
        elif read is None:
            raise Refused(table.name("sql"), "is missing; write a SELECT with named parameters")
        return read, write, receipt

    def _take_statement(self, table: Table, key: str, database_key: str) -> Statement | None:
        text = table.take_text(key, "")
        database = table.take_text(database_key, "")
        if not text:
            return None
        if database not in self._databases:
            known = ", ".join(self._databases) or "none"
            raise Refused(
                table.name(database_key), f"= “{database}” is no database; known are {known}"
            )
        return Statement(database, text.strip())

    def _read_replies(
        self, table: Table, *, is_writing: bool, is_looking: bool
    ) -> Mapping[str, Wordings]:
        """What is found or done, what is not found where something is looked up, and `error`."""
        needed = [CONFIRM, DONE, ERROR] if is_writing else [FOUND, ERROR]
        if is_looking:
            needed.append(NONE)
        if missing := next((one for one in needed if one not in table.left), ""):
            raise Refused(table.name(missing), "is missing; write it in zh and en")
        replies = {key: self._take_wordings(table, key) for key in tuple(table.left)}
        if (SEVERAL in replies) != (ROW in replies):
            raise Refused(table.name(SEVERAL), f"and {table.name(ROW)} belong together; write both")
        return MappingProxyType(replies)

    def _take_wordings(self, table: Table, key: str, *, is_needed: bool = True) -> Wordings:
        if key not in table.left and not is_needed:
            return dict.fromkeys(LANGUAGES, "")
        wordings = table.take_table(key)
        taken: Wordings = {language: wordings.take_text(language) for language in LANGUAGES}
        wordings.refuse_rest()
        return taken

    def _take_patterns(self, table: Table, key: str) -> tuple[str, ...]:
        patterns = table.take_texts(key, ())
        for pattern in patterns:
            if problem := self._check_pattern(pattern):
                raise Refused(table.name(key), f"= “{pattern}” is not possible: {problem}")
        return patterns

    def _take_pattern(self, table: Table, key: str) -> str:
        pattern = table.take_text(key, "")
        if pattern and (problem := self._check_pattern(pattern)):
            raise Refused(table.name(key), f"= “{pattern}” is not possible: {problem}")
        return pattern


def _read_alike(table: Table) -> tuple[tuple[str, str], ...]:
    """The longest first, so that none hides another."""
    pairs = [(key, table.take_text(key)) for key in tuple(table.left)]
    if wrong := next((one for pair in pairs for one in pair if len(one) > MAX_ALIKE_CHARS), ""):
        raise Refused("alike", f"has “{wrong}”, which is longer than {MAX_ALIKE_CHARS} characters")
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


def _take_unless_signed(
    table: Table, identity: Sequence[str], read: Statement | None
) -> tuple[str, ...]:
    """What makes an order somebody's may be left to the site; then the SQL looks for `:visitor`."""
    names = table.take_texts("unless_signed", ())
    if wrong := next((one for one in names if one not in identity), ""):
        raise Refused(table.name("unless_signed"), f"names “{wrong}”, which is not in identity")
    if names and (read is None or not VISITOR.search(read.text)):
        raise Refused(table.name("unless_signed"), "needs a sql that compares with :visitor")
    return names
