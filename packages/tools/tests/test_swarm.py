"""Bots as one load, over real UDP against a server that only welcomes."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.events import PeerClosed, Received
from sidereal.protocol.errors import CloseReason, ConfigError, UnavailableError
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID
from sidereal.protocol.links import PLAYER_CHANNELS
from sidereal.protocol.message.codec import decode_client_untrusted, encode_message
from sidereal.protocol.message.inputs import decode_input_untrusted
from sidereal.protocol.message.player import (
    Assigned,
    Hello,
    PlayerChannel,
    Refused,
    Role,
    Welcome,
)
from sidereal.protocol.rules import Rules
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.protocol.session.token import generate_connect_token
from sidereal.tools.bots.accounts import bot_name, bot_password
from sidereal.tools.bots.swarm import BotsConfig, Seams, Swarm
from sidereal.tools.commands.bots import choose_mirroring

SCHEMA = schema_of(load(DEFAULT_GAME))
KEY = bytes(range(32))


class Host:
    """HTTP and UDP of a world without anything in it; room for `room` bots."""

    def __init__(self, socket: UdpSocket, room: int) -> None:
        self.socket = socket
        self.room = room
        self.schema = SCHEMA
        self.accounts: dict[str, str] = {}
        self.in_world: set[str] = set()
        self.registered = 0
        self.inputs: dict[int, int] = {}
        self.held = False
        self.left = 0
        self.peers: list[int] = []
        self.protocol_id = CLIENT_PROTOCOL_ID
        self.refusal: Refused | None = None
        self.asked = 0
        self.endpoint = ServerEndpoint(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=KEY,
            public_addresses=[socket.address],
            slots_max=16,
            channels=PLAYER_CHANNELS,
            entropy=os.urandom,
            now=trio.current_time(),
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/status":
            return httpx.Response(200, json={"clients": []})
        form: dict[str, Any] = json.loads(request.content)
        self.asked += 1
        known = self.accounts.get(form["name"])
        if request.url.path == "/v1/accounts":
            if known is not None:
                return httpx.Response(409, json={"title": "Conflict", "detail": "taken"})
            self.registered += 1
            self.accounts[form["name"]] = form["password"]
            return httpx.Response(201, json={"account": self.registered})
        if known != form["password"]:
            return httpx.Response(401, json={"title": "Unauthorized"})
        assert form["displace"] is False
        if form["name"] in self.in_world:
            return httpx.Response(409, json={"title": "Conflict"})
        token = generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=KEY,
            client_id=list(self.accounts).index(form["name"]),
            server_addresses=[self.socket.address],
            user_data=bytes(256),
            expire_s=30,
            timeout_s=5,
            wall_now=time.time(),
            entropy=os.urandom,
        )
        granted = {
            "connect_token": base64.b64encode(token).decode(),
            "role": "player",
            "name": form["name"],
            "protocol_id": f"{self.protocol_id:016x}",
            "schema_hash": self.schema.hash.hex(),
            "expires_s": 30,
        }
        return httpx.Response(200, json=granted)

    async def run(self) -> None:
        while True:
            with trio.move_on_after(0.02):
                await self.socket.wait_readable()
            now = trio.current_time()
            for datagram, address, _ in self.socket.receive_nowait():
                self.endpoint.receive_datagram(datagram, address, now, time.time())
            self.endpoint.handle_timer(now, time.time())
            while (event := self.endpoint.next_event()) is not None:
                if isinstance(event, PeerClosed):
                    self.left += event.reason is CloseReason.CLOSED_BY_PEER
                elif isinstance(event, Received):
                    self.receive(event)
            self.socket.send_nowait(self.endpoint.datagrams_to_send(now))

    def receive(self, event: Received) -> None:
        if event.channel == PlayerChannel.CONTROLS:
            pressed = decode_input_untrusted(event.message, self.schema.controls)
            self.held |= any(pressed.records)
            self.inputs[event.peer] = pressed.newest_seq
            return
        message = decode_client_untrusted(event.channel, event.message)
        if isinstance(message, Hello):
            answers: list[Any] = [
                Welcome(self.schema.hash, Rules(), 1, 1, Role.PLAYER, "bot"),
                Assigned(event.peer, 1, 1),
            ]
            if self.refusal is not None:
                answers = [self.refusal]
            elif not self.room:
                answers = [Refused(CloseReason.WORLD_FULL, "no room")]
            else:
                self.room -= 1
                self.peers.append(event.peer)
            for answer in answers:
                self.endpoint.send(event.peer, PlayerChannel.COMMAND, encode_message(answer))

    @property
    def seams(self) -> Seams:
        return Seams(transport=httpx.MockTransport(self.answer))


async def fly(host: Host, config: BotsConfig, inputs_each: int) -> dict[str, Any]:
    """Run a swarm until so many bots as have room have sent so many inputs."""
    wanted = min(host.room, config.count)
    swarm = Swarm(config, seams=host.seams)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.run)
            with trio.CancelScope() as run:
                async with trio.open_nursery() as inner:
                    inner.start_soon(swarm.run)
                    while sum(n >= inputs_each for n in host.inputs.values()) < wanted:
                        await trio.sleep(0.01)
                    run.cancel()
            while host.left < wanted:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    return swarm.measured.block()


async def test_bots_register_once_fly_and_leave() -> None:
    with await open_udp("127.0.0.1", 0) as socket:
        host = Host(socket, room=3)
        config = BotsConfig(count=3, ramp_s=0.0, predicting=1)
        block = await fly(host, config, inputs_each=4)
        assert (block["connected"], block["disconnected"], block["refused"]) == (3, 0, 0)
        assert host.registered == 3
        assert set(host.accounts) == {bot_name(1), bot_name(2), bot_name(3)}
        # This world answers no input, and what is unanswered counts at its age.
        assert block["input_to_view_ms"]["count"] >= 3 * 4
        assert block["lateness_ms"]["count"] >= 3 * 4
        assert block["cpu_percent"] > 0

        host.room, host.left = 3, 0
        host.inputs.clear()
        await fly(host, config, inputs_each=1)
        assert host.registered == 3


async def test_bots_that_find_no_room_are_counted() -> None:
    with await open_udp("127.0.0.1", 0) as socket:
        host = Host(socket, room=1)
        block = await fly(host, BotsConfig(count=3, ramp_s=0.0), inputs_each=2)
    assert block["requested"] == 3
    assert block["connected"] == 1
    assert block["refused"] == 2


async def test_bots_of_a_game_without_behaviours_hold_nothing_and_say_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ("from sidereal.game import Game, Motion", "game = Game('dull')")
    game = "\n".join((*lines, "game.kind('thing', Motion())"))
    (tmp_path / "dull_game.py").write_text(game)
    monkeypatch.syspath_prepend(tmp_path)
    with await open_udp("127.0.0.1", 0) as socket:
        host = Host(socket, room=2)
        host.schema = schema_of(load("dull_game:game"))
        config = BotsConfig(count=2, ramp_s=0.0, game="dull_game:game")
        await fly(host, config, inputs_each=2)
    said = [line.getMessage() for line in caplog.records]
    assert len([line for line in said if "dull declares no bots" in line]) == 1
    assert not host.held


async def test_bots_leave_accounts_alone_that_somebody_uses() -> None:
    with await open_udp("127.0.0.1", 0) as socket:
        host = Host(socket, room=2)
        host.accounts[bot_name(1)] = "a person's own password"
        host.accounts[bot_name(2)] = bot_password(bot_name(2))
        host.in_world = {bot_name(2)}
        block = await fly(host, BotsConfig(count=2, ramp_s=0.0), inputs_each=1)
    assert (block["connected"], block["refused"]) == (2, 0)
    assert set(host.accounts) == {bot_name(number) for number in (1, 2, 3, 4)}


async def test_bots_whose_sessions_end_come_back_as_themselves() -> None:
    with await open_udp("127.0.0.1", 0) as socket:
        host = Host(socket, room=2)
        swarm = Swarm(BotsConfig(count=2, ramp_s=0.0), seams=host.seams)
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(host.run)
                nursery.start_soon(swarm.run)
                while swarm.connected < 2:
                    await trio.sleep(0.01)
                host.room = 2
                for peer in host.peers[:]:
                    host.endpoint.close_peer(peer, CloseReason.TIMED_OUT, trio.current_time())
                while len(host.peers) < 4 or swarm.connected < 2:
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
    block = swarm.measured.block()
    assert (block["connected"], block["disconnected"], block["refused"]) == (2, 2, 0)
    assert set(host.accounts) == {bot_name(1), bot_name(2)}


async def run_to_its_end(host: Host, count: int = 5) -> BaseException:
    """Run bots without an end of their own; what ends them."""
    swarm = Swarm(BotsConfig(count=count, ramp_s=0.0), seams=host.seams)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.run)
            try:
                await swarm.run()
            except BaseExceptionGroup as group:
                errors = group.exceptions
            nursery.cancel_scope.cancel()
    assert len({str(error) for error in errors}) == 1, "one clear line"
    return errors[0]


async def test_a_server_that_speaks_another_protocol_ends_the_load_with_one_line() -> None:
    with await open_udp("127.0.0.1", 0) as socket:
        host = Host(socket, room=5)
        host.protocol_id += 1
        error = await run_to_its_end(host)
    assert isinstance(error, UnavailableError)
    assert "install the same version on both" in str(error)


async def test_a_server_with_another_schema_ends_the_load_with_its_words() -> None:
    with await open_udp("127.0.0.1", 0) as socket:
        host = Host(socket, room=5)
        text = "this client's schema is 12, the world's 34: use the version of the server"
        host.refusal = Refused(CloseReason.SCHEMA_MISMATCH, text)
        error = await run_to_its_end(host)
    assert isinstance(error, UnavailableError)
    assert str(error) == f"the server refused the bots: {text}"


async def test_a_server_that_refuses_for_good_is_not_asked_again() -> None:
    with await open_udp("127.0.0.1", 0) as socket:
        host = Host(socket, room=5)
        answer = host.answer

        def refuse(request: httpx.Request) -> httpx.Response:
            if request.url.path == "/v1/status":
                return answer(request)
            host.asked += 1
            return httpx.Response(421, json={"title": "Misdirected", "detail": "--host-name"})

        host.answer = refuse  # type: ignore[method-assign]
        error = await run_to_its_end(host)
    assert str(error) == "Misdirected: --host-name"
    assert host.asked <= 5


async def test_no_server_is_an_error_before_any_bot() -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with pytest.raises(UnavailableError, match="sidereal up"):
        await Swarm(BotsConfig(), seams=Seams(transport=httpx.MockTransport(refuse))).run()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"count": 0}, "count"),
        ({"server": "world:7070"}, "URL"),
        ({"behaviour": "dance"}, "wander"),
        ({"world": "moon"}, "--world is .moon.; there are: belt"),
        ({"for_s": 0.0}, "--for"),
        ({"ramp_s": -1.0}, "--ramp"),
        ({"seed": -1}, "--seed"),
        ({"mirroring": -1}, "--mirror"),
    ],
)
def test_a_load_that_cannot_be_made_says_why(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Swarm(BotsConfig(**wrong))


def test_all_bots_of_a_game_of_ones_own_see_unless_told() -> None:
    assert choose_mirroring("mygame:game", None) is None
    assert choose_mirroring("mygame:game", 3) == choose_mirroring(DEFAULT_GAME, 3) == 3
    assert choose_mirroring(DEFAULT_GAME, None) == 8


def test_a_password_follows_from_the_name() -> None:
    assert bot_password("bot-0001") == bot_password("bot-0001")
    assert bot_password("bot-0001") != bot_password("bot-0002")
