"""What clients are sent of the world `belt`: `uv run python benchmarks/bandwidth.py`.

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

from collections import Counter
from typing import Final

import numpy as np
from results import parse_flags, publish, result, table
from virtual import VirtualWorld

from sidereal.client.interpolation import reckon
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.protocol.channel.packet import decode_packet_untrusted
from sidereal.protocol.ids import Address
from sidereal.protocol.links import PLAYER_CHANNELS
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
from sidereal.tools.bots.behaviour import Mind, choose_behaviour
from sidereal.tools.simulate.authority import CLIENTS
from sidereal.tools.simulate.exercise.losses import Losses
from sidereal.tools.simulate.seeds import random_of

BOTS: Final = 20
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


class Belt(VirtualWorld):
    """The world `belt` and who is in it."""

    def __init__(self, link: LinkConfig) -> None:
        game = load(DEFAULT_GAME)
        self.meter = Meter(schema_of(game), Rules())
        super().__init__(
            game, "belt", link=link, losses=self.meter, clients_max=BOTS + 2, seed=SEED
        )
        bots = [self.let_in(Role.PLAYER, COME_S + 0.1 * number) for number in range(BOTS)]
        behaviour = choose_behaviour(game, "wander")
        for number, bot in enumerate(bots):
            bot.mind = Mind(game, behaviour, random_of(SEED, f"bot {number}"))
        for number, looks in enumerate(((*EDGE, DRIFT), (*MIDDLE, 0.0)), BOTS):
            self.let_in(Role.OBSERVER, COME_S + 0.1 * number).looks = looks

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
