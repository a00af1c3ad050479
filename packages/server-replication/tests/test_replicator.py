"""The authority's tick as its clients see it, over a network that loses nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drifters import SCHEMA, saved_drifter
from stage import RULES, TIMEOUT_S, WALL, Cast, messages, say_hello, snapshots

from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.channel.events import Received
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.message.codec import (
    decode_authority_untrusted,
    decode_server_untrusted,
    encode_message,
)
from sidereal.protocol.message.inputs import Input, encode_input
from sidereal.protocol.message.player import (
    Assigned,
    Call,
    Hello,
    LookAt,
    Notice,
    PlayerChannel,
    Refused,
    Role,
    ServerMessage,
)
from sidereal.protocol.message.shard import Beat, ShardChannel, ShardHello
from sidereal.protocol.state.controls import NO_CONTROLS
from sidereal.protocol.state.snapshot import read_snapshot_untrusted
from sidereal.replication.keeping.stored import Berth
from sidereal.replication.limits import LIMITS, EdgeLimits
from sidereal.replication.links.limits import PlayerLinkLimits
from sidereal.replication.links.players import PlayerState
from sidereal.replication.world import UUID

PLAYERS = LIMITS.players


def test_nobody_is_told_of_the_world_before_saying_hello() -> None:
    cast = Cast()
    assert snapshots(cast.connect(1, Role.OBSERVER)) == 0


def test_an_observer_to_whom_nothing_is_new_hears_of_every_fourth_tick() -> None:
    cast = Cast()
    client = cast.connect(1, Role.OBSERVER)
    say_hello(client)
    cast.run(4)
    snapshots(client)
    cast.run(12)
    assert snapshots(client) == 3


def test_who_only_watches_may_be_sent_less_than_who_flies() -> None:
    cast = Cast(players=replace(LIMITS.players, observer_rate=5e3))
    rates = {}
    for account, role in enumerate((Role.PLAYER, Role.OBSERVER, Role.OPERATOR), 1):
        say_hello(cast.connect(account, role))
        cast.run(4)
        *_, player = cast.core.clients.players
        numbers = cast.core.clients.endpoint.connection_statistics(player.peer)
        assert numbers is not None
        rates[player.role] = numbers.allowed_rate
    assert rates.pop(Role.PLAYER) > 5e3
    assert rates == {Role.OBSERVER: 5e3, Role.OPERATOR: 5e3}


def test_what_a_pilot_flies_is_told_as_it_is_by_now_if_nobody_has_proposed_it_for_long() -> None:
    cast = Cast()
    client = cast.connect(1, Role.PLAYER)
    say_hello(client)
    cast.run(40)
    snapshots(client)
    columns = cast.core.world.columns
    [row] = columns.rows_of([player.net_id for player in cast.core.clients.players])
    x, begin = columns["x"][row], columns.tick[row]
    columns["vx"][row] = 10.0
    cast.run(1)
    told = []
    while (event := client.next_event()) is not None:
        if isinstance(event, Received) and event.channel == PlayerChannel.SNAPSHOT:
            told.append(read_snapshot_untrusted(SCHEMA, RULES, event.message))
    [snapshot] = told
    assert snapshot.private is not None
    motion = snapshot.private.motion
    assert motion is not None
    assert motion.tick == snapshot.tick == cast.core.tick
    elapsed_s = (cast.core.tick - begin) * RULES.tick_s
    assert motion.x == pytest.approx(x + 10.0 * elapsed_s, abs=1e-4)


def test_who_has_acked_the_leases_around_it_is_not_sent_them_again() -> None:
    cast = Cast()
    client = cast.connect(1, Role.OBSERVER)
    say_hello(client)
    cast.run(4 * LIMITS.edge.leases_every_ticks)
    assert messages(client, PlayerChannel.LEASES) == 1
    cast.run(4 * LIMITS.edge.leases_every_ticks)
    assert messages(client, PlayerChannel.LEASES) == 0


def test_a_second_login_ends_the_first_and_the_world_goes_on() -> None:
    cast = Cast()
    older = cast.connect(7, Role.PLAYER)
    say_hello(older)
    cast.run(4)
    newer = cast.connect(7, Role.PLAYER)
    say_hello(newer)
    cast.run(60)
    assert older.close_reason is not None
    assert snapshots(newer) >= 14
    assert len(cast.core.world.columns) == 2


def test_a_client_that_vanishes_while_no_shard_is_connected_leaves_when_its_session_ends() -> None:
    cast = Cast()
    client = cast.connect(7, Role.PLAYER)
    say_hello(client)
    cast.run(4)
    assert len(cast.core.world.columns) == 2
    cast.clients.clear()
    # Silent from the last datagram on, which came with the newest tick.
    cast.run(TIMEOUT_S * RULES.tick_hz)
    assert len(cast.core.world.columns) == 2
    cast.run(2)
    assert len(cast.core.world.columns) == 1
    assert len(cast.core.clients.players) == 0


def test_two_logins_of_an_account_in_one_tick_bring_one_ship() -> None:
    cast = Cast()
    older, newer = cast.connect(7, Role.PLAYER), cast.connect(7, Role.PLAYER)
    say_hello(older)
    say_hello(newer)
    cast.run(60)
    assert older.close_reason is not None
    assert len(cast.core.world.columns) == 2
    newer.close(cast.now)
    cast.run(5)
    assert len(cast.core.world.columns) == 1


def test_a_crowd_that_comes_at_once_is_taken_in_over_several_ticks() -> None:
    joins = PLAYERS.joins_per_tick
    cast = Cast(clients_max=2 * joins + 1)
    numbers = range(1, cast.clients_max + 1)
    crowd = [cast.connect(number, Role.OBSERVER, ticks=4) for number in numbers]
    for client in crowd:
        say_hello(client)
        client.send(PlayerChannel.COMMAND, encode_message(LookAt(1.0, 2.0)))
    present = []
    for _ in range(4):
        cast.run(1)
        players = list(cast.core.clients.players)
        present.append(sum(player.state is PlayerState.JOINED for player in players))
    assert present == [joins, 2 * joins, len(crowd), len(crowd)]
    assert all(player.looks_at == (1.0, 2.0) for player in cast.core.clients.players)
    assert not cast.core.clients.dropped


def test_a_client_that_floods_is_closed_whatever_it_says() -> None:
    for body in (
        b"",
        encode_message(Call(bytes(16), "play.say", b"")),
        encode_input(Input(0, 1, (0,)), NO_CONTROLS),
    ):
        cast = Cast()
        flooding, other = cast.connect(1, Role.PLAYER), cast.connect(2, Role.OBSERVER)
        for client in (flooding, other):
            say_hello(client)
        cast.run(4)
        for _ in range(2 * PLAYERS.messages_burst + 1):
            flooding.send(PlayerChannel.SNAPSHOT, body)
        cast.run(4)
        assert flooding.close_reason is not None
        assert other.close_reason is None
        assert cast.core.clients.dropped["too_many"] > PLAYERS.messages_burst
        assert [player.account for player in cast.core.clients.players] == [2]


def test_what_many_clients_say_between_two_ticks_is_all_listened_to() -> None:
    """It was acked: nobody would ever say it again."""
    limits = PlayerLinkLimits(inbox=8, messages_burst=4)
    cast = Cast(players=limits)
    clients = [cast.connect(account, Role.OBSERVER) for account in range(1, 5)]
    for client in clients:
        say_hello(client)
    cast.run(4)
    for client in clients:
        for number in range(limits.messages_burst):
            client.send(PlayerChannel.COMMAND, encode_message(LookAt(number, number)))
    cast.run(4)
    assert {player.looks_at for player in cast.core.clients.players} == {(3.0, 3.0)}
    assert not cast.core.clients.dropped


def test_what_is_reliable_is_listened_to_beyond_the_allowance_or_ends_the_session() -> None:
    for more in (0, 1):
        limits = PlayerLinkLimits(inbox=40, messages_per_s=0.1, messages_burst=20)
        cast = Cast(players=limits)
        client = cast.connect(1, Role.OBSERVER)
        say_hello(client)
        cast.run(1)
        # One of all was the hello.
        for number in range(2 * limits.messages_burst - 1 + more):
            client.send(PlayerChannel.COMMAND, encode_message(LookAt(number, 0.0)))
        cast.run(4)
        looked = [player.looks_at for player in cast.core.clients.players]
        assert looked == ([] if more else [(38.0, 0.0)])
        assert cast.core.clients.dropped["too_many"] == more


def test_of_who_waits_to_join_no_more_is_kept_than_of_anybody() -> None:
    limits = PlayerLinkLimits(inbox=8, messages_burst=4, joins_per_tick=1)
    cast = Cast(clients_max=20, players=limits)
    crowd = [cast.connect(account, Role.OBSERVER, ticks=1) for account in range(1, 16)]
    cast.run(6)
    for client in crowd:
        say_hello(client)
    flooding = crowd[-1]
    for _ in range(10):
        flooding.send(PlayerChannel.COMMAND, encode_message(LookAt(1.0, 2.0)))
        cast.run(1)
    assert cast.core.clients.dropped == {"inbox_full": 1}
    assert flooding.close_reason is not None


def test_a_client_may_catch_up_after_a_stall() -> None:
    cast = Cast()
    client = cast.connect(1, Role.OBSERVER)
    say_hello(client)
    cast.run(4)
    for number in range(PLAYERS.messages_burst - 10):
        client.send(PlayerChannel.COMMAND, encode_message(LookAt(1000.0 * number, 0.0)))
    cast.run(10)
    assert client.close_reason is None
    assert not cast.core.clients.dropped


def test_an_observer_may_look_at_every_edge_of_the_world() -> None:
    cast = Cast(edge=EdgeLimits(gazes_per_s=1e9))
    client = cast.connect(1, Role.OBSERVER)
    say_hello(client)
    cast.run(4)
    sectors = cast.core.world.sectors.row_count
    edges = (3e12, -3e12, 1e12, -2147483648000.0, 2147483647999.9, 2147483648000.0, 5e-324, -0.0)
    for x in edges:
        for y in edges:
            client.send(PlayerChannel.COMMAND, encode_message(LookAt(x, y)))
            cast.run(1)
    cast.run(3)
    assert snapshots(client) >= len(edges) ** 2 // 2
    assert client.close_reason is None
    assert cast.core.world.sectors.row_count == sectors


def centre_of(cast: Cast, account: int) -> tuple[int, int] | None:
    (centre,) = (p.centre for p in cast.core.clients.players if p.account == account)
    return centre


def test_who_looks_somewhere_else_in_every_tick_is_followed_once_a_second() -> None:
    cast = Cast()
    client = cast.connect(1, Role.OBSERVER)
    say_hello(client)
    cast.run(4)
    centres = []
    for number in range(3 * RULES.tick_hz):
        client.send(PlayerChannel.COMMAND, encode_message(LookAt(1e6 * number, 0.0)))
        cast.run(1)
        centres.append(centre_of(cast, 1))
    assert len(set(centres)) in (4, 5)
    cast.run(RULES.tick_hz + 1)
    last = 1e6 * (3 * RULES.tick_hz - 1)
    assert centre_of(cast, 1) == (last // RULES.cell_size, 0)


def test_who_looks_about_nearby_is_followed_at_once() -> None:
    cast = Cast()
    client = cast.connect(1, Role.OBSERVER)
    say_hello(client)
    cast.run(4)
    for number in range(2 * RULES.tick_hz):
        x = number * RULES.cell_size / 4
        client.send(PlayerChannel.COMMAND, encode_message(LookAt(x, 0.0)))
        cast.run(1)
        centre = centre_of(cast, 1)
        assert centre is not None
        assert abs(centre[0] * RULES.cell_size - x) <= 2 * RULES.cell_size


def test_a_crowd_that_looks_somewhere_else_at_once_is_followed_over_several_ticks() -> None:
    cast = Cast(clients_max=8, edge=EdgeLimits(gazes_per_tick=3))
    crowd = [cast.connect(account, Role.OBSERVER) for account in range(1, 9)]
    for client in crowd:
        say_hello(client)
    cast.run(10)
    for client in crowd:
        client.send(PlayerChannel.COMMAND, encode_message(LookAt(1e6, 0.0)))
    followed = []
    for _ in range(4):
        cast.run(1)
        followed.append(sum(centre_of(cast, n) != (0, 0) for n in range(1, 9)))
    assert followed == [3, 6, 8, 8]


def test_nobody_waits_for_a_shard_where_nobody_changes_hands() -> None:
    cast = Cast()
    cast.run(3)
    assert cast.core.mesh.waiting == 0


def test_who_changes_hands_is_saved_with_its_new_epoch() -> None:
    cast = Cast()
    shard = cast.connect_shard()
    world = cast.core.world
    (row,) = world.columns.rows().tolist()
    epoch = int(world.columns.epoch[row])
    world.dirty[row] = False
    hello = ShardHello(cast.core.schema.hash, "test", bytes(16), 1, 1, bytes(16), spare=False)
    shard.send(ShardChannel.LEASE, encode_message(hello))
    cast.run(5)
    assert world.columns["shard"][row] == 1
    assert world.columns.epoch[row] == epoch + 1
    assert world.dirty[row]


def test_a_shard_that_has_not_proposed_yet_is_not_told_that_it_is_early() -> None:
    cast = Cast()
    shard = cast.connect_shard()
    hello = ShardHello(cast.core.schema.hash, "test", bytes(16), 1, 1, bytes(16), spare=False)
    shard.send(ShardChannel.LEASE, encode_message(hello))
    cast.run(4)
    beats = []
    while (event := shard.next_event()) is not None:
        if isinstance(event, Received) and event.channel == ShardChannel.BEAT:
            beats.append(decode_authority_untrusted(event.channel, event.message))
    assert beats
    assert all(isinstance(beat, Beat) and beat.lead_us <= 0 for beat in beats)


def test_a_shard_with_a_name_of_control_characters_is_not_let_in() -> None:
    cast = Cast()
    shard = cast.connect_shard()
    for name in ("\x1b[2J", "a\nlevel=ERROR"):
        hello = ShardHello(cast.core.schema.hash, name, bytes(16), 1, 1, bytes(16), spare=False)
        shard.send(ShardChannel.LEASE, encode_message(hello))
    cast.run(4)
    assert len(cast.core.shards.shards) == 0
    assert cast.core.shards.dropped["malformed"] == 2


def test_a_refused_shard_cannot_stay_by_asking_again() -> None:
    cast = Cast()
    shard = cast.connect_shard()
    for _ in range(40):
        hello = ShardHello(bytes(16), "test", bytes(16), 1, 1, bytes(16), spare=False)
        shard.send(ShardChannel.LEASE, encode_message(hello))
        cast.run(1)
    assert shard.close_reason is not None
    assert cast.core.shards.endpoint.statistics().peers == 0


def test_a_shard_that_sends_rubbish_is_fenced() -> None:
    cast = Cast()
    shard = cast.connect_shard()
    hello = ShardHello(cast.core.schema.hash, "test", bytes(16), 1, 1, bytes(16), spare=False)
    shard.send(ShardChannel.LEASE, encode_message(hello))
    cast.run(2)
    assert len(cast.core.shards.shards) == 1
    for _ in range(20):
        for _ in range(40):
            shard.send(ShardChannel.PROPOSAL, b"rubbish", 0)
        cast.run(1)
    assert shard.close_reason is not None
    assert len(cast.core.shards.shards) == 0


def test_what_a_client_sends_on_another_channel_than_its_own_is_counted_and_not_heard() -> None:
    cast = Cast()
    client = cast.connect(1, Role.PLAYER)
    hello = encode_message(Hello(cast.core.schema.hash, "test"))
    for channel in (PlayerChannel.SNAPSHOT, PlayerChannel.CONTROLS):
        client.send(channel, hello)
    cast.run(4)
    assert cast.core.clients.dropped["malformed"] == 2
    assert snapshots(client) == 0
    client.send(PlayerChannel.COMMAND, hello)
    pressed = encode_input(Input(1, 1, (0,)), cast.core.schema.controls)
    client.send(PlayerChannel.COMMAND, pressed)
    cast.run(4)
    assert cast.core.clients.dropped["malformed"] == 3
    assert snapshots(client) > 0


def test_what_a_shard_sends_on_another_channel_than_its_own_is_counted_and_not_heard() -> None:
    cast = Cast()
    shard = cast.connect_shard()
    hello = encode_message(
        ShardHello(cast.core.schema.hash, "test", bytes(16), 1, 1, bytes(16), spare=False)
    )
    elsewhere = [channel for channel in ShardChannel if channel is not ShardChannel.LEASE]
    for channel in elsewhere:
        shard.send(channel, hello)
    cast.run(4)
    # Proposals of who has not said hello are not looked at.
    assert cast.core.shards.dropped["malformed"] == len(elsewhere) - 1
    assert len(cast.core.shards.shards) == 0
    shard.send(ShardChannel.LEASE, hello)
    cast.run(4)
    assert len(cast.core.shards.shards) == 1


def told(client: ClientEndpoint) -> list[ServerMessage]:
    messages = []
    while (event := client.next_event()) is not None:
        if isinstance(event, Received) and event.channel == PlayerChannel.COMMAND:
            messages.append(decode_server_untrusted(event.channel, event.message))
    return messages


def reasons(client: ClientEndpoint) -> list[int]:
    return [message.reason for message in told(client) if isinstance(message, Refused)]


def flying(cast: Cast) -> list[int]:
    return sorted(p.account for p in cast.core.clients.players if p.net_id and p.row >= 0)


def test_who_was_killed_comes_back_into_a_full_world_at_once() -> None:
    cast = Cast(clients_max=5)
    for account in range(1, 6):
        say_hello(cast.connect(account, Role.PLAYER))
    cast.run(4)
    assert flying(cast) == [1, 2, 3, 4, 5]
    # Nobody says goodbye: their processes are gone.
    cast.clients.clear()
    back = [cast.connect(account, Role.PLAYER, ticks=0) for account in range(1, 6)]
    for client in back:
        say_hello(client)
    cast.run(10)
    assert flying(cast) == [1, 2, 3, 4, 5]
    assert not any(reasons(client) for client in back)
    assert all(client.close_reason is None for client in back)


def test_a_stranger_to_a_full_world_is_told_so_and_comes_in_when_somebody_leaves() -> None:
    cast = Cast(clients_max=2)
    first, _ = (cast.connect(account, Role.PLAYER) for account in (1, 2))
    for client in cast.clients.values():
        say_hello(client)
    cast.run(4)
    late = cast.connect(3, Role.PLAYER)
    say_hello(late)
    cast.run(4)
    assert reasons(late) == [CloseReason.WORLD_FULL]
    assert flying(cast) == [1, 2]
    first.close(cast.now)
    cast.run(4)
    later = cast.connect(3, Role.PLAYER)
    say_hello(later)
    cast.run(4)
    assert reasons(later) == []
    assert flying(cast) == [2, 3]


def test_an_account_flies_and_observes_at_the_same_time() -> None:
    cast = Cast()
    pilot, observer = cast.connect(1, Role.PLAYER), cast.connect(1, Role.OBSERVER)
    for client in (pilot, observer):
        say_hello(client)
    cast.run(10)
    assert flying(cast) == [1]
    assert pilot.close_reason is observer.close_reason is None
    again = cast.connect(1, Role.OBSERVER)
    say_hello(again)
    cast.run(4)
    assert reasons(observer) == [CloseReason.LOGGED_IN_ELSEWHERE]
    assert reasons(pilot) == reasons(again) == []
    assert flying(cast) == [1]


def test_places_that_are_given_up_and_taken_in_one_tick_are_not_mixed_up() -> None:
    cast = Cast(clients_max=3)
    for _ in range(4):
        client = cast.connect(1, Role.PLAYER)
        say_hello(client)
        cast.run(4)
        assert snapshots(client) > 0
        assert flying(cast) == [1]


# -- ships of accounts ---------------------------------------------------------------------------


def berth(x: float, epoch: int = 5) -> Berth:
    record = saved_drifter("ship", x)
    record["epoch"] = epoch
    return Berth(record, np.frombuffer(b"one ship for all", UUID))


def ship_of(cast: Cast, account: int) -> float | None:
    """Where the ship of an account is, None if it is not in the world."""
    columns = cast.core.world.columns
    rows = columns.rows()
    mine = rows[cast.core.world.account[rows] == account]
    assert len(mine) <= 1
    return float(columns["x"][mine[0]]) if len(mine) else None


def log_in(cast: Cast, account: int) -> ClientEndpoint:
    client = cast.connect(account, Role.PLAYER)
    say_hello(client)
    cast.run(2)
    return client


def leave(cast: Cast, client: ClientEndpoint) -> None:
    client.close(cast.now)
    cast.run(2)


def save(cast: Cast) -> None:
    """Let everything that waits be saved, ships included."""
    saving = cast.core.saving
    while (batch := saving.take_batch(100, cast.core.tick)) is not None:
        for at in np.flatnonzero(batch.account > 0).tolist():
            here = batch.rows[[at]]
            cast.store[int(batch.account[at])] = Berth(here, batch.uuid[[at]])
        saving.committed(batch)


def test_a_ship_comes_from_the_database_when_its_pilot_does() -> None:
    cast = Cast()
    cast.store[7] = berth(70.0)
    log_in(cast, 7)
    assert ship_of(cast, 7) == 70.0


def test_who_has_no_ship_in_the_database_gets_a_new_one() -> None:
    cast = Cast()
    log_in(cast, 7)
    assert ship_of(cast, 7) is not None


def test_a_pilot_waits_for_a_database_that_is_away_and_is_told_so() -> None:
    cast = Cast()
    cast.store[7] = berth(70.0)
    cast.store_answers = False
    client = log_in(cast, 7)
    (player,) = cast.core.clients.players
    assert player.state is PlayerState.JOINED
    cast.run(LIMITS.keeping.berth_late_ticks + 4)
    assert ship_of(cast, 7) is None
    assert [text for text in notices(client) if "database" in text] != []
    cast.store_answers = True
    cast.run(2)
    assert ship_of(cast, 7) == 70.0
    cast.run(8)
    assert snapshots(client) >= 2


def test_ships_that_come_all_at_once_are_launched_over_several_ticks() -> None:
    joins = PLAYERS.joins_per_tick
    cast = Cast(clients_max=2 * joins + 1)
    cast.store_answers = False
    for account in range(1, cast.clients_max + 1):
        log_in(cast, account)
    cast.store_answers = True
    flying = []
    for _ in range(5):
        cast.run(1)
        flying.append(int((cast.core.world.account > 0).sum()))
    assert flying == [0, joins, 2 * joins, *(2 * [cast.clients_max])]


def notices(client: ClientEndpoint) -> list[str]:
    texts = []
    while (event := client.next_event()) is not None:
        if isinstance(event, Received) and event.channel == PlayerChannel.COMMAND:
            message = decode_server_untrusted(event.channel, event.message)
            texts += [message.text] if isinstance(message, Notice) else []
    return texts


def test_who_comes_back_before_his_ship_is_saved_flies_it_as_he_left_it() -> None:
    cast = Cast()
    cast.store[7] = berth(70.0)
    client = log_in(cast, 7)
    world = cast.core.world
    row = np.flatnonzero(world.account == 7)
    world.columns["x"][row] = 90.0
    leave(cast, client)
    writing = cast.core.saving.take_batch(100, cast.core.tick)
    log_in(cast, 7)
    assert ship_of(cast, 7) == 90.0
    assert writing is not None
    cast.core.saving.failed(writing)
    save(cast)
    assert cast.store[7].record["x"].tolist() == [90.0]


def test_an_old_answer_of_the_database_never_brings_an_old_ship() -> None:
    cast = Cast()
    cast.store[7] = berth(70.0)
    cast.store_answers = False
    first = log_in(cast, 7)
    (slow,) = cast.core.berths.take_requests()
    leave(cast, first)
    cast.store_answers = True
    second = log_in(cast, 7)
    row = np.flatnonzero(cast.core.world.account == 7)
    cast.core.world.columns["x"][row] = 90.0
    leave(cast, second)
    save(cast)
    cast.store_answers = False
    log_in(cast, 7)
    cast.core.berths.deliver(slow, berth(70.0))  # read before the ship flew
    cast.run(2)
    assert ship_of(cast, 7) is None
    cast.store_answers = True
    third = log_in(cast, 7)  # the newest login wins
    cast.run(2)
    assert ship_of(cast, 7) == 90.0
    assert third.close_reason is None


def test_of_two_quick_logins_the_second_gets_the_ship() -> None:
    cast = Cast()
    cast.store[7] = berth(70.0)
    cast.store_answers = False
    first, second = log_in(cast, 7), log_in(cast, 7)
    cast.store_answers = True
    cast.run(40)
    assert ship_of(cast, 7) == 70.0
    assert first.close_reason is not None
    (player,) = cast.core.clients.players
    assert player.net_id != 0
    assert second.close_reason is None


def test_a_pilot_that_leaves_while_his_ship_is_fetched_leaves_no_ship() -> None:
    cast = Cast()
    cast.store[7] = berth(70.0)
    cast.store_answers = False
    leave(cast, log_in(cast, 7))
    cast.store_answers = True
    cast.run(5)
    assert ship_of(cast, 7) is None
    assert cast.core.saving.departed_of(7) is None


def test_a_ship_at_the_end_is_saved_as_newer_than_the_last_tick() -> None:
    cast = Cast()
    log_in(cast, 7)
    flying = cast.core.saving.take_batch(100, cast.core.tick)
    assert flying is not None
    cast.core.saving.failed(flying)  # it may be on its way all the same
    cast.core.close(cast.now, WALL)
    batch = cast.core.saving.take_batch(100, cast.core.tick)
    assert batch is not None
    ship = batch.account == 7
    assert not batch.active[ship].any()
    assert batch.saved_tick[ship] > flying.saved_tick.max()


def test_inputs_of_who_is_told_to_leave_are_kept_for_nobody() -> None:
    cast = Cast()
    client = log_in(cast, 7)
    net_id = told_to_fly(client)
    log_in(cast, 7)
    pressed = Input(1, 1, (0,))
    client.send(PlayerChannel.CONTROLS, encode_input(pressed, cast.core.schema.controls))
    cast.run(1)
    assert newest_input(cast, net_id) == -1


def test_inputs_for_what_is_no_more_are_kept_for_nobody() -> None:
    """What was flown may have ended since the last tick in which players were told of it."""
    cast = Cast()
    client = log_in(cast, 7)
    net_id = told_to_fly(client)
    pressed = encode_input(Input(1, 1, (0,)), cast.core.schema.controls)
    client.send(PlayerChannel.CONTROLS, pressed)
    cast.run(1)
    assert newest_input(cast, net_id) == 1
    cast.core.remove(cast.core.world.columns.rows_of([net_id]))
    pressed = encode_input(Input(1, 1, (0, 0)), cast.core.schema.controls)
    client.send(PlayerChannel.CONTROLS, pressed)
    cast.run(1)
    assert newest_input(cast, net_id) == -1


def told_to_fly(client: ClientEndpoint) -> int:
    (net_id,) = (message.net_id for message in told(client) if isinstance(message, Assigned))
    return net_id


def newest_input(cast: Cast, net_id: int) -> int:
    """The newest input that is kept of whoever flies an entity, -1 for none."""
    record = np.zeros(1, cast.core.schema.exact_record)
    record["id"], record["control_epoch"] = net_id, 1
    return int(cast.core.mesh.inputs.newest(record)[0])
