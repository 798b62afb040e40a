"""Proving who an operator is: the setup code, passwords, and patience with whoever guesses.

It sets no cookie and answers no request. The rule that must not break: a guess costs the guesser
time, and nobody is shut out for good: every wait ends by itself.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from appliance.errors import InvalidField, LoginRefused, TooManyRequests
from appliance.http.passwords import hash_password, is_right
from appliance.store.accounts import Account, Accounts, First, Role

T = TypeVar("T")

# After so many failures in a row, so long; the last one for all further ones.
LOGIN_WAITS_S = (1, 2, 4, 8, 16, 32, 60)
SETUP_WAITS_S = (*[0] * 9, 900)
FORGOTTEN_S = 900.0
MAX_KNOWN = 10_000
# Without what is easily taken for something else: 0 and O, 1 and I.
LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CODE_GROUPS, GROUP_LETTERS = 3, 4


@dataclass(frozen=True, slots=True)
class Failures:
    count: int
    last_s: float


class Patience:
    """Failures of each account and address, and how long each has to wait for the next try."""

    def __init__(self, waits_s: Sequence[int], clock: Callable[[], float] = time.monotonic) -> None:
        self._waits_s = tuple(waits_s)
        self._clock = clock
        self._failures: OrderedDict[str, Failures] = OrderedDict()

    def check(self, *names: str) -> None:
        """Raises TooManyRequests."""
        left_s = max(self._measure_wait_s(name) for name in names)
        if left_s > 0:
            raise TooManyRequests("Too many wrong tries; wait a little.", math.ceil(left_s))

    def note_failure(self, *names: str) -> None:
        for name in names:
            before = self._failures.pop(name, None)
            count = before.count if before and not self._is_forgotten(before) else 0
            self._failures[name] = Failures(count + 1, self._clock())
        while len(self._failures) > MAX_KNOWN:
            self._failures.popitem(last=False)

    def forget(self, *names: str) -> None:
        for name in names:
            self._failures.pop(name, None)

    def _measure_wait_s(self, name: str) -> float:
        failures = self._failures.get(name)
        if failures is None or self._is_forgotten(failures):
            return 0.0
        wait_s = self._waits_s[min(failures.count, len(self._waits_s)) - 1]
        return failures.last_s + wait_s - self._clock()

    def _is_forgotten(self, failures: Failures) -> bool:
        return self._clock() - failures.last_s > FORGOTTEN_S


class Logins:
    """One password is hashed at a time, in a thread."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._logins = Patience(LOGIN_WAITS_S)
        self._setups = Patience(SETUP_WAITS_S)
        self._turn = asyncio.Lock()
        self._code = ""
        # A code is good until an owner was made with it, so of two at once one has to wait.
        self._setup = asyncio.Lock()

    async def issue_code(self) -> str:
        """The setup code to show on the terminal, once; empty where there is an owner already."""
        if await asyncio.to_thread(self._accounts.has_owner):
            self._code = ""
        else:
            letters = [secrets.choice(LETTERS) for _ in range(CODE_GROUPS * GROUP_LETTERS)]
            groups = range(0, len(letters), GROUP_LETTERS)
            self._code = "-".join("".join(letters[at : at + GROUP_LETTERS]) for at in groups)
        return self._code

    async def set_up(self, code: str, name: str, password: str, address: str) -> Account:
        """Make the first owner. Raises LoginRefused, InvalidField, TooManyRequests,
        StoreUnavailable."""
        async with self._setup:
            self._check_code(code, address)
            account = Account(name, Role.OWNER)
            password_hash = await self._hash(lambda: hash_password(password))
            made = await asyncio.to_thread(self._accounts.keep_first, account, password_hash)
            if made is First.IS_TAKEN:
                raise InvalidField(
                    "name", "There is an account of this name already; choose another."
                )
            self._code = ""
        if made is First.IS_OWNED:
            raise LoginRefused("There is an owner already; log in.")
        return account

    def _check_code(self, code: str, address: str) -> None:
        self._setups.check(address, "")
        right = self._code.encode()
        given = code.strip().upper().encode("utf-8", "surrogatepass")
        if not right or not hmac.compare_digest(given, right):
            # Of all addresses together too: the code is short.
            self._setups.note_failure(address, "")
            raise LoginRefused("This is not the setup code, or it was used already.")

    async def log_in(self, name: str, password: str, address: str) -> str:
        """The token of a new session. Raises LoginRefused, TooManyRequests, StoreUnavailable."""
        tried = (f"account {name}", f"address {address}")
        self._logins.check(*tried)
        async with self._turn:
            # Others who came at the same time may have failed meanwhile.
            self._logins.check(*tried)
            known = await self._accounts.find_password(name)
            if not await asyncio.to_thread(is_right, password, known):
                self._logins.note_failure(*tried)
                raise LoginRefused("The name or the password is wrong.")
        self._logins.forget(*tried)
        token = await self._accounts.begin_session(name)
        if token is None:
            raise LoginRefused("The name or the password is wrong.")
        return token

    async def _hash(self, work: Callable[[], T]) -> T:
        async with self._turn:
            return await asyncio.to_thread(work)
