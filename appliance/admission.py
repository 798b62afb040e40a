"""Keys, accounts and the check of every request, built together and handed to the HTTP room.

It decides nothing: `http/access.py` does. The rule that must not break: the routes of the house
and the commands of the terminal ask the same file.
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.http.access import Doorkeeper
from appliance.http.console import Console, list_console
from appliance.http.logins import Logins
from appliance.http.rates import Rates
from appliance.settings import Settings
from appliance.store.access_file import AccessFile
from appliance.store.accounts import Accounts
from appliance.store.keys import Keys


class Admission:
    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        file = AccessFile(settings.data)
        self.accounts = accounts = Accounts(file, clock)
        self.settings = settings
        self.rates = Rates(settings)
        self.logins = Logins(accounts)
        self.check = Doorkeeper(Keys(file, clock), accounts, self.rates, settings).check
        self.operations = list_console(Console(self.logins, accounts))
