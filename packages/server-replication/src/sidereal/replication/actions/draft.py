"""The transaction that an action is handed: it collects what is to happen, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from sidereal.game import Component, Kind, Parent
from sidereal.game.column import Field
from sidereal.game.component import ALL, EVERYONE, PILOT, VIEWERS, Audience, Event
from sidereal.game.spawns import Spawns
from sidereal.game.words import as_line
from sidereal.protocol.errors import GameError
from sidereal.protocol.limits import NOTICE_SIZE_MAX
from sidereal.replication.actions.books import NET_ID_MAX, Books
from sidereal.replication.actions.effects import (
    SHARED,
    Caller,
    Cell,
    Effects,
    Emitted,
    HeldUpError,
    Line,
    Refusal,
    Value,
)
from sidereal.replication.events import Events
from sidereal.replication.links.audience import Listeners
from sidereal.replication.world import World

_PLACE: Final = ("x", "y", "heading")
"""Columns of what moves on between what shards tell of it."""
_LISTENERS: Final = {VIEWERS: Listeners.NEAR, ALL: Listeners.ALL, PILOT: Listeners.NOBODY}


class Draft:
    """One action's effects so far: `Transaction`.

    Attributes:
        name: as `sidereal.game.Transaction` has it; likewise `own`, `account`, `shared`, `tick`.
        effects: what was asked for.
    """

    def __init__(
        self,
        world: World,
        books: Books,
        spawns: Spawns,
        events: Events,
        caller: Caller,
        tick: int,
        *,
        durable: bool,
        before: Mapping[Cell, Value],
        ending: Mapping[int, bytes],
    ) -> None:
        """Begin.

        Args:
            world: where everything is.
            books: its fields.
            spawns: makes records of what is spawned.
            events: checks what is emitted.
            caller: who asks.
            tick: the current one.
            durable: whether what it writes is saved with it.
            before: what actions have written that are not committed yet. A durable one comes after
                them and goes by it; any other has to wait for what is in it.
            ending: entities that they end, by id; likewise.
        """
        self.name, self.own, self.tick = caller.name, caller.own, tick
        self.account = _entity_of(caller.account)
        self.shared = SHARED
        self.effects = Effects()
        self._world = world
        self._books = books
        self._spawns = spawns
        self._events = events
        self._durable = durable
        self._before = before
        self._ending = ending
        # An id below 0 may come from a client: only those count that were given out here.
        self._placeless = {self.account, self.shared}

    def require(self, holds: bool, otherwise: str) -> None:
        """End the action unless something holds; see `sidereal.game.Transaction.require`."""
        if not holds:
            raise Refusal(otherwise)

    def near(self, a: int, b: int, within: float) -> bool:
        """Whether two entities are near; see `sidereal.game.Transaction.near`."""
        rows = self._rows_of(a, b)
        if (rows < 0).any():
            return False
        x, y, _ = self._world.locate(rows, self.tick)
        return bool(np.hypot(x[1] - x[0], y[1] - y[0]) <= within)

    def account_of(self, entity: int) -> int:
        """Give who flies an entity; see `sidereal.game.Transaction.account_of`."""
        (row,) = self._rows_of(entity)
        account = _entity_of(int(self._world.account[row])) if row >= 0 else 0
        self._placeless.add(account)
        return account

    def get(self, entity: int, field: Any) -> Any:
        """Read a field; see `sidereal.game.Transaction.get`."""
        cell = self._find(entity, field)
        if cell in self.effects.written:
            return self.effects.written[cell]
        if cell in self._before:
            self._wait_unless_durable()
            return self._before[cell]
        if cell.column in _PLACE:
            place = self._world.locate(self._rows_of(entity), self.tick)
            return place[_PLACE.index(cell.column)].item()
        return self._books.read(cell)

    def set(self, entity: int, field: Any, value: float | str) -> None:
        """Write a field; see `sidereal.game.Transaction.set`."""
        cell = self._find(entity, field)
        self._books.check_writable(cell, durable=self._durable)
        if cell in self._before:
            self._wait_unless_durable()
        self.effects.written[cell] = _fitting(field, value, is_known=self._is_known(cell))
        self._note(cell.entity)

    def add(self, entity: int, field: Any, amount: float) -> None:
        """Add to a field; see `sidereal.game.Transaction.add`."""
        self.set(entity, field, self.get(entity, field) + amount)

    def spawn(self, kind: Kind, *components: Component, at: tuple[float, float]) -> None:
        """Make an entity; see `sidereal.game.Transaction.spawn`."""
        if kind.has(Parent):
            raise GameError(f"spawn({kind}): actions spawn no children: a system or a hook does")
        self.effects.spawned.append(self._spawns.make_one(kind, components, at, self.tick))

    def despawn(self, entity: int) -> None:
        """End an entity for good; see `sidereal.game.Transaction.despawn`."""
        (row,) = self._rows_of(entity)
        if row < 0:
            raise Refusal(f"entity {entity} is not there")
        self.effects.ended[int(entity)] = self._world.uuid[row].tobytes()

    def emit(self, event: Event, *, at: int) -> None:
        """Tell of something that has happened; see `sidereal.game.Transaction.emit`."""
        self._events.check(event)
        if self._rows_of(at)[0] < 0:
            raise Refusal(f"entity {at} is not there")
        self.effects.emitted.append(Emitted(event, at))
        self._note(at)

    def tell(self, text: str, *, to: Audience = VIEWERS) -> None:
        """Tell people a line; see `sidereal.game.Transaction.tell`."""
        if to not in _LISTENERS:
            raise GameError(f"tell: to is VIEWERS, ALL or PILOT, not {to.name}")
        if len(text) > NOTICE_SIZE_MAX:
            raise GameError(f"tell: a line is {NOTICE_SIZE_MAX} characters at most")
        if line := as_line(text):  # somebody's name in it must not keep an action from its end
            self.effects.lines.append(Line(line, _LISTENERS[to]))

    def _find(self, entity: int, field: object) -> Cell:
        if (entity < 0 and entity not in self._placeless) or self._has_ended(entity):
            raise Refusal(f"entity {entity} is not there")
        return self._books.find(int(entity), field)

    def _is_known(self, cell: Cell) -> bool:
        """Tell whether who asks may know what a field holds: a refusal may say it then."""
        own = cell.entity in (self.own, self.account, self.shared)
        return own and self._books.component_of(cell).audience in (EVERYONE, PILOT)

    def _rows_of(self, *entities: int) -> np.ndarray:
        there = (0 < entity <= NET_ID_MAX and not self._has_ended(entity) for entity in entities)
        known = [
            entity if is_there else 0 for entity, is_there in zip(entities, there, strict=True)
        ]
        return self._world.columns.rows_of(known)

    def _has_ended(self, entity: int) -> bool:
        """Tell whether an entity ends by this action, or by one before it that is to be saved.

        It does so with any of its ancestors, too.
        """
        if not self._ending and not self.effects.ended:
            return False
        line, columns = [entity], self._world.columns
        row = columns.rows_of([entity if 0 < entity <= NET_ID_MAX else 0])
        for above in self._world.families.above(row[row >= 0]):
            line += columns.net_id[above].tolist()
        if not self._ending.keys().isdisjoint(line):
            self._wait_unless_durable()
            return True
        return not self.effects.ended.keys().isdisjoint(line)

    def _note(self, entity: int) -> None:
        """Take down the name of an entity that something is to happen to."""
        if entity > 0:
            row = self._world.columns.rows_of([entity])[0]
            self.effects.names[entity] = self._world.uuid[row].tobytes()

    def _wait_unless_durable(self) -> None:
        if not self._durable:
            raise HeldUpError


def _entity_of(account: int) -> int:
    """Give the id of an account's entity, 0 for those who have no account."""
    return -account if account > 0 else 0


def _fitting(field: Field, value: Any, *, is_known: bool) -> Value:
    """Make a value as the field holds it.

    Args:
        field: that is written.
        value: for it.
        is_known: whether who asks may know the value.

    Raises:
        Refusal: it is outside the field's range.
        GameError: it is nothing that such a field can hold.
    """
    number = value.item() if isinstance(value, np.generic) else value
    if field.storage.dtype == "S":
        return _fitting_text(field, number)
    if not isinstance(number, int | float):
        raise GameError(f"{field}: actions write numbers, not {value!r}")
    if field.outside(number).any():
        would = f"be {number:g}: it is {field.range_text()}" if is_known else "leave its range"
        raise Refusal(f"{field} would {would}")
    if field.dtype.kind in "iu" and number != int(number):
        raise GameError(f"{field} holds whole numbers, not {number:g}")
    fitting: Value = field.dtype.type(number).item()
    return fitting


def _fitting_text(field: Field, text: object) -> bytes:
    """Make text as the field holds it.

    Raises:
        Refusal: it is too long.
        GameError: it is no text, or none that the database keeps.
    """
    if not isinstance(text, str):
        raise GameError(f"{field}: actions write text, not {text!r}")
    if "\0" in text:
        raise GameError(f"{field}: text has no NUL in it")
    encoded = text.encode()
    if field.outside(encoded).any():
        raise Refusal(f"{field} would be longer than {field.range_text()}")
    return encoded
