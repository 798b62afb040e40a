"""Bodies on their way in: bytes to a checked model, text to text that may be stored.

It is the only door for what a client writes, and pydantic's errors are translated here and
nowhere else. The rule that must not break: whatever arrives, the outcome is a value that UTF-8,
SQLite and a tokenizer can take, or one InvalidRequest; never another exception.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from appliance.errors import InvalidField, InvalidRequest, SessionNotFound, WrongContentType

Model = TypeVar("Model", bound=BaseModel)

MAX_DEPTH = 32
MAX_SHOWN_FIELD_CHARS = 80

JSON_TYPE = re.compile(r'application/json(\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)
# A whole string, closed or not, or one bracket. A string always matches to its end: no rescan.
STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.?)*"?|[\[{]|[\]}]', re.DOTALL)
SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

LINE_END = re.compile(r"\r\n?")
LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Control characters but \t and \n, line and paragraph separators, bidirectional overrides, and
# the tag block that can smuggle unseen instructions. The joiner of emoji families (ZWJ) stays.
UNWANTED = re.compile(
    r"[\x01-\x08\x0b-\x1f\u2028\u2029\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
UNSEEN_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})


async def read_body(request: Request, model: type[Model]) -> Model:
    """The request's JSON body as `model`, whole or refused."""
    _check_content_type(request)
    return parse_body(await request.body(), model)


async def read_optional_body(request: Request, model: type[Model]) -> Model:
    """The same for calls that need no body: none at all counts as an empty object."""
    if not await request.body():
        return model()
    return await read_body(request, model)


async def read_open_body(request: Request, model: type[Model]) -> Model:
    """The same for bodies of many texts: none of them holds what no tokenizer can take."""
    _check_content_type(request)
    value = _parse(await request.body())
    _check_texts(value, "")
    return _validate(value, model)


def parse_body(body: bytes, model: type[Model]) -> Model:
    """`body` as `model`; every other outcome is an InvalidRequest."""
    return _validate(_parse(body), model)


def check_fields(value: object, model: type[Model]) -> Model:
    """What is JSON already as `model`. Raises InvalidRequest."""
    return _validate(value, model)


def clean_text(field: str, text: str, max_chars: int) -> str:
    """`text` without what must not be stored or shown, or InvalidField that names `field`."""
    _check_text(field, text)
    text = UNWANTED.sub("", LINE_END.sub("\n", text)).strip()
    if all(unicodedata.category(char) in UNSEEN_CATEGORIES for char in text):
        raise InvalidField(field, f"{field} is blank; write at least one visible character.")
    if len(text) > max_chars:
        sentence = f"{field} has {len(text)} characters; at most {max_chars} are taken."
        raise InvalidField(field, sentence)
    return text


def _check_text(field: str, text: str) -> None:
    if "\0" in text:
        raise InvalidField(field, f"{field} holds a NUL character; leave it out.")
    if LONE_SURROGATE.search(text):
        raise InvalidField(field, f"{field} holds half a surrogate pair; send whole characters.")


def _check_texts(value: object, path: str) -> None:
    match value:
        case str():
            _check_text(_show(path) or "the body", value)
        case list():
            for at, one in enumerate(value):
                _check_texts(one, f"{path}[{at}]")
        case dict():
            for key, one in value.items():
                _check_text(_show(path) or "the body", key)
                _check_texts(one, f"{path}.{key}" if path else key)


def check_session_id(session_id: str) -> str:
    """Refuse what cannot be an id of ours before any store is asked for it."""
    if not SESSION_ID.fullmatch(session_id):
        raise SessionNotFound("There is no such session; POST /sessions opens a new one.")
    return session_id


def get_session_id(request: Request) -> str:
    """Of the path. Raises SessionNotFound."""
    return check_session_id(request.path_params["session_id"])


def _check_content_type(request: Request) -> None:
    if not JSON_TYPE.fullmatch(request.headers.get("content-type", "").strip()):
        raise WrongContentType("Send the body as Content-Type: application/json, in UTF-8.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise WrongContentType("Send the body as it is, without a Content-Encoding.")


def _parse(body: bytes) -> object:
    if not body:
        raise InvalidRequest("The body is empty; send a JSON object.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The body is not UTF-8 from byte {error.start} on.") from None
    _check_depth(text)
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_build_object)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequest(f"The body is no JSON at {place}: {error.msg}.") from None
    except (ValueError, RecursionError):
        raise InvalidRequest("The body holds a number or a nesting beyond all measure.") from None


def _check_depth(text: str) -> None:
    depth = 0
    for match in STRING_OR_BRACKET.finditer(text):
        if match[0] in "[{":
            depth += 1
        elif match[0] in "]}":
            depth -= 1
        if depth > MAX_DEPTH:
            raise InvalidRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"The body holds {name}, which is no JSON value.")


def _build_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    built = dict(pairs)
    if len(built) < len(pairs):
        raise InvalidRequest("The body names a field twice; name each field once.")
    return built


def _validate(value: object, model: type[Model]) -> Model:
    if not isinstance(value, dict):
        raise InvalidRequest("The body is JSON but no object; send {…}.")
    for key in value:
        if key not in model.model_fields:
            allowed = ", ".join(model.model_fields) or "none"
            shown = _show(key)
            raise InvalidField(shown, f"Unknown field {shown}; allowed: {allowed}.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _explain(error.errors(include_url=False, include_input=False)[0]) from None


def _explain(error: ErrorDetails) -> InvalidField:
    field = _show(".".join(str(part) for part in error["loc"]))
    if error["type"] == "missing":
        return InvalidField(field, f"Field {field} is missing.")
    return InvalidField(field, f"Field {field} is wrong: {error['msg']}.")


def _show(name: str) -> str:
    shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
    is_long = len(shown) > MAX_SHOWN_FIELD_CHARS
    return shown[:MAX_SHOWN_FIELD_CHARS] + "…" if is_long else shown
