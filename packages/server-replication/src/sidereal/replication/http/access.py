"""Who may see and do what: roles, bearer tokens, names of the host.

A world whose endpoints are all on the loopback interface is *open*: everybody on the machine sees
everything. Elsewhere strangers get counts. Who observes sees the world as it is; who operates it,
or has its status token, sees accounts and addresses too. A login as observer or operator gives a
bearer token for that. It is sealed with a key of this run, so nothing is kept of it.

A request names the host it is meant for. A page in somebody's browser can make it send requests
to any address, by a name of its own (DNS rebinding): so only names of this server are answered, and
addresses, which no page can own.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import ipaddress
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sidereal.protocol.errors import WireError
from sidereal.protocol.message.player import Role
from sidereal.replication.keeping.names import name_key

BEARER_S: Final = 12 * 3600.0
"""How long a bearer token holds."""
SEAL_SIZE: Final = 16
_BEARER: Final = struct.Struct("<Bd")
"""Role and the monotonic second of the end."""


class Observers(enum.Enum):
    """Who may watch a world without being in it."""

    NONE = "none"
    ACCOUNTS = "accounts"
    ANYONE = "anyone"


class Sight(enum.IntEnum):
    """How much of the state somebody may read; more includes less."""

    COUNTS = 0
    WORLD = 1
    ALL = 2


class BearerError(WireError):
    """What stands in Authorization is none of our tokens, or no longer one."""


@dataclass(frozen=True, slots=True)
class AccessConfig:
    """Who may do what.

    Attributes:
        open_world: everybody sees everything, and may be registered under any name.
        observers: who may observe.
        anonymous: whether one may enter without an account.
        operators: names of the accounts that may be operators.
        status_token: bearer token that sees everything; None for none.
        host_names: by which this server is called, beside addresses and localhost.
        proxies: addresses of reverse proxies whose `X-Forwarded-For` is believed.
    """

    open_world: bool = True
    observers: Observers = Observers.ANYONE
    anonymous: bool = True
    operators: frozenset[str] = field(default_factory=frozenset)
    status_token: str | None = None
    host_names: frozenset[str] = field(default_factory=frozenset)
    proxies: frozenset[str] = field(default_factory=frozenset)


class Access:
    """Decides who may see and do what."""

    def __init__(self, config: AccessConfig, entropy: Callable[[int], bytes]) -> None:
        self._config = config
        self._key = entropy(32)
        self._operators = frozenset(map(name_key, config.operators))
        self._host_names = frozenset(map(_folded_host, (*config.host_names, "localhost")))

    # -- who is asking --------------------------------------------------------------------------

    def host_fits(self, host: str | None) -> bool:
        """Tell whether a request is meant for this server, by its Host; an old client has none."""
        if host is None:
            return True
        name, colon, port = host.rpartition(":")
        bare = name if colon and port.isdigit() else host
        if bare.startswith("[") and bare.endswith("]"):
            bare = bare[1:-1]
        try:
            ipaddress.ip_address(bare)
        except ValueError:
            return _folded_host(bare) in self._host_names
        return True

    def sight_of_untrusted(self, authorization: str | None, now: float) -> Sight:
        """Tell how much somebody may read.

        Args:
            authorization: the header of that name, None without.
            now: monotonic seconds.

        Raises:
            BearerError: the token is none, or has expired.
        """
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer":
                raise BearerError("Authorization must be a bearer token")
            sight = self._sight_of_bearer(token.strip(), now)
        else:
            sight = Sight.COUNTS
        return Sight.ALL if self._config.open_world else sight

    def _sight_of_bearer(self, token: str, now: float) -> Sight:
        ours, given = self._config.status_token, token.encode("utf-8", "replace")
        if ours is not None and hmac.compare_digest(given, ours.encode()):
            return Sight.ALL
        try:
            sealed = base64.b64decode(given, b"-_", validate=True)
        except (binascii.Error, ValueError):
            sealed = b""
        body, seal = sealed[:-SEAL_SIZE], sealed[-SEAL_SIZE:]
        if len(body) != _BEARER.size or not hmac.compare_digest(self._seal(body), seal):
            raise BearerError("this bearer token is none of this server's: log in again")
        role, expires_at = _BEARER.unpack(body)
        if now >= expires_at:
            raise BearerError("this bearer token has expired: log in again")
        return Sight.ALL if role == Role.OPERATOR else Sight.WORLD

    # -- who may have what ----------------------------------------------------------------------

    def is_operator(self, name: str) -> bool:
        """Tell whether an account is an operator's, by its name."""
        return name_key(name) in self._operators

    def why_not(self, role: Role, name: str | None, sight: Sight) -> str | None:
        """Say why somebody can't have a role, or give None.

        Args:
            role: that is asked for.
            name: of the account; None for an anonymous player.
            sight: how much who asks may read already.
        """
        config = self._config
        if sight is Sight.ALL and not config.open_world and role is not Role.PLAYER:
            return None
        if name is None and not config.anonymous:
            return "nobody enters this world without an account: register one"
        if name is not None and self.is_operator(name):
            return None
        if role is Role.OPERATOR:
            return "this account is not an operator's"
        if role is Role.OBSERVER and config.observers is Observers.NONE:
            return "this world has no observers"
        if role is Role.OBSERVER and config.observers is Observers.ACCOUNTS and name is None:
            return "only accounts may observe this world: log in with one"
        return None

    def may_register(self, name: str, sight: Sight) -> bool:
        """Tell whether somebody may take a name: an operator's only who sees everything."""
        return sight is Sight.ALL or not self.is_operator(name)

    def make_bearer(self, role: Role, now: float) -> str | None:
        """Make a bearer token for a session; a player gets none."""
        if role is Role.PLAYER:
            return None
        body = _BEARER.pack(role, now + BEARER_S)
        return base64.urlsafe_b64encode(body + self._seal(body)).decode()

    def _seal(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, key=self._key, digest_size=SEAL_SIZE).digest()


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host, by its name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return _folded_host(host) == "localhost"


def _folded_host(name: str) -> str:
    return name.rstrip(".").lower()
