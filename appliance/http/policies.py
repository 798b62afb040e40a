"""Who may use a route: one word for each route, and what a checked request was found to be.

It checks nothing itself; the shield does, by this word. The rule that must not break: every route
carries a policy, and an application with one that does not is never served.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from starlette.routing import BaseRoute
from starlette.types import Scope


class Policy(StrEnum):
    """OPEN: everybody. CHAT: a customer, whose session's id is the capability; everybody on the
    LAN, or who has the widget's key. API: a key with the scope `v1`. KNOWLEDGE, ADMIN, METRICS: a
    key with that scope, or an operator whose role has it. LOGIN: everybody, where nobody can read
    along. CONSOLE: an operator."""

    OPEN = "open"
    CHAT = "chat"
    API = "v1"
    KNOWLEDGE = "knowledge"
    ADMIN = "admin"
    METRICS = "metrics"
    LOGIN = "login"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class Access:
    """What a request was found to be: by a key, by an operator's session, or by neither."""

    policy: Policy
    key_id: str = ""
    account: str = ""
    role: str = ""
    scopes: frozenset[str] = frozenset()

    @property
    def who(self) -> str:
        """The operator, or the key's id: as the audit log and the history name him."""
        return self.account or self.key_id


def get_access(scope: Scope) -> Access:
    """Of a request that stands in a handler. Raises KeyError where nothing has checked it."""
    access = scope["state"]["access"]
    assert isinstance(access, Access)
    return access


def check_policies(routes: Iterable[BaseRoute]) -> None:
    """Raises RuntimeError for the first route that does not say who may use it."""
    for route in routes:
        if not isinstance(getattr(route, "policy", None), Policy):
            raise RuntimeError(f"The route {getattr(route, 'path', route)} has no policy.")
