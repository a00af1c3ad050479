"""What one call of a hook has asked for, until all of it happens or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sidereal.game import Event

if TYPE_CHECKING:
    from sidereal.replication.play.hooks import HookPlayer


class Flight(NamedTuple):
    """A player and the row of what it flies from now on."""

    player: HookPlayer
    row: int


class Gift(NamedTuple):
    """A component that an entity is given, with its values by column; None if it is taken."""

    entity: int
    number: int
    values: dict[str, Any] | None


class Later(NamedTuple):
    """A call that waits; of two that are due the earlier one that was asked for comes first."""

    tick: int
    number: int
    call: Callable[..., Any]
    arguments: tuple[Any, ...]


class Due(NamedTuple):
    """What is to be called now, and how the game said so: `after` or `every`."""

    name: str
    call: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(slots=True)
class Call:
    """What one call has asked for so far.

    Attributes:
        spawned: rows.
        berthed: rows of what came from a berth, by player.
        flights: rows of what is to be flown, by player.
        lingers: for how many ticks what they fly stays when they leave, by player.
        ended: ids.
        emitted: events, and the rows that they happen to.
        gifts: components that are given or taken.
        later: what is to be called.
    """

    spawned: list[int] = field(default_factory=list)
    berthed: dict[HookPlayer, int] = field(default_factory=dict)
    flights: dict[HookPlayer, int] = field(default_factory=dict)
    lingers: dict[HookPlayer, int] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)
    emitted: list[tuple[Event, int]] = field(default_factory=list)
    gifts: list[Gift] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)
