"""What a client knows of entities: the newest row of each sort, and where each was seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from .rows import COMPONENTS, Body, Component, Parent, Presence
from .snapshots import Cell

NEVER: Final = -1


@dataclass(slots=True)
class Entity:
    """An entity; all ticks are those of snapshots.

    Attributes:
        components: the newest row of each sort.
        cell: where it was last seen, at the tick `seen_at`.
        lost_at: the newest snapshot when it was lost, none if it is not.
    """

    presence: Presence | None = None
    present_at: int = NEVER
    components: dict[type[Component], Any] = field(default_factory=dict)
    taken_at: dict[type[Component], int] = field(default_factory=dict)
    cell: Cell | None = None
    seen_at: int = NEVER
    lost_at: int | None = None

    @property
    def is_visible(self) -> bool:
        """Whether its presence and all components in its mask are known."""
        if self.presence is None:
            return False
        mask = self.presence.mask
        return all(mask >> n & 1 == 0 or kind in self.components for n, kind in COMPONENTS.items())

    @property
    def leader(self) -> int | None:
        """The entity that it follows, if it is a child without a body."""
        parent = self.components.get(Parent)
        return parent.parent if parent and Body not in self.components else None

    def see(self, cell: Cell, tick: int) -> bool:
        """Note where it was seen, unless it was seen later."""
        if tick < self.seen_at:
            return False
        self.cell, self.seen_at = cell, tick
        return True

    def take_presence(self, presence: Presence, tick: int) -> None:
        """Take a presence, if it is newer; components that it does not name are dropped."""
        if tick <= self.present_at:
            return
        self.presence, self.present_at = presence, tick
        for number, kind in COMPONENTS.items():
            if not presence.mask >> number & 1 and self.taken_at.get(kind, NEVER) < tick:
                self.components.pop(kind, None)
                self.taken_at[kind] = tick

    def take(self, row: Component, tick: int) -> None:
        """Take a component, if it is newer."""
        if tick > self.taken_at.get(type(row), NEVER):
            self.components[type(row)] = row
            self.taken_at[type(row)] = tick

    def said(self) -> list[Any]:
        """Say all that is known of it: its motion, its kind, and its other components."""
        assert self.presence is not None
        reference, *others = (kind for kind in COMPONENTS.values() if kind in self.components)
        said = [*self.components[reference][1:], self.presence.kind]
        for kind in others:
            said += self.components[kind][1:]
        return said
