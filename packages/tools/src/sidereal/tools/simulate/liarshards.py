"""Shards that have the key and lie.

Both say hello, are given sectors and adopt what is in them. `LyingShard` simulates it as an honest
shard does, so that nothing but its lies is wrong: at drawn ticks it says of its own entities what
cannot be, and proposes rows of entities that are not its own. In the end it does one thing without
measure, its `Finale`, and must be closed for it. `IdleShard` says in every tick that it lives, and
never what has become of anything.
"""

from __future__ import annotations

import enum
from typing import Any, Final

import msgspec
import numpy as np

from sidereal.game.schema import column_of, name_of
from sidereal.protocol.limits import ASKED_ROWS_MAX
from sidereal.protocol.message.codec import ASKED_ROW
from sidereal.protocol.message.shard import Asked, ShardChannel
from sidereal.protocol.state.proposals import encode_proposals
from sidereal.protocol.state.schema import LABEL, WHOLE
from sidereal.protocol.state.stream import GONE
from sidereal.shard.shard import ShardCore
from sidereal.shard.simulation import Simulation
from sidereal.tools.simulate.bookings import HAIL, PAY
from sidereal.tools.simulate.families import COLOUR, COLOURS, FLAG
from sidereal.tools.simulate.game import SHIP, Charge, Turn
from sidereal.tools.simulate.leaps import Leaps
from sidereal.tools.simulate.lies import Lies
from sidereal.tools.simulate.passing import NOTE, SPARK, UNASKED_FROM, Origin, Stamp
from sidereal.tools.simulate.shardlies import (
    BIRTH_LIES,
    CHARGE_LIES,
    EVENT_LIES,
    LEVEL,
    OWN_LIES,
    charged_as_it_likes,
    put_elsewhere,
    that_never_was,
)
from sidereal.tools.simulate.shards import ShardProcess

LIES_SHARE: Final = 0.7
"""Share of its ticks in which a lying shard lies."""

LIES_AT_ONCE: Final = 4
"""Entities that it lies about in such a tick."""

ROWS_PER_MESSAGE: Final = 16

FLOOD_MESSAGES: Final = 800
"""Per tick: a shard whose game spawns and emits may send some hundred and fifty."""

NOISES: Final = 16
"""Per tick and channel: what is forgotten of them in time still is more than any limit drawn."""

BORN: Final = column_of(Origin, Origin.fields["born"])
BEATS: Final = column_of(Stamp, Stamp.fields["beats"])

CLOSED_WITHIN_S: Final = 1.5
"""How long its finale may last: so many of its rows are refused, or its messages dropped."""

STRANGERS_FROM: Final = 0xF000_0000
"""Network ids that were never given begin here."""

UNBORN_FROM: Final = 0x8000_0000
"""Ticks in which nothing was born begin here."""

LEAD_TICKS: Final = 3
"""A shard is no further ahead of the server where nothing else goes wrong."""

FLOOD_ASKS: Final = 10
"""Messages of asks that it sends at once, each of another entity, as often as one may ask."""


class Finale(enum.IntEnum):
    """What a lying shard does in the end."""

    FLOOD = 0
    """It repeats its own rows many times per tick, or that it has none."""
    FORGERY = 1
    """It proposes rows of entities that never were."""
    NONSENSE = 2
    """It sends noise on all channels."""


class LyingShard(ShardCore):
    """A shard that simulates, and lies.

    Attributes:
        raves: whether it has come to its finale.
    """

    def __init__(
        self,
        *,
        finale: Finale,
        dice: np.random.Generator,
        lies: Lies,
        long_ago_s: float,
        **arguments: Any,
    ) -> None:
        self.raves = False
        self._long_ago_s = long_ago_s
        self._finale = finale
        self._dice = dice
        # Of its own: what was drawn before there was this lie stays as it was.
        self._doubts = dice.spawn(1)[0]
        self._lies = lies
        super().__init__(**arguments)
        self._leaps = Leaps(self._schema, self._doubts.spawn(1)[0], lies)

    def _propose(self, simulation: Simulation) -> None:
        super()._propose(simulation)
        if self.raves:
            self._rave(simulation)
        elif self._dice.random() < LIES_SHARE:
            self._lie_of_its_own(simulation)
            self._lie_of_others(simulation)
            self._lie_of_charges(simulation)
            self._rename(simulation)
            self._lie_of_events(simulation)
            self._lie_of_births(simulation)
            self._lie_of_children(simulation)
            self._lie_of_ends(simulation)
            self._lie_of_the_past(simulation)
            self._lie_of_repairs(simulation)
            self._lie_of_gifts(simulation)
            self._lie_of_asks(simulation)
        if not self.raves and self._finale is Finale.NONSENSE:
            self._let_leap(simulation)

    def _lie_of_its_own(self, simulation: Simulation) -> None:
        columns = simulation.bodies.columns
        chosen = self._dice.permutation(simulation.bodies.rows())[:LIES_AT_ONCE]
        records = columns.store(chosen, self._schema.exact_record)
        for at in range(len(records)):
            lie = OWN_LIES[int(self._dice.integers(len(OWN_LIES)))]
            lie(records[at : at + 1], self._dice)
            self._lies.note_row(lie.__name__, records[at : at + 1])
        self._send_rows(self._motion, records)

    def _lie_of_others(self, simulation: Simulation) -> None:
        ghosts = simulation.ghosts
        chosen = self._dice.permutation(ghosts.rows())[:LIES_AT_ONCE]
        records = np.zeros(len(chosen), self._schema.exact_record)
        for name in records.dtype.names or ():
            if name in self._schema.fields:
                records[name] = ghosts.columns[name][chosen]
        records["id"] = ghosts.columns.net_id[chosen]
        records["epoch"] = ghosts.columns.epoch[chosen]
        records["tick"] = self.tick
        records["x"] += 1.0
        for at in range(len(records)):
            self._lies.note_row("of another shard's", records[at : at + 1])
        self._send_rows(self._motion, records)

    def _lie_of_charges(self, simulation: Simulation) -> None:
        bodies, ghosts = simulation.bodies.rows(), simulation.ghosts.rows()
        for rows, lies in ((bodies, CHARGE_LIES), (ghosts, (charged_as_it_likes,))):
            chosen = self._dice.permutation(rows)[:1]
            records = self._rows_of(name_of(Charge), chosen, simulation)
            for at in range(len(records)):
                lie = lies[int(self._dice.integers(len(lies)))]
                lie(records[at : at + 1], self._dice)
                self._lies.note_value(lie.__name__, records[at], LEVEL)
            self._send_rows(self._schema.numbers[name_of(Charge)], records)

    def _rename(self, simulation: Simulation) -> None:
        """Say what somebody is called, which no shard decides."""
        chosen = self._dice.permutation(simulation.bodies.rows())[:1]
        records = self._rows_of(LABEL.name, chosen, simulation)
        records["name"] = f"liar {self._dice.integers(1 << 20)}".encode()
        for record in records:
            self._lies.note_value("a name", record, "name")
        self._send_rows(self._schema.numbers[LABEL.name], records)

    def _lie_of_events(self, simulation: Simulation) -> None:
        """Say that something has happened, of its own entities and of others."""
        number = self._schema.event_numbers[name_of(Turn)]
        bodies, ghosts = simulation.bodies.rows(), simulation.ghosts.rows()
        for rows, lies in ((bodies, EVENT_LIES), (ghosts, (that_never_was,))):
            chosen = self._dice.permutation(rows)[:1]
            records = np.zeros(len(chosen), self._schema.proposed_rows[number])
            records["id"] = simulation.bodies.columns.net_id[chosen]
            records["epoch"] = simulation.bodies.columns.epoch[chosen]
            records["nth"] = self._dice.integers(1 << 10, size=len(chosen))
            for at in range(len(records)):
                that_never_was(records[at : at + 1], self._dice)
                lie = lies[int(self._dice.integers(len(lies)))]
                lie(records[at : at + 1], self._dice)
                self._lies.told[f"an event {lie.__name__}"] += 1
            self._send_rows(number, records)

    def _lie_of_births(self, simulation: Simulation) -> None:
        """Spawn what it may not."""
        chosen = self._dice.permutation(simulation.bodies.rows())[:1]
        ids = simulation.lives.ids
        if not len(chosen) or not len(ids):
            return
        record = self._schema.first[[SPARK]].copy()
        record["id"], record["epoch"], record["tick"] = ids.take(1), 1, self.tick
        for name in ("x", "y"):
            record[name] = simulation.bodies.columns[name][chosen]
        record[BORN] = born = UNBORN_FROM + int(self._dice.integers(1 << 20))
        if self._dice.random() < 0.2 and self._is_long_ago(0, simulation):
            record["tick"] = 0
            self._lies.note_birth("born long ago", born)
        else:
            lie = BIRTH_LIES[int(self._dice.integers(len(BIRTH_LIES)))]
            lie(record, self._dice)
            self._lies.note_birth(lie.__name__, born)
        self._send_rows(WHOLE, record)

    def _lie_of_children(self, simulation: Simulation) -> None:
        """Spawn children of what others simulate."""
        chosen = self._dice.permutation(simulation.ghosts.rows())[:1]
        ids = simulation.lives.ids
        if not self._schema.masks[FLAG] or not len(chosen) or not len(ids):
            return
        record = self._schema.first[[FLAG]].copy()
        record["id"], record["epoch"], record["tick"] = ids.take(1), 1, self.tick
        for name in ("x", "y"):
            record[name] = simulation.bodies.columns[name][chosen]
        record["of"] = simulation.bodies.columns.net_id[chosen]
        record[COLOUR] = COLOURS
        epoch = int(simulation.bodies.columns.epoch[chosen[0]])
        self._lies.note_child("a child of another's", int(record["id"][0]), epoch)
        self._send_rows(WHOLE, record)

    def _lie_of_ends(self, simulation: Simulation) -> None:
        """End what others simulate, and what it did itself, in a past epoch."""
        for rows, epochs_ago in ((simulation.ghosts.rows(), 0), (simulation.bodies.rows(), 1)):
            chosen = self._dice.permutation(rows)[:1]
            gone = simulation.bodies.columns.store(chosen, self._schema.proposed_rows[GONE])
            gone["tick"] = self.tick
            gone["epoch"] -= epochs_ago
            self._lies.told["an end"] += len(gone)
            self._send_rows(GONE, gone)

    def _lie_of_the_past(self, simulation: Simulation) -> None:
        """Say that an entity has gone another way since long ago."""
        rows = simulation.bodies.rows()
        records = simulation.population.reference[rows]
        old = [self._is_long_ago(tick + 1, simulation) for tick in records["tick"].tolist()]
        records = self._dice.permutation(records[old])[:1]
        records["tick"] += 1
        records["vx"] += self._dice.uniform(1.0, 5.0)
        for at in range(len(records)):
            self._lies.note_row("of long ago", records[at : at + 1])
        self._send_rows(self._motion, records)

    def _lie_of_repairs(self, simulation: Simulation) -> None:
        """Say that an entity was put elsewhere which has been on its line from the beginning.

        Whatever this shard was given, it was given with a row that is no older.
        """
        rows, rules = simulation.bodies.rows(), simulation.rules
        records = simulation.population.reference[rows]
        records = self._doubts.permutation(records[records["tick"] == 0])[:1]
        for at in range(len(records)):
            row, step = records[at : at + 1], rules.speed_max * rules.tick_s
            put_elsewhere(row, self.tick, step, self._doubts)
            self._lies.note_row(put_elsewhere.__name__, row)
        self._send_rows(self._motion, records)

    def _is_long_ago(self, tick: int, simulation: Simulation) -> bool:
        """Tell whether a tick is long ago for the server, whose clock is a little behind."""
        age = self.tick - LEAD_TICKS - tick
        return age * simulation.rules.tick_s > self._long_ago_s

    def _let_leap(self, simulation: Simulation) -> None:
        """Put sparks elsewhere; not if what is refused or repeated counts in the end."""
        for message, _ in encode_proposals(self.tick, self._leaps.make(simulation, self.tick)):
            self._endpoint.send(ShardChannel.PROPOSAL, message)

    def _lie_of_gifts(self, simulation: Simulation) -> None:
        """Give an entity of its own a stamp that has counted more than there was time for."""
        columns = simulation.bodies.columns
        records = columns.store(
            self._dice.permutation(simulation.bodies.rows())[:1], self._schema.full_record
        )
        bit = np.uint64(1 << self._schema.numbers[name_of(Stamp)])
        records["tick"] = self.tick
        records["differs"] ^= np.where(self._schema.masks_of(records) & bit != 0, 0, bit)
        records[BEATS] = self._dice.integers(1 << 10, 1 << 16, len(records))
        for record in records:
            self._lies.note_value("a gift", record, BEATS)
        self._send_rows(WHOLE, records)

    def _lie_of_asks(self, simulation: Simulation) -> None:
        """Ask for what is not its to ask for, and now and then for more than it may."""
        columns, bodies = simulation.bodies.columns, simulation.bodies.rows()
        for rows, epochs_ago in ((simulation.ghosts.rows(), 0), (bodies, 1)):
            chosen = self._dice.permutation(rows)[:1]
            asking = columns.store(chosen, ASKED_ROW)
            asking["epoch"] -= epochs_ago
            value = int(self._dice.integers(UNASKED_FROM, 1 << 32))
            for row in asking["id"].tolist():
                self._lies.note_asked("an ask", row, value)
            self._ask(NOTE, asking, [value])
        ships = bodies[columns["kind"][bodies] == SHIP]
        self._lies.told["an ask in the name of a player"] += len(ships)
        self._ask(PAY, columns.store(ships, ASKED_ROW), [1])
        if self._dice.random() < 0.1:
            # Of some of them it has just said what can't be: they will not be its own by then.
            for row in self._dice.permutation(bodies)[:FLOOD_ASKS]:
                self._lies.told["too many asks"] += 1
                rows = np.full(ASKED_ROWS_MAX, row)
                self._ask(HAIL, columns.store(rows, ASKED_ROW), ["me"])

    def _ask(self, action: str, asking: np.ndarray, arguments: list[Any]) -> None:
        """Ask for an action on behalf of some entities, with the same arguments."""
        if len(asking):
            packed = msgspec.msgpack.encode([arguments] * len(asking))
            self._send(ShardChannel.LEASE, Asked(action, asking.tobytes(), packed))

    def _rows_of(self, name: str, rows: np.ndarray, simulation: Simulation) -> np.ndarray:
        dtype = self._schema.proposed_rows[self._schema.numbers[name]]
        records = simulation.bodies.columns.store(rows, dtype)
        records["tick"] = self.tick
        return records

    def _rave(self, simulation: Simulation) -> None:
        self._lies.told[self._finale.name.lower()] += 1
        if self._finale is Finale.FLOOD:
            columns = simulation.bodies.columns
            rows = columns.store(
                simulation.bodies.rows()[:ROWS_PER_MESSAGE], self._schema.exact_record
            )
            self._lies.note_repeated(rows)
            for _ in range(FLOOD_MESSAGES):
                self._send_rows(self._motion, rows)
        elif self._finale is Finale.FORGERY:
            strangers = np.zeros(6 * ROWS_PER_MESSAGE, self._schema.exact_record)
            strangers["id"] = STRANGERS_FROM + np.arange(len(strangers))
            strangers["tick"] = self.tick
            self._send_rows(self._motion, strangers)
        else:
            for channel in ShardChannel:
                for _ in range(NOISES):
                    noise = self._dice.bytes(int(self._dice.integers(1, 200)))
                    self._endpoint.send(channel, noise)

    @property
    def _motion(self) -> int:
        return self._schema.numbers["motion"]

    def _send_rows(self, number: int, rows: np.ndarray) -> None:
        """Propose rows of a component; a message for none, too."""
        for message, _ in encode_proposals(self.tick, [(number, rows)]):
            self._endpoint.send(ShardChannel.PROPOSAL, message)


class LyingShardProcess(ShardProcess):
    """The process of a shard that lies in its first session; later ones are honest, if let in."""

    honest = False

    def __init__(
        self,
        *arguments: Any,
        finale: Finale,
        raves_from: float,
        lies: Lies,
        long_ago_s: float,
        **more: Any,
    ) -> None:
        super().__init__(*arguments, **more)
        self._finale = finale
        self._raves_from = raves_from
        self._lies = lies
        self._long_ago_s = long_ago_s

    @property
    def lies(self) -> bool:
        """Whether its session is the one in which it lies, and goes on."""
        return isinstance(self.core, LyingShard) and self.core.serving

    def _make_core(self, **arguments: Any) -> ShardCore:
        if self._session > 1:
            return ShardCore(**arguments)
        return LyingShard(
            finale=self._finale,
            dice=self.rng,
            lies=self._lies,
            long_ago_s=self._long_ago_s,
            **arguments,
        )

    def _work(self, now: float, local: float) -> None:
        if isinstance(self.core, LyingShard) and self.core.serving and now >= self._raves_from:
            self.core.raves = True
            self._lies.provoke(self.name, now, CLOSED_WITHIN_S)
        super()._work(now, local)
