"""The console's calls on accounts and keys: who there is, who comes and who goes; for owners.

It decides nothing about what a role may do. The rule that must not break: an owner is always left,
and nobody takes the account away that he is logged in by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from appliance.errors import ApplianceError, NotOffered, PublishRefused
from appliance.http.answers import JsonAnswer
from appliance.http.body import clean_text, read_body
from appliance.http.console import DENIED, check_name, check_password
from appliance.http.openapi import Operation, Reply
from appliance.http.outbox_shapes import Done
from appliance.http.passwords import hash_password
from appliance.http.policies import Policy, get_access
from appliance.http.settings_shapes import (
    MadeKey,
    NewAccount,
    NewKey,
    ShownAccounts,
    ShownKeys,
)
from appliance.store.accounts import Account, Accounts, Role
from appliance.store.changes import Act, Change, Changes
from appliance.store.keys import Keys

DAY_MS = 86_400_000
MAX_NAME_CHARS = 80
DONE: Done = {"done": True}


@dataclass(frozen=True, slots=True)
class Doors:
    accounts: Accounts
    keys: Keys
    clock: Callable[[], int]
    note_act: Callable[[str, str], Awaitable[None]]
    changes: Changes


class AccessSettings:
    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        # Two owners who take the role from each other: one of them comes second.
        self._changing = asyncio.Lock()

    async def list_accounts(self, _request: Request) -> Response:
        found = await to_thread.run_sync(self._doors.accounts.list_all)
        accounts: ShownAccounts = {
            "accounts": [{"name": one.name, "role": str(one.role)} for one in found]
        }
        return JsonAnswer(accounts)

    async def keep_account(self, request: Request) -> Response:
        """One that is there gets another role and password, and is logged out."""
        wanted = await read_body(request, NewAccount)
        account = Account(check_name(wanted.name), Role(wanted.role))
        check_password(wanted.password)
        hashed = await to_thread.run_sync(hash_password, wanted.password)
        async with self._changing:
            if account.role is not Role.OWNER:
                await self._check_owner_left(account.name)
            role, kept = await self._look_up(account.name)
            await to_thread.run_sync(self._doors.accounts.keep, account, hashed)
        before = {"role": str(role)} if role else {}
        act: Act = "changed" if role else "made"
        told = Change("account", act, account.name, before, {"role": wanted.role}, kept)
        await self._note(request, f"account {account.name} kept as {account.role}", told)
        return JsonAnswer(DONE)

    async def remove_account(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name == get_access(request.scope).account:
            raise PublishRefused("This is your own account; another owner can remove it.")
        async with self._changing:
            await self._check_owner_left(name)
            role, kept = await self._look_up(name)
            if not await to_thread.run_sync(self._doors.accounts.remove, name):
                raise NotOffered("There is no such account.")
        told = Change("account", "removed", name, {"role": str(role)}, kept=kept)
        await self._note(request, f"account {name} removed", told)
        return JsonAnswer(DONE)

    async def put_back(self, change: Change, account: str) -> None:
        """The account with the role and the password that it had before; it is logged out. Raises
        PublishRefused."""
        if change.name == account:
            raise PublishRefused("This is your own account; another owner can change it.")
        role = Role(change.before["role"])
        async with self._changing:
            now, kept = await self._look_up(change.name)
            if now is not None and change.act == "removed":
                raise PublishRefused("There is an account of that name again.")
            if now is None and change.act == "changed":
                raise PublishRefused("The account is gone; put that back first.")
            if now is role and kept == change.kept:
                raise PublishRefused("The account is as it was then.")
            if role is not Role.OWNER:
                await self._check_owner_left(change.name)
            former = Account(change.name, role)
            await to_thread.run_sync(self._doors.accounts.keep, former, change.kept["password"])
        before = {"role": str(now)} if now else {}
        act: Act = "changed" if now else "made"
        told = Change("account", act, change.name, before, {"role": str(role)}, kept)
        await self._doors.changes.keep(account, told)

    async def put_key_back(self, change: Change, account: str) -> None:
        """The revoked key opens again what it opened. Raises PublishRefused."""
        if not await to_thread.run_sync(self._doors.keys.restore, change.before["id"]):
            raise PublishRefused("This key is gone, or it is not revoked.")
        after = {"scopes": change.before["scopes"]}
        await self._doors.changes.keep(account, Change("key", "made", change.name, {}, after))

    async def _look_up(self, name: str) -> tuple[Role | None, Mapping[str, str]]:
        """The role, and what it takes to make the account anew."""
        role = await to_thread.run_sync(self._doors.accounts.find_role, name)
        password = await self._doors.accounts.find_password(name)
        return role, {"password": password} if password else {}

    async def list_keys(self, _request: Request) -> Response:
        found = await to_thread.run_sync(self._doors.keys.list_all)
        keys: ShownKeys = {
            "keys": [
                {
                    "id": one.id,
                    "name": one.name,
                    "scopes": sorted(one.scopes),
                    "created_ms": one.created_ms,
                    "expires_ms": one.expires_ms,
                    "used_ms": one.used_ms,
                    "revoked_ms": one.revoked_ms,
                }
                for one in found
            ]
        }
        return JsonAnswer(keys)

    async def make_key(self, request: Request) -> Response:
        wanted = await read_body(request, NewKey)
        name = clean_text("name", wanted.name, MAX_NAME_CHARS)
        ends_ms = self._doors.clock() + wanted.days * DAY_MS if wanted.days else None
        scopes = sorted(set(wanted.scopes))
        made: MadeKey = {
            "key": await to_thread.run_sync(self._doors.keys.create, name, scopes, ends_ms)
        }
        after = {"scopes": " ".join(scopes), "days": str(wanted.days)}
        told = Change("key", "made", name, {}, after)
        await self._note(request, f"key made for {', '.join(scopes)}", told)
        return JsonAnswer(made, 201)

    async def revoke_key(self, request: Request) -> Response:
        key_id = request.path_params["id"]
        if not await to_thread.run_sync(self._doors.keys.revoke, key_id):
            raise NotOffered("There is no such key, or it was revoked before.")
        every = await to_thread.run_sync(self._doors.keys.list_all)
        told = next(
            Change(
                "key", "removed", one.name, {"id": one.id, "scopes": " ".join(sorted(one.scopes))}
            )
            for one in every
            if one.id == key_id
        )
        await self._note(request, f"key {key_id} revoked", told)
        return JsonAnswer(DONE)

    async def _check_owner_left(self, leaving: str) -> None:
        """Raises PublishRefused."""
        found = await to_thread.run_sync(self._doors.accounts.list_all)
        owners = {one.name for one in found if one.role is Role.OWNER}
        if owners == {leaving}:
            raise PublishRefused("This is the last owner; make another one first.")

    async def _note(self, request: Request, act: str, change: Change) -> None:
        account = get_access(request.scope).who
        await self._doors.note_act(account, act)
        await self._doors.changes.keep(account, change)


def list_access_settings(settings: AccessSettings) -> list[Operation]:
    """The lines of the surface by which owners say who may come in."""
    refusing = (*DENIED, NotOffered, PublishRefused)
    done = (Reply(200, "Done", Done),)
    return [
        Operation(
            "GET",
            "/console/settings/accounts",
            settings.list_accounts,
            "The accounts and their roles; for owners.",
            (Reply(200, "The accounts", ShownAccounts),),
            policy=Policy.ADMIN,
            note="accounts looked at",
            errors=DENIED,
        ),
        Operation(
            "POST",
            "/console/settings/accounts",
            settings.keep_account,
            "Make an account, or give one another role and password; for owners.",
            done,
            policy=Policy.ADMIN,
            body=NewAccount,
            errors=refusing,
        ),
        Operation(
            "DELETE",
            "/console/settings/accounts/{name}",
            settings.remove_account,
            "Remove an account and end its sessions; for owners.",
            done,
            policy=Policy.ADMIN,
            errors=refusing,
        ),
        *_list_key_routes(settings, refusing, done),
    ]


def _list_key_routes(
    settings: AccessSettings, refusing: tuple[type[ApplianceError], ...], done: tuple[Reply, ...]
) -> list[Operation]:
    return [
        Operation(
            "GET",
            "/console/settings/keys",
            settings.list_keys,
            "The API keys, without what opens anything; for owners.",
            (Reply(200, "The keys", ShownKeys),),
            policy=Policy.ADMIN,
            note="keys looked at",
            errors=DENIED,
        ),
        Operation(
            "POST",
            "/console/settings/keys",
            settings.make_key,
            "Make a key; it is shown once; for owners.",
            (Reply(201, "The key", MadeKey),),
            policy=Policy.ADMIN,
            body=NewKey,
            errors=DENIED,
        ),
        Operation(
            "DELETE",
            "/console/settings/keys/{id}",
            settings.revoke_key,
            "Revoke a key; for owners.",
            done,
            policy=Policy.ADMIN,
            errors=refusing,
        ),
    ]
