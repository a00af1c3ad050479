"""Who matches, and where their columns are: what game logic asks of a shard's population."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.game.bits import pack_rows, unpack
from sidereal.game.builtin import Pilot
from sidereal.game.component import Component
from sidereal.game.declarations import Declarations
from sidereal.game.kind import Kind, check_query
from sidereal.game.record import Record, as_columns
from sidereal.game.schema import column_of, name_of
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.state.controls import Records
from sidereal.protocol.state.schema import KIND_NUMBERS
from sidereal.shard.population import Ints, Population

_NO_COMPONENT: Final = 1
"""A mask that nobody has: there is no component with number 0."""


class _Everybody(NamedTuple):
    """Rows of a population, ascending, [n], with what queries ask of them.

    Attributes:
        odd: int64[m], places in these of who has other components than its kind begins with.
        masks: uint64[m], of the components that those have.
    """

    rows: Ints
    kinds: NDArray[np.uint8]
    odd: Ints
    masks: NDArray[np.uint64]

    @classmethod
    def of(cls, population: Population, ghosts: bool) -> _Everybody:
        """Look at the bodies of a population, or at its ghosts as well."""
        columns = population.columns
        rows = columns.rows() if ghosts else population.own_rows()
        kinds, masks = columns["kind"][rows], columns.mask[rows]
        odd = np.flatnonzero(masks != columns.schema.masks[kinds])
        return cls(rows, kinds, odd, masks[odd])


class _Asked(NamedTuple):
    """What some queries want.

    Attributes:
        wanted: mask of the components.
        kinds: bool[256], by a kind's number, whether it may be that one.
        begin_so: bool[256], likewise, whether it begins with all that is wanted, too.
    """

    wanted: np.uint64
    kinds: NDArray[np.bool_]
    begin_so: NDArray[np.bool_]


class _Floats(NamedTuple):
    """Where the numbers of some records are that may be something else than finite.

    Attributes:
        together: columns of components, [k, capacity], those of one and of one type as one.
        held: records of controls, whose columns are others in every tick, and names of theirs.
    """

    together: list[NDArray[Any]]
    held: list[tuple[type[Record], str]]


class Queries:
    """Answers about a population.

    Attributes:
        population: whose rows these are.
        flown: bool[256], by a kind's number, whether its entities have a pilot.
    """

    def __init__(self, declared: Declarations, population: Population) -> None:
        self.population = population
        self._components = declared.components
        self._controls = declared.controls
        self._kind_names = [kind.name for kind in declared.kinds]
        self._kinds = {kind.name: number for number, kind in enumerate(declared.kinds, 1)}
        numbers = population.columns.schema.numbers
        self._masks = {c: 1 << numbers[name_of(c)] for c in declared.components}
        self.flown: NDArray[np.bool_] = np.zeros(KIND_NUMBERS, np.bool_)
        for number, kind in enumerate(declared.kinds, 1):
            self.flown[number] = Pilot in map(type, kind.components)
        self._held: dict[type[Record], Record] = {}
        self._rows: dict[tuple[Any, ...], Ints] = {}
        self._all: dict[bool, _Everybody] = {}
        self._asked: dict[tuple[Any, ...], _Asked] = {}
        self._rows_version = -1
        self._structs: dict[type[Record], Record] = {}
        self._floats: dict[tuple[type[Record], ...], _Floats] = {}
        self._capacity = 0

    def hold(self, records: Records) -> None:
        """Take the controls of a tick: uint64[capacity] by row."""
        rows, capacity = np.flatnonzero(records), len(records)  # who holds nothing has zeros
        self._held = {
            controls: _spread(unpack(controls, records[rows]), rows, capacity)
            for controls in self._controls
        }

    def hold_steered(self, records: Records) -> Records:
        """Take what systems have held for own entities, put into its ranges.

        Args:
            records: uint64[capacity] by row, the controls that have arrived for the tick.

        Returns:
            uint64[capacity] by row, what is held from now on.
        """
        rows, capacity = self.rows(Pilot), self.population.columns.capacity
        steered: Records = np.zeros(capacity, np.uint64)
        steered[: len(records)] = records
        for record in self._controls:
            held = self._held_for_all(record)
            arrays = {name: getattr(held, name)[rows] for name in record.fields}
            steered[rows] = pack_rows(as_columns(record, arrays))
            settled = unpack(record, steered[rows])
            for name in record.fields:
                getattr(held, name)[rows] = getattr(settled, name)
        return steered

    def let_go(self, rows: Ints) -> None:
        """Forget the controls of entities that leave their rows."""
        for record in self._held:
            held = self._held_for_all(record)
            for name in record.fields:
                getattr(held, name)[rows] = 0

    def rows(self, *queries: type[Component] | Kind, ghosts: bool = False) -> Ints:
        """Find who matches all queries, ascending; cached until somebody comes or goes.

        Args:
            queries: components that they have, kinds that they are of.
            ghosts: whether ghosts count too.

        Raises:
            GameError: one of them is neither.
        """
        if self._rows_version != self.population.version:
            self._rows.clear()
            self._all.clear()
            self._rows_version = self.population.version
        found = self._rows.get((ghosts, *queries))
        if found is None:
            found = self._rows[(ghosts, *queries)] = self._find(queries, ghosts)
        return found

    def matches(self, query: type[Component] | Kind, rows: Ints) -> NDArray[np.bool_]:
        """Tell which of some entities match a query, bool[n].

        Raises:
            GameError: it is no component and no kind.
        """
        check_query(query)
        columns = self.population.columns
        if isinstance(query, Kind):
            return np.asarray(columns["kind"][rows] == self._kinds.get(query.name, 0))
        mask = np.uint64(self._masks.get(query, _NO_COMPONENT))
        return np.asarray(columns.mask[rows] & mask != 0)

    def name_of(self, row: int) -> str:
        """Name an entity for people: its kind and its id."""
        columns = self.population.columns
        if not columns.alive[row]:
            return f"row {row}, where nobody is"
        at = int(columns["kind"][row]) - 1
        kind = self._kind_names[at] if at < len(self._kind_names) else "entity"
        return f"{kind} {columns.net_id[row]}"

    def columns(self, record: type[Record]) -> Record:
        """A record's struct of arrays, by row.

        Raises:
            LocalProtocolError: the game has no such record.
        """
        there = self.population.columns
        found = self._structs.get(record)
        if found is not None and self._capacity == len(there.alive):
            return found
        if record in self._held:
            return self._held_for_all(record)
        if record not in self._components:
            raise LocalProtocolError(
                f"{record.record_name} is not declared: no kind, model or rule mentions it; "
                f"say part.declare({record.__name__})"
            )
        if self._capacity != there.capacity:
            self._begin_anew()
        found = self._structs.get(record)
        if found is None:
            arrays = {f.name: there[column_of(record, f)] for f in record.fields.values()}
            found = self._structs[record] = as_columns(record, arrays)
        return found

    def floats(self, records: tuple[type[Record], ...]) -> Iterator[NDArray[Any]]:
        """Give all columns of records that can be something else than finite."""
        if self._capacity != len(self.population.columns.alive):
            self._begin_anew()
        found = self._floats.get(records)
        if found is None:
            found = self._floats[records] = self._find_floats(records)
        yield from found.together
        for record, name in found.held:
            yield getattr(self._held_for_all(record), name)

    def _find_floats(self, records: tuple[type[Record], ...]) -> _Floats:
        together, held = list[NDArray[Any]](), list[tuple[type[Record], str]]()
        for record in records:
            floats = [field for field in record.fields.values() if field.dtype.kind == "f"]
            if record in self._components:
                names = [column_of(record, field) for field in floats]
                together += self.population.columns.blocks.together(names)
            else:
                held += [(record, field.name) for field in floats]
        return _Floats(together, held)

    def _begin_anew(self) -> None:
        """Forget where columns were: growing has replaced them."""
        self._structs.clear()
        self._floats.clear()
        self._capacity = self.population.columns.capacity

    def _held_for_all(self, record: type[Record]) -> Record:
        """Give what is held, by row: nothing by those for whom there was no row yet."""
        held, capacity = self._held[record], self.population.columns.capacity
        more = capacity - len(getattr(held, next(iter(record.fields))))
        if more > 0:
            arrays = {name: getattr(held, name) for name in record.fields}
            held = self._held[record] = as_columns(
                record, {n: np.concatenate([a, np.zeros(more, a.dtype)]) for n, a in arrays.items()}
            )
        return held

    def _find(self, queries: tuple[type[Component] | Kind, ...], ghosts: bool) -> Ints:
        everybody = self._all.get(ghosts)
        if everybody is None:
            everybody = self._all[ghosts] = _Everybody.of(self.population, ghosts)
        asked = self._asked.get(queries)
        if asked is None:
            asked = self._asked[queries] = self._ask(queries)
        match = asked.begin_so[everybody.kinds]
        if len(everybody.odd):
            has = everybody.masks & asked.wanted == asked.wanted
            match[everybody.odd] = asked.kinds[everybody.kinds[everybody.odd]] & has
        found = everybody.rows[match]
        found.flags.writeable = False
        return found

    def _ask(self, queries: tuple[type[Component] | Kind, ...]) -> _Asked:
        """Look up what queries want of an entity.

        Raises:
            GameError: one of them is no component and no kind.
        """
        wanted, kinds = 0, np.ones(KIND_NUMBERS, np.bool_)
        for query in queries:
            check_query(query)
            if isinstance(query, Kind):
                kinds &= np.arange(KIND_NUMBERS) == self._kinds.get(query.name, 0)
            else:
                wanted |= self._masks.get(query, _NO_COMPONENT)
        mask = np.uint64(wanted)
        begin_so = kinds & (self.population.columns.schema.masks & mask == mask)
        return _Asked(mask, kinds, begin_so)


def _spread(values: Record, rows: Ints, capacity: int) -> Record:
    """Give columns of so many rows that have values in some, and zeros in the others."""
    arrays = {}
    for name in values.fields:
        some = getattr(values, name)
        arrays[name] = np.zeros(capacity, some.dtype)
        arrays[name][rows] = some
    return as_columns(type(values), arrays)
