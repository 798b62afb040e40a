"""Who a visitor is, by the word of the site that shows the widget, signed with the shared secret.

It decides nothing by it and shows nothing. The rule that must not break: a name becomes a
visitor's identity only when its signature is right and its time has not run out; what a page
says unsigned never comes this way.

A token is `payload.signature`: the payload is base64url of JSON with `id`, `expires` in seconds
since 1970, and `name` if there is one; the signature is HMAC-SHA256 of the payload's letters, in
hexadecimal.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha256

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.errors import IdentityRefused
from appliance.store.identities import Identity, IdentityRows

# A token that is caught on its way must not open a door for good.
LONGEST_S = 86_400


class Claim(BaseModel):
    """What a site signs; further keys are its own affair."""

    model_config = ConfigDict(strict=True, frozen=True)

    id: str = Field(min_length=1, max_length=128)
    name: str = Field("", max_length=128)
    expires: int


class Identities:
    def __init__(self, rows: IdentityRows, secret: str) -> None:
        self._rows = rows
        self._secret = secret.encode()

    async def prove(self, session_id: str, token: str, now_s: int) -> Identity:
        """Keep with the session who `token` says the visitor is.

        Raises IdentityRefused, SessionNotFound, StoreUnavailable."""
        identity = self.read_token(token, now_s)
        await self._rows.keep(session_id, identity)
        return identity

    async def find(self, session_id: str) -> Identity | None:
        """Who was proved to be there. Raises StoreUnavailable."""
        return await self._rows.find(session_id)

    async def find_visitor(self, session_key: str) -> str:
        """The site's own id of who was proved to be there; "" where nobody was. Raises
        StoreUnavailable."""
        identity = await self._rows.find_by_key(session_key)
        return identity.id if identity is not None else ""

    def read_token(self, token: str, now_s: int) -> Identity:
        """Raises IdentityRefused."""
        if not self._secret:
            raise IdentityRefused("No secret is set here, so nobody's signature can be checked.")
        payload, _, signature = token.partition(".")
        signed = payload.encode("utf-8", "surrogatepass")
        right = hmac.new(self._secret, signed, sha256).hexdigest()
        given = signature.lower().encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(right.encode(), given):
            raise IdentityRefused("The signature does not belong to this text and this secret.")
        claim = _read_claim(payload)
        if claim.expires <= now_s:
            raise IdentityRefused("This signature has expired; the site has to sign anew.")
        if claim.expires > now_s + LONGEST_S:
            raise IdentityRefused("This signature would last for more than a day; sign for less.")
        return Identity(claim.id, claim.name)


def _read_claim(payload: str) -> Claim:
    try:
        padded = payload + "=" * (-len(payload) % 4)
        claim = Claim.model_validate_json(base64.b64decode(padded, b"-_", validate=True))
    except (binascii.Error, ValidationError, ValueError):
        raise IdentityRefused(
            "What was signed has to be JSON with `id` and `expires`, in base64url."
        ) from None
    if not (claim.id + claim.name).isprintable():
        raise IdentityRefused("`id` and `name` have to be one line of printable characters each.")
    return claim
