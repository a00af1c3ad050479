"""Reading the state of a world that shows it only to those who may observe it.

Everybody gets counts. Who has the status token (`SIDEREAL_STATUS_TOKEN`) or logs in as an observer
gets the state. A login gives a bearer token for it, which a server that was started again does not
know.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx

from sidereal.client.driver import Admission, SignInError, fetch_status, open_session
from sidereal.protocol.errors import ConfigError, UnavailableError
from sidereal.protocol.message.player import Role
from sidereal.tools.settings import STATUS_TOKEN, read_password, read_status_token


@dataclass(frozen=True, slots=True)
class Login:
    """Who is asking.

    Attributes:
        name: of an account; None for an anonymous one.
        password: of it.
        status_token: the server's own, that reads everything.
    """

    name: str | None = None
    password: str | None = None
    status_token: str | None = None


NOBODY: Final = Login()


def find_login(command: str, name: str | None, password_file: Path | None) -> Login:
    """Make the login of a command: its account, and the status token of the environment.

    Args:
        command: in capitals; its variable may hold the password.
        name: of the account; None for an anonymous one.
        password_file: that holds the password.

    Raises:
        ConfigError: there is no password, or none that can be read.
    """
    if name is None and password_file is not None:
        raise ConfigError("--password-file is about an account: add --name NAME")
    password = None if name is None else read_password(command, name, password_file)
    return Login(name, password, read_status_token(None))


class Reader:
    """Asks one server, as one login."""

    def __init__(self, http: httpx.AsyncClient, login: Login = NOBODY) -> None:
        """Ask over `http`, whose `base_url` is the server's; its headers become the login's."""
        self._http = http
        self._login = login
        self._bear(login.status_token)

    async def counts_or_state(self) -> dict[str, Any]:
        """Read as much of the state as this login may.

        Raises:
            SignInError: the server refuses the login.
            UnavailableError: there is no server.
        """
        try:
            status = await fetch_status(self._http)
        except SignInError as error:
            if error.status != HTTPStatus.UNAUTHORIZED or self._login.status_token is not None:
                raise
            self._bear(None)  # of a server that was started again since
            status = await fetch_status(self._http)
        if "replication" in status or self._login.name is None:
            return status
        await self.observe()
        return await fetch_status(self._http)

    async def state(self) -> dict[str, Any]:
        """Read the state.

        Raises:
            UnavailableError: there is no server, or it does not show its state.
        """
        try:
            status = await self.counts_or_state()
        except SignInError as error:
            raise UnavailableError(
                f"{self._http.base_url} does not show its state: {error}"
            ) from None
        if "replication" in status:
            return status
        if "counts" in status:
            raise UnavailableError(
                f"{self._http.base_url} shows its state to observers only: "
                f"log in with --name, or set {STATUS_TOKEN}"
            )
        raise UnavailableError(
            f"{self._http.base_url}v1/status does not answer with a state: is it a Sidereal server?"
        )

    async def observe(self) -> Admission:
        """Log in as an observer; what follows is read with that right.

        Raises:
            SignInError: the server refuses.
            UnavailableError: there is no server.
        """
        self._bear(self._login.status_token)
        login = self._login
        admission = await open_session(self._http, login.name, login.password, Role.OBSERVER)
        self._bear(login.status_token or admission.bearer)
        return admission

    def _bear(self, token: str | None) -> None:
        if token is None:
            self._http.headers.pop("authorization", None)
        else:
            self._http.headers["authorization"] = f"Bearer {token}"
