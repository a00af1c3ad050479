"""Space that somebody has flown through once must not be carried along for ever."""

from __future__ import annotations

import numpy as np
from drifters import drifter

from sidereal.protocol.channel.events import Received
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, Address
from sidereal.protocol.links import PLAYER_CHANNELS, UserData, encode_user_data
from sidereal.protocol.message.codec import HOLDER_ROW, decode_server_untrusted, encode_message
from sidereal.protocol.message.player import Hello, Leases, LookAt, PlayerChannel, Role
from sidereal.protocol.state.schema import OWNER
from sidereal.replication.edge.leaseviews import LEASE_RADIUS
from sidereal.replication.limits import LIMITS
from sidereal.replication.ownership.leases import LeaseTable

from .troupe import CLIENTS, RULES, SCHEMA, Peer, Troupe

EMPTY_TICKS = LIMITS.world.sector_empty_ticks
CHECKED_TICKS = LIMITS.world.sectors_checked_every_ticks
LEASES_TICKS = LIMITS.edge.leases_every_ticks
SPEED = RULES.speed_max

OWNED = SCHEMA.numbers[OWNER.name]


def near(sector: tuple[int, int], middle: tuple[int, int]) -> bool:
    return max(abs(sector[0] - middle[0]), abs(sector[1] - middle[1])) <= LEASE_RADIUS


class Watcher(Peer):
    """An observer.

    Attributes:
        shown: the leases that it was shown, message by message.
    """

    def __init__(self, troupe: Troupe) -> None:
        user = UserData(1, Role.OBSERVER, "watcher", troupe.entropy(16))
        super().__init__(
            troupe,
            CLIENT_PROTOCOL_ID,
            bytes(32),
            CLIENTS,
            PLAYER_CHANNELS,
            encode_user_data(user),
            Address("203.0.113.1", 5000),
        )
        self.shown: list[Leases] = []
        self.endpoint.send(PlayerChannel.COMMAND, encode_message(Hello(SCHEMA.hash, "test")))

    def take(self, event: Received) -> None:
        if event.channel == PlayerChannel.LEASES:
            message = decode_server_untrusted(event.channel, event.message)
            assert isinstance(message, Leases)
            self.shown.append(message)


class Voyage(Troupe):
    """A world in which everything drifts, a shard that only shows it is alive, an observer."""

    def __init__(self, records: np.ndarray) -> None:
        super().__init__(records)
        self.watcher = Watcher(self)
        self.peers.append(self.watcher)
        self.only = self.shard("shard-1", ticks=10, answers=False)

    @property
    def shown(self) -> list[Leases]:
        return self.watcher.shown

    @property
    def holders(self) -> dict[tuple[int, int], int]:
        """What the observer knows by what it was shown."""
        known = {}
        for message in self.shown:
            for dx, dy, shard in np.frombuffer(message.rows, HOLDER_ROW).tolist():
                known[message.sector_x + dx, message.sector_y + dy] = shard
        middle = self.shown[-1].sector_x, self.shown[-1].sector_y
        return {sector: shard for sector, shard in known.items() if shard and near(sector, middle)}

    def truth(self, middle: tuple[int, int] = (0, 0)) -> dict[tuple[int, int], int]:
        """Who holds the sectors around one."""
        rows = self.core.mesh.leases.rows()[["sector_x", "sector_y", "shard"]].tolist()
        return {(x, y): shard for x, y, shard in rows if near((x, y), middle)}


def fleet(count: int, vx: float) -> np.ndarray:
    ships = [drifter(f"{n}", 500.0, 500.0 + 1000.0 * n) for n in range(count)]
    records = np.concatenate(ships)
    records["vx"] = vx
    return records


def test_sectors_that_were_left_long_ago_are_forgotten() -> None:
    voyage = Voyage(fleet(2, SPEED))
    ticks = 6 * EMPTY_TICKS
    voyage.run(ticks)
    visited = 2 * ticks * RULES.tick_s * SPEED / RULES.sector_size
    kept = 2 * (EMPTY_TICKS + CHECKED_TICKS) * RULES.tick_s * SPEED
    most = kept / RULES.sector_size + 4
    core = voyage.core
    assert most < visited
    assert len(core.mesh.leases.rows()) <= most
    assert len(core.world.sectors.keys) <= most
    assert core.world.sectors.row_count <= most
    assert set(core.world.columns["shard"][core.world.columns.rows()]) == {1}
    assert voyage.watcher.closed is None


def test_an_empty_sector_is_let_go_within_four_seconds_and_its_lease_with_it() -> None:
    voyage = Voyage(fleet(1, 0.0))
    columns = voyage.core.world.columns
    columns["x"][columns.rows()] += RULES.sector_size
    left_at = voyage.core.tick
    while voyage.core.mesh.leases.holder_of((0, 0)):
        voyage.run(1)
    ticks = voyage.core.tick - left_at
    assert EMPTY_TICKS < ticks <= EMPTY_TICKS + CHECKED_TICKS + 1
    assert ticks * RULES.tick_s <= 4.0 + RULES.tick_s
    assert len(voyage.core.world.sectors.keys) == 1
    voyage.run(2 * LEASES_TICKS)
    assert voyage.holders == {(1, 0): 1}


def test_what_goes_to_and_fro_over_a_border_does_not_make_leases_flap() -> None:
    voyage = Voyage(fleet(1, 0.0))
    columns = voyage.core.world.columns
    rows = columns.rows()
    voyage.run(2)
    epochs = []
    for _ in range(4):
        for side in (900.0, 1100.0):
            columns["x"][rows] = side
            voyage.run(EMPTY_TICKS // 2)
        epochs.append(voyage.core.mesh.leases.epoch)
    assert len(set(epochs)) == 1


def test_a_sector_with_something_in_it_stays() -> None:
    voyage = Voyage(fleet(3, 0.0))
    before = voyage.core.mesh.leases.rows().tobytes()
    voyage.run(EMPTY_TICKS + 2 * CHECKED_TICKS)
    assert voyage.core.mesh.leases.rows().tobytes() == before


def test_leases_are_not_sent_with_every_change() -> None:
    voyage = Voyage(fleet(40, 0.0))
    voyage.run(20)
    before = len(voyage.shown)
    for tick in range(10 * LEASES_TICKS):
        voyage.core.mesh.leases.grow({(tick % 2, -1): 1.0}, {})
        voyage.core.mesh.leases.vacate([((tick + 1) % 2, -1)])
        voyage.run(1)
    assert len(voyage.shown) - before in (10, 11)
    assert voyage.holders == voyage.truth()


def test_only_leases_around_are_shown() -> None:
    voyage = Voyage(fleet(1, 0.0))
    before = len(voyage.shown)
    leases = voyage.core.mesh.leases
    far = {(x, y): 1.0 for x in range(100) for y in range(100) if max(x, y) > LEASE_RADIUS}
    leases.grow(far, {})
    voyage.run(3 * LEASES_TICKS)
    assert len(voyage.shown) == before
    leases.grow({(LEASE_RADIUS, LEASE_RADIUS): 1.0}, {})
    voyage.run(3 * LEASES_TICKS)
    (message,) = voyage.shown[before:]
    assert len(message.rows) == HOLDER_ROW.itemsize
    assert voyage.holders == {(0, 0): 1, (LEASE_RADIUS, LEASE_RADIUS): 1}


def test_who_looks_elsewhere_is_shown_the_leases_there() -> None:
    voyage = Voyage(fleet(20, 0.0))
    voyage.watcher.endpoint.send(PlayerChannel.COMMAND, encode_message(LookAt(500.0, 15_500.0)))
    voyage.run(3 * LEASES_TICKS)
    assert voyage.holders == voyage.truth(middle=(0, 15))
    assert len(voyage.holders) == LEASE_RADIUS + 5


def test_clients_are_told_that_the_last_shard_has_gone_and_that_one_has_come() -> None:
    voyage = Voyage(fleet(2, 0.0))
    world = voyage.core.world
    rows = world.columns.rows()
    assert world.rows[OWNED]["shard"][rows].tolist() == [1, 1]
    voyage.only.endpoint.close(voyage.now)
    voyage.run(LEASES_TICKS)
    assert voyage.holders == {}
    assert world.rows[OWNED]["shard"][rows].tolist() == [0, 0]
    assert len(voyage.core.mesh.leases.rows()) == 0
    epoch = world.columns.epoch[rows].copy()
    voyage.shard("shard-1", ticks=10, answers=False)
    voyage.run(10)
    assert world.rows[OWNED]["shard"][rows].tolist() == [1, 1]
    assert voyage.holders == {(0, 0): 1, (0, 1): 1}
    assert (world.columns.epoch[rows] > epoch).all()


def test_a_vacant_sector_is_leased_anew_under_a_newer_epoch() -> None:
    table = LeaseTable()
    table.join(1, {(0, 0): 1.0, (1, 0): 1.0})
    (gone,) = table.vacate([(1, 0), (5, 5)])
    assert (gone.sector, gone.before, gone.after) == ((1, 0), 1, 0)
    assert table.sectors_of(1) == {(0, 0)}
    (again,) = table.grow({(1, 0): 1.0}, {})
    assert again.epoch > gone.epoch
