"""The Trio shell: it finds the server or says why not, and leaves with a farewell."""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pymunk
import pytest
import trio
import trio.testing

from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.events import PeerOpened, Received
from sidereal.protocol.errors import ConfigError, GameFailedError, UnavailableError
from sidereal.protocol.ids import SHARD_PROTOCOL_ID, Address
from sidereal.protocol.links import SHARD_CHANNELS, derive_shard_key
from sidereal.protocol.message.codec import decode_shard_untrusted, encode_message
from sidereal.protocol.message.shard import (
    Adopt,
    Beat,
    Dismiss,
    Drain,
    Farewell,
    Load,
    ShardChannel,
    ShardHello,
    ShardMessage,
    ShardWelcome,
)
from sidereal.protocol.rules import Rules
from sidereal.protocol.runtime.config import format_endpoint
from sidereal.protocol.runtime.process import SUPERVISED
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.shard.config import ShardConfig
from sidereal.shard.service import GIVE_UP_AFTER_S, Orders, run
from sidereal.shard.shard import ShardCore

RULES = Rules()
KEY = "5e" * 16


class Authority:
    """Welcomes a shard and beats, over a real socket."""

    def __init__(self, udp: UdpSocket, key: str) -> None:
        self.udp = udp
        self.heard: list[ShardMessage] = []
        self.proposals = 0
        self.tick = 50
        self.peers: list[int] = []
        self.endpoint = ServerEndpoint(
            protocol_id=SHARD_PROTOCOL_ID,
            private_key=derive_shard_key(key),
            public_addresses=[udp.address],
            slots_max=4,
            channels=SHARD_CHANNELS,
            entropy=os.urandom,
            now=trio.current_time(),
        )

    async def serve(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beat)
            while True:
                await self.udp.wait_readable()
                now, wall_now = trio.current_time(), time.time()
                for datagram, address, _ in self.udp.receive_nowait():
                    self.endpoint.receive_datagram(datagram, address, now, wall_now)
                self._listen()
                self.udp.send_nowait(self.endpoint.datagrams_to_send(now))

    async def _beat(self) -> None:
        while True:
            await trio.sleep(RULES.tick_s)
            self.tick += 1
            for peer in self.peers:
                beat = encode_message(Beat(self.tick, 8000))
                self.endpoint.send(peer, ShardChannel.BEAT, beat)
            self.udp.send_nowait(self.endpoint.datagrams_to_send(trio.current_time()))

    def _listen(self) -> None:
        while (event := self.endpoint.next_event()) is not None:
            if isinstance(event, PeerOpened):
                self.peers.append(event.peer)
            elif isinstance(event, Received) and event.channel == ShardChannel.PROPOSAL:
                self.proposals += 1
            elif isinstance(event, Received):
                self.heard.append(decode_shard_untrusted(event.channel, event.message))
                if isinstance(self.heard[-1], ShardHello):
                    welcome = encode_message(ShardWelcome(1, RULES, self.tick))
                    self.endpoint.send(event.peer, ShardChannel.LEASE, welcome)
                elif isinstance(self.heard[-1], Drain):
                    dismiss = encode_message(Dismiss())
                    self.endpoint.send(event.peer, ShardChannel.LEASE, dismiss)


async def test_shard_joins_heartbeats_and_says_farewell_when_cancelled() -> None:
    with await open_udp("127.0.0.1", 0) as udp, trio.fail_after(10):
        authority = Authority(udp, KEY)
        config = ShardConfig(KEY, format_endpoint(udp.address), name="one")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(authority.serve)
            async with trio.open_nursery() as shard:
                await shard.start(lambda task_status: run(config, task_status=task_status))
                await trio.sleep(0.4)
                shard.cancel_scope.cancel()
            while not isinstance(authority.heard[-1], Farewell):
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    assert isinstance(authority.heard[0], ShardHello)
    assert authority.proposals >= 4


async def test_shard_that_is_forgotten_comes_back_as_a_newer_session() -> None:
    with await open_udp("127.0.0.1", 0) as udp, trio.fail_after(10):
        authority = Authority(udp, KEY)
        config = ShardConfig(KEY, format_endpoint(udp.address), name="one")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(authority.serve)
            await nursery.start(lambda task_status: run(config, task_status=task_status))
            authority.endpoint.close(trio.current_time())
            udp.send_nowait(authority.endpoint.datagrams_to_send(trio.current_time()))
            second = Authority(udp, KEY)
            authority.endpoint, authority.peers = second.endpoint, []
            while len([m for m in authority.heard if isinstance(m, ShardHello)]) < 2:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    first, again = (m for m in authority.heard if isinstance(m, ShardHello))
    assert (first.incarnation, first.pid) == (again.incarnation, os.getpid())
    assert first.session < again.session


async def test_a_shard_that_is_told_to_rest_drains_and_comes_again_as_a_spare() -> None:
    with await open_udp("127.0.0.1", 0) as udp, trio.fail_after(10):
        authority, rested = Authority(udp, KEY), trio.Event()
        config = ShardConfig(KEY, format_endpoint(udp.address), name="one")
        orders = Orders(rested.set)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(authority.serve)
            await nursery.start(partial(run, config, orders))
            orders.hear("what is that")
            orders.hear("rest")
            await rested.wait()
            assert [type(m) for m in authority.heard if not isinstance(m, Load)] == [
                *(ShardHello, Drain, Farewell, ShardHello)
            ]
            orders.hear("serve")
            authority.endpoint.close(trio.current_time())
            udp.send_nowait(authority.endpoint.datagrams_to_send(trio.current_time()))
            authority.endpoint, authority.peers = Authority(udp, KEY).endpoint, []
            while len([m for m in authority.heard if isinstance(m, ShardHello)]) < 3:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    hellos = [m for m in authority.heard if isinstance(m, ShardHello)]
    assert [hello.spare for hello in hellos] == [False, True, False]
    assert len({hello.incarnation for hello in hellos}) == 1


async def test_bodies_of_a_session_that_has_ended_are_freed_before_the_next() -> None:
    def bodies() -> int:
        return sum(issubclass(type(each), pymunk.Body) for each in gc.get_objects())

    gc.collect()
    gc.disable()
    before = bodies()
    try:
        with await open_udp("127.0.0.1", 0) as udp, trio.fail_after(10):
            authority = Authority(udp, KEY)
            config = ShardConfig(KEY, format_endpoint(udp.address), name="one")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(authority.serve)
                await nursery.start(lambda task_status: run(config, task_status=task_status))
                authority.endpoint.send(authority.peers[0], ShardChannel.LEASE, rocks(5, 50))
                while bodies() < before + 5:
                    await trio.sleep(0.01)
                authority.endpoint.close(trio.current_time())
                udp.send_nowait(authority.endpoint.datagrams_to_send(trio.current_time()))
                authority.endpoint, authority.peers = Authority(udp, KEY).endpoint, []
                while not authority.peers:
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
        assert bodies() == before
    finally:
        gc.enable()


def rocks(count: int, tick: int) -> bytes:
    """A message by which a shard adopts some, far from each other."""
    game = load(DEFAULT_GAME)
    records = np.repeat(schema_of(game).first[game.kind_number("asteroid")], count)
    records["id"], records["epoch"], records["tick"] = 1 + np.arange(count), 1, tick
    records["x"] = 100.0 * np.arange(count)
    records["radius"] = records["mass"] = 1.0
    return encode_message(Adopt(tick, records.tobytes(), b""))


FAILING: Final = """
from sidereal.game import Game, Motion, Step

game = Game("failing")
game.kind("rock", Motion())

@game.system
def mend(step: Step) -> None:
    if step.tick >= 60:
        divide(step.tick)

def divide(tick: int) -> float:
    return tick / 0
"""


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A game whose system raises in tick 60."""
    monkeypatch.chdir(tmp_path)
    Path("failing_game.py").write_text(FAILING)
    path = list(sys.path)
    yield "failing_game:game"
    sys.path[:] = path
    del sys.modules["failing_game"]


async def test_a_system_that_raises_ends_the_shard_with_its_name_and_its_frames(
    failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    with await open_udp("127.0.0.1", 0) as udp, trio.fail_after(10):
        authority = Authority(udp, KEY)
        config = ShardConfig(KEY, format_endpoint(udp.address), name="one", game=failing)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(authority.serve)
            with pytest.raises(BaseExceptionGroup) as caught:
                await run(config)
            while not isinstance(authority.heard[-1], Farewell):
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    (error,) = caught.value.exceptions
    assert isinstance(error, GameFailedError)
    said = "system failing.mend raised ZeroDivisionError at tick 60: division by zero"
    assert str(error) == said
    assert authority.heard[-1] == Farewell("system failing.mend", said)
    (record,) = [record for record in caplog.records if record.message.startswith("game_failed")]
    line, *frames = record.message.splitlines()
    assert 'what="system failing.mend" tick=60' in line
    # The frames are the game's, from the system down; who called it is not among them.
    named = [frame.split(" in ")[1] for frame in frames if " in " in frame]
    assert named == ["mend", "divide"]
    assert frames[-1] == "ZeroDivisionError: division by zero"


async def test_a_shard_says_which_code_it_runs(failing: str) -> None:
    with await open_udp("127.0.0.1", 0) as udp, trio.fail_after(10):
        authority = Authority(udp, KEY)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(authority.serve)
            for game in (failing, DEFAULT_GAME):
                config = ShardConfig(KEY, format_endpoint(udp.address), name="one", game=game)
                async with trio.open_nursery() as shard:
                    await shard.start(partial(run, config))
                    shard.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
    first, second = (m.code for m in authority.heard if isinstance(m, ShardHello))
    assert first != second


async def test_without_a_server_it_gives_up_and_names_both_reasons(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SUPERVISED, raising=False)
    began = trio.current_time()
    with pytest.raises(UnavailableError, match="does not run there, or its shard key"):
        await run(ShardConfig(KEY, "127.0.0.1:9"))
    assert GIVE_UP_AFTER_S <= trio.current_time() - began < GIVE_UP_AFTER_S + 1


async def test_what_comes_while_a_tick_runs_is_heard_of_before_its_datagrams_leave(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, began_at = Address("127.0.0.1", 9), trio.current_time()
    drains = [[(b"a", source, 0.1)], [(b"b", source, 0.2)]]
    seen: list[tuple[str, float]] = []

    def note(what: str, now: float) -> None:
        seen.append((what, round(now - began_at, 6)))

    def advance(core: ShardCore, now: float) -> bool:
        note("tick", now)
        autojump_clock.jump(0.3)
        return True

    def collect(core: ShardCore, now: float) -> list[tuple[bytes, Address]]:
        note("leaves", now)
        return []

    def receive(core: ShardCore, datagram: bytes, address: Address, now: float) -> None:
        note(datagram.decode(), now)

    monkeypatch.setattr(UdpSocket, "receive_nowait", lambda _: drains.pop(0) if drains else [])
    monkeypatch.setattr(ShardCore, "advance", advance)
    monkeypatch.setattr(ShardCore, "collect", collect)
    monkeypatch.setattr(ShardCore, "receive_datagram", receive)
    with trio.move_on_after(0.01):
        await run(ShardConfig(KEY, "127.0.0.1:9"))
    assert seen[:4] == [("a", -0.1), ("tick", 0.0), ("b", 0.1), ("leaves", 0.3)]


async def test_under_a_supervisor_it_keeps_trying_and_says_why_once(
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(SUPERVISED, "1")
    with trio.move_on_after(60) as scope:
        await run(ShardConfig(KEY, "127.0.0.1:9"))
    assert scope.cancelled_caught
    lines = [record.message for record in caplog.records if "waiting" in record.message]
    assert len(lines) == 1
    assert "127.0.0.1:9" in lines[0]


async def test_unknown_host_is_said_in_words() -> None:
    with pytest.raises(UnavailableError, match=r"cannot find the server 'nowhere\.invalid'"):
        await run(ShardConfig(KEY, "nowhere.invalid:7072"))


def test_settings_are_all_checked_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        ShardConfig("", "host", name="x" * 25, seed=-1).check()
    for word in ("--server", "the shard key", "--name", "--seed"):
        assert word in str(caught.value)


def test_settings_are_described_without_the_key() -> None:
    assert KEY not in ShardConfig(KEY).describe()
