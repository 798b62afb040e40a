"""The console's door: set up the first owner, log in, log out, who am I.

What an operator does beyond that is other modules' affair. The rule that must not break: the
token of a session leaves in one cookie that no script reads, and never in a body.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from appliance.errors import (
    AccessDenied,
    ForeignOrigin,
    InsecureConnection,
    InvalidField,
    LoginRefused,
    NotAuthenticated,
    StoreUnavailable,
    TooManyRequests,
)
from appliance.http.access import ROLES, derive_csrf
from appliance.http.addresses import find_group
from appliance.http.answers import JsonAnswer
from appliance.http.body import read_body, read_optional_body
from appliance.http.checkpoint import COOKIE
from appliance.http.console_shapes import LoggedIn, LoggedOut, Login, Setup
from appliance.http.logins import Logins
from appliance.http.openapi import Operation, Reply
from appliance.http.passwords import MAX_CHARS, MIN_CHARS
from appliance.http.policies import Policy
from appliance.http.shapes import Nothing
from appliance.store.accounts import LONGEST_MS, Account, Accounts

NAME_RULE = "name is 1 to 64 letters, digits, dots, lines or signs like 王."
DENIED = (NotAuthenticated, AccessDenied, ForeignOrigin, InsecureConnection, StoreUnavailable)


class Console:
    def __init__(self, logins: Logins, accounts: Accounts) -> None:
        self._logins = logins
        self._accounts = accounts

    async def set_up(self, request: Request) -> Response:
        setup = await read_body(request, Setup)
        name = check_name(setup.name)
        check_password(setup.password)
        address = find_group(request.scope)
        account = await self._logins.set_up(setup.code, name, setup.password, address)
        token = await self._accounts.begin_session(account.name)
        assert token is not None, "the account was made a moment ago"
        return _welcome(request, account, token, 201)

    async def log_in(self, request: Request) -> Response:
        login = await read_body(request, Login)
        address = find_group(request.scope)
        name = check_name(login.name)
        token = await self._logins.log_in(name, login.password, address)
        # One that somebody may have planted before is worth nothing now.
        await self._accounts.end_session(request.cookies.get(COOKIE, ""))
        account = await self._accounts.find_session(token)
        if account is None:
            raise LoginRefused("The account was removed.")
        return _welcome(request, account, token, 200)

    async def log_out(self, request: Request) -> Response:
        await read_optional_body(request, Nothing)
        await self._accounts.end_session(request.cookies.get(COOKIE, ""))
        out: LoggedOut = {"logged_out": True}
        answer = JsonAnswer(out)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    async def show_me(self, request: Request) -> Response:
        token = request.cookies.get(COOKIE, "")
        account = await self._accounts.find_session(token)
        if account is None:
            raise NotAuthenticated("Log in.")
        return JsonAnswer(_describe(account, token))


def check_name(name: str) -> str:
    """Raises InvalidField."""
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise InvalidField("name", NAME_RULE)
    return name


def check_password(password: str) -> str:
    """Raises InvalidField."""
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise InvalidField("password", f"password has {MIN_CHARS} to {MAX_CHARS} characters.")
    return password


def _welcome(request: Request, account: Account, token: str, status: int) -> Response:
    answer = JsonAnswer(_describe(account, token), status)
    answer.set_cookie(
        COOKIE,
        token,
        max_age=LONGEST_MS // 1000,
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


def _describe(account: Account, token: str) -> LoggedIn:
    return {
        "account": account.name,
        "role": account.role,
        "scopes": sorted(ROLES[account.role]),
        "csrf": derive_csrf(token),
    }


def list_console(console: Console) -> list[Operation]:
    """The lines of the surface that an operator comes in and goes out by."""
    trying = (LoginRefused, ForeignOrigin, InsecureConnection, TooManyRequests, StoreUnavailable)
    return [
        Operation(
            "POST",
            "/console/setup",
            console.set_up,
            "Make the first owner, with the code that the terminal shows.",
            (Reply(201, "Made, and logged in by a cookie", LoggedIn),),
            policy=Policy.LOGIN,
            body=Setup,
            errors=trying,
        ),
        Operation(
            "POST",
            "/console/login",
            console.log_in,
            "Log in; the session is a cookie, and changes need its token in X-CSRF-Token.",
            (Reply(200, "Logged in", LoggedIn),),
            policy=Policy.LOGIN,
            body=Login,
            errors=trying,
        ),
        Operation(
            "POST",
            "/console/logout",
            console.log_out,
            "End the session, in every tab.",
            (Reply(200, "Logged out", LoggedOut),),
            policy=Policy.CONSOLE,
            body=Nothing,
            is_body_required=False,
            errors=DENIED,
        ),
        Operation(
            "GET",
            "/console/me",
            console.show_me,
            "Who is logged in, and what he may do.",
            (Reply(200, "The account", LoggedIn),),
            policy=Policy.CONSOLE,
            errors=DENIED,
        ),
    ]
