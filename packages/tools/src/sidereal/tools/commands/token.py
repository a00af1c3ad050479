"""`sidereal token`."""

from __future__ import annotations

import base64

import httpx

from sidereal.client.driver import check_server, open_session
from sidereal.client.driver import register as register_account
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.message.player import Role


async def token(
    *,
    server: str = "http://127.0.0.1:7070",
    name: str | None = None,
    password: str | None = None,
    register: bool = False,
    observe: bool = False,
) -> None:
    """Log in and print a netcode connect token in base64, for scripts and foreign clients.

    Example: sidereal token --name ada --password 'correct horse' --register

    Parameters
    ----------
    server
        URL of the replication server.
    name
        Of an account; a guest without.
    password
        Of the account; better in SIDEREAL_PASSWORD than as a flag.
    register
        Create the account first.
    observe
        For watching, without a ship.
    """
    if (name is None) != (password is None) or (register and name is None):
        raise ConfigError("--name and --password go together, and --register needs both")
    async with httpx.AsyncClient(base_url=check_server(server)) as http:
        if register and name is not None and password is not None:
            await register_account(http, name, password)
        role = Role.OBSERVER if observe else Role.PLAYER
        admission = await open_session(http, name, password, role)
    print(base64.b64encode(admission.connect_token).decode())
