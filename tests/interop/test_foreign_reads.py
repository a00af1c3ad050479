"""The foreign decoder reads what the real ends sent each other, and understands what they did."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .foreign.bodies import Body
from .foreign.content import FromShard, ToClient, ToShard
from .foreign.messages import CLIENT_LINK, SHARD_LINK, read_user_data
from .foreign.packets import Fragment, Run
from .foreign.rows import SORTS, Event
from .foreign.sealed import Kind
from .foreign.snapshots import Grid, Snapshot, read_snapshot
from .foreign.tokens import CLIENTS, SHARDS, read_token
from .listener import CLIENT, ENDS, SERVER, Listener

RECORDINGS = Path(__file__).parent / "recordings"
NAMES = ("client", "shard", "channels")
CHIP, TAG = 3, 4
"""The number of the kind that shards spawn there."""


def listen(name: str) -> Listener:
    return Listener((RECORDINGS / f"{name}.jsonl").read_text())


def finished(name: str) -> Listener:
    listener = listen(name)
    listener.finish()
    return listener


def snapshots_of(listener: Listener) -> list[Snapshot]:
    """All snapshots that arrived, read again."""
    reader = listener.readers[CLIENT]
    assert isinstance(reader, ToClient)
    assert reader.welcome is not None
    rules = reader.welcome["rules"]
    grid = Grid(rules.cell_size, rules.cells_per_sector, rules.view_radius)
    bodies = [body for channel, body in listener.arrived[CLIENT] if channel == 0]
    return [read_snapshot(body, grid, listener.world) for body in bodies]


@pytest.mark.parametrize("name", NAMES)
def test_every_datagram_is_read_and_every_message_understood(name: str) -> None:
    listener = finished(name)
    assert len(listener.heard) > 200
    assert all(len(understood) > 50 for understood in listener.understood.values())


@pytest.mark.parametrize("name", NAMES)
def test_reliable_streams_are_complete(name: str) -> None:
    listener = finished(name)
    for end in ENDS:
        for channel, arrived in listener.ears[end].inbound.reliable.items():
            said = listener.wire[end].inbound.reliable[channel]
            assert arrived.next_id == said.next_id > 0
            assert arrived.is_idle


def test_token_says_who_may_connect_and_where() -> None:
    listener = listen("client")
    token = read_token(bytes.fromhex(listener.session["token"]))
    private = listener.private
    assert private.addresses == token.addresses == ((bytes([192, 0, 2, 1]), 4000),)
    assert private.time_out_s == token.time_out_s == 2
    keys = token.key_to_server, token.key_to_client
    assert (private.key_to_server, private.key_to_client) == keys
    user = read_user_data(private.user_data)
    assert (user["account"], user["role"], user["name"]) == (7, 1, "Ada Łovelace")
    assert listener.protocol_id == CLIENTS


def test_token_of_two_servers_has_addresses_of_both_kinds() -> None:
    ipv4, ipv6 = listen("channels").private.addresses
    assert ipv4 == (bytes([192, 0, 2, 9]), 4009)
    assert ipv6 == (bytes.fromhex("20010db8000000000000000000070001"), 40_000)


def test_shards_have_no_user_data() -> None:
    listener = listen("shard")
    assert listener.protocol_id == SHARDS
    assert listener.private.user_data == bytes(256)
    assert listener.private.time_out_s == 3


def test_client_sees_what_the_real_client_sees() -> None:
    listener = listen("client")
    compared: Counter[str] = Counter()
    for view in listener.follow():
        reader = listener.readers[CLIENT]
        assert isinstance(reader, ToClient)
        assert reader.replica is not None
        seen = {str(number): entity.said() for number, entity in reader.replica.shown().items()}
        holders = [[*sector, shard] for sector, shard in sorted(reader.holders.items())]
        assert holders == view.picture["holders"]
        taken, reader.replica.happened = reader.replica.happened, []
        happened = sorted([each.tick, each.id, each.sort, *each.values] for each in taken)
        assert happened == view.picture["happened"]
        compared["events"] += len(happened)
        compared["two holders"] += len({shard for _, _, shard in holders}) == 2
        assert seen.keys() == view.picture["entities"].keys()
        for number, row in view.picture["entities"].items():
            heading = 5
            assert seen[number].pop(heading) == pytest.approx(row.pop(heading), abs=1e-12)
            assert seen[number] == row
            compared[row[-2]] += 1
    assert compared["Ada Łovelace"] > 5
    assert compared["Charles"] > 2
    assert compared["rock 63"] > 5
    assert compared["two holders"] > 5
    assert compared["events"] > 100


def test_shard_has_the_bodies_and_ghosts_that_the_real_shard_has() -> None:
    listener = listen("shard")
    compared: Counter[str] = Counter()
    for view in listener.follow():
        reader = listener.readers[CLIENT]
        if view.end == CLIENT:
            assert isinstance(reader, ToShard)
            simulated = reader.simulated
            spawned = (CHIP, TAG)
            told = [b for b in simulated.bodies.values() if b.traits]
            given = [body for body in told if body.traits and body.traits.kind not in spawned]
            bodies = sorted([body.id, body.epoch] for body in given)
            ghosts = sorted(
                [g.id, g.epoch, g.x, g.y, g.vx, g.vy] for g in simulated.ghosts.values()
            )
            assert view.picture == {"bodies": bodies, "ghosts": ghosts}
            compared.update(bodies=len(bodies), ghosts=len(ghosts))
    assert compared["bodies"] > 1000
    assert compared["ghosts"] > 10


def test_server_commits_what_was_proposed() -> None:
    listener = listen("shard")
    committed = 0
    for view in listener.follow():
        reader = listener.readers[SERVER]
        if view.end == SERVER:
            assert isinstance(reader, FromShard)
            for row in map(Body._make, view.picture):
                # A ship that has just come was not proposed by anybody.
                proposed = reader.proposed.motion(row.id) or row
                assert row == proposed or row.epoch > proposed.epoch
                committed += row is not proposed
    assert committed > 5


def test_recordings_hold_every_message() -> None:
    said = {
        message["message"]
        for name in ("client", "shard")
        for understood in finished(name).understood.values()
        for message in understood
    }
    known = {kind.name for link in (CLIENT_LINK, SHARD_LINK) for kind in link.values()}
    assert said == known | {"Snapshot", "Proposals", "Ghosts", "Input", "RoutedInput"}


def test_recordings_hold_everything_that_packets_are_made_of() -> None:
    kinds: set[Any] = set()
    words: set[int] = set()
    runs: set[int] = set()
    for name in NAMES:
        for heard in finished(name).heard.values():
            kinds.add(heard.kind)
            if heard.packet is not None:
                words.add(heard.packet.ack.words if heard.packet.ack else 0)
                parts = heard.packet.parts
                kinds.update(map(type, parts))
                runs.update(len(part.messages) for part in parts if isinstance(part, Run))
                # Alone: acks in packets of their own, narrow and wide.
                kinds.update(["alone"] if not parts and heard.packet.ack else [])
    assert set(Kind) - {Kind.DENIED} <= kinds
    assert {Fragment, Run, "alone"} <= kinds
    assert {0, 1} < words
    assert max(words) > 8
    assert max(runs) > 2


def test_numbers_are_left_out_one_by_one() -> None:
    listener = finished("channels")
    count = 0
    for end in ENDS:
        # What is sent all comes to the wire's ear.
        arrivals = listener.wire[end].inbound.arrivals
        left_out = [number for number in range(arrivals.newest) if not arrivals.has(number)]
        assert all(2 <= after - before <= 257 for before, after in pairwise(left_out))
        count += len(left_out)
    assert count > 2


def test_recordings_hold_everything_that_snapshots_are_made_of() -> None:
    snapshots = snapshots_of(finished("client"))
    sections = [section for snapshot in snapshots for section in snapshot.sections]
    rows = [row for section in sections for row in section.rows]
    assert {section.is_whole for section in sections} == {False, True}
    assert {snapshot.private is None for snapshot in snapshots} == {False, True}
    assert {type(row) for row in rows} == {*SORTS, Event}
    assert {row.sort for row in rows if isinstance(row, Event)} == {128, 129}
    told = [each.event for one in snapshots if one.private for each in one.private.told]
    assert {event.sort for event in told} == {130, 131, 132}
    assert {section.is_continued for section in sections if section.parts > 1} == {False, True}
    assert any(
        section.to < snapshot.tick for snapshot in snapshots for section in snapshot.sections
    )
    assert any(snapshot.unchanged for snapshot in snapshots)
