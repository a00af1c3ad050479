"""Components, controls and events: the three sorts of records that a game declares."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sidereal.game.column import (
    Binding,
    Options,
    Storage,
    angle_options,
    bound,
)
from sidereal.game.keys import key_problems, words_problems
from sidereal.game.record import Record


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told; compare with the constants below."""

    name: str


EVERYONE: Final = Audience("everyone")
"""Of a component: all clients near, and the shards."""
PILOT: Final = Audience("pilot")
"""The one client that flies the entity, and its shard."""
SHARDS: Final = Audience("shards")
"""Of a component: no client."""
VIEWERS: Final = Audience("viewers")
"""Of an event: the clients that see its subject's cell."""
SECTOR: Final = Audience("sector")
"""Of an event: the clients whose own entity is in its subject's sector."""
ALL: Final = Audience("all")
"""Of an event: every client."""

ROLE_PREFIX: Final = "role "


def role(name: str) -> Audience:
    """Clients with a role, near, and the shards: `player`, `observer` or `operator`."""
    return Audience(ROLE_PREFIX + name)


class Writer(enum.Enum):
    """Which side of the mesh decides about something."""

    SHARD = "shard"
    AUTHORITY = "authority"


SHARD: Final = Writer.SHARD
AUTHORITY: Final = Writer.AUTHORITY

_COMPONENT_AUDIENCES: Final = (EVERYONE, PILOT, SHARDS)
_EVENT_AUDIENCES: Final = (VIEWERS, SECTOR, PILOT, ALL)
_COLUMNS_TAKEN: Final = frozenset({"id", "tick", "epoch", "mask", "kind"})
"""What every entity has besides its components."""


class Component(Record):
    """A group of columns that an entity has or has not.

    Keywords of the class statement:
        audience: who is told: EVERYONE, PILOT, SHARDS or `role(…)`.
        writer: SHARD, whose systems write it and which is saved behind; or AUTHORITY, whose actions
            write it in transactions.
        saved: whether the database keeps it.
        name: of the record, when it is not to follow from the module and the class.
    """

    audience: ClassVar[Audience] = EVERYONE
    writer: ClassVar[Writer] = SHARD
    saved: ClassVar[bool] = True

    def __init_subclass__(
        cls,
        *,
        audience: Audience = EVERYONE,
        writer: Writer = SHARD,
        saved: bool = True,
        name: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls.audience, cls.writer, cls.saved = audience, writer, saved
        cls.declare_fields(name, _COLUMNS_TAKEN | {"audience", "writer", "saved"})
        if audience not in _COMPONENT_AUDIENCES and not audience.name.startswith(ROLE_PREFIX):
            cls.problems += (
                f"{cls.record_name}: the audience of a component is EVERYONE, PILOT, SHARDS or "
                f"role(…), not {audience.name}",
            )


class Controls(Record):
    """What a pilot wants: one record for every tick."""

    def __init_subclass__(cls, *, name: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.declare_fields(name)
        bound = {
            str(field): field.options.binding.keys
            for field in cls.fields.values()
            if field.options.binding is not None
        }
        cls.problems += tuple(key_problems(bound))
        said = {
            str(field): field.options.binding.does
            for field in cls.fields.values()
            if field.options.binding is not None and field.options.binding.does
        }
        cls.problems += tuple(words_problems(said))
        for field in cls.fields.values():
            if field.options.binding is None:
                cls.problems += (f"{field}: say what moves it: axis, press, hold or angle",)
            if field.storage.reference or field.storage.dtype == "S":
                cls.problems += (f"{field}: controls are numbers",)


class Event(Record):
    """Something that happened at a tick to an entity, its subject.

    Keywords of the class statement:
        to: who is told: VIEWERS, SECTOR, PILOT or ALL.
        name: of the record, when it is not to follow from the module and the class.
    """

    to: ClassVar[Audience] = VIEWERS
    subject: NDArray[np.uint32]
    """uint32[n], whom it happened to; of events that have happened."""
    tick: NDArray[np.int64]
    """int64[n], when; likewise."""

    def __init_subclass__(cls, *, to: Audience = VIEWERS, name: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.to = to
        cls.declare_fields(name, frozenset({"subject", "tick", "to"}))
        if to not in _EVENT_AUDIENCES:
            cls.problems += (
                f"{cls.record_name}: an event goes to VIEWERS, SECTOR, PILOT or ALL, "
                f"not to {to.name}",
            )


# -- controls -----------------------------------------------------------------------------------

Press: TypeAlias = Annotated[NDArray[np.uint8], Storage("u1")]
"""How often it was pressed since the last record: a tap between two ticks is never lost."""
Held: TypeAlias = Annotated[NDArray[np.uint8], Storage("u1")]
"""1 while it is held."""

PRESSES_MAX: Final = 15
"""Presses that one record tells of."""


def axis(up: str, down: str, *, steps: int = 1, does: tuple[str, str] | None = None) -> Any:
    """Bind a column to two keys that count it up and down, from -`steps` to `steps`.

    Args:
        up: the key that counts it up; `down` likewise.
        down: likewise.
        steps: how far it goes.
        does: what either key does, in words for players: `does=("forward", "backward")`.
    """
    return bound(Options(0, -steps, steps), Binding("axis", (up, down), does=does or ()))


def press(key: str, *, does: str = "") -> Any:
    """Bind a `Press` to a key, and say what it does in words for players."""
    return bound(Options(0, 0, PRESSES_MAX), Binding("press", (key,), does=_words(does)))


def hold(key: str, *, does: str = "") -> Any:
    """Bind a `Held` to a key, and say what it does in words for players."""
    return bound(Options(0, 0, 1), Binding("hold", (key,), does=_words(does)))


def _words(does: str) -> tuple[str, ...]:
    return (does,) if does else ()


def angle(*, pointer: bool = False, bits: int = 16) -> Any:
    """Bind a column to a direction, from -π to π.

    Args:
        pointer: whether the pointer says it, seen from the own entity.
        bits: that it takes on the wire.
    """
    return bound(angle_options(bits), Binding("angle", pointer=pointer))
