"""What clients are sent of the default world: `uv run python benchmarks/bandwidth.py`.

In virtual time, so nothing depends on how busy the machine is: the real cores, two shards, the
belt, 20 bots that wander, and two observers. One of these drifts along the belt's edge, as slowly
as rocks do; the other one looks at the middle, where the bots come from. Counted are payloads of
UDP that the server sends: netcode's bytes and all of ours, those of UDP and IP not. In the end
everybody must see what there is in their window, no more, and where it is.

Cases: `bandwidth_p50_B_per_s`, the median of the bots; `bandwidth_observer_B_per_s`, of the
observer that drifts. Both are by links of a millisecond that lose nothing; the same with `_lossy_`
are by links of 50 to 80 ms each way that lose 2 % and let 2 % be overtaken. The table says what the
bytes are.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

import numpy as np
from results import parse_flags, publish, result, table

from sidereal.client.interpolation import reckon
from sidereal.client.returning import ReturningClient
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.protocol.channel.packet import decode_packet_untrusted
from sidereal.protocol.ids import Address
from sidereal.protocol.links import PLAYER_CHANNELS, derive_shard_key
from sidereal.protocol.message.player import PlayerChannel, Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.session import packet
from sidereal.protocol.state.heads import encode_head
from sidereal.protocol.state.private import read_private_untrusted
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.snapshot import read_snapshot_untrusted
from sidereal.protocol.state.stream import DEFERRED, GONE, MOVED, NOW, PRESENCE, UNCHANGED
from sidereal.protocol.testing.link import LinkConfig
from sidereal.replication.limits import LIMITS
from sidereal.replication.play.worlds import make_world
from sidereal.replication.replicator import Replicator
from sidereal.tools.bots.behaviour import Mind, choose_behaviour
from sidereal.tools.simulate.authority import CLIENTS, HOST, SHARDS, Authority
from sidereal.tools.simulate.clients import ClientHost
from sidereal.tools.simulate.exercise.losses import Losses
from sidereal.tools.simulate.ledger import Ledger
from sidereal.tools.simulate.network import Network
from sidereal.tools.simulate.processes import Process, ShardHost
from sidereal.tools.simulate.seeds import random_of

BOTS: Final = 20
SHARD_COUNT: Final = 2
SEED: Final = 7
COME_S: Final = 5.0
"""When the first bot comes; then one every tenth of a second."""
SETTLES_S: Final = 15.0
"""Until all are in the world, and have seen what is around."""
SECONDS, SECONDS_QUICK = 120.0, 20.0
CLEAN_S: Final = 3.0
"""In the end nothing is lost for so long: then everybody must have everything."""
LINKS: Final = {
    "": LinkConfig(delay_s=0.001),
    "lossy_": LinkConfig(delay_s=0.05, jitter_s=0.03, loss=0.02, reordering=0.02),
}
EDGE: Final = -1700.0, -1900.0
"""Where the observer begins that drifts, world units."""
DRIFT: Final = 3.0
"""How fast it does, units/s."""
MIDDLE: Final = 500.0, 500.0
USUAL_MAX: Final = 0.1
"""World units by which nine in ten are seen elsewhere at most."""
JUMP_MAX: Final = 10.0
"""Likewise all: a client may be a tick behind, in which something was hit."""
LOOK_S: Final = 0.5
"""An observer says so often where it looks."""
OFF_MAX: Final = 1.0
"""World units; who is so near to the edge of a window may be in it or not."""

Sizes = Counter[str]
"""Bytes by what they are, and how many there were of some things."""


class Meter(Losses):
    """Counts what the server sends to each client, by what it is.

    Attributes:
        sizes: by the client's address.
    """

    def __init__(self, schema: Schema, rules: Rules) -> None:
        super().__init__(schema, rules)
        self.sizes: dict[Address, Sizes] = {}
        self._names = {PRESENCE: "presence", GONE: "gone", MOVED: "moved", NOW: "motion"}
        self._names |= {number: name for name, number in schema.numbers.items()}
        self._layouts = schema, rules
        self._reliable = [spec.delivery.is_reliable for spec in PLAYER_CHANNELS]

    def see(self, source: Address, destination: Address, datagram: bytes) -> None:
        """See a datagram pass."""
        super().see(source, destination, datagram)
        if source == CLIENTS:
            sizes = self.sizes.setdefault(destination, Counter())
            sizes["datagrams"] += 1
            sizes["bytes"] += len(datagram)
            self._take_apart(sizes, source, destination, datagram)

    def _take_apart(
        self, sizes: Sizes, source: Address, destination: Address, datagram: bytes
    ) -> None:
        session = self._sessions.get((source, destination))
        if session is None or datagram[0] & 15 != packet.PAYLOAD:
            sizes["handshakes, keep-alives"] += len(datagram)
            return
        _, body = packet.decode_packet_untrusted(
            datagram, 1 << packet.PAYLOAD, session.aead, session.associated, None
        )
        parts = decode_packet_untrusted(body, self._reliable).parts
        left = len(body)
        for part in parts:
            size = sum(map(len, part.bodies))
            left -= size
            if part.channel == PlayerChannel.SNAPSHOT:
                for message in part.bodies:
                    self._take_snapshot(sizes, message)
            else:
                sizes[PlayerChannel(part.channel).name.lower()] += size
        sizes["netcode"] += len(datagram) - len(body)
        sizes["packet heads"] += left
        sizes["datagrams with nothing but an ack"] += not parts

    def _take_snapshot(self, sizes: Sizes, message: bytes) -> None:
        snapshot = read_snapshot_untrusted(*self._layouts, message)
        head = len(encode_head(snapshot.tick, snapshot.centre_x, snapshot.centre_y))
        head += bool(message[0] & DEFERRED)
        head += len(snapshot.unchanged) * bool(message[0] & UNCHANGED)
        rest = len(message) - head
        for what, _, _, begin, end in snapshot.spans:
            sizes[f"cells: {self._names.get(what, 'events')}"] += end - begin
            rest -= end - begin
        if snapshot.private is not None:
            centre = snapshot.centre_x, snapshot.centre_y
            _, end = read_private_untrusted(*self._layouts, message, head, snapshot.tick, centre)
            sizes["own state"] += end - head
            sizes["own motions"] += snapshot.private.motion is not None
            rest -= end - head
        sizes["snapshot heads"] += head
        sizes["cells: heads"] += rest
        sizes["snapshots"] += 1


class Guest(ClientHost):
    """A client that flies like a bot, or looks somewhere.

    Attributes:
        mind: of a bot.
        looks: of an observer: where, and how fast that drifts along x.
    """

    mind: Mind | None = None
    looks: tuple[float, float, float] | None = None
    _decide_at = 0.0

    def _turn(self, client: ReturningClient, now: float, local: float) -> None:
        core = client.client
        if now >= self._decide_at and core is not None:
            hold_s = LOOK_S
            if self.mind is not None:
                record, hold_s = self.mind.decide(core)
                client.hold(record)
            elif self.looks is not None:
                x, y, drift = self.looks
                client.look_at(x + drift * now, y)
            self._decide_at = now + max(hold_s, 0.05)
        super()._turn(client, now, local)

    def _next_due(self) -> float:
        return min(super()._next_due(), math.inf if self.core is None else self._decide_at)


class Belt:
    """The default world and who is in it."""

    def __init__(self, link: LinkConfig) -> None:
        self.game = load(DEFAULT_GAME)
        self.schema, self.rules = schema_of(self.game), Rules()
        self.now = 0.0
        self.meter = Meter(self.schema, self.rules)
        self.network = Network(link, SEED, self.meter)
        self._key = derive_shard_key("7e" * 16)
        self.authority = Authority(
            self.network,
            random_of(SEED, "authority"),
            shard_key=self._key,
            game=self.game,
            rules=self.rules,
            limits=LIMITS,
            ledger=Ledger(),
            clients_max=BOTS + 2,
        )
        self.authority.start(0.0)
        self.core.create(make_world(self.game, self.schema, "belt", random_of(SEED, "world")))
        self.shards = [self._add_shard(number) for number in range(SHARD_COUNT)]
        self.bots = [self._add_client(number, Role.PLAYER) for number in range(BOTS)]
        self.drifting, self.still = (self._add_client(BOTS + n, Role.OBSERVER) for n in (0, 1))
        behaviour = choose_behaviour(self.game, "wander")
        for number, bot in enumerate(self.bots):
            bot.mind = Mind(self.game, behaviour, random_of(SEED, f"bot {number}"))
        self.drifting.looks, self.still.looks = (*EDGE, DRIFT), (*MIDDLE, 0.0)
        self.clients = [*self.bots, self.drifting, self.still]

    @property
    def core(self) -> Replicator:
        assert self.authority.core is not None
        return self.authority.core

    def _add_shard(self, number: int) -> ShardHost:
        shard = ShardHost(
            f"shard-{number}",
            f"198.51.100.{1 + number}",
            self.network,
            random_of(SEED, f"shard {number}"),
            key=self._key,
            server=SHARDS,
            make_game=lambda: self.game,
        )
        shard.start(0.0)
        return shard

    def _add_client(self, number: int, role: Role) -> Guest:
        name = f"{role.name.lower()} {number}"
        client = Guest(
            name,
            f"203.0.113.{1 + number}",
            self.network,
            random_of(SEED, name),
            game=self.game,
            sign_in=lambda now: self.authority.issue_token(1 + number, role, name, now),
        )
        client.come(COME_S + 0.1 * number)
        return client

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            process: Process = min((*self.shards, *self.clients), key=lambda host: host.due)
            at = min(self.network.next_at, self.authority.due, process.due)
            if at > end:
                break
            self.now = max(self.now, at)
            if self.network.next_at <= at:
                self._deliver()
            elif self.authority.due <= at:
                self.authority.turn(self.now)
            else:
                process.wake(self.now)
        self.now = end

    def _deliver(self) -> None:
        delivery = self.network.take()
        if delivery.destination.host == HOST:
            self.authority.receive(delivery, self.now)
        for process in (*self.shards, *self.clients):
            if process.address == delivery.destination:
                process.receive(delivery, self.now)

    def sizes(self) -> list[Sizes]:
        """What each client was sent so far."""
        return [Counter(self.meter.sizes[client.address]) for client in self.clients]


def check(belt: Belt) -> None:
    """Everybody sees what there is in their window, no more, and where it is."""
    world, rules = belt.core.world, belt.rules
    rows = world.columns.rows()
    for client in belt.clients:
        session = client.core
        assert session is not None, f"{client.name} has left"
        session.view(client.local(belt.now))
        replica, tick = session.replica, session.newest_tick
        assert replica is not None
        assert belt.core.tick - tick <= LIMITS.edge.silence_s * rules.tick_hz + 1, client.name
        x, y, _ = world.locate(rows, tick)
        low_x, low_y = (
            (centre - rules.view_radius_cells) * rules.cell_size
            for centre in (replica.coverage.centre_x, replica.coverage.centre_y)
        )
        span = rules.window_side * rules.cell_size
        inside = np.minimum.reduce([x - low_x, y - low_y, low_x + span - x, low_y + span - y])
        held = replica.rows()
        ids = replica.columns.net_id[held]
        missing = set(world.columns.net_id[rows[inside > OFF_MAX]].tolist()) - set(ids.tolist())
        beyond = set(ids.tolist()) - set(world.columns.net_id[rows[inside > -OFF_MAX]].tolist())
        assert not missing, f"{client.name} does not see {missing}"
        assert not beyond, f"{client.name} sees {beyond}"
        seen = reckon(replica.newer(held), tick, rules.tick_s)
        true_x, true_y, _ = world.locate(world.columns.rows_of(ids), tick)
        off = np.sort(np.hypot(seen.x - true_x, seen.y - true_y))
        assert off[-1] <= JUMP_MAX, f"{client.name} sees something {off[-1]:.2f} units off"
        usual = off[len(off) * 9 // 10]
        assert usual <= USUAL_MAX, f"{client.name} sees a tenth more than {usual:.2f} units off"


def measure(link: LinkConfig, seconds: float) -> dict[str, dict[str, float]]:
    """Run the world; gives what each client is sent per second, by name, after the check."""
    belt = Belt(link)
    belt.run(SETTLES_S)
    before = belt.sizes()
    belt.run(seconds)
    spent = {
        client.name: {what: (size - then[what]) / seconds for what, size in sizes.items()}
        for client, sizes, then in zip(belt.clients, belt.sizes(), before, strict=True)
    }
    belt.network.configure(LINKS[""])
    belt.run(CLEAN_S)
    check(belt)
    return spent


def main() -> None:
    flags = parse_flags(__doc__)
    seconds = SECONDS_QUICK if flags.quick else SECONDS
    results = {}
    for name, link in LINKS.items():
        *bots, drifting, still = measure(link, seconds).values()
        p50 = float(np.median([sizes["bytes"] for sizes in bots]))
        results[f"bandwidth_{name}p50_B_per_s"] = result(p50, "B/s")
        results[f"bandwidth_{name}observer_B_per_s"] = result(drifting["bytes"], "B/s")
        print(
            f"{name or 'near_'}  p50 of the bots {p50:.0f} B/s, at most "
            f"{max(sizes['bytes'] for sizes in bots):.0f}; per second, of the bots on average, of "
            "the observer that drifts, of the one in the middle:",
            file=table(flags),
        )
        for what in sorted({what for sizes in (*bots, drifting, still) for what in sizes}):
            mean = float(np.mean([sizes.get(what, 0.0) for sizes in bots]))
            columns = mean, drifting.get(what, 0.0), still.get(what, 0.0)
            print(f"{what:36}", *(f"{one:8.1f}" for one in columns), file=table(flags))
    publish(flags, results)


if __name__ == "__main__":
    main()
