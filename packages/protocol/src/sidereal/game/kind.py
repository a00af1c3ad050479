"""Kinds: what an entity is from its first tick to its last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sidereal.game.builtin import Body, Motion, Parent, Pilot
from sidereal.game.component import Component, Writer
from sidereal.game.record import outside
from sidereal.protocol.errors import GameError


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind, as `Part.kind` declared it.

    Attributes:
        name: unique in a game; the database keeps it.
        components: what it begins with, and with which values.
        spawned_by: who may make one.
        per_s_max: how many one shard may make in a second; None is without a limit of its own.
        touches: kinds that its body runs into; None is all that have a `Body`. Two bodies touch if
            each of their kinds runs into the other.
        sensor: whether it notices contacts, but neither pushes nor is pushed.
        bounce: share of the approaching speed with which two of it part; of two kinds it is the
            geometric mean.
        speed_max: units/s, for validation and for what may meet.
        accel_max: units/s² by its own power, likewise.
        saved: whether the database keeps it.
        ends_at_touch: whether the game ends it with what it touches first: a client that foresees
            it shows it no farther.
    """

    name: str
    components: tuple[Component, ...]
    spawned_by: Writer
    per_s_max: float | None
    touches: tuple[Kind, ...] | None
    sensor: bool
    bounce: float
    speed_max: float
    accel_max: float
    saved: bool
    ends_at_touch: bool = False

    def __str__(self) -> str:
        return self.name

    def has(self, component: type[Component]) -> bool:
        """Whether it begins with a component."""
        return component in [type(there) for there in self.components]

    def problems(self) -> list[str]:
        """What makes this declaration unusable, in words."""
        found = component_problems(self.name, self.components)
        types = [type(component) for component in self.components]
        if Motion not in types:
            found.append(f"kind {self.name} has no Motion: everything in the world has a place")
        if Body not in types and (self.touches is not None or self.sensor or self.ends_at_touch):
            found.append(f"kind {self.name} touches others, but has no Body")
        if not 0 <= self.bounce <= 1:
            found.append(f"kind {self.name}: bounce must be 0 to 1")
        for other in self.touches or ():
            if Body not in [type(component) for component in other.components]:
                found.append(f"kind {self.name} touches {other}, which has no Body")
        if self.per_s_max is not None and not self.per_s_max > 0:
            found.append(f"kind {self.name}: per_s_max must be above 0")
        if not 0 <= self.speed_max <= SPEED_MAX:
            found.append(f"kind {self.name}: speed_max must be 0 to {SPEED_MAX:g}")
        if not 0 <= self.accel_max < float("inf"):
            found.append(f"kind {self.name}: accel_max must be 0 or more")
        return found


def check_query(query: object) -> None:
    """Refuse what can't be asked for: entities are found by their kind, or by a component.

    Raises:
        GameError: it is neither.
    """
    if isinstance(query, Kind) or (isinstance(query, type) and issubclass(query, Component)):
        return
    said = query.__name__ if isinstance(query, type) else str(query)
    raise GameError(
        f"{said} is no query: say a kind, as game.kind(…) gave it, or the class of a component"
    )


def parent_problems(kinds: Sequence[Kind]) -> list[str]:
    """Say what is wrong with kinds whose entities are children."""
    found = []
    for kind in kinds:
        named = [np.any(each.of) for each in kind.components if isinstance(each, Parent)]
        if named and kind.has(Pilot):
            found.append(f"kind {kind} has a Parent and a Pilot: nobody flies a child of another")
        if any(named):
            found.append(f"kind {kind}: Parent(of=…) is said when one is spawned")
    return found


SPEED_MAX: Final = Motion.fields["vx"].options.high or 0.0
"""Units/s: what the wire can carry."""


def component_problems(where: str, components: tuple[Component, ...]) -> list[str]:
    """Say what is wrong with values that entities of a kind begin with."""
    found = []
    for at, component in enumerate(components):
        if not isinstance(component, Component):
            found.append(f"kind {where}: {component!r} is no component; write Motion(), not Motion")
            continue
        if type(component) in map(type, components[:at]):
            found.append(f"kind {where} has {type(component).__name__} twice")
        for name, field in type(component).fields.items():
            if getattr(component, name).ndim:
                found.append(f"kind {where}: {field} needs one value, not an array")
        for name in outside(component):
            field = type(component).fields[name]
            value = getattr(component, name)
            found.append(f"kind {where}: {field} = {value} is outside {field.range_text()}")
    return found
