"""Who comes and who goes, and what entities have: what systems ask for holds after their stage.

Rows must not move while a system holds them. So what is spawned, despawned, given or taken waits
until all of a stage has run. The ids of what is spawned are final at once: the replication server
has granted them to this shard alone (`IdStock`).

How many may be spawned is bounded here, overall and for each kind, and the replication server
believes no more. What is beyond that, or has no id, does not come; it gets the id 0.

What was to be a child of an entity that ends in the same stage, or has been handed over, does not
come.

What is spawned is **newborn** for the rest of its tick: systems of later stages see it, but no
model moves it and it touches nothing, so that it is proposed as it was spawned.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.game.component import AUTHORITY, SHARD, Component
from sidereal.game.declarations import Declarations
from sidereal.game.kind import Kind
from sidereal.game.record import outside
from sidereal.game.schema import column_of, name_of
from sidereal.game.spawns import Spawns
from sidereal.protocol.errors import GameError, WireError
from sidereal.protocol.ids import NET_ID_MAX, NET_ID_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import join_rows, take_rows
from sidereal.protocol.state.reckoning import Motion, extrapolate, slowing
from sidereal.protocol.state.schema import Schema
from sidereal.shard.families import Families
from sidereal.shard.limits import Limits
from sidereal.shard.population import Ints, Population
from sidereal.shard.spawnkeys import SpawnKeys

NOBODY = np.empty(0, np.int64)


class IdStock:
    """Ids that were granted and not given yet."""

    def __init__(self) -> None:
        self._blocks: deque[range] = deque()
        self._granted = 0
        # The first ones come unasked.
        self._asked = True

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def grant(self, first: int, count: int) -> None:
        """Take in ids.

        Raises:
            WireError: they are none.
        """
        if not (first > 0 and count > 0 and first + count - 1 <= NET_ID_MAX):
            raise WireError(f"{count} ids from {first}")
        self._blocks.append(range(first, first + count))
        self._granted, self._asked = count, False

    def take(self, count: int) -> NDArray[np.uint32]:
        """Give ids, no more than there are: uint32[n]."""
        taken = []
        while count > 0:
            block = self._blocks.popleft()
            taken.append(np.arange(block.start, min(block.start + count, block.stop)))
            if count < len(block):
                self._blocks.appendleft(block[count:])
            count -= len(taken[-1])
        return np.concatenate([NOBODY, *taken]).astype(np.uint32)

    def ask(self) -> bool:
        """Tell whether to ask for more: once, when half of the newest are given."""
        asks = not self._asked and 2 * len(self) <= self._granted
        self._asked |= asks
        return asks


class Gift(NamedTuple):
    """A component that entities are given, or that is taken from them.

    Attributes:
        number: of the component.
        rows: int64[n], each once.
        values: by column, [n]; None if it is taken.
    """

    number: int
    rows: Ints
    values: dict[str, NDArray[Any]] | None


class Lives:
    """What is asked for in one tick of one shard.

    Attributes:
        ids: for what is spawned.
        newborn: int64[n], rows of what was spawned in this tick.
        refused: entities that were to be spawned and did not come.
    """

    def __init__(
        self,
        declared: Declarations,
        population: Population,
        rules: Rules,
        limits: Limits,
        families: Families,
    ) -> None:
        self.ids = IdStock()
        self._families = families
        self.newborn: Ints = NOBODY
        self.refused = 0
        self._population = population
        self._rules = rules
        self._schema: Schema = population.columns.schema
        self._spawns = Spawns(declared, self._schema, SHARD)
        # Overall, and by the number of a kind.
        most = [limits.spawns_per_s, *(kind.per_s_max or math.inf for kind in declared.kinds)]
        self._per_s = np.array(most, np.float64)
        self._burst = np.maximum(self._per_s, 1.0)
        self._left = self._burst.copy()
        self._tick = 0
        self._born: list[NDArray[np.void]] = []
        self._ended: list[Ints] = []
        self._gifts: list[Gift] = []
        self._keys = SpawnKeys(population)

    def begin(self, tick: int) -> None:
        """Begin a tick."""
        gained = self._per_s * max(0, tick - self._tick) * self._rules.tick_s
        self._left = np.minimum(self._left + gained, self._burst)
        self._tick = tick

    def spawn(
        self, kind: Kind, components: Sequence[Component], count: int | None
    ) -> NDArray[np.uint32]:
        """Let entities come after the stage; see `sidereal.game.Step.spawn`.

        Raises:
            GameError: shards may not spawn this kind, or the values do not fit to it.
        """
        return self._admit(self._spawns.make(kind, components, count), self._tick)

    def spawn_by(self, rows: Ints, kind: Kind, components: Sequence[Component], tick: int) -> None:
        """Let entities come that models spawn; see `sidereal.game.Rows.spawn`.

        Args:
            rows: int64[n], who spawns one each, with the pilot and the input that it goes by.
            kind: what they are.
            components: values that differ from the kind's, one or [n].
            tick: in which they are spawned; one gone by, if that is flown again.

        Raises:
            GameError: as of `spawn`.
        """
        records = self._spawns.make(kind, components, len(rows))
        self._keys.sign(records, rows)
        self._admit(take_rows(records, ~self._keys.are_here(records)), tick)

    def _admit(self, records: NDArray[np.void], tick: int) -> NDArray[np.uint32]:
        """Let what is made come after the stage, as far as there is room: uint32[n] ids."""
        ids = np.full(len(records), NET_ID_NONE, np.uint32)
        if not len(records):
            return ids
        number = int(records["kind"][0])
        left = min(self._left[0], self._left[number], len(self.ids))
        chosen = np.flatnonzero(self._families.admit(records))[: int(left)]
        room = len(chosen)
        self.refused += len(records) - room
        if not room:
            return ids
        self._left[[0, number]] -= room
        ids[chosen] = self.ids.take(room)
        born = take_rows(records, chosen)
        born["id"], born["epoch"], born["tick"] = ids[chosen], 1, tick
        shrink = slowing(born["vx"], born["vy"], self._rules.speed_max)
        born["vx"] *= shrink
        born["vy"] *= shrink
        self._families.note_coming(born)
        self._born.append(born)
        return ids

    def despawn(self, rows: Ints) -> None:
        """Let entities go after the stage; see `sidereal.game.Step.despawn`.

        Raises:
            GameError: one of them is not the shard's own.
        """
        rows = np.atleast_1d(np.asarray(rows, np.int64))
        self._check_own("despawn", rows)
        self._ended.append(rows)

    def give(self, rows: Ints, component: Component) -> None:
        """Let entities have a component after the stage; see `sidereal.game.Step.give`.

        Raises:
            GameError: shards do not give it, a row is not the shard's own, or a value is none.
        """
        record = type(component)
        number = self._number_of("give", record)
        rows = np.atleast_1d(np.asarray(rows, np.int64))
        self._check_own("give", rows)
        count = len(rows)
        rows, first = np.unique(rows, return_index=True)
        values: dict[str, NDArray[Any]] = {}
        for name, field in record.fields.items():
            value = np.asarray(getattr(component, name))
            if value.ndim and len(value) != count:
                raise GameError(f"give: {field} has {len(value)} values for {count} rows")
            values[column_of(record, field)] = value[first] if value.ndim else value
        if wrong := outside(component):
            raise GameError(f"give: {record.fields[next(iter(wrong))]} is outside of its range")
        self._gifts.append(Gift(number, rows, values))

    def take(self, rows: Ints, component: type[Component]) -> None:
        """Take a component from entities after the stage; see `sidereal.game.Step.take`.

        Raises:
            GameError: shards do not take it, or a row is not the shard's own.
        """
        number = self._number_of("take", component)
        rows = np.unique(np.atleast_1d(np.asarray(rows, np.int64)))
        self._check_own("take", rows)
        self._gifts.append(Gift(number, rows, None))

    def forget(self, rows: Ints) -> None:
        """Forget entities that leave their rows."""
        self._keys.forget(rows)

    def take_gifts(self) -> list[Gift]:
        """Give up what was given and taken, in order."""
        gifts, self._gifts = self._gifts, []
        return gifts

    def take_born(self) -> tuple[NDArray[np.void], Ints]:
        """Give up what was spawned.

        Returns:
            `Schema.full_record[n]`, and the tick that spawned each, int64[n]. What was spawned in
            one gone by has moved on since, in a straight line.
        """
        parts, self._born = self._born, []
        if not parts:
            return np.zeros(0, self._schema.full_record), NOBODY
        born = self._families.land(join_rows(parts))
        since = born["tick"].astype(np.int64)
        motion = Motion(*(born[name] for name in Motion._fields))
        moved = extrapolate(*motion, since, self._tick, self._rules.tick_s)
        born["x"], born["y"], born["heading"] = moved
        born["tick"] = self._tick
        return born, since

    def take_ended(self) -> Ints:
        """Give up the rows of what was despawned, with their children, each once, ascending."""
        if not self._ended:
            return NOBODY
        ended, self._ended = np.concatenate(self._ended), []
        return self._families.whole(ended)

    @property
    def any_asked(self) -> bool:
        """Whether something is to be done."""
        return bool(self._born or self._ended or self._gifts)

    def _number_of(self, what: str, component: type[Component]) -> int:
        """Find the number of a component that shards may give and take."""
        number = self._schema.numbers.get(name_of(component), 0)
        if component.writer is AUTHORITY:
            raise GameError(
                f"{what}: the writer of {component.__name__} is the authority: "
                "it gives it and takes it"
            )
        if not number:
            raise GameError(
                f"{what}: {component.record_name} is not declared: "
                f"say part.declare({component.__name__})"
            )
        if not self._schema.mask_given >> number & 1:
            raise GameError(
                f"{what}: an entity has a {component.__name__} or has none for all its life"
            )
        return number

    def _check_own(self, what: str, rows: Ints) -> None:
        own = self._population.own
        inside = (rows >= 0) & (rows < len(own))
        wrong = int((~inside | ~own[np.where(inside, rows, 0)]).sum())
        if wrong:
            raise GameError(
                f"{what}: {wrong} of {len(rows)} rows are none of this shard's: "
                "take them from step.rows(…); step.find gives -1 for who is not there"
            )
