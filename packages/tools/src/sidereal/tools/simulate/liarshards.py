"""Shards that have the key and lie.

Both say hello, are given sectors and adopt what is in them. `LyingShard` simulates it as an honest
shard does, so that nothing but its lies is wrong: at drawn ticks it says of its own entities what
cannot be, and proposes rows of entities that are not its own. In the end it does one thing without
measure, its `Finale`, and must be closed for it. `IdleShard` says in every tick that it lives, and
never what has become of anything.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sidereal.game.schema import column_of, name_of
from sidereal.protocol.message.shard import ShardChannel
from sidereal.protocol.state.proposals import encode_proposals
from sidereal.protocol.state.reckoning import Motion
from sidereal.protocol.state.schema import LABEL, WHOLE
from sidereal.protocol.state.stream import GONE
from sidereal.shard.shard import ShardCore
from sidereal.shard.simulation import Simulation
from sidereal.tools.simulate.flights import COLUMNS
from sidereal.tools.simulate.game import ASTEROID, Charge, Turn
from sidereal.tools.simulate.lies import Lies
from sidereal.tools.simulate.passing import SPARK, Origin
from sidereal.tools.simulate.processes import ShardProcess

LIES_SHARE: Final = 0.7
"""Share of its ticks in which a lying shard lies."""

LIES_AT_ONCE: Final = 4
"""Entities that it lies about in such a tick."""

ROWS_PER_MESSAGE: Final = 16

FLOOD_MESSAGES: Final = 800
"""Per tick: a shard whose game spawns and emits may send some hundred and fifty."""

LEVEL: Final = COLUMNS[0]
AT, TURN_LEVEL = (column_of(Turn, field) for field in Turn.fields.values())
BORN: Final = column_of(Origin, Origin.fields["born"])

CLOSED_WITHIN_S: Final = 1.5
"""How long its finale may last: so many of its rows are refused, or its messages dropped."""

STRANGERS_FROM: Final = 0xF000_0000
"""Network ids that were never given begin here."""

FOREIGN_FROM: Final = 0x7000_0000
"""Ids that no block which was granted has begin here; likewise ticks in which nothing was born."""
UNBORN_FROM: Final = 0x8000_0000


class Finale(enum.IntEnum):
    """What a lying shard does in the end."""

    FLOOD = 0
    """It repeats its own rows many times per tick, or that it has none."""
    FORGERY = 1
    """It proposes rows of entities that never were."""
    NONSENSE = 2
    """It sends noise on all channels."""


def _not_a_number(row: np.ndarray, dice: np.random.Generator) -> None:
    name = Motion._fields[int(dice.integers(len(Motion._fields)))]
    row[name] = (math.nan, math.inf, -1e300)[int(dice.integers(3))]


def _out_of_range(row: np.ndarray, dice: np.random.Generator) -> None:
    row["spin"] = dice.uniform(1e3, 1e6)


def _too_fast(row: np.ndarray, dice: np.random.Generator) -> None:
    row["vx"], row["vy"] = dice.uniform(200.0, 249.0, 2)


def _too_far(row: np.ndarray, dice: np.random.Generator) -> None:
    row["x"] += dice.uniform(3e3, 1e5)


def _of_the_future(row: np.ndarray, dice: np.random.Generator) -> None:
    row["tick"] += int(dice.integers(40, 10_000))


def _of_another_pilot(row: np.ndarray, dice: np.random.Generator) -> None:
    row["control_epoch"] += int(dice.integers(1, 100))


def _of_an_unsent_input(row: np.ndarray, dice: np.random.Generator) -> None:
    row["input_seq"] += int(dice.integers(200, 1 << 31))


def _of_a_past_epoch(row: np.ndarray, dice: np.random.Generator) -> None:
    row["epoch"] -= 1
    row["x"] += 1.0


def _of_an_epoch_to_come(row: np.ndarray, dice: np.random.Generator) -> None:
    row["epoch"] += int(dice.integers(1, 1000))
    row["x"] += 1.0


OWN_LIES: Final[tuple[Callable[[np.ndarray, np.random.Generator], None], ...]] = (
    _not_a_number,
    _out_of_range,
    _too_fast,
    _too_far,
    _of_the_future,
    _of_another_pilot,
    _of_an_unsent_input,
    _of_a_past_epoch,
    _of_an_epoch_to_come,
)
"""What may be said of an entity of its own; each is wrong in one thing."""


def _too_charged(row: np.ndarray, dice: np.random.Generator) -> None:
    row[LEVEL] = (math.nan, dice.uniform(60.0, 1e6))[int(dice.integers(2))]


def _charged_as_it_likes(row: np.ndarray, dice: np.random.Generator) -> None:
    row[LEVEL] = dice.uniform(0.0, 50.0)


def _charged_in_a_past_epoch(row: np.ndarray, dice: np.random.Generator) -> None:
    row["epoch"] -= 1
    row[LEVEL] = dice.uniform(0.0, 50.0)


def _charged_in_the_future(row: np.ndarray, dice: np.random.Generator) -> None:
    row["tick"] += int(dice.integers(40, 10_000))
    row[LEVEL] = dice.uniform(0.0, 50.0)


CHARGE_LIES: Final[tuple[Callable[[np.ndarray, np.random.Generator], None], ...]] = (
    _too_charged,
    _charged_in_a_past_epoch,
    _charged_in_the_future,
)
"""What may be said of the charge of an entity of its own."""


def _that_never_was(row: np.ndarray, dice: np.random.Generator) -> None:
    row[AT] = int(dice.integers(1 << 30, 1 << 31))


def _of_a_past_owner(row: np.ndarray, dice: np.random.Generator) -> None:
    row["epoch"] -= 1


def _of_no_such_level(row: np.ndarray, dice: np.random.Generator) -> None:
    row[TURN_LEVEL] = (math.nan, dice.uniform(60.0, 1e6))[int(dice.integers(2))]


EVENT_LIES: Final[tuple[Callable[[np.ndarray, np.random.Generator], None], ...]] = (
    _of_a_past_owner,
    _of_no_such_level,
)
"""What may be said to have happened to an entity of its own."""


def _of_a_foreign_id(row: np.ndarray, dice: np.random.Generator) -> None:
    row["id"] = FOREIGN_FROM + int(dice.integers(1 << 20))


def _of_a_foreign_kind(row: np.ndarray, dice: np.random.Generator) -> None:
    row["kind"] = ASTEROID


def _at_a_foreign_place(row: np.ndarray, dice: np.random.Generator) -> None:
    row["x"] += dice.uniform(1e5, 1e6)


def _born_in_the_future(row: np.ndarray, dice: np.random.Generator) -> None:
    row["tick"] += int(dice.integers(40, 10_000))


def _born_handed_over(row: np.ndarray, dice: np.random.Generator) -> None:
    row["epoch"] += int(dice.integers(1, 1000))


BIRTH_LIES: Final[tuple[Callable[[np.ndarray, np.random.Generator], None], ...]] = (
    _of_a_foreign_id,
    _of_a_foreign_kind,
    _at_a_foreign_place,
    _born_in_the_future,
    _born_handed_over,
    _not_a_number,
    _out_of_range,
)
"""What may be said of a spark; each is wrong in one thing."""


class LyingShard(ShardCore):
    """A shard that simulates, and lies.

    Attributes:
        raves: whether it has come to its finale.
    """

    def __init__(
        self, *, finale: Finale, dice: np.random.Generator, lies: Lies, **arguments: Any
    ) -> None:
        self.raves = False
        self._finale = finale
        self._dice = dice
        self._lies = lies
        super().__init__(**arguments)

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
            self._lie_of_ends(simulation)

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
        for rows, lies in ((bodies, CHARGE_LIES), (ghosts, (_charged_as_it_likes,))):
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
        for rows, lies in ((bodies, EVENT_LIES), (ghosts, (_that_never_was,))):
            chosen = self._dice.permutation(rows)[:1]
            records = np.zeros(len(chosen), self._schema.proposed_rows[number])
            records["id"] = simulation.bodies.columns.net_id[chosen]
            records["epoch"] = simulation.bodies.columns.epoch[chosen]
            records["nth"] = self._dice.integers(1 << 10, size=len(chosen))
            for at in range(len(records)):
                _that_never_was(records[at : at + 1], self._dice)
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
        lie = BIRTH_LIES[int(self._dice.integers(len(BIRTH_LIES)))]
        lie(record, self._dice)
        self._lies.note_birth(lie.__name__, born)
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
            for _ in range(FLOOD_MESSAGES):
                self._send_rows(self._motion, rows)
        elif self._finale is Finale.FORGERY:
            strangers = np.zeros(6 * ROWS_PER_MESSAGE, self._schema.exact_record)
            strangers["id"] = STRANGERS_FROM + np.arange(len(strangers))
            strangers["tick"] = self.tick
            self._send_rows(self._motion, strangers)
        else:
            for channel in ShardChannel:
                for _ in range(8):
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
        self, *arguments: Any, finale: Finale, raves_from: float, lies: Lies, **more: Any
    ) -> None:
        super().__init__(*arguments, **more)
        self._finale = finale
        self._raves_from = raves_from
        self._lies = lies

    @property
    def lies(self) -> bool:
        """Whether its session is the one in which it lies, and goes on."""
        return isinstance(self.core, LyingShard) and self.core.serving

    def _make_core(self, **arguments: Any) -> ShardCore:
        if self._session > 1:
            return ShardCore(**arguments)
        return LyingShard(finale=self._finale, dice=self.rng, lies=self._lies, **arguments)

    def _work(self, now: float, local: float) -> None:
        if isinstance(self.core, LyingShard) and self.core.serving and now >= self._raves_from:
            self.core.raves = True
            self._lies.provoke(self.name, now, CLOSED_WITHIN_S)
        super()._work(now, local)
