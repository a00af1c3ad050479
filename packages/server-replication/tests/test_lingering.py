"""What lingers when its player leaves: for how long, whose it is, and how it is given back."""

from __future__ import annotations

import numpy as np
import pytest
from drifters import RADIUS
from stage import RULES, Cast, say_hello

from sidereal.game import Authority, Body, Game, Label, Motion, Pilot, Player
from sidereal.game.declarations import declare
from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.message.player import Role
from sidereal.replication.play.lingering import LINGER_S_MAX

STAY_S = 2.0
STAY_TICKS = round(STAY_S * RULES.tick_hz)
ANONYMOUS = 0

game = Game("moorings")
CRAFT = game.kind("craft", Motion(), Body(radius=RADIUS), Label(), Pilot())


class Visit:
    """What the hooks do for the next who comes or goes.

    Attributes:
        flies: "berth", "new" or "nothing".
        fails: whether `on_join` raises.
        stays_s: for how long what is left lingers.
        then: whether who watches flies its berth a second later.
        seen: what `berth` gave.
    """

    def __init__(self) -> None:
        self.flies = "berth"
        self.fails = self.then = False
        self.stays_s = STAY_S
        self.seen: list[int] = []


@pytest.fixture
def visit() -> Visit:
    return Visit()


@pytest.fixture
def cast(visit: Visit) -> Cast:
    port = Game("port", parts=[game])

    @port.on_join
    def arrive(world: Authority, player: Player) -> None:
        left = world.berth(player)
        visit.seen.append(left)
        if visit.flies == "new" or (visit.flies == "berth" and not left):
            player.fly(world.spawn(CRAFT, Label(name=player.name), at=(30.0, 0.0)))
        elif visit.flies == "berth":
            player.fly(left)
        elif visit.then:
            world.after(STAY_S + 1.0, begin, player)
        if visit.fails:
            raise ValueError

    def begin(world: Authority, player: Player) -> None:
        player.fly(world.berth(player))

    @port.on_leave
    def abandon(_world: Authority, player: Player) -> None:
        player.linger(visit.stays_s)

    return Cast(game=declare(port))


def come(cast: Cast, account: int = 7) -> ClientEndpoint:
    client = cast.connect(account, Role.PLAYER)
    say_hello(client, cast.core.schema.hash)
    cast.run(3)
    return client


def go(cast: Cast, client: ClientEndpoint, ticks: int = 1) -> None:
    client.close(cast.now)
    cast.run(ticks)


def crafts(cast: Cast) -> list[int]:
    """Ids of all that players have been given."""
    columns = cast.core.world.columns
    rows = columns.rows()
    return sorted(columns.net_id[rows[columns["name"][rows] != b"wreck"]].tolist())


def flown(cast: Cast) -> list[int]:
    return [player.net_id for player in cast.core.clients.players if player.net_id]


def test_what_is_left_stays_so_long_and_then_waits_in_its_berth(cast: Cast) -> None:
    client = come(cast)
    (craft,) = crafts(cast)
    row = cast.core.world.columns.rows_of([craft])
    go(cast, client, STAY_TICKS)
    assert cast.core.saving.departed_of(7) is None
    assert cast.core.world.account[row].tolist() == [7]
    assert crafts(cast) == [craft]
    cast.run(1)
    assert crafts(cast) == []
    departed = cast.core.saving.departed_of(7)
    assert departed is not None
    assert not departed.removed
    come(cast)
    assert flown(cast) == crafts(cast) != [craft]


def test_who_is_back_by_then_flies_it_on_under_its_id_with_new_controls(
    cast: Cast, visit: Visit
) -> None:
    client = come(cast)
    (craft,) = crafts(cast)
    columns = cast.core.world.columns
    row = int(columns.rows_of([craft])[0])
    before = int(columns["control_epoch"][row])
    for _ in range(2):
        columns["vx"][row], columns["input_seq"][row] = 3.0, 99
        go(cast, client, STAY_TICKS // 2)
        client = come(cast)
        assert flown(cast) == crafts(cast) == visit.seen[1:][-1:] == [craft]
        assert columns["vx"][row] == 3.0
        assert columns["input_seq"][row] == 0
        (player,) = cast.core.clients.players
        assert player.control_epoch == columns["control_epoch"][row] > before
        before = player.control_epoch
    cast.run(2 * STAY_TICKS)
    assert flown(cast) == crafts(cast) == [craft]
    go(cast, client, STAY_TICKS)  # its time is counted from the last leaving
    assert crafts(cast) == [craft]
    cast.run(1)
    assert crafts(cast) == []


def test_the_newer_of_two_sessions_flies_on(cast: Cast, visit: Visit) -> None:
    come(cast)
    (craft,) = crafts(cast)
    come(cast)
    assert visit.seen == [0, craft]
    assert flown(cast) == crafts(cast) == [craft]
    cast.run(2 * STAY_TICKS)
    assert flown(cast) == crafts(cast) == [craft]


def test_who_breaks_off_lingers_as_who_says_goodbye(cast: Cast) -> None:
    come(cast)
    (craft,) = crafts(cast)
    cast.clients.clear()
    ticks = 0
    while len(cast.core.clients.players):
        cast.run(1)
        ticks += 1
    assert ticks > RULES.tick_hz
    cast.run(STAY_TICKS - 1)
    assert crafts(cast) == [craft]
    cast.run(1)
    assert crafts(cast) == []


def test_what_ends_while_it_lingers_is_gone(cast: Cast, visit: Visit) -> None:
    go(cast, come(cast))
    (craft,) = crafts(cast)
    cast.core.remove(cast.core.world.columns.rows_of([craft]))
    cast.run(2)
    come(cast)
    assert visit.seen == [0, 0]
    assert flown(cast) == crafts(cast) != [craft]


def test_who_flies_something_else_gives_up_what_lingers(cast: Cast, visit: Visit) -> None:
    go(cast, come(cast))
    (craft,) = crafts(cast)
    uuid = cast.core.world.uuid[cast.core.world.columns.rows_of([craft])]
    saved = cast.core.saving.take_batch(10, cast.core.tick)
    assert saved is not None
    cast.core.saving.committed(saved)
    visit.flies = "new"
    come(cast)
    assert len(crafts(cast)) == 1
    assert flown(cast) == crafts(cast) != [craft]
    batch = cast.core.saving.take_batch(10, cast.core.tick)
    assert batch is not None
    assert batch.uuid[batch.removed].tobytes() == uuid.tobytes()
    assert batch.account[~batch.removed].tolist().count(7) == 1


def test_who_only_watches_may_fly_it_later_from_its_berth(cast: Cast, visit: Visit) -> None:
    go(cast, come(cast))
    visit.flies, visit.then = "nothing", True
    come(cast)
    assert flown(cast) == []
    assert len(crafts(cast)) == 1
    cast.run(STAY_TICKS)
    assert crafts(cast) == []
    cast.run(RULES.tick_hz)
    assert flown(cast) == crafts(cast) != []
    assert cast.core.arrivals.failed == {}


def test_a_hook_that_raises_takes_nothing_over(cast: Cast, visit: Visit) -> None:
    go(cast, come(cast))
    (craft,) = crafts(cast)
    visit.fails = True
    come(cast)
    assert flown(cast) == []
    assert crafts(cast) == [craft]
    visit.fails = False
    come(cast)
    assert flown(cast) == crafts(cast) == [craft]


def test_who_leaves_without_anything_leaves_nothing(cast: Cast, visit: Visit) -> None:
    client = come(cast)
    cast.core.remove(cast.core.world.columns.rows_of(flown(cast)))
    cast.run(2)
    go(cast, client, 3)
    assert crafts(cast) == []
    visit.stays_s = 0.0
    go(cast, come(cast), 2)
    assert crafts(cast) == []


def test_of_the_anonymous_it_lingers_and_is_nobodys_then(cast: Cast) -> None:
    go(cast, come(cast, ANONYMOUS), STAY_TICKS)
    assert len(crafts(cast)) == 1
    come(cast, ANONYMOUS)
    assert len(crafts(cast)) == 1  # it has a new one; the old one has gone
    assert flown(cast) == crafts(cast)
    batch = cast.core.saving.take_batch(10, cast.core.tick)
    assert batch is not None
    assert batch.rows["name"].tolist() == [b"wreck"]


def test_no_more_linger_than_there_are_seats(cast: Cast, visit: Visit) -> None:
    visit.stays_s = LINGER_S_MAX
    for account in range(1, cast.clients_max + 3):
        go(cast, come(cast, account))
    assert len(crafts(cast)) == cast.clients_max
    assert cast.core.saving.departed_of(2) is not None
    assert cast.core.saving.departed_of(3) is None


def test_a_server_that_closes_lets_nothing_linger(cast: Cast) -> None:
    go(cast, come(cast, 7))
    come(cast, 8)
    assert len(crafts(cast)) == 2
    cast.core.close(cast.now, 0.0)
    assert crafts(cast) == []
    for account in (7, 8):
        assert cast.core.saving.departed_of(account) is not None


@pytest.mark.parametrize("seconds", [-1.0, np.inf, np.nan, LINGER_S_MAX + 1])
def test_how_long_is_checked_and_what_is_said_wrongly_is_not_said(
    cast: Cast, visit: Visit, seconds: float
) -> None:
    client = come(cast)
    visit.stays_s = seconds
    go(cast, client, 2)
    assert crafts(cast) == []
    assert sum(cast.core.arrivals.failed.values()) == 1
