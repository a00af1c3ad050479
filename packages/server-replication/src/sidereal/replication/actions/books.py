"""What actions read and write: fields of entities, of accounts and of the world.

Accounts and the world itself have no place and no row: their fields are kept by their ids. What
was never written there has the value that the game declares.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from sidereal.game import AUTHORITY, Component
from sidereal.game.builtin import BUILTIN
from sidereal.game.column import Field
from sidereal.game.declarations import Declarations
from sidereal.game.schema import column_of, name_of
from sidereal.protocol.errors import GameError
from sidereal.protocol.ids import NET_ID_NONE
from sidereal.replication.actions.effects import SHARED, Cell, Refusal, Value
from sidereal.replication.keeping.posting import LedgerRow, account_of, holder_of
from sidereal.replication.keeping.references import ids_of, uuid_of
from sidereal.replication.ownership.amendments import Amendments
from sidereal.replication.play.berths import Berths
from sidereal.replication.world import UUID, World

NET_ID_MAX: Final = (1 << 32) - 1


class _Known(NamedTuple):
    """A field of the game: its component and its column."""

    component: type[Component]
    column: str


class Books:
    """The fields of one world.

    Attributes:
        placeless: what was written of accounts and of the world.
    """

    def __init__(
        self, game: Declarations, world: World, berths: Berths, amendments: Amendments
    ) -> None:
        self.placeless: dict[Cell, Value] = {}
        self._game = game
        self._world = world
        self._berths = berths
        self._amendments = amendments
        # By the name of the entity, and the component.
        self._gifts: dict[tuple[bytes, str], LedgerRow] = {}
        self._known = {
            str(field): _Known(component, column_of(component, field))
            for component in game.components
            for field in component.fields.values()
        }
        self._components = {known.column: known.component for known in self._known.values()}
        self._ledgers = {
            name_of(component): component
            for component in game.components
            if component.writer is AUTHORITY and component.saved and component not in BUILTIN
        }
        self._of_accounts = _first_values(game.accounts)
        self._of_all = _first_values(game.shares)

    def load(self, rows: Iterable[LedgerRow]) -> None:
        """Take in what the database has of accounts and of the world, whose entities are there."""
        for row in rows:
            account = account_of(row.holder)
            entity = -account if account else SHARED
            for column, value in self._found(row.values).items():
                self.placeless[Cell(entity, column)] = (
                    value.encode() if isinstance(value, str) else value
                )

    def find(self, entity: int, field: object) -> Cell:
        """Find a field of an entity.

        Raises:
            Refusal: the entity is not there, or lacks the component.
            GameError: there can be no such field.
        """
        known = self._known.get(str(field)) if isinstance(field, Field) else None
        if known is None:
            raise GameError(f"{field!r} is no field of {self._game.name}; write Hold.ore")
        cell = Cell(entity, known.column)
        if cell.entity < 0:
            self._check_placeless(cell, known.component)
        else:
            self._check_there(cell, known.component)
        return cell

    def check_writable(self, cell: Cell, *, durable: bool) -> None:
        """Check that an action may write a field.

        Raises:
            GameError: shards write it; or it is saved, and the action is not durable.
        """
        component = self._components[cell.column]
        if component.writer is not AUTHORITY:
            raise GameError(f"shards write {component.__name__}: say writer=AUTHORITY")
        if component.saved and not durable:
            raise GameError(
                f"{component.__name__} is saved, and the action is not durable: leave durable=True,"
                " or say saved=False"
            )

    def read(self, cell: Cell) -> Value:
        """Read a field that is there."""
        if cell.entity >= 0:
            row = self._world.columns.rows_of([cell.entity])[0]
            value: Value = self._world.columns[cell.column][row].item()
            return value
        first = self._of_all if cell.entity == SHARED else self._of_accounts
        return self.placeless.get(cell, first[cell.column])

    def write(self, written: Mapping[Cell, Value], names: Mapping[int, bytes], tick: int) -> None:
        """Write fields; those of entities that are gone are left out.

        Args:
            written: new values.
            names: of the entities, by id.
            tick: the current one.
        """
        found: defaultdict[int, dict[str, Value]] = defaultdict(dict)
        for cell, value in written.items():
            if cell.entity < 0:
                self.placeless[cell] = value
            elif (row := self.row_of(cell.entity, names[cell.entity])) >= 0:
                found[row][cell.column] = value
        for row, values in found.items():
            self._write_row(row, values, tick)

    def values_of(self, entity: int, component: type[Component]) -> bytes:
        """Give what an account or the world has of a component, as it is sent."""
        fields = component.fields.values()
        cells = [Cell(entity, column_of(component, field)) for field in fields]
        dtype = np.dtype([(c.column, f.dtype) for c, f in zip(cells, fields, strict=True)])
        return np.array([tuple(map(self.read, cells))], dtype).tobytes()

    def component_of(self, cell: Cell) -> type[Component]:
        """Tell which component a field belongs to."""
        return self._components[cell.column]

    # -- what is committed --------------------------------------------------------------------

    def rows_of(self, written: Mapping[Cell, Value]) -> tuple[LedgerRow, ...]:
        """Give all that is to be saved of what was written, component by component.

        What the anonymous fly is not kept.
        """
        changed: dict[tuple[int, type[Component]], None] = {}
        for cell in written:
            component = self._components[cell.column]
            if component.saved and self._is_kept(cell.entity):
                changed[cell.entity, component] = None
        return tuple(self._saved(*each, written) for each in changed)

    def note_gifts(self, tick: int) -> None:
        """Take down what hooks have given and taken of what only actions write; once per tick.

        What is back from the database is without gifts that are still to be saved: it gets them.
        """
        for gift in self._amendments.take_gifts():
            if gift.component in self._ledgers:
                values = self._named(gift.values)
                row = LedgerRow(gift.component, gift.entity, gift.name, values)
                self._gifts[gift.name, gift.component] = row
        for name in self._berths.take_entered():
            for component in self._ledgers:
                self._give_back(name, component, tick)

    def take_gifts(self, written: Mapping[Cell, Value]) -> tuple[LedgerRow, ...]:
        """Give up what is to be saved of gifts, as it is by now.

        Args:
            written: by actions, and saved first.
        """
        told = {(cell.entity, name_of(self._components[cell.column])) for cell in written}
        gifts, self._gifts = self._gifts, {}
        rows = []
        for key, gift in gifts.items():
            row = np.array([self.row_of(gift.entity, gift.holder)])
            if row[0] < 0:
                rows.append(gift)
                continue
            entity = int(self._world.columns.net_id[row[0]])
            if (entity, gift.component) in told:
                self._gifts[key] = gift
            elif self._has(row, gift.component):
                rows.append(self._saved(entity, self._ledgers[gift.component], {}))
            elif not self._has_by_kind(row, gift.component):
                rows.append(gift._replace(values={}))
        return tuple(rows)

    def return_gifts(self, gifts: Iterable[LedgerRow], tick: int) -> None:
        """Take back what was not saved; what has been given since is newer."""
        for gift in gifts:
            key = gift.holder, gift.component
            if key not in self._gifts:
                self._gifts[key] = gift
                self._give_back(*key, tick)

    def amend(self, rows: Iterable[LedgerRow], tick: int) -> None:
        """Let what was committed be so, too, of those that have left the world since.

        One that has left may be back under another id, or come back at any time. What it has been
        given since is newer, and is still to be saved.
        """
        for row in rows:
            if row.entity <= 0 or (row.holder, row.component) in self._gifts:
                continue
            back = self.row_of(row.entity, row.holder)
            if back >= 0 and self._world.columns.net_id[back] == row.entity:
                continue
            if back >= 0:
                self._restore(back, row, tick)
            else:
                number = self._world.schema.numbers[row.component]
                self._berths.amend(row.holder, number, row.values, tick)

    def row_of(self, entity: int, name: bytes) -> int:
        """Find an entity by its name; -1 if it is not in the world.

        It may be back under another id by now, and another one may have its id: the database may
        have been away for long.
        """
        world = self._world
        row = int(world.columns.rows_of([entity])[0])
        if row >= 0 and world.uuid[row].tobytes() == name:
            return row
        back = np.flatnonzero(world.uuid == np.frombuffer(name, UUID)[0])
        back = back[world.columns.net_id[back] != NET_ID_NONE]
        return int(back[0]) if len(back) else -1

    def end_away(self, name: bytes, tick: int) -> None:
        """End for good what is not in the world, but in its berth."""
        self._berths.end(name, tick)

    def _saved(
        self, entity: int, component: type[Component], written: Mapping[Cell, Value]
    ) -> LedgerRow:
        fields = component.fields.values()
        cells = [Cell(entity, column_of(component, field)) for field in fields]
        values = {c.column: written[c] if c in written else self.read(c) for c in cells}
        return LedgerRow(name_of(component), entity, self._holder(entity), self._named(values))

    def _named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Give values as the database has them: who is led to by its uuid."""
        references = self._world.schema.references
        return {
            column: uuid_of(self._world, value) if column in references else value
            for column, value in values.items()
        }

    def _found(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Give values of the database as the world has them: who is led to by its id."""
        world, references = self._world, self._world.schema.references
        return {
            column: int(ids_of(world, np.frombuffer(value, UUID))[0])
            if column in references
            else value
            for column, value in values.items()
        }

    def _write_row(self, row: int, values: Mapping[str, Value], tick: int) -> None:
        """Write what an entity has; what was taken from it meanwhile it does not get back."""
        world, at = self._world, np.array([row])
        for component in {self._components[column]: None for column in values}:
            name = name_of(component)
            if not self._has(at, name):
                continue
            for field in component.fields.values():
                if (column := column_of(component, field)) in values:
                    world.columns[column][row] = values[column]
            world.mark_changed(name, at, tick)
            self._amendments.note(at)

    def _give_back(self, name: bytes, component: str, tick: int) -> None:
        """Give an entity that is back under another id what of a component is still to be saved."""
        waiting = self._gifts.get((name, component))
        row = -1 if waiting is None else self.row_of(waiting.entity, name)
        entity = int(self._world.columns.net_id[row])
        if waiting is not None and row >= 0 and waiting.entity != entity:
            self._gifts[name, component] = waiting._replace(entity=entity)
            self._restore(row, waiting, tick)

    def _restore(self, row: int, saved: LedgerRow, tick: int) -> None:
        """Let an entity that is back have a component as the database has it, or will have it.

        What its kind has was taken if it lacks that: it does not get it back.
        """
        at, number = np.array([row]), self._world.schema.numbers[saved.component]
        has, values = self._has(at, saved.component), self._found(saved.values)
        if has == bool(values) or self._has_by_kind(at, saved.component):
            self._write_row(row, values, tick)
        elif values:
            self._amendments.give(at, number, values, tick)
        else:
            self._amendments.take(at, number, tick)

    def _has(self, row: np.ndarray, component: str) -> bool:
        return bool(self._world.columns.has(row, self._world.schema.numbers[component])[0])

    def _has_by_kind(self, row: np.ndarray, component: str) -> bool:
        world, bit = self._world, np.uint64(1 << self._world.schema.numbers[component])
        return bool((world.schema.masks[world.columns["kind"][row]] & bit)[0])

    def _is_kept(self, entity: int) -> bool:
        return entity < 0 or bool(self._world.is_kept(self._world.columns.rows_of([entity]))[0])

    def _holder(self, entity: int) -> bytes:
        if entity < 0:
            return holder_of(0 if entity == SHARED else -entity)
        row = self._world.columns.rows_of([entity])[0]
        name: bytes = self._world.uuid[row].tobytes()
        return name

    def _check_placeless(self, cell: Cell, component: type[Component]) -> None:
        shared = cell.entity == SHARED
        if cell.column not in (self._of_all if shared else self._of_accounts):
            name = component.__name__
            whose, how = ("the world", "shared") if shared else ("an account", "account")
            raise GameError(f"{whose} has no {name}: say game.{how}({name}())")

    def _check_there(self, cell: Cell, component: type[Component]) -> None:
        name = component.record_name.rpartition(".")[2]
        if cell.entity == NET_ID_NONE:
            raise Refusal(f"there is nothing that has a {name}")
        there = cell.entity <= NET_ID_MAX
        row = int(self._world.columns.rows_of([cell.entity])[0]) if there else -1
        bit = 1 << self._world.schema.numbers[name_of(component)]
        # What is gone has none, either: nobody is told which of both it is.
        if row < 0 or not int(self._world.columns.mask[row]) & bit:
            raise Refusal(f"entity {cell.entity} has no {name}")


def _first_values(components: tuple[Component, ...]) -> dict[str, Value]:
    return {
        column_of(type(component), field): _first(component, field)
        for component in components
        for field in type(component).fields.values()
    }


def _first(component: Component, field: Field) -> Any:
    return np.asarray(getattr(component, field.name)).astype(field.dtype).item()
