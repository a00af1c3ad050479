"""The proxy: its core in virtual time, its flags, and its sockets over loopback."""

from __future__ import annotations

import json
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.ids import Address
from sidereal.protocol.limits import DATAGRAM_SIZE_MAX
from sidereal.protocol.runtime.config import format_endpoint
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.protocol.testing.link import LinkConfig
from sidereal.tools.cli import main
from sidereal.tools.netsim import relay as relay_module
from sidereal.tools.netsim.config import LinkFlags, NetsimConfig
from sidereal.tools.netsim.relay import CLIENTS_MAX, IDLE_S, Direction, Relay
from sidereal.tools.netsim.service import find_clients_max, run

UP, DOWN = Direction.UP, Direction.DOWN
ADA, BEN, CAT = (Address("198.51.100.1", port) for port in (1001, 1002, 1003))
PERFECT = LinkConfig()
ROUGH = LinkConfig(
    delay_s=0.03, jitter_s=0.02, loss=0.2, duplication=0.2, reordering=0.2, bytes_per_s=20e3
)


def make_relay(
    up: LinkConfig = PERFECT, down: LinkConfig = PERFECT, seed: int = 1, clients_max: int = 8
) -> Relay:
    return Relay(up, down, seed, clients_max)


def arrivals(relay: Relay, until: float = 1e9) -> list[tuple[float, Direction, Address, bytes]]:
    """All that arrives."""
    return [(d.at, d.direction, d.client, d.datagram) for d in relay.take_due(until)]


# -- the core ---------------------------------------------------------------------------------


def test_each_direction_has_a_link_of_its_own() -> None:
    relay = make_relay(up=LinkConfig(delay_s=0.5), down=LinkConfig(delay_s=0.25))
    relay.receive_datagram(b"question", UP, ADA, 10.0)
    assert relay.take_due(10.4) == []
    assert arrivals(relay, 10.5) == [(10.5, UP, ADA, b"question")]
    relay.receive_datagram(b"answer", DOWN, ADA, 11.0)
    assert relay.take_due(11.2) == []
    assert arrivals(relay, 11.25) == [(11.25, DOWN, ADA, b"answer")]


def test_the_timer_is_that_of_the_next_arrival() -> None:
    relay = make_relay(up=LinkConfig(delay_s=0.5))
    assert relay.next_timer() is None
    relay.receive_datagram(b"x", UP, ADA, 10.0)
    relay.take_silent(10.0)
    assert relay.next_timer() == 10.5
    relay.take_due(10.5)
    later = relay.next_timer()
    assert later is not None
    assert later > 10.5


def test_what_happens_to_a_client_does_not_depend_on_others() -> None:
    alone, crowded = make_relay(ROUGH, ROUGH), make_relay(ROUGH, ROUGH)
    for n in range(200):
        alone.receive_datagram(b"a", Direction(n % 2), ADA, n * 0.01)
        crowded.receive_datagram(b"a", Direction(n % 2), ADA, n * 0.01)
        crowded.receive_datagram(bytes(1000), UP, BEN, n * 0.01)
    assert arrivals(alone) == [a for a in arrivals(crowded) if a[2] == ADA]


def test_clients_do_not_share_a_fate_and_the_seed_decides_it() -> None:
    def fates(seed: int) -> list[list[float]]:
        relay = make_relay(up=LinkConfig(jitter_s=1.0), seed=seed)
        for client in (ADA, BEN):
            for n in range(20):
                relay.receive_datagram(b"x", UP, client, n * 2.0)
        arrived = arrivals(relay)
        return [[at for at, _, whose, _ in arrived if whose == client] for client in (ADA, BEN)]

    first = fates(1)
    assert first[0] != first[1]
    assert first == fates(1)
    assert first != fates(2)


def test_a_silent_client_is_forgotten_and_may_come_back() -> None:
    relay = make_relay()
    relay.receive_datagram(b"x", UP, ADA, 0.0)
    relay.receive_datagram(b"x", UP, BEN, 0.0)
    relay.take_due(0.0)
    relay.receive_datagram(b"x", DOWN, BEN, 10.0)
    relay.take_due(10.0)
    assert relay.take_silent(IDLE_S - 1.0) == []
    assert relay.take_silent(IDLE_S) == [ADA]
    assert relay.take_silent(10.0 + IDLE_S) == [BEN]
    assert relay.next_timer() is None
    relay.receive_datagram(b"x", UP, ADA, 100.0)
    statistics = relay.statistics()
    assert (statistics.clients, statistics.clients_seen, statistics.clients_forgotten) == (1, 3, 2)


def test_a_client_with_datagrams_on_their_way_is_not_forgotten() -> None:
    relay = make_relay(up=LinkConfig(delay_s=2 * IDLE_S))
    relay.receive_datagram(b"x", UP, ADA, 0.0)
    assert relay.take_silent(1.5 * IDLE_S) == []
    assert arrivals(relay) == [(2 * IDLE_S, UP, ADA, b"x")]
    assert relay.take_silent(2 * IDLE_S) == [ADA]


def test_there_is_room_for_so_many_clients() -> None:
    relay = make_relay(clients_max=2)
    for client in (ADA, BEN, CAT):
        relay.receive_datagram(b"x", UP, client, 0.0)
    assert [client for _, _, client, _ in arrivals(relay)] == [ADA, BEN]
    assert relay.statistics().up.dropped == 1
    assert relay.take_silent(IDLE_S) == [ADA, BEN]
    relay.receive_datagram(b"x", UP, CAT, IDLE_S)
    assert [client for _, _, client, _ in arrivals(relay)] == [CAT]


def test_there_is_room_for_so_many_datagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "IN_FLIGHT_MAX", 5)
    relay = make_relay(up=LinkConfig(delay_s=1.0, duplication=1.0))
    for n in range(4):
        relay.receive_datagram(bytes([n]), UP, ADA, 0.0)
    assert relay.statistics().up.dropped == 3
    assert [datagram for *_, datagram in arrivals(relay)] == [b"\0", b"\0", b"\1", b"\1", b"\2"]
    relay.receive_datagram(b"x", UP, ADA, 5.0)
    assert len(arrivals(relay)) == 2


def test_what_is_too_long_or_for_nobody_is_dropped() -> None:
    relay = make_relay()
    relay.receive_datagram(bytes(DATAGRAM_SIZE_MAX + 1), UP, ADA, 0.0)
    relay.receive_datagram(b"x", DOWN, BEN, 0.0)
    relay.receive_datagram(bytes(DATAGRAM_SIZE_MAX), UP, ADA, 0.0)
    assert len(arrivals(relay)) == 1
    statistics = relay.statistics()
    assert (statistics.up.dropped, statistics.down.dropped, statistics.clients_seen) == (1, 1, 1)


def test_losses_at_a_full_queue_are_told_apart() -> None:
    relay = make_relay(up=LinkConfig(bytes_per_s=1000.0, queue_s_max=0.5))
    for _ in range(10):
        relay.receive_datagram(bytes(100), UP, ADA, 0.0)
    up = relay.statistics().up
    assert (up.lost, up.queue_full, up.in_flight) == (4, 4, 6)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    st.integers(0, 1 << 32),
    st.lists(
        st.tuples(
            st.sampled_from([ADA, BEN, CAT]),
            st.sampled_from(Direction),
            st.integers(0, DATAGRAM_SIZE_MAX + 1),
            st.floats(0.0, 0.05),
        ),
        max_size=100,
    ),
)
def test_every_datagram_is_accounted_for(
    seed: int, traffic: list[tuple[Address, Direction, int, float]]
) -> None:
    relay = make_relay(ROUGH, ROUGH, seed, clients_max=2)
    now, delivered = 0.0, 0
    for client, direction, size, gap in traffic:
        now += gap
        relay.receive_datagram(bytes(size), direction, client, now)
        delivered += len(relay.take_due(now))
    statistics = relay.statistics()
    for way in (statistics.up, statistics.down):
        ended = way.lost + way.dropped + way.delivered + way.in_flight
        assert way.datagrams + way.duplicated == ended
    assert statistics.up.delivered + statistics.down.delivered == delivered
    assert statistics.up.datagrams + statistics.down.datagrams == len(traffic)


# -- flags ------------------------------------------------------------------------------------


def test_a_flag_for_one_direction_overrides_that_for_both() -> None:
    config = NetsimConfig(
        both=LinkFlags(delay_ms=30.0, loss=0.1, rate_kbit=80.0),
        up=LinkFlags(loss=0.0, queue_ms=100.0),
        down=LinkFlags(delay_ms=60.0, burst_start=0.01, burst_end=0.2),
    )
    config.check()
    assert config.link_up() == LinkConfig(delay_s=0.03, bytes_per_s=10e3, queue_s_max=0.1)
    assert config.link_down() == LinkConfig(
        delay_s=0.06, loss=0.1, burst_start=0.01, burst_end=0.2, bytes_per_s=10e3
    )


def test_every_flag_means_a_field_of_the_link() -> None:
    flags = LinkFlags(
        delay_ms=1.0,
        jitter_ms=2.0,
        jitter_correlation=0.1,
        loss=0.2,
        burst_start=0.3,
        burst_end=0.4,
        burst_loss=0.5,
        duplication=0.6,
        reordering=0.7,
        reordering_ms=3.0,
        rate_kbit=8.0,
        queue_ms=4.0,
    )
    assert NetsimConfig(both=flags).link_up() == LinkConfig(
        delay_s=0.001,
        jitter_s=0.002,
        jitter_correlation=0.1,
        loss=0.2,
        burst_start=0.3,
        burst_end=0.4,
        burst_loss=0.5,
        duplication=0.6,
        reordering=0.7,
        reordering_s=0.003,
        bytes_per_s=1000.0,
        queue_s_max=0.004,
    )


@pytest.mark.parametrize("target", ["127.0.0.1:0", "127.0.0.1:7073", "nonsense"])
def test_a_target_is_somewhere_else(target: str) -> None:
    with pytest.raises(ConfigError, match="--target is"):
        NetsimConfig(target=target).check()


# -- the sockets ------------------------------------------------------------------------------


class Proxy(NamedTuple):
    """A running proxy."""

    address: Address
    target: UdpSocket
    relay: Relay


@pytest.mark.parametrize(
    ("files", "clients"),
    [(256, 192), (100_000, CLIENTS_MAX), (resource.RLIM_INFINITY, CLIENTS_MAX), (10, 1)],
)
def test_there_are_no_more_clients_than_sockets(
    files: int, clients: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert find_clients_max() == clients


@asynccontextmanager
async def proxied(relay: Relay) -> AsyncIterator[Proxy]:
    with await open_udp("127.0.0.1", 0) as target, trio.fail_after(10):
        config = NetsimConfig(listen="127.0.0.1:0", target=format_endpoint(target.address))
        send, receive = trio.open_memory_channel[Address](1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, config, relay, lambda door, _: send.send_nowait(door))
            yield Proxy(await receive.receive(), target, relay)
            nursery.cancel_scope.cancel()


async def take(udp: UdpSocket, count: int) -> list[tuple[bytes, Address]]:
    datagrams: list[tuple[bytes, Address]] = []
    while len(datagrams) < count:
        await udp.wait_readable()
        datagrams += [arrival[:2] for arrival in udp.receive_nowait()]
    return datagrams


async def test_clients_come_through_each_by_a_socket_of_its_own() -> None:
    async with proxied(make_relay()) as proxy:
        with await open_udp("127.0.0.1", 0) as ada, await open_udp("127.0.0.1", 0) as ben:
            for client, name in ((ada, b"ada"), (ben, b"ben")):
                client.send_nowait([(name, proxy.address)])
            sources = dict(await take(proxy.target, 2))
            assert len(set(sources.values())) == 2
            proxy.target.send_nowait((b"to " + name, sources[name]) for name in sources)
            assert await take(ada, 1) == [(b"to ada", proxy.address)]
            assert await take(ben, 1) == [(b"to ben", proxy.address)]


async def test_both_directions_pass_their_link() -> None:
    twice = LinkConfig(duplication=1.0, delay_s=0.001)
    async with proxied(make_relay(twice, twice)) as proxy:
        with await open_udp("127.0.0.1", 0) as ada:
            ada.send_nowait([(b"x", proxy.address)] * 5)
            arrived = await take(proxy.target, 10)
            proxy.target.send_nowait(arrived)
            assert len(await take(ada, 20)) == 20
    statistics = proxy.relay.statistics()
    assert (statistics.up.datagrams, statistics.up.delivered) == (5, 10)
    assert (statistics.down.datagrams, statistics.down.delivered) == (10, 20)


async def test_strangers_do_not_reach_a_client_through_its_socket() -> None:
    async with proxied(make_relay()) as proxy:
        with await open_udp("127.0.0.1", 0) as ada, await open_udp("127.0.0.1", 0) as stranger:
            ada.send_nowait([(b"hello", proxy.address)])
            ((_, upstream),) = await take(proxy.target, 1)
            stranger.send_nowait([(b"forged", Address("127.0.0.1", upstream.port))])
            proxy.target.send_nowait([(b"true", upstream)])
            assert await take(ada, 1) == [(b"true", proxy.address)]


async def test_the_socket_of_a_forgotten_client_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "IDLE_S", 0.0)
    monkeypatch.setattr(relay_module, "SWEEP_S", 0.01)
    async with proxied(make_relay()) as proxy:
        with await open_udp("127.0.0.1", 0) as ada:
            ada.send_nowait([(b"first", proxy.address)])
            ((_, first),) = await take(proxy.target, 1)
            while not proxy.relay.statistics().clients_forgotten:
                await trio.lowlevel.checkpoint()
            with await open_udp("127.0.0.1", first.port):
                ada.send_nowait([(b"second", proxy.address)])
                ((_, second),) = await take(proxy.target, 1)
            assert second != first


async def test_nothing_is_left_open_at_the_end() -> None:
    async with proxied(make_relay()) as proxy:
        with await open_udp("127.0.0.1", 0) as ada:
            ada.send_nowait([(b"x", proxy.address)])
            ((_, upstream),) = await take(proxy.target, 1)
    for address in (proxy.address, Address("127.0.0.1", upstream.port)):
        with await open_udp(*address):
            pass


# -- the command ------------------------------------------------------------------------------


@pytest.fixture
def _unsettled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the command from settling the memory of the tests' process."""
    monkeypatch.setattr("sidereal.tools.commands.netsim.settle_memory", lambda: None)


@pytest.mark.usefixtures("_unsettled")
def test_the_command_reports_and_ends_in_its_time(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    words = ["--listen", "127.0.0.1:0", "--target", "127.0.0.1:9", "--for", "0.01"]
    assert main(["netsim", *words, "--json", str(report)]) == 0
    written = json.loads(report.read_text())
    assert list(written) == [
        "version",
        "duration_s",
        "seed",
        "exit",
        "clients",
        "clients_seen",
        "clients_forgotten",
        "up",
        "down",
    ]
    assert written["exit"] == "done"
    assert list(written["up"]) == [
        "datagrams",
        "bytes",
        "lost",
        "queue_full",
        "duplicated",
        "dropped",
        "delivered",
        "in_flight",
    ]


def test_all_that_is_wrong_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--loss 5 --up.delay-ms -1 --down.rate-kbit nan --listen x --for 0 --seed -1"
    assert main(["netsim", *words.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    for said in (
        "sidereal netsim: --listen is 'x'; it must be host:port",
        "--loss is 5; it must be 0 to 1",
        "--up.delay-ms is -1; it must be finite, and 0 or more",
        "--down.rate-kbit is nan; it must be finite, and 0 or more",
        "--seed must be 0 or more",
        "--for must be above 0 seconds",
    ):
        assert said in line


@pytest.mark.usefixtures("_unsettled")
def test_a_port_that_is_taken_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert main(["netsim", "--listen", f"127.0.0.1:{port}"]) == 69
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(f"sidereal netsim: UDP port {port} on 127.0.0.1 is in use: ")


def test_help_tells_how_and_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["netsim", "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Example: sidereal netsim --delay-ms" in out
    assert "sidereal up --public-clients 127.0.0.1:7073" in out
    assert "--burst-start" in out
