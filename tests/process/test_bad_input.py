"""Bad input to a running world, whose parts were started one by one: refused, and it goes on."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import random
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from sidereal.client.events import Assigned, Ended
from sidereal.client.statistics import SessionState
from sidereal.game import U4, Component, Game
from sidereal.game.bits import pack
from sidereal.game.declarations import declare
from sidereal.games import frontier
from sidereal.games.frontier import Stick
from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, SHARD_PROTOCOL_ID, Address
from sidereal.protocol.links import PLAYER_CHANNELS, SHARD_CHANNELS, derive_shard_key
from sidereal.protocol.message.codec import encode_message
from sidereal.protocol.message.player import Call, PlayerChannel
from sidereal.protocol.runtime.config import format_endpoint, parse_endpoint
from sidereal.protocol.session.states import ClientState
from sidereal.protocol.session.token import generate_connect_token
from sidereal.tools.settings import SHARD_KEY_NAME, read_shard_key

if TYPE_CHECKING:
    from tests.process.conftest import Command, Pilot, Toolbox, World

THRUST = pack(Stick(thrust=1))
DEADLINE_S = 40.0
BOTS = 3
TAKEN = (
    "127.0.0.1 is in use: stop what uses it (perhaps a world that runs already), or choose another "
    "port with"
)
PROTOCOL_ID_AT, TIMES_AT, TIMES_END = 13, 21, 37
"""Where a connect token says whom it is for, and when it was created and expires."""

PUBLIC_SHARDS = Address("203.0.113.7", 17072)
"""By which shards may call the server; the tests are what translates it."""

NEARBY = 100.0
"""World units; a new ship would most likely appear thousands away."""

Enlist = Callable[..., "Pilot"]


class Parts(NamedTuple):
    """A world and its processes."""

    world: World
    data_dir: Path
    clients: Address
    shards: Address
    servers: tuple[Command, Command]
    bots: Command
    stranger: Command

    def dropped(self, link: str, reason: str) -> int:
        """How much of what came from clients, or from shards, was dropped for this reason."""
        counts: dict[str, int] = self.world.status()["replication"][f"dropped_from_{link}"]
        return counts.get(reason, 0)

    def wait_dropped(self, link: str, reason: str, count: int) -> None:
        """Wait until so much was: the log, or an answer on the wire, is there before the status."""
        self.world.wait_status(
            lambda _: self.dropped(link, reason) >= count, f"{count} {reason} from {link}"
        )
        assert self.dropped(link, reason) == count


@pytest.fixture(scope="module")
def parts(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    data_dir = tmp_path_factory.mktemp("world")
    anywhere = ("--clients", "127.0.0.1:0", "--shards", "127.0.0.1:0", "--http", "127.0.0.1:0")
    places = (*anywhere, "--public-shards", format_endpoint(PUBLIC_SHARDS), "--data-dir", data_dir)
    # Where nobody runs into anything, so that all fly on.
    server = toolbox.start("replication", *places, "--world", "empty")
    endpoints = json.loads(server.wait_output(r"(\{.*\})\n"))
    key = ("--shard-key-file", data_dir / SHARD_KEY_NAME)
    shard = toolbox.start("shard", "--server", endpoints["shards"], *key)
    stranger = toolbox.start(
        "shard", "--server", endpoints["shards"], SIDEREAL_SHARD_KEY="a key of its own"
    )
    bots = toolbox.start(
        *("bots", "--server", endpoints["http"], "--count", BOTS, "--ramp", 0, "--json", "-")
    )
    world = toolbox.watch(endpoints["http"], server)
    world.wait_flying(BOTS)
    entities = world.status()["replication"]["entities"]
    clients, shards = (parse_endpoint(endpoints[name], name) for name in ("clients", "shards"))
    yield Parts(world, data_dir, clients, shards, (server, shard), bots, stranger)
    # Ships linger when their pilots have left; it is waited for once, not after each test.
    world.wait_status(
        lambda s: s["replication"]["entities"] == entities, "nobody has left anything behind"
    )
    for command, number in (
        (bots, signal.SIGINT),
        (shard, signal.SIGTERM),
        (server, signal.SIGTERM),
    ):
        command.tell(number)
        assert command.wait() == 0
        assert "Traceback" not in command.err
    measured = bots.report["bots"]
    assert (measured["connected"], measured["disconnected"]) == (BOTS, 0)


@pytest.fixture(autouse=True)
def world_goes_on(parts: Parts) -> Iterator[None]:
    """Whatever a test does: the same bots fly the same ships, and nothing is rejected."""
    before = parts.world.status()
    yield
    after = parts.world.wait_status(
        lambda s: calm_part_of(s) == calm_part_of(before) and s["tick"] > before["tick"] + 5,
        "everything is as it was before the test",
    )
    assert after["replication"]["proposals"] > before["replication"]["proposals"]


def calm_part_of(status: dict[str, Any]) -> list[Any]:
    bots = sorted((c["name"], c["net_id"], c["state"]) for c in status["clients"])
    shards = [(s["id"], s["name"]) for s in status["shards"]]
    return [bots, shards, status["replication"]["rejected"]]


@pytest.fixture
def admit(parts: Parts) -> Callable[..., bytes]:
    """Logs in, anonymous without a name, and gives the connect token."""

    def log_in(**who: str) -> bytes:
        answer = httpx.post(f"{parts.world.url}/v1/sessions", json=who or {"anonymous": True})
        assert answer.status_code == 200, answer.text
        return base64.b64decode(answer.json()["connect_token"])

    return log_in


@pytest.fixture
def fly(toolbox: Toolbox) -> Callable[..., None]:
    """Drives clients until something is so."""

    def drive(until: Callable[[], Any], what: str, *pilots: Pilot) -> None:
        def turn_and_look() -> Any:
            for pilot in pilots:
                pilot.turn()
            return until()

        toolbox.wait_until(turn_and_look, what)

    return drive


# -- datagrams ----------------------------------------------------------------------------------


def garbage(count: int) -> list[bytes]:
    rng = random.Random(7)
    request = b"\0NETCODE 1.02\0" + rng.randbytes(1064)
    made: list[bytes] = []
    while len(made) < count:
        made += [
            rng.randbytes(rng.randrange(1, 1200)),
            request,
            request[: rng.randrange(1, len(request))],
            bytes([rng.randrange(256)]) + bytes(rng.randrange(40)),
            rng.randbytes(2048),
            bytes(2048),
            b"",
        ]
    return made


@pytest.mark.parametrize("link", ["clients", "shards"])
def test_garbage_is_dropped_and_counted(parts: Parts, link: str) -> None:
    def dropped() -> int:
        counts: dict[str, int] = parts.world.status()["replication"][f"dropped_from_{link}"]
        return sum(counts.values())

    before = dropped()
    datagrams = garbage(210)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, getattr(parts, link))
        parts.world.wait_status(
            lambda _: dropped() >= before + len(datagrams), "every datagram is counted"
        )
        sender.setblocking(False)
        with pytest.raises(BlockingIOError):
            sender.recv(2048)


def test_nonsense_within_a_session_is_dropped_and_counted(
    parts: Parts, admit: Callable[..., bytes], toolbox: Toolbox
) -> None:
    endpoint = ClientEndpoint(admit(), PLAYER_CHANNELS, os.urandom, now=time.monotonic())
    for body in (b"\xff" * 40, b"\x92\x08\xc1", encode_message(Call(bytes(16), "talk.say", b""))):
        endpoint.send(PlayerChannel.COMMAND, body)

    def is_counted() -> bool:
        now = time.monotonic()
        with contextlib.suppress(BlockingIOError):
            while True:
                datagram, source = udp.recvfrom(2048)
                endpoint.receive_datagram(datagram, Address(*source), now)
        endpoint.handle_timer(now)
        send_due()
        counts = [parts.dropped("clients", reason) for reason in ("malformed", "no_hello")]
        return counts == [2, 1]

    def send_due() -> None:
        for datagram, address in endpoint.datagrams_to_send(time.monotonic()):
            udp.sendto(datagram, address)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        toolbox.wait_until(is_counted, "two malformed messages and one too early are counted")
        assert endpoint.state is ClientState.CONNECTED
        endpoint.close(time.monotonic())
        send_due()


# -- connect tokens -----------------------------------------------------------------------------


def expired(connect_token: bytes) -> bytes:
    """A token with other times written on it."""
    times = struct.pack("<QQ", int(time.time()) - 120, int(time.time()) - 60)
    return connect_token[:TIMES_AT] + times + connect_token[TIMES_END:]


def minted(protocol_id: int, key: bytes, address: Address, expire_s: int) -> bytes:
    return generate_connect_token(
        protocol_id=protocol_id,
        private_key=key,
        client_id=1,
        server_addresses=[address],
        user_data=bytes(256),
        expire_s=expire_s,
        timeout_s=10,
        wall_now=time.time() - 60,
        entropy=os.urandom,
    )


def test_an_expired_token_is_not_answered(
    parts: Parts, admit: Callable[..., bytes], enlist: Enlist, fly: Callable[..., None]
) -> None:
    before = parts.dropped("clients", "datagram_token_expired")
    pilot = enlist(expired(admit()))
    fly(lambda: parts.dropped("clients", "datagram_token_expired") > before + 2, "counted", pilot)
    assert pilot.client.state is SessionState.CONNECTING


def test_a_shard_s_expired_token_is_not_answered(
    parts: Parts, enlist: Enlist, fly: Callable[..., None]
) -> None:
    key = derive_shard_key(read_shard_key(parts.data_dir / SHARD_KEY_NAME))
    token = minted(SHARD_PROTOCOL_ID, key, parts.shards, expire_s=30)
    pilot = enlist(token)
    fly(lambda: parts.dropped("shards", "datagram_token_expired") > 2, "counted", pilot)
    assert pilot.client.state is SessionState.CONNECTING


def ask_as_a_shard(parts: Parts, called: Address, udp: socket.socket) -> None:
    """Ask for a session of a shard that calls the server by an address."""
    key = derive_shard_key(read_shard_key(parts.data_dir / SHARD_KEY_NAME))
    token = minted(SHARD_PROTOCOL_ID, key, called, expire_s=-1)
    now = time.monotonic()
    shard = ClientEndpoint(token, SHARD_CHANNELS, os.urandom, now)
    for datagram, _ in shard.datagrams_to_send(now):
        udp.sendto(datagram, parts.shards)


def test_a_shard_may_call_the_server_by_its_public_address(parts: Parts) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(DEADLINE_S)
        ask_as_a_shard(parts, PUBLIC_SHARDS, udp)
        assert udp.recv(2048)


def test_a_shard_that_was_told_a_wrong_address_is_explained_in_the_server_s_log(
    parts: Parts,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        ask_as_a_shard(parts, PUBLIC_SHARDS._replace(port=17073), udp)
    (server, _) = parts.servers
    line = server.wait_output(r"(shard_unanswered reason=SERVER_NOT_LISTED .*)\n")
    assert "asked_for=203.0.113.7:17073" in line
    assert "--public-shards" in line
    parts.wait_dropped("shards", "datagram_server_not_listed", 1)


def test_a_token_of_another_protocol_is_not_answered(
    parts: Parts, admit: Callable[..., bytes], enlist: Enlist, fly: Callable[..., None]
) -> None:
    token = admit()
    other = struct.pack("<Q", SHARD_PROTOCOL_ID)
    pilot = enlist(token[:PROTOCOL_ID_AT] + other + token[TIMES_AT:])
    fly(lambda: parts.dropped("clients", "datagram_protocol_id") > 2, "counted", pilot)
    assert pilot.client.state is SessionState.CONNECTING


def test_a_token_of_another_world_is_not_answered(
    parts: Parts, enlist: Enlist, fly: Callable[..., None]
) -> None:
    pilot = enlist(minted(CLIENT_PROTOCOL_ID, os.urandom(32), parts.clients, expire_s=120))
    fly(lambda: parts.dropped("clients", "datagram_token_not_authentic") > 2, "counted", pilot)
    assert pilot.client.state is SessionState.CONNECTING


def test_a_token_serves_one_address(
    parts: Parts, admit: Callable[..., bytes], enlist: Enlist, fly: Callable[..., None]
) -> None:
    token = admit()
    owner, thief = enlist(token), enlist(token)
    fly(lambda: owner.seen(Assigned), "the owner flies", owner)
    fly(
        lambda: parts.dropped("clients", "datagram_client_connected") > 2,
        "the thief is not let in while the owner is there",
        owner,
        thief,
    )
    assert owner.client.state is SessionState.JOINED
    owner.leave_now()
    fly(lambda: parts.dropped("clients", "datagram_token_used") > 2, "nor afterwards", thief)
    assert thief.client.state is SessionState.CONNECTING


# -- the world's own rules ----------------------------------------------------------------------


class Cargo(Component):
    """What the world's own game does not know."""

    ore: U4


def test_another_schema_is_refused_in_words(
    parts: Parts, admit: Callable[..., bytes], enlist: Enlist, fly: Callable[..., None]
) -> None:
    game = Game("another", parts=[frontier.game])
    game.declare(Cargo)
    pilot = enlist(admit(), game=declare(game))
    fly(lambda: pilot.seen(Ended), "the session is over", pilot)
    ended = pilot.seen(Ended)
    assert ended is not None
    assert ended.reason is CloseReason.SCHEMA_MISMATCH
    assert ended.text == (
        "the game here is not the server's: the server knows no component test_bad_input_cargo: "
        "start both from the same version of it"
    )
    parts.wait_dropped("clients", "schema_mismatch", 1)


def test_the_newest_login_of_an_account_flies_its_ship(
    parts: Parts, admit: Callable[..., bytes], enlist: Enlist, fly: Callable[..., None]
) -> None:
    who = {"name": "ada", "password": "correct horse"}
    answer = httpx.post(f"{parts.world.url}/v1/accounts", json=who)
    assert answer.status_code == 201, answer.text
    # Without prediction, what they see of their ship is the authority's word.
    older, newer = (enlist(admit(**who), predict=False) for _ in range(2))
    older.client.hold(THRUST)
    fly(lambda: own_ship(older).speed > 1.0, "it obeys the first login", older)
    there = own_ship(older)
    fly(lambda: older.seen(Ended) and newer.seen(Assigned), "the second has it", older, newer)
    ended = older.seen(Ended)
    assert ended is not None
    assert ended.reason is CloseReason.LOGGED_IN_ELSEWHERE
    assert "logged in elsewhere" in ended.text
    newer.client.hold(THRUST)
    fly(lambda: own_ship(newer).speed > 1.0, "it obeys the second", newer)
    here = own_ship(newer)
    assert math.hypot(here.x - there.x, here.y - there.y) < NEARBY


class Ship(NamedTuple):
    """Where a client's ship is and how fast; the default is none yet."""

    x: float = math.inf
    y: float = math.inf
    speed: float = 0.0


def own_ship(pilot: Pilot) -> Ship:
    view = pilot.client.view(time.monotonic())
    if view.own < 0:
        return Ship()
    x, y, vx, vy = (float(column[view.own]) for column in (view.x, view.y, view.vx, view.vy))
    return Ship(x, y, math.hypot(vx, vy))


# -- commands against a running world -----------------------------------------------------------


def test_a_requirement_that_is_not_met_is_status_3(parts: Parts, toolbox: Toolbox) -> None:
    words = ("bots", "--server", parts.world.url, "--count", 1, "--ramp", 0, "--for", 0.1)
    command = toolbox.run(
        *words,
        *("--seed", 9, "--require", "requested>=1", "--require", "input_to_view_ms.p99<0"),
    )
    assert command.wait() == 3
    met, missed = command.said
    assert met == "✓ requested>=1 (1)"
    assert missed.startswith("✗ input_to_view_ms.p99<0 (")


@pytest.fixture(scope="module")
def collisions(
    parts: Parts, toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Command]:
    """Worlds that want something the running one has, by the flag that names it."""
    host = "127.0.0.1"
    free = {"--http": f"{host}:0", "--client-port": 0, "--shard-port": 0}
    taken = {
        "--http": httpx.URL(parts.world.url).netloc.decode(),
        "--client-port": parts.clients.port,
        "--shard-port": parts.shards.port,
        "--data-dir": parts.data_dir,
    }
    started = {}
    for flag, value in taken.items():
        flags = {"--data-dir": tmp_path_factory.mktemp("other"), **free, flag: value}
        started[flag] = toolbox.start("up", *(word for pair in flags.items() for word in pair))
    return started


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--client-port", f"UDP port {{}} on {TAKEN} --clients (of up: --client-port)"),
        ("--shard-port", f"UDP port {{}} on {TAKEN} --shards (of up: --shard-port)"),
        ("--http", f"TCP port {{}} on {TAKEN} --http"),
        ("--data-dir", "the database in {} is in use by process "),
    ],
)
def test_what_another_world_has_is_unavailable(
    collisions: dict[str, Command], flag: str, says: str
) -> None:
    command = collisions[flag]
    assert command.wait() == 69
    (line,) = command.said
    value = command.words[command.words.index(flag) + 1]
    value = value.rpartition(":")[2] if flag == "--http" else value
    assert line.startswith("sidereal replication: " + says.format(value))


def test_a_shard_with_another_key_is_told_what_may_be_wrong(parts: Parts) -> None:
    assert parts.stranger.wait() == 69
    (line,) = parts.stranger.said
    assert line.startswith("sidereal shard: no answer from the replication server at 127.0.0.1:")
    assert "its shard key is another one" in line
    (server, _) = parts.servers
    assert "another shard key" in server.wait_output(r"(reason=TOKEN_NOT_AUTHENTIC .*)\n")
    assert parts.dropped("shards", "datagram_token_not_authentic") > 2
