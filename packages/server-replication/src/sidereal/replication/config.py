"""Settings of one replication server."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

from sidereal.game.declarations import Declarations
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.limits import CLIENT_SLOTS_MAX, NAME_SIZE_MAX
from sidereal.protocol.links import PLAYER_BUDGET, describe_weak_shard_key
from sidereal.protocol.runtime.config import parse_endpoint
from sidereal.replication.http.access import AccessConfig, Observers, is_loopback
from sidereal.replication.keeping.names import is_readable
from sidereal.replication.keeping.urls import check_url, without_password
from sidereal.replication.limits import LIMITS, Limits
from sidereal.replication.links.networks import read_address_untrusted
from sidereal.replication.play.worlds import find_world_problem

EMBEDDED = "embedded"
_SECRETS: Final = ("shard_key", "supervisor", "status_token")
STATUS_TOKEN_LENGTH_MIN: Final = 16
RATE_MIN: Final = int(PLAYER_BUDGET.rate_min / 1e3)
RATE_MAX: Final = int(PLAYER_BUDGET.rate / 1e3)
"""kB/s that a link to a client can be bounded to."""
EVERYWHERE: Final = ("0.0.0.0", "[::]")
"""Hosts on which a socket listens and which nobody can send to."""


@dataclass(frozen=True, slots=True)
class ReplicationConfig:
    """All that a replication server needs to know before it starts.

    Attributes:
        shard_key: text that shards must know too; the key of their endpoint is made of it. At least
            12 characters, better 32 random hexadecimal digits.
        http: `host:port` of the HTTP endpoint; port 0 is any free one, here and below.
        clients: `host:port` of the UDP endpoint for clients.
        public_clients: IP address and port by which clients reach that endpoint, when that is not
            what it is bound to: connect tokens name it.
        shards: `host:port` of the UDP endpoint for shards.
        public_shards: IP address and port by which shards reach that endpoint too, when something
            on the way translates addresses.
        database: `embedded`, or the URL of a PostgreSQL server.
        data_dir: where the embedded database lives.
        game: `module:name` of what is played.
        world: of the game, which a new world is made from; None for the first that it declares.
        seed: of a new world.
        clamp: bring saved values into ranges that the game has narrowed.
        supervisor: token of the supervisor that may start this server again; it takes over from
            its own at once, where others wait until a dead one's last beat is old.
        clients_max: how many may be connected.
        player_rate: kilobytes of state per second that a player is sent at most; `observer_rate`
            an observer or operator.
        anonymous: whether one may enter without an account.
        operators: names of accounts that may be operators.
        observers: who may watch: none, accounts or anyone; None for anyone on loopback, accounts
            elsewhere.
        host_names: by which HTTP requests call this server, beside addresses and localhost.
        proxies: IP addresses of reverse proxies whose `X-Forwarded-For` is believed.
        status_token: bearer token that may read the whole state; None for none.
    """

    shard_key: str
    http: str = "127.0.0.1:7070"
    clients: str = "127.0.0.1:7071"
    public_clients: str | None = None
    shards: str = "127.0.0.1:7072"
    public_shards: str | None = None
    database: str = EMBEDDED
    data_dir: Path = Path(".sidereal")
    game: str = DEFAULT_GAME
    world: str | None = None
    seed: int = 1
    clamp: bool = False
    supervisor: str = ""
    clients_max: int = 512
    player_rate: int = RATE_MAX
    observer_rate: int = 1000
    anonymous: bool = True
    operators: tuple[str, ...] = ()
    observers: str | None = None
    host_names: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    status_token: str | None = None

    def check(self) -> Declarations:
        """Check all settings.

        Returns:
            the game.

        Raises:
            ConfigError: naming every problem at once.
        """
        problems = []
        for name in ("http", "clients", "shards"):
            try:
                parse_endpoint(getattr(self, name), f"--{name}")
            except ConfigError as error:
                problems.append(str(error))
        for check in (self._check_public_clients, self._check_public_shards):
            try:
                check()
            except ConfigError as error:
                problems.append(str(error))
        game = None
        try:
            game = load(self.game)
        except ConfigError as error:
            problems.append(str(error))
        else:
            problems += filter(None, [find_world_problem(game, self.world)])
        if self.database != EMBEDDED:
            try:
                check_url(self.database)
            except ConfigError as error:
                problems.append(str(error))
        most = CLIENT_SLOTS_MAX - LIMITS.players.sessions_spare
        if not 1 <= self.clients_max <= most:
            problems.append(f"--clients-max must be 1 to {most}")
        problems += [
            f"--{name}-rate must be {RATE_MIN} to {RATE_MAX} kB/s"
            for name, rate in (("player", self.player_rate), ("observer", self.observer_rate))
            if not RATE_MIN <= rate <= RATE_MAX
        ]
        if self.seed < 0:
            problems.append("--seed must not be negative")
        if weakness := describe_weak_shard_key(self.shard_key):
            problems.append(f"the shard key {weakness}")
        problems += self._problems_of_access()
        if problems or game is None:
            raise ConfigError("; ".join(problems))
        return game

    def access(self) -> AccessConfig:
        """Give who may see and do what.

        A world that only this machine reaches is open. One that is told its public name or a proxy
        is reached by others, whatever it is bound to.
        """
        reached_at = [self.http, self.clients, self.public_clients or self.clients]
        local = all(is_loopback(parse_endpoint(text, "").host) for text in reached_at)
        open_world = local and not self.host_names and not self.proxies
        default = Observers.ANYONE if open_world else Observers.ACCOUNTS
        return AccessConfig(
            open_world=open_world,
            observers=default if self.observers is None else Observers(self.observers),
            anonymous=self.anonymous,
            operators=frozenset(self.operators),
            status_token=self.status_token,
            host_names=frozenset((*self.host_names, parse_endpoint(self.http, "--http").host)),
            proxies=frozenset(self.proxies),
        )

    def limits(self) -> Limits:
        """Give what the core goes by, with what is set here."""
        players = replace(
            LIMITS.players,
            player_rate=1e3 * self.player_rate,
            observer_rate=1e3 * self.observer_rate,
        )
        return replace(LIMITS, players=players)

    def _problems_of_access(self) -> list[str]:
        problems = []
        known = [observers.value for observers in Observers]
        if self.observers is not None and self.observers not in known:
            problems.append(f"--observers is {self.observers!r}; it must be {', '.join(known)}")
        problems += [
            f"--operator is {name!r}; no account can have that name"
            for name in self.operators
            if not 1 <= len(name.encode()) <= NAME_SIZE_MAX or not is_readable(name)
        ]
        problems += [
            f"--host-name is {name!r}; it must be a name without a port, like world.example.org"
            for name in self.host_names
            if not re.fullmatch(r"[A-Za-z0-9._-]+", name)
        ]
        problems += [
            f"--proxy is {proxy!r}; it must be an IP address"
            for proxy in self.proxies
            if read_address_untrusted(proxy) is None
        ]
        token = self.status_token
        if token is not None and not re.fullmatch(rf"[!-~]{{{STATUS_TOKEN_LENGTH_MIN},}}", token):
            problems.append(
                f"the status token must have at least {STATUS_TOKEN_LENGTH_MIN} characters, "
                "of ASCII and without spaces"
            )
        return problems

    def _check_public_clients(self) -> None:
        text = self.public_clients
        if text is None:
            if self.clients.rpartition(":")[0] in EVERYWHERE:
                raise ConfigError(
                    f"--clients is {self.clients!r}, which nobody can send to; "
                    "--public-clients must name an address for clients"
                )
            return
        _check_reachable(text, "--public-clients", "clients")

    def _check_public_shards(self) -> None:
        if self.public_shards is not None:
            _check_reachable(self.public_shards, "--public-shards", "shards")

    def describe(self) -> str:
        """Give all settings as key=value, secrets left out."""
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _SECRETS}
        if self.database != EMBEDDED:
            shown["database"] = without_password(self.database)
        return " ".join(f"{name}={value}" for name, value in shown.items())


def _check_reachable(text: str, flag: str, who: str) -> None:
    """Check that an address is one that a connect token can hold.

    Raises:
        ConfigError: it is none.
    """
    host, port = parse_endpoint(text, flag)
    try:
        reachable = port > 0 and not ipaddress.ip_address(host).is_unspecified
    except ValueError:
        reachable = False
    if not reachable:
        raise ConfigError(
            f"{flag} is {text!r}; it must be an IP address and a port that {who} can send to: "
            "connect tokens hold no names"
        )
