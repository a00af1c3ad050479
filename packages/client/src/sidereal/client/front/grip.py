"""What a player's fingers and pointer come to: a record of the game's controls."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from sidereal.client.front.keys import Steer
from sidereal.game.bits import pack
from sidereal.game.column import Binding
from sidereal.game.component import Controls


class Grip:
    """The controls that somebody holds at a window.

    Every method gives the record to hold from now on, None if that is the same as before.
    """

    def __init__(self, controls: Sequence[type[Controls]]) -> None:
        self._controls = controls
        self._keys: set[Steer] = set()
        self._angle = 0.0
        self._held = 0

    @property
    def points(self) -> bool:
        """Whether the pointer says something in this game."""
        return any(binding.pointer for _, binding in self._bound())

    def press(self, key: Steer) -> int | None:
        """Note that a key went down."""
        self._keys.add(key)
        return self._settle(pressed=key.name)

    def release(self, key: Steer) -> int | None:
        """Note that a key came up."""
        self._keys.discard(key)
        return self._settle()

    def release_all(self) -> int | None:
        """Note that no key is down any more."""
        self._keys.clear()
        return self._settle()

    def point(self, angle: float) -> int | None:
        """Note where the pointer is, seen from the own entity, rad."""
        self._angle = math.remainder(angle, math.tau)
        return self._settle()

    def _settle(self, pressed: str = "") -> int | None:
        record, before = self._pack(pressed), self._held
        self._held = self._pack()
        return None if record == before else record

    def _pack(self, pressed: str = "") -> int:
        values: dict[str, float] = {}
        for name, binding in self._bound():
            if binding.pointer:
                values[name] = self._angle
            elif binding.input == "press":
                values[name] = name == pressed
            else:
                # Both directions at once are none.
                values[name] = sum(key.step for key in self._keys if key.name == name)
        return pack(self._controls[0](**values)) if values else 0

    def _bound(self) -> Iterator[tuple[str, Binding]]:
        for controls in self._controls:
            for name, field in controls.fields.items():
                if field.options.binding is not None:
                    yield name, field.options.binding
