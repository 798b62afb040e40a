"""The contract: one operation of the surface as a value, and all of them as OpenAPI 3.2.

It holds no list of routes; `routes.py` does, and makes both the routes and this document from
it. The rule that must not break: nothing here is written that the table or the shapes say.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from appliance import __version__
from appliance.errors import (
    ApplianceError,
    BodyTooLarge,
    InvalidField,
    InvalidRequest,
    WrongContentType,
)
from appliance.http.policies import Policy
from appliance.http.shapes import ErrorBody

Schema: TypeAlias = dict[str, Any]
Mode: TypeAlias = Literal["validation", "serialization"]
Schemas: TypeAlias = dict[tuple[Any, Mode], Schema]

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
BODY_ERRORS = (InvalidRequest, BodyTooLarge, WrongContentType, InvalidField)
PATH_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a success looks like. `shape` is a type of `shapes.py`, or None for a file; of an
    event stream it is the type of what stands after `data:`."""

    status: int
    description: str
    shape: Any = None
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Parameter:
    """What may stand in the query or in a header; a number is whole and not below 0."""

    name: str
    place: Literal["query", "header"]
    description: str
    kind: Literal["integer", "string"] = "integer"


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the surface: what is called, who answers, who may, and what comes back. `note` is
    the audit row that it leaves by being called, where its handler keeps none."""

    method: str
    path: str
    handler: Callable[[Request], Awaitable[Response]]
    summary: str
    replies: tuple[Reply, ...]
    policy: Policy = field(kw_only=True)
    body: type[BaseModel] | None = None
    is_body_required: bool = True
    errors: tuple[type[ApplianceError], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    note: str = ""


def describe(operations: Sequence[Operation]) -> Schema:
    """The OpenAPI document of `operations`."""
    schemas, definitions = _collect_schemas(operations)
    paths: dict[str, Schema] = {}
    for operation in operations:
        path = PATH_PARAMETER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _describe_one(operation, schemas)
    return {
        "openapi": "3.2.0",
        "info": {
            "title": "The appliance",
            "version": __version__,
            "description": "An offline customer-service assistant. Every error has one shape.",
        },
        "paths": paths,
        "components": {"schemas": definitions},
    }


def _collect_schemas(operations: Sequence[Operation]) -> tuple[Schemas, Schema]:
    wanted: list[tuple[Any, Mode]] = [(ErrorBody, "serialization")]
    for operation in operations:
        if operation.body is not None:
            wanted.append((operation.body, "validation"))
        wanted += [(reply.shape, "serialization") for reply in operation.replies if reply.shape]
    schemas, definitions = TypeAdapter.json_schemas(
        [(shape, mode, TypeAdapter(shape)) for shape, mode in dict.fromkeys(wanted)],
        ref_template="#/components/schemas/{model}",
    )
    return schemas, definitions.get("$defs", {})


def _describe_one(operation: Operation, schemas: Schemas) -> Schema:
    described: Schema = {"summary": operation.summary}
    parameters: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in PATH_PARAMETER.findall(operation.path)
    ]
    parameters += [
        {
            "name": parameter.name,
            "in": parameter.place,
            "description": parameter.description,
            "schema": {"type": "integer", "minimum": 0}
            if parameter.kind == "integer"
            else {"type": "string"},
        }
        for parameter in operation.parameters
    ]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {
            "required": operation.is_body_required,
            "content": {JSON: {"schema": schemas[operation.body, "validation"]}},
        }
        operation = replace(operation, errors=(*BODY_ERRORS, *operation.errors))
    described["responses"] = {
        **_describe_replies(operation.replies, schemas),
        **_describe_errors(operation.errors, schemas),
    }
    return described


def _describe_replies(replies: Sequence[Reply], schemas: Schemas) -> Schema:
    described: Schema = {}
    for reply in replies:
        response = described.setdefault(
            str(reply.status), {"description": reply.description, "content": {}}
        )
        response["content"][reply.media_type] = _describe_content(reply, schemas)
    return described


def _describe_content(reply: Reply, schemas: Schemas) -> Schema:
    if reply.shape is None:
        return {}
    schema = schemas[reply.shape, "serialization"]
    if reply.media_type != EVENT_STREAM:
        return {"schema": schema}
    frame = {"type": "string", "contentMediaType": JSON, "contentSchema": schema}
    return {"itemSchema": {"type": "object", "properties": {"data": frame}}}


def _describe_errors(errors: Sequence[type[ApplianceError]], schemas: Schemas) -> Schema:
    by_status: dict[int, list[str]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error.code)
    content = {JSON: {"schema": schemas[ErrorBody, "serialization"]}}
    return {
        str(status): {"description": ", ".join(codes), "content": content}
        for status, codes in sorted(by_status.items())
    }
