"""The accounts of bots: any load generator takes those that are free, and leaves the others alone.

They are numbered, and their passwords follow from their names. Who is in the world with one keeps
it: a bot asks for a session that ends nobody else's (`displace`), the server decides, and whoever
is refused tries the next number.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus

import httpx

from sidereal.client.driver import Admission, SignInError, open_session, register


class AccountTakenError(Exception):
    """Somebody is in the world with this account, or it is no bot's."""


def bot_name(number: int) -> str:
    """Account name of a bot."""
    return f"bot-{number:04d}"


def bot_password(name: str) -> str:
    """Password of a bot's account."""
    return hashlib.blake2b(name.encode(), digest_size=16, person=b"sidereal-bot").hexdigest()


class Accounts:
    """The accounts that one load generator has tried so far."""

    def __init__(self, http: httpx.AsyncClient, first: int, in_world: frozenset[str]) -> None:
        """Begin with account number `first`.

        Args:
            http: its `base_url` is the server's.
            first: number of the first account.
            in_world: names that are not worth a try.
        """
        self._http = http
        self._next_number = first
        self._in_world = in_world
        self._strangers = False

    def take_name(self) -> str:
        """Give the name of the next account that may be free."""
        while True:
            name = bot_name(self._next_number)
            self._next_number += 1
            if name not in self._in_world:
                return name

    async def sign_in(self, name: str) -> Admission:
        """Log in, or register and log in; each costs the server a password hash.

        What the bot before needed is tried first.

        Raises:
            AccountTakenError: another account must be tried.
            SignInError: the server refuses for another reason.
            UnavailableError: there is no server.
        """
        register_first = self._strangers
        if not register_first:
            admission = await self._log_in(name)
            if admission is not None:
                return admission
        try:
            await register(self._http, name, bot_password(name))
            self._strangers = True
        except SignInError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            self._strangers = False
        admission = await self._log_in(name)
        if admission is None:
            raise AccountTakenError(f"{name} is an account of somebody else")
        return admission

    async def _log_in(self, name: str) -> Admission | None:
        """Log in; None where there is no account with this name and a bot's password."""
        try:
            admission = await open_session(self._http, name, bot_password(name), displace=False)
        except SignInError as error:
            if error.status == HTTPStatus.CONFLICT:
                raise AccountTakenError(f"{name} is in the world") from None
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            return None
        return admission
