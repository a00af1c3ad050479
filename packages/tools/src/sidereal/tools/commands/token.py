"""`sidereal token`."""

from __future__ import annotations

import base64

from sidereal.client.driver import check_server, open_session
from sidereal.client.driver import register as register_account
from sidereal.client.http import open_http
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.message.player import Role
from sidereal.tools.settings import FileOrInput, read_password


async def token(
    *,
    server: str = "http://127.0.0.1:7070",
    name: str | None = None,
    password_file: FileOrInput = None,
    register: bool = False,
    observe: bool = False,
) -> None:
    """Log in and print a netcode connect token in base64, for scripts and foreign clients.

    Example: sidereal token --name ada --register

    The password of --name comes from --password-file or SIDEREAL_TOKEN_PASSWORD; at a terminal it
    is asked for. No flag takes it: everybody on the machine can read those.

    Parameters
    ----------
    server
        URL of the replication server.
    name
        Of an account; anonymous without.
    password_file
        File that holds the account's password; - is standard input.
    register
        Create the account first.
    observe
        For watching, without flying.
    """
    check_server(server)
    if name is None and (register or password_file is not None):
        raise ConfigError("--register and --password-file are about an account: add --name NAME")
    password = None if name is None else read_password("TOKEN", name, password_file, new=register)
    async with open_http(server) as http:
        if register and name is not None and password is not None:
            await register_account(http, name, password)
        role = Role.OBSERVER if observe else Role.PLAYER
        admission = await open_session(http, name, password, role)
    print(base64.b64encode(admission.connect_token).decode())
