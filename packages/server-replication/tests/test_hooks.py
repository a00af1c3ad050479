"""What a game's hooks may do in a player's life, and what becomes of one that raises."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from drifters import RADIUS, saved_drifter
from stage import RULES, WALL, Cast, say_hello, snapshots

from sidereal.game import (
    AUTHORITY,
    F4,
    SHARD,
    U4,
    Authority,
    Body,
    Component,
    Event,
    Game,
    Kind,
    Label,
    Motion,
    Parent,
    Pilot,
    Player,
    field,
)
from sidereal.game.declarations import declare
from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.channel.events import Received
from sidereal.protocol.errors import CloseReason, GameError
from sidereal.protocol.message.codec import decode_server_untrusted
from sidereal.protocol.message.player import PlayerChannel, Refused, Role
from sidereal.protocol.state.families import FAMILY_MAX
from sidereal.protocol.state.schema import EVENT_FIRST
from sidereal.replication.families import OF_SHARDS_MAX
from sidereal.replication.keeping.stored import Berth
from sidereal.replication.notes import Note
from sidereal.replication.world import UUID

Hook = Callable[[Authority, Player], Any]


class Stray(Component, writer=AUTHORITY):
    number: U4


class Play:
    """A game of two kinds whose hooks a test writes.

    Attributes:
        craft: what players may fly; `rock`, what they may not.
    """

    def __init__(self) -> None:
        self.game = Game("play")
        self.craft: Kind = self.game.kind("craft", Motion(), Body(radius=RADIUS), Label(), Pilot())
        self.rock: Kind = self.game.kind("rock", Motion(), Body(radius=20))

    def cast(self, standstill_after_s: float = 1e6) -> Cast:
        return Cast(game=declare(self.game), standstill_after_s=standstill_after_s)


def log_in(cast: Cast, account: int) -> ClientEndpoint:
    client = cast.connect(account, Role.PLAYER)
    say_hello(client, cast.core.schema.hash)
    cast.run(3)
    return client


def names(cast: Cast) -> list[str]:
    """Names of who is in the world, but for the wreck."""
    columns = cast.core.world.columns
    found = [bytes(name).decode() for name in columns["name"][columns.rows()]]
    return sorted(name for name in found if name != "wreck")


def noted(cast: Cast) -> list[Note]:
    return [note for note in cast.core.notes.take() if note.event == "hook_failed"]


def refusals(client: ClientEndpoint) -> list[tuple[int, str]]:
    found = []
    while (event := client.next_event()) is not None:
        if isinstance(event, Received) and event.channel == PlayerChannel.COMMAND:
            message = decode_server_untrusted(event.channel, event.message)
            if isinstance(message, Refused):
                found.append((message.reason, message.text))
    return found


def test_who_comes_flies_what_the_hook_says() -> None:
    play = Play()

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        assert (player.name, player.account) == ("pilot 7", "pilot 7")
        heading = Motion(heading=1.0, x=99.0)
        player.fly(world.spawn(play.craft, heading, Label(name=player.name), at=(30.0, -40.0)))

    cast = play.cast()
    log_in(cast, 7)
    (player,) = cast.core.clients.players
    columns = cast.core.world.columns
    row = int(columns.rows_of([player.net_id])[0])
    place = [float(columns[name][row]) for name in ("x", "y", "heading")]
    assert place == [30.0, -40.0, 1.0]
    assert cast.core.world.account[row] == 7
    assert columns["control_epoch"][row] == player.control_epoch == 1


def test_who_comes_to_a_game_without_hooks_watches() -> None:
    cast = Play().cast()
    client = log_in(cast, 7)
    snapshots(client)
    cast.run(10)
    assert snapshots(client) >= 2
    (player,) = cast.core.clients.players
    assert (player.net_id, names(cast)) == (0, [])


def test_an_anonymous_player_has_no_account_and_what_it_flies_is_not_kept() -> None:
    play = Play()
    seen = []

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        seen.append(player.account)
        player.fly(world.spawn(play.craft, at=(30.0, -40.0)))

    cast = play.cast()
    log_in(cast, 0)
    assert seen == [""]
    batch = cast.core.saving.take_batch(10, cast.core.tick)
    assert batch is not None
    assert batch.rows["name"].tolist() == [b"wreck"]


def test_a_berth_that_is_not_flown_waits_on() -> None:
    play = Play()
    flies = [False, True]

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        left = world.berth(player)
        assert left == world.berth(player) != 0
        if flies.pop(0):
            player.fly(left)

    cast = play.cast()
    cast.store[7] = Berth(saved_drifter("left", 70.0), np.frombuffer(b"one for them all", UUID))
    client = log_in(cast, 7)
    assert names(cast) == []
    client.close(cast.now)
    cast.run(3)
    log_in(cast, 7)
    assert names(cast) == ["left"]


@pytest.mark.parametrize("looks", [False, True])
def test_who_flies_something_else_gives_up_what_it_left(looks: bool) -> None:
    play = Play()

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        if looks:
            world.berth(player)
        player.fly(world.spawn(play.craft, Label(name="new"), at=(0.0, 0.0)))

    cast = play.cast()
    uuid = np.frombuffer(b"one for them all", UUID)
    cast.store[7] = Berth(saved_drifter("left", 70.0), uuid)
    log_in(cast, 7)
    assert names(cast) == ["new"]
    batch = cast.core.saving.take_batch(10, cast.core.tick)
    assert batch is not None
    assert batch.uuid[batch.removed].tobytes() == uuid.tobytes()


LEFT = np.frombuffer(b"one for them all", UUID)


def choosing(play: Play, seconds: float, start: Hook) -> Cast:
    """A game whose players watch first, and what an account has left."""

    @play.game.on_join
    def watch(world: Authority, player: Player) -> None:
        world.after(seconds, start, player)

    cast = play.cast()
    cast.store[7] = Berth(saved_drifter("left", 70.0), LEFT)
    return cast


def test_who_watches_first_finds_what_it_left_when_it_begins() -> None:
    play = Play()
    seen = []

    def look(world: Authority, player: Player) -> None:
        seen.append(world.berth(player))
        world.after(1.0, start, player)

    def start(world: Authority, player: Player) -> None:
        player.fly(world.berth(player))
        assert world.berth(player) != 0

    cast = choosing(play, 1.0, look)
    client = log_in(cast, 7)
    cast.run(RULES.tick_hz)
    assert (names(cast), 0 in seen) == ([], False)
    cast.run(RULES.tick_hz)
    assert (names(cast), noted(cast)) == (["left"], [])
    client.close(cast.now)
    cast.run(3)
    log_in(cast, 7)
    cast.run(2 * RULES.tick_hz)
    assert names(cast) == ["left"]


@pytest.mark.parametrize("looks", [False, True])
def test_who_watches_first_and_then_flies_something_else_gives_up_what_it_left(
    looks: bool,
) -> None:
    play = Play()

    def start(world: Authority, player: Player) -> None:
        if looks:
            world.berth(player)
        player.fly(world.spawn(play.craft, Label(name="new"), at=(0.0, 0.0)))

    cast = choosing(play, 1.0, start)
    log_in(cast, 7)
    cast.run(RULES.tick_hz)
    assert (names(cast), noted(cast)) == (["new"], [])
    batch = cast.core.saving.take_batch(10, cast.core.tick)
    assert batch is not None
    assert batch.uuid[batch.removed].tobytes() == LEFT.tobytes()
    # An account has one.
    assert batch.account[~batch.removed].tolist().count(7) == 1


def test_what_a_hook_does_to_a_berth_that_is_not_flown_is_not_forgotten() -> None:
    play = Play()
    play.game.declare(Stray)

    def mark(world: Authority, player: Player) -> None:
        world.give(world.berth(player), Stray(number=5))
        world.after(1.0, start, player)

    def start(world: Authority, player: Player) -> None:
        player.fly(world.berth(player))

    cast = choosing(play, 1.0, mark)
    log_in(cast, 7)
    for _ in range(3):
        cast.run(RULES.tick_hz)
        batch = cast.core.saving.take_batch(10, cast.core.tick)
        if batch is not None:
            cast.core.saving.committed(batch)
    (player,) = cast.core.clients.players
    columns = cast.core.world.columns
    row = columns.rows_of([player.net_id])
    assert columns.has(row, cast.core.schema.numbers["test_hooks_stray"])[0]
    assert columns["test_hooks_stray_number"][row].tolist() == [5]


def test_a_berth_that_a_hook_ends_is_gone_for_good() -> None:
    play = Play()
    found = []

    def scrap(world: Authority, player: Player) -> None:
        world.despawn(world.berth(player))
        world.after(1.0, look, player)

    def look(world: Authority, player: Player) -> None:
        found.append(world.berth(player))

    cast = choosing(play, 1.0, scrap)
    log_in(cast, 7)
    cast.run(3 * RULES.tick_hz)
    assert (found, names(cast), noted(cast)) == ([0], [], [])
    batch = cast.core.saving.take_batch(10, cast.core.tick)
    assert batch is not None
    assert batch.uuid[batch.removed].tobytes() == LEFT.tobytes()


def test_a_spot_near_a_place_is_the_nearest_free_one() -> None:
    play = Play()
    spots = []

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        spots.append(world.free_spot(radius=RADIUS, near=(300.0, 0.0)))
        world.spawn(play.rock, at=spots[-1])

    cast = play.cast()
    log_in(cast, 7)
    log_in(cast, 8)
    assert spots[0] == (300.0, 0.0)
    assert 20.0 + RADIUS < np.hypot(spots[1][0] - 300.0, spots[1][1]) < 20.0 + 3 * RADIUS


def test_a_hook_that_raises_refuses_its_player_and_undoes_all_it_did() -> None:
    play = Play()

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        player.fly(world.spawn(play.craft, Label(name="half"), at=(0.0, 0.0)))
        world.after(0.0, arrive, player)
        if player.name == "pilot 7":
            raise ValueError("no place for sevens")

    cast = play.cast()
    other = log_in(cast, 8)
    client = log_in(cast, 7)
    cast.run(1)
    assert refusals(client) == [
        (
            CloseReason.GAME_FAILED,
            "the game can't let you in: its on_join failed; the server's log says why",
        )
    ]
    assert names(cast) == ["half"]
    assert cast.core.arrivals.failed == {
        f"on_join {__name__}.arrive": 1,
        f"after {__name__}.arrive": 1,
    }
    failed = next(
        note for note in noted(cast) if note.fields["hook"] == f"on_join {__name__}.arrive"
    )
    assert str(failed.fields["error"]).endswith("ValueError: no place for sevens")
    assert f"{__file__}:" in str(failed.fields["error"])
    assert "in arrive" in failed.trace
    cast.run(40)
    assert client.close_reason is not None
    assert other.close_reason is None


def test_what_was_left_stays_when_the_hook_raises() -> None:
    play = Play()
    raises = [True, False]

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        player.fly(world.berth(player))
        if raises.pop(0):
            raise ValueError

    cast = play.cast()
    cast.store[7] = Berth(saved_drifter("left", 70.0), np.frombuffer(b"one for them all", UUID))
    log_in(cast, 7)
    assert names(cast) == []
    cast.run(40)
    log_in(cast, 7)
    assert names(cast) == ["left"]


def test_a_hook_at_the_leaving_that_raises_keeps_nobody() -> None:
    play = Play()
    left = []

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        player.fly(world.spawn(play.craft, Label(name="here"), at=(0.0, 0.0)))

    @play.game.on_leave
    def part(world: Authority, player: Player) -> None:
        left.append((player.name, world.berth(player) != 0))
        raise ValueError

    cast = play.cast()
    client = log_in(cast, 7)
    assert names(cast) == ["here"]
    client.close(cast.now)
    cast.run(3)
    assert names(cast) == []
    assert left == [("pilot 7", True)]
    assert cast.core.saving.departed_of(7) is not None
    assert len(noted(cast)) == 1


def test_who_has_lost_what_it_flew_is_given_something_later() -> None:
    play = Play()

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        player.fly(world.spawn(play.craft, Label(name=f"at {world.tick}"), at=(30.0, 40.0)))

    @play.game.on_lost
    def mourn(world: Authority, player: Player) -> None:
        assert world.berth(player) == 0
        world.after(1.0, arrive, player)

    cast = play.cast()
    client = log_in(cast, 7)
    (player,) = cast.core.clients.players
    first = names(cast)
    cast.core.remove(cast.core.world.columns.rows_of([player.net_id]))
    cast.run(2)
    lost_at = cast.core.tick - 1
    assert (names(cast), player.net_id, player.looks_at) == ([], 0, (30.0, 40.0))
    cast.run(RULES.tick_hz - 1)
    assert names(cast) == [f"at {lost_at + RULES.tick_hz}"] != first
    cast.core.remove(cast.core.world.columns.rows_of([player.net_id]))
    cast.run(2)
    client.close(cast.now)
    cast.run(2 * RULES.tick_hz)  # nobody is there to be given anything
    assert names(cast) == []
    assert cast.core.arrivals.failed == {}


def test_what_is_to_be_done_again_and_again_is_done_at_its_ticks() -> None:
    play = Play()
    done: list[int] = []

    @play.game.every(0.5)
    def count(world: Authority) -> None:
        done.append(world.tick)
        world.spawn(play.craft, Label(name=f"{len(done)}"), at=(0.0, 0.0))
        if len(done) == 2:
            raise ValueError("no second one")

    cast = play.cast()
    cast.run(2 * RULES.tick_hz)
    assert done == [10, 20, 30, 40]
    assert names(cast) == ["1", "3", "4"]
    assert cast.core.arrivals.failed == {f"every {__name__}.count": 1}


def test_a_hook_counts_who_is_there() -> None:
    play, counted = Play(), list[tuple[int, int]]()
    unknown = Game("other").kind("none", Motion())

    @play.game.every(0.05)
    def count(world: Authority) -> None:
        counted.append((world.count(play.craft), world.count(unknown)))
        world.spawn(play.craft, at=(0.0, 0.0))

    play.cast().run(3)  # a wreck is there from the beginning
    assert counted == [(1, 0), (2, 0), (3, 0)]


def test_nothing_is_done_again_while_the_world_stands_still() -> None:
    play = Play()
    done: list[int] = []
    play.game.every(0.05)(lambda world: done.append(world.tick))
    cast = play.cast(standstill_after_s=0.2)
    cast.run(RULES.tick_hz)
    assert cast.core.clock.stands_still
    # The tick after that has begun, and does not end.
    assert done == list(range(1, cast.core.tick + 2))


def test_what_a_hook_ends_is_gone_for_good() -> None:
    play = Play()

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        player.fly(world.spawn(play.craft, Label(name="mine"), at=(30.0, 40.0)))
        escort = world.spawn(play.rock, Label(name="escort"), at=(90.0, 40.0))
        world.after(1.0, end, escort)

    def end(world: Authority, escort: int) -> None:
        world.despawn(escort)
        world.despawn(escort)
        world.despawn(4711)

    play.game.extend(play.rock, Label())
    cast = play.cast()
    log_in(cast, 7)
    assert names(cast) == ["escort", "mine"]
    cast.run(RULES.tick_hz)
    assert names(cast) == ["mine"]


def test_what_a_hook_gives_and_takes_is_so_once_it_has_returned() -> None:
    play = Play()
    rocks: list[int] = []

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        ship = world.spawn(play.craft, at=(30.0, 40.0))
        player.fly(ship)
        rock = world.spawn(play.rock, at=(90.0, 40.0))
        world.give(rock, Label(name="mine"))
        rocks.append(rock)
        world.after(1.0, strip, rock)

    def strip(world: Authority, rock: int) -> None:
        world.take(rock, Label)
        world.take(4711, Label)

    cast = play.cast()
    log_in(cast, 7)
    columns, number = cast.core.world.columns, cast.core.schema.numbers["label"]
    row = columns.rows_of(rocks)
    assert (columns.has(row, number)[0], columns["name"][row[0]]) == (True, b"mine")
    cast.run(RULES.tick_hz)
    assert (columns.has(row, number)[0], columns["name"][row[0]]) == (False, b"")
    assert noted(cast) == []


def flies_a_rock(play: Play, world: Authority, player: Player) -> None:
    player.fly(world.spawn(play.rock, at=(0.0, 0.0)))


def flies_twice(play: Play, world: Authority, player: Player) -> None:
    player.fly(world.spawn(play.craft, at=(0.0, 0.0)))
    player.fly(world.spawn(play.craft, at=(100.0, 0.0)))


def flies_the_wreck(play: Play, world: Authority, player: Player) -> None:
    player.fly(1)


def flies_nothing(play: Play, world: Authority, player: Player) -> None:
    player.fly(world.berth(player))


def spawns_two(play: Play, world: Authority, player: Player) -> None:
    world.spawn(play.rock, Motion(vx=[1.0, 2.0]), at=(0.0, 0.0))


def spawns_nowhere(play: Play, world: Authority, player: Player) -> None:
    world.spawn(play.rock, at=(float("nan"), 0.0))


def ends_what_can_not_be(play: Play, world: Authority, player: Player) -> None:
    world.despawn(1 << 32)


def looks_for_no_room(play: Play, world: Authority, player: Player) -> None:
    world.free_spot(radius=float("inf"))


def waits_for_ever(play: Play, world: Authority, player: Player) -> None:
    world.after(float("inf"), print)


def gives_what_shards_write(play: Play, world: Authority, player: Player) -> None:
    world.give(1, Body())


def gives_too_much(play: Play, world: Authority, player: Player) -> None:
    world.give(1, Label(name="x" * 25))


def gives_a_pilot(play: Play, world: Authority, player: Player) -> None:
    world.give(1, Pilot())


def takes_what_is_not_declared(play: Play, world: Authority, player: Player) -> None:
    world.take(1, Stray)


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (flies_a_rock, r"fly\(\d+\): kind rock has no Pilot, so nobody can fly it"),
        (flies_twice, r"fly\(\d+\): pilot 7 flies something already"),
        (
            flies_the_wreck,
            r"fly\(1\): a player flies what this call has spawned, or its own berth",
        ),
        (flies_nothing, r"fly\(0\): a player flies what this call"),
        (spawns_two, r"spawn\(rock\): one value each, not 2: it is one entity"),
        (spawns_nowhere, r"motion\.x = nan is outside"),
        (ends_what_can_not_be, r"4294967296 is no entity's id"),
        (looks_for_no_room, r"free_spot: radius is inf; it must be above 0"),
        (gives_what_shards_write, r"give\(Body\): its writer is the shard: systems give"),
        (gives_too_much, r"give\(Label\): label\.name is outside 24 bytes"),
        (gives_a_pilot, r"give\(Pilot\): an entity has it or has it not for all its life"),
        (takes_what_is_not_declared, r"take\(Stray\): it is not declared: say part\.declare"),
        (waits_for_ever, r"after: seconds is inf; it must be 0 or more"),
    ],
)
def test_a_hook_that_asks_for_what_can_not_be_is_told_so(
    act: Callable[[Play, Authority, Player], None], text: str
) -> None:
    play = Play()

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        act(play, world, player)

    cast = play.cast()
    log_in(cast, 7)
    (failed,) = noted(cast)
    assert re.search(f"GameError: {text}", str(failed.fields["error"]))
    assert names(cast) == []


def test_calls_that_wait_are_bounded() -> None:
    play = Play()

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        for _ in range(3):
            world.after(1e6, print)

    cast = Cast(game=declare(play.game), later_calls=5)
    log_in(cast, 7)
    log_in(cast, 8)
    (failed,) = noted(cast)
    assert str(failed.fields["error"]).endswith("GameError: after: 5 calls wait already")


# -- events --------------------------------------------------------------------------------------


class Greeting(Event):
    loud: F4 = field(1, low=0, high=10, quantum=0.5)


class Unheard(Event):
    loud: F4


def greetings(cast: Cast) -> list[tuple[int, float]]:
    """Whom what was said of in the newest tick that said something."""
    kept = cast.core.edge.changes.events.kept[EVENT_FIRST]
    return list(zip(kept.row["id"].tolist(), kept.row["test_hooks_greeting_loud"] / 2, strict=True))


def test_what_a_hook_emits_happens_where_its_subject_is() -> None:
    play = Play()
    play.game.declare(Greeting)

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        own = world.spawn(play.craft, at=(30.0, -40.0))
        player.fly(own)
        world.emit(Greeting(loud=2.5), at=own)
        world.emit(Greeting(), at=own)

    cast = play.cast()
    log_in(cast, 7)
    own = next(iter(cast.core.clients.players)).net_id
    assert greetings(cast) == [(own, 2.5), (own, 1.0)]
    world, kept = cast.core.world, cast.core.edge.changes.events.kept[EVENT_FIRST]
    assert set(kept.group.tolist()) == {int(world.group[world.columns.rows_of([own])[0]])}


def test_what_happens_to_who_is_ended_by_the_same_call_has_happened() -> None:
    play = Play()
    play.game.declare(Greeting)

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        rock = world.spawn(play.rock, at=(30.0, -40.0))
        world.despawn(rock)
        world.emit(Greeting(), at=rock)

    cast = play.cast()
    log_in(cast, 7)
    assert len(greetings(cast)) == 1


def test_nothing_has_happened_of_what_a_hook_that_raises_has_emitted() -> None:
    play = Play()
    play.game.declare(Greeting)

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        world.emit(Greeting(), at=world.spawn(play.rock, at=(30.0, -40.0)))
        raise ValueError("not today")

    cast = play.cast()
    log_in(cast, 7)
    assert greetings(cast) == []


@pytest.mark.parametrize(
    ("event", "subject", "words"),
    [
        (Greeting(), 77, "emit(Greeting): there is no entity 77"),
        (Greeting(), -1, "-1 is no entity's id"),
        (Greeting(loud=11), 0, "loud = 11 is outside 0 to 10"),
        (Greeting(loud=[1.0, 2.0]), 0, "loud: 2 values for 1 entities"),
        (Unheard(), 0, "emit(Unheard): it is not declared; say part.declare(Unheard)"),
        (Greeting, 0, "is no event; write Burst(), not Burst"),
    ],
)
def test_what_cannot_happen_is_refused_in_words(event: Any, subject: int, words: str) -> None:
    play = Play()
    play.game.declare(Greeting)

    @play.game.on_join
    def arrive(world: Authority, player: Player) -> None:
        world.emit(event, at=subject or world.spawn(play.rock, at=(30.0, -40.0)))

    cast = play.cast()
    log_in(cast, 7)
    (note,) = noted(cast)
    assert words in str(note.fields["error"])


# -- who leaves ------------------------------------------------------------------------------


class Mortal:
    """A game in which ships end with the sessions of their players, if the test wants it.

    Attributes:
        lost: names of those who were told that they have lost a ship.
    """

    def __init__(self, *, sinks: bool) -> None:
        self.lost: list[str] = []
        play = Play()

        @play.game.on_join
        def arrive(world: Authority, player: Player) -> None:
            at = world.free_spot(radius=RADIUS)
            player.fly(world.spawn(play.craft, Label(name=player.name), at=at))

        @play.game.on_leave
        def sink(world: Authority, player: Player) -> None:
            if sinks:
                world.despawn(world.berth(player))

        @play.game.on_lost
        def mourn(world: Authority, player: Player) -> None:
            self.lost.append(player.name)

        self.cast = play.cast()

    def own(self) -> int:
        (flown,) = (p.net_id for p in self.cast.core.clients.players if p.net_id)
        return flown


@pytest.mark.parametrize("sinks", [True, False])
def test_a_ship_may_end_in_the_tick_in_which_its_account_logs_in_again(sinks: bool) -> None:
    mortal = Mortal(sinks=sinks)
    cast = mortal.cast
    first = log_in(cast, 7)
    before = mortal.own()
    second = cast.connect(7, Role.PLAYER)
    say_hello(second, cast.core.schema.hash)
    if not sinks:
        cast.core.remove(cast.core.world.columns.rows_of([before]))
    cast.run(3)
    assert [reason for reason, _ in refusals(first)] == [CloseReason.LOGGED_IN_ELSEWHERE]
    assert (names(cast), mortal.lost) == (["pilot 7"], [])
    assert mortal.own() != before


def test_ships_may_end_with_their_players_when_the_server_does() -> None:
    mortal = Mortal(sinks=True)
    log_in(mortal.cast, 7)
    mortal.cast.core.close(mortal.cast.now, WALL)
    assert (names(mortal.cast), mortal.lost) == ([], [])


def test_who_has_left_is_given_nothing_to_fly() -> None:
    """A game may keep a player for longer than it stays."""
    play = Play()
    kept: list[Player] = []

    @play.game.on_join
    def note(world: Authority, player: Player) -> None:
        kept.append(player)
        world.after(2.0, let_fly)

    def let_fly(world: Authority) -> None:
        kept[0].fly(world.spawn(play.craft, Label(name="nobody's"), at=(0.0, 0.0)))

    cast = play.cast()
    log_in(cast, 7).close(cast.now)
    cast.run(3 * RULES.tick_hz)
    assert names(cast) == []
    (note_of_it,) = noted(cast)
    assert "pilot 7 has left" in str(note_of_it.fields["error"])


def test_whom_shards_have_given_all_children_that_they_may_has_room_for_those_of_hooks() -> None:
    play = Play()
    mast = play.game.kind("mast", Motion(), Parent(), spawned_by=SHARD)

    @play.game.on_join
    def rig_out(world: Authority, player: Player) -> None:
        craft = world.spawn(play.craft, at=(0.0, 0.0))
        for _ in range(OF_SHARDS_MAX + FAMILY_MAX):
            world.spawn(mast, Parent(of=craft), at=(0.0, 0.0))
        with pytest.raises(GameError, match="has too many children"):
            world.spawn(mast, Parent(of=craft), at=(0.0, 0.0))
        player.fly(craft)

    cast = play.cast()
    log_in(cast, 7)
    assert noted(cast) == []
    (player,) = cast.core.clients.players
    assert player.net_id
