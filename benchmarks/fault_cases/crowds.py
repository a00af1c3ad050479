"""Many at the HTTP endpoint: wrong passwords, and connections that say nothing."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx
import trio

from fault_cases.figures import Figure
from fault_cases.running import HTTP_S_MAX, POLL_S, MissedError, World, kill, up

WRONG: Final = 90
HONEST: Final = 8
PASSWORD: Final = "correct horse battery"
TRY_AGAIN_S: Final = 0.2
"""Pause of an honest player who was told to come back."""
HEAD_START_S: Final = 1.0
"""For so long wrong logins come alone."""
TRIES: Final = 12
"""Wrong passwords in a row; the eleventh is one too many."""

BOTS: Final = 2
IDLE: Final = 150
DESCRIPTORS: Final = 96
SAVED_S_MAX: Final = 60.0


# -- wrong passwords ------------------------------------------------------------------------------


class Siege(NamedTuple):
    """What became of honest logins beside wrong ones.

    Attributes:
        all_in_s: until the last one was in, seconds.
        turned_away: how often one of them was told to come back.
        answers: of the wrong ones, by status.
    """

    all_in_s: float
    turned_away: int
    answers: Counter[int]


def honest_logins(_quick: bool) -> list[Figure]:
    """Try wrong passwords, ninety at a time, while eight players log in."""
    own_addresses = [f"127.0.0.{number}" for number in range(10, 10 + HONEST)]
    with up() as world:
        apart = trio.run(besiege, world.url, "127.0.0.2", own_addresses, True)
        beside = trio.run(besiege, world.url, "127.0.0.3", ["127.0.0.3"] * HONEST, False)
        statuses, retry_after_s = trio.run(try_in_a_row, world.url)
    passed = next((at for at, status in enumerate(statuses) if status == 429), len(statuses))
    return [
        Figure("apart_s", "8 logins in, 90 wrong ones at a time", apart.all_in_s, "s", at_most=2.0),
        Figure("apart_turned_away", "of them told to come back", apart.turned_away),
        Figure("beside_s", "the same, from the same address", beside.all_in_s, "s", at_most=2.0),
        Figure("beside_turned_away", "of them told to come back", beside.turned_away),
        Figure("wrong_in_a_row", "wrong passwords before 429", passed, "", at_most=10),
        Figure("retry_after_s", "retry-after then", retry_after_s, "s", at_least=1.0),
    ]


async def besiege(url: str, source: str, addresses: list[str], again: bool) -> Siege:
    """Log in with one account from each address, beside ninety wrong logins from one.

    Args:
        url: of the world.
        source: address that the wrong ones come from.
        addresses: of the honest ones, who have registered from there.
        again: whether each wrong login is followed by another one, until all honest ones are in.
    """
    names = [f"{'a' if again else 'b'}-{number}" for number in range(len(addresses))]
    answers: Counter[int] = Counter()
    turned_away = [0]
    for name, address in zip(names, addresses, strict=True):
        async with client(url, address) as http:
            made = await http.post("/v1/accounts", json={"name": name, "password": PASSWORD})
            if made.status_code != 201:
                raise MissedError(f"no account was made: {made.text}")
    async with trio.open_nursery() as nursery:
        for number in range(WRONG):
            # Some go at the honest ones' accounts. Not from where these are at home: there ten
            # wrong passwords keep an account's owner out, too.
            known = again and number % 2
            victim = names[number // 2 % len(names)] if known else f"nobody-{number}"
            nursery.start_soon(guess, url, victim, source, answers, again)
        if again:
            await trio.sleep(HEAD_START_S)
        began_at = trio.current_time()
        async with trio.open_nursery() as honest:
            for name, address in zip(names, addresses, strict=True):
                honest.start_soon(log_in, url, name, address, turned_away)
        all_in_s = trio.current_time() - began_at
        nursery.cancel_scope.cancel()
    return Siege(all_in_s, turned_away[0], answers)


async def guess(url: str, name: str, source: str, answers: Counter[int], again: bool) -> None:
    """Try a wrong password, once or for ever."""
    async with client(url, source) as http:
        while True:
            with contextlib.suppress(httpx.HTTPError):  # a connection that was closed for others
                answers[await post_login(http, name, "wrong password")] += 1
            if not again:
                return


async def log_in(url: str, name: str, address: str, turned_away: list[int]) -> None:
    """Try the right password until it is taken."""
    async with client(url, address) as http:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if await post_login(http, name, PASSWORD) == 200:
                    return
            turned_away[0] += 1
            await trio.sleep(TRY_AGAIN_S)


async def try_in_a_row(url: str) -> tuple[list[int], float]:
    """Try wrong passwords one after the other.

    Returns:
        how each was answered, and the `retry-after` of the last answer, 0 without.
    """
    async with client(url, "127.0.0.40") as http:
        statuses = []
        for _ in range(TRIES):
            answer = await http.post("/v1/sessions", json={"name": "a-0", "password": "wrong one"})
            statuses.append(answer.status_code)
    return statuses, float(answer.headers.get("retry-after", 0))


async def post_login(http: httpx.AsyncClient, name: str, password: str) -> int:
    """Ask for a session; returns the status of the answer."""
    answer = await http.post("/v1/sessions", json={"name": name, "password": password})
    return answer.status_code


def client(url: str, address: str) -> httpx.AsyncClient:
    """Make an HTTP client that comes from an address of this machine."""
    # Certificates are nothing to a plain connection, and reading them costs more than a login.
    transport = httpx.AsyncHTTPTransport(local_address=address, verify=False)
    return httpx.AsyncClient(base_url=url, transport=transport, timeout=HTTP_S_MAX)


# -- connections that say nothing -----------------------------------------------------------------


class Watched(NamedTuple):
    """What was seen while the database restarted.

    Attributes:
        silent_s: the longest time in which no new tick was seen.
        saved_s: until the world was ready again, all of it saved.
    """

    silent_s: float
    saved_s: float


def half_open(_quick: bool) -> list[Figure]:
    """Hold connections that say nothing in a world with few descriptors; restart the database."""
    with up("--bots", BOTS, descriptors=DESCRIPTORS) as world:
        world.wait_flying(BOTS, 3.0)
        with idle_connections(world.url):
            seen = restart_database(world)
        world.wait_flying(BOTS, 1.0)
        log = world.program.log
    return [
        Figure("silent_s", "longest time without a tick", seen.silent_s, "s"),
        Figure("saved_s", "all is saved again", seen.saved_s, "s"),
        Figure("tracebacks", "tracebacks in the log", log.count("Traceback"), at_most=0),
    ]


@contextmanager
def idle_connections(url: str) -> Iterator[None]:
    """Hold connections on which nothing is ever said."""
    parts = urlsplit(url)
    with contextlib.ExitStack() as held:
        for _ in range(IDLE):
            address = parts.hostname, parts.port
            held.enter_context(socket.create_connection(address, HTTP_S_MAX))
        yield


def restart_database(world: World) -> Watched:
    """Let the embedded database end, and see how the world takes it.

    Raises:
        MissedError: nothing is saved any more.
    """
    (postmaster,) = world.pids_of("postgres")
    kill(postmaster, number=signal.SIGINT)
    ended_at = ticked_at = time.monotonic()
    silent_s, tick = 0.0, -1
    while True:
        readiness, status = world.readiness(), world.status()
        now = time.monotonic()
        if status is not None and status["tick"] != tick:
            silent_s, tick, ticked_at = max(silent_s, now - ticked_at), status["tick"], now
        if readiness.ready and "store available" in world.program.log:
            return Watched(max(silent_s, now - ticked_at), now - ended_at)
        if now - ended_at > SAVED_S_MAX:
            raise MissedError(f"nothing is saved any more: {readiness.why}")
        time.sleep(POLL_S)
