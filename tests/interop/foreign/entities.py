"""What a client knows of entities: the newest row of each sort, and where each was seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from .rows import NUMBERS, Body, Component, Parent, Presence, Reference, number_of
from .snapshots import Cell

NEVER: Final = -1
COMPONENTS_MAX: Final = 63
MOTION, BODY, PARENT = NUMBERS[Reference], NUMBERS[Body], NUMBERS[Parent]


@dataclass(slots=True)
class Entity:
    """An entity; all ticks are those of snapshots.

    Attributes:
        components: the newest row of each sort.
        cell: where it was last seen, at the tick `seen_at`.
        lost_at: the newest snapshot when it was lost, none if it is not.
        is_visible: whether its presence and all components in its mask were once known.
    """

    presence: Presence | None = None
    present_at: int = NEVER
    components: dict[int, Any] = field(default_factory=dict)
    taken_at: dict[int, int] = field(default_factory=dict)
    cell: Cell | None = None
    seen_at: int = NEVER
    lost_at: int | None = None
    is_visible: bool = False

    @property
    def reference(self) -> Reference | None:
        """Where it was, and how it moved."""
        return self.components.get(MOTION)

    @property
    def leader(self) -> int | None:
        """The entity that it follows, if it is a child without a body."""
        parent = self.components.get(PARENT)
        return parent.parent if parent and BODY not in self.components else None

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
        for number in range(COMPONENTS_MAX + 1):
            if not presence.mask >> number & 1 and self.taken_at.get(number, NEVER) < tick:
                self.components.pop(number, None)
                self.taken_at[number] = tick
        self._look()

    def take(self, row: Component, tick: int) -> None:
        """Take a component, if it is newer."""
        number = number_of(row)
        if tick > self.taken_at.get(number, NEVER):
            self.components[number] = row
            self.taken_at[number] = tick
            self._look()

    def fly(self, reference: Reference) -> None:
        """Take how it moves from a private section, unless a cell says something newer."""
        if reference.tick >= self.taken_at.get(MOTION, NEVER):
            self.components[MOTION] = reference
            self.taken_at[MOTION] = reference.tick
            self._look()

    def said(self) -> list[Any]:
        """Say all that is known of it: its motion, its kind, and its other components."""
        assert self.presence is not None
        reference, *others = (self.components[number] for number in sorted(self.components))
        return [*reference[1:], self.presence.kind, *(each for row in others for each in row[1:])]

    def _look(self) -> None:
        if self.presence is not None:
            mask = self.presence.mask
            wanted = (number for number in range(mask.bit_length()) if mask >> number & 1)
            self.is_visible |= all(number in self.components for number in wanted)
