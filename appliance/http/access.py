"""The one check between the router and a handler: may this request do what its route is for?

    a key        Authorization: Bearer ak_…, with the scope of the route's policy;
                 Authorization: Widget ak_… where everybody can read it, so it may only chat
    an operator  the console's cookie, with a role that has it, and the CSRF token where it changes
    neither      what is open to everybody

It hashes no password and knows no handler. The rule that must not break: there is no other way
in, and what would be a secret on an open network is refused there before it is looked at.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from appliance.errors import AccessDenied, InsecureConnection, NotAuthenticated
from appliance.http.addresses import is_local, is_private_to_us
from appliance.http.checkpoint import COOKIE, READING
from appliance.http.policies import Access, Policy
from appliance.http.rates import Rates
from appliance.settings import Settings
from appliance.store.accounts import Account, Accounts, Role
from appliance.store.keys import Keys

CSRF_HEADER = "x-csrf-token"
BEARER, WIDGET = "bearer", "widget"
# What a role may do. A viewer reads and changes nothing but his own session.
ROLES: Mapping[Role, frozenset[Policy]] = MappingProxyType(
    {
        Role.OWNER: frozenset(
            {Policy.CHAT, Policy.KNOWLEDGE, Policy.ADMIN, Policy.METRICS, Policy.CONSOLE}
        ),
        Role.OPERATOR: frozenset({Policy.CHAT, Policy.KNOWLEDGE, Policy.METRICS, Policy.CONSOLE}),
        Role.VIEWER: frozenset({Policy.METRICS, Policy.CONSOLE}),
    }
)
OWN_SESSION = "/console/logout"


class Doorkeeper:
    def __init__(self, keys: Keys, accounts: Accounts, rates: Rates, settings: Settings) -> None:
        self._keys = keys
        self._accounts = accounts
        self._rates = rates
        self._is_chat_open = settings.chat_access == "open"
        self._are_metrics_open = settings.metrics_access == "open"

    async def check(self, scope: Scope, policy: Policy) -> Access:
        """What the request is. Raises NotAuthenticated, AccessDenied, InsecureConnection,
        TooManyRequests, StoreUnavailable."""
        if policy is Policy.OPEN:
            return Access(policy)
        shown = Headers(scope=scope).get("authorization", "")
        if not shown and self._is_open(scope, policy):
            return Access(policy)
        if not is_private_to_us(scope):
            raise InsecureConnection(
                "On an open network this is answered over https alone; see `appliance tls init`."
            )
        if policy is Policy.LOGIN:
            if shown:
                self._rates.count_address(scope)
            return Access(policy)
        if shown:
            return await self._check_key(shown, policy, scope)
        return await self._check_operator(scope, policy)

    def _is_open(self, scope: Scope, policy: Policy) -> bool:
        if policy is Policy.METRICS:
            return self._are_metrics_open or is_local(scope)
        return policy is Policy.CHAT and self._is_chat_open

    async def _check_key(self, shown: str, policy: Policy, scope: Scope) -> Access:
        scheme, _, text = shown.partition(" ")
        is_known = scheme.lower() in (BEARER, WIDGET)
        key = await self._keys.find(text.strip()) if is_known else None
        if key is None:
            self._rates.count_address(scope)
            raise NotAuthenticated("This key opens nothing: it is unknown, revoked or expired.")
        self._rates.check_key(key.id)
        if scheme.lower() == WIDGET and key.scopes != {Policy.CHAT}:
            raise AccessDenied(
                f"The key {key.id} may do more than chat, and a page shows it to everybody: revoke "
                "it, and make one for the page with `appliance keys create NAME --scope chat`."
            )
        if policy not in key.scopes and not (policy is Policy.CHAT and self._is_chat_open):
            raise AccessDenied(f"The key {key.id} has not the scope {policy}.")
        return Access(policy, key_id=key.id, scopes=key.scopes)

    async def _check_operator(self, scope: Scope, policy: Policy) -> Access:
        token = HTTPConnection(scope).cookies.get(COOKIE, "")
        account = await self._accounts.find_session(token) if token else None
        if account is None:
            raise NotAuthenticated("Show an API key as Authorization: Bearer …, or log in.")
        check_role(account, policy, scope)
        if scope["type"] == "http" and scope["method"] not in READING:
            given = Headers(scope=scope).get(CSRF_HEADER, "")
            if not hmac.compare_digest(given.encode(), derive_csrf(token).encode()):
                raise AccessDenied("The header X-CSRF-Token is missing or not this session's.")
        return Access(policy, account=account.name, role=account.role, scopes=ROLES[account.role])


def check_role(account: Account, policy: Policy, scope: Scope) -> None:
    """Raises AccessDenied for what is beyond the account's role."""
    is_reading = scope["type"] == "http" and scope["method"] in READING
    may_change = account.role is not Role.VIEWER or scope["path"] == OWN_SESSION
    if policy not in ROLES[account.role] or not (is_reading or may_change):
        raise AccessDenied(f"The role {account.role} may not do this.")


def derive_csrf(token: str) -> str:
    """Known to a page that could read the answer to its login, and to nobody else."""
    return sha256(b"csrf:" + token.encode("utf-8", "surrogatepass")).hexdigest()
