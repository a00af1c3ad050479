"""The components of one world, and all that follows from their declaration.

A component's **number** is its place in the schema, from 1. An entity's set of components is a
**mask** with the bit of each number; an entity begins with that of its kind. Everyone in interest
is sent a **row** per entity and component (`rows`), and a row of its **presence**: what it is, and
which components it has.

A record is packed and little-endian, and for one purpose:

* `exact_record`: id, epoch, tick, STATE fields as in memory, LINK fields: proposals of motion;
* `proposed_rows`: by the number of a component, id, epoch, tick and its fields as in memory:
  proposals of the others; also what a shard proposes of an entity as a whole, or of its end;
* likewise by the number of an event, id, epoch, which one it is of those that its shard has
  emitted, and its fields: events;
* `full_record`: `exact_record`, every other field, and which components it has: to adopt an entity,
  to see it as a ghost, or to save it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.limits import NAME_SIZE_MAX, UNRELIABLE_SIZE_MAX
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.controls import NO_CONTROLS, ControlsLayout
from sidereal.protocol.state.description import describe, explain_untrusted
from sidereal.protocol.state.stream import GONE
from sidereal.protocol.state.values import RowRanges

NAMES_TAKEN: Final = frozenset(
    {
        *("id", "net_id", "epoch", "tick", "alive", "uuid", "account", "active", "kind", "mask"),
        *("age", "nth", "differs"),
    }
)
"""Names no field may have: columns, records and tables have them already."""

NUMBER_MAX: Final = 63
"""Of a component: a mask has 64 bits, and number 0 means the presence itself."""

EVENT_FIRST: Final = 128
"""Events are numbered from here; what is below are components and the ways to leave a cell."""

EVENTS_MAX: Final = 128

KIND: Final = Field("kind", "u1", "", 1, 255)
"""What an entity is, by its game's numbers; every entity has one, whatever its components."""

_KEPT: Final = ("motion", "body", "owner", "pilot", "parent")
"""Components that an entity has or has not by its kind, for all its life."""

KIND_NUMBERS: Final = 256
"""Kinds are numbered in a byte."""

WHOLE: Final = 66
"""What a proposal says of an entity as a whole: beside rows of components, and who is GONE."""

FULL_SIZE_MAX: Final = UNRELIABLE_SIZE_MAX - 8
"""Bytes of a full record: it fits into a message of ghosts, beside the header."""


class Begin(NamedTuple):
    """A kind, and what an entity of it begins with.

    Attributes:
        name: unique in a game.
        components: their names.
        values: by field; what is left out is 0.
        saved: whether the database keeps it.
    """

    name: str
    components: tuple[str, ...]
    values: Mapping[str, Any]
    saved: bool = True


DIFFERS: Final = ("differs", "<u8")
"""Of a full record: the components in which the entity differs from its kind, as bits of a mask."""

_ROW_HEAD: Final = (("id", "<u4"), ("epoch", "<u4"), ("tick", "<u4"))
_EVENT_HEAD: Final = (("id", "<u4"), ("epoch", "<u4"), ("nth", "<u4"))


class Schema:
    """Components checked together, and what is derived from them.

    Attributes:
        components: in the order of their numbers; both ends must declare the same order.
        fields: by name, over all components, and the kind.
        references: names of the fields that are ids of entities.
        state_fields: of STATE components, in order; likewise `attribute_fields`, `link_fields`.
        numbers: of the components, by name.
        events: in the order of their numbers; `event_numbers` are theirs, by name.
        shown: numbers of the components that everyone in interest is sent, ascending.
        roles: that have components of their own, in order.
        sent: numbers of the components that any clients in interest are sent, ascending; the mask
            of them is `mask_sent`. `shown_to` says which those of a role are.
        rows: type of a row on the wire by number, of those that are sent, and of events to viewers;
            0 is the presence.
        private_events: type of a row on the wire of all other events, by number.
        own: numbers of the components that whoever flies an entity is sent exactly, ascending; the
            mask of them is `mask_own`.
        own_rows: type of a row of these, by number; 0 says which entity is flown.
        mask_all: mask of all components; `mask_shown` of those that are shown, `mask_places` of
            those that are places, `mask_given` of those that shards may give and take.
        kept: numbers of the components that an entity has or has not by its kind, for all its life.
        proposed: numbers of those that shards change, ascending.
        proposed_rows: type of a proposed row, by number; of motion it is the `exact_record`, of
            WHOLE the `full_record`.
        masks: uint64[256], by the number of a kind, which components its entities have.
        first: `full_record[256]`, likewise, what an entity begins with.
        controls: how a record of them is laid out.
        saved: bool[256], likewise, whether the database keeps its entities.
        description: all that the bytes follow from.
        hash: 16 bytes of it: they differ whenever any declaration does.
    """

    def __init__(
        self,
        components: Iterable[Component],
        kinds: Sequence[Begin] = (),
        controls: ControlsLayout = NO_CONTROLS,
        events: Iterable[Component] = (),
    ) -> None:
        """Check the declarations and derive the records.

        Args:
            components: in the order of their numbers.
            kinds: of a game, in the order of their numbers. Without any, entities of every kind
                have all components, and begin with zeros.
            controls: what a pilot has in hand.
            events: what may happen, in the order of their numbers.

        Raises:
            ConfigError: naming every problem at once.
        """
        self.components, self.events = tuple(components), tuple(events)
        _check(self.components, self.events)
        own = {f.name: f for c in self.components for f in c.fields}
        self.fields: dict[str, Field] = {KIND.name: KIND, **own}
        self.state_fields = self._fields_of(Replication.STATE)
        self.attribute_fields = self._fields_of(Replication.ATTRIBUTE)
        self.link_fields = self._fields_of(Replication.LINK)
        saved = (f for c in self.components if c.persisted for f in c.fields)
        self.persisted_fields = (KIND, *saved)
        hidden_fields = self._fields_of(Replication.NONE, Replication.PILOT, Replication.ROLE)
        self.references = tuple(name for name, field in self.fields.items() if field.reference)

        numbered = dict(enumerate(self.components, 1))
        self.numbers: dict[str, int] = {c.name: number for number, c in numbered.items()}
        self.shown = tuple(number for number, c in numbered.items() if c.is_shown)
        self.roles = tuple(sorted({c.role for c in self.components if c.role}))
        self.sent = tuple(n for n, c in numbered.items() if c.is_shown or c.role)
        self.mask_sent = mask_of(self.sent)
        self.mask_all = mask_of(numbered)
        self.mask_shown = mask_of(self.shown)
        self.mask_places = mask_of(number for number, c in numbered.items() if c.is_reckoned)
        kind = ("kind", "u1")
        presence: np.dtype[Any] = np.dtype([("id", "<u4"), kind, _mask_field(self.mask_sent)])
        self.rows: dict[int, np.dtype[Any]] = {0: presence}
        self.rows |= {number: numbered[number].row for number in self.sent}
        self.own = tuple(number for number, c in numbered.items() if c.is_own)
        self.mask_own = mask_of(self.own)
        self.own_rows: dict[int, np.dtype[Any]] = {0: _flown_row(self.mask_own)}
        self.own_rows |= {number: numbered[number].own_row for number in self.own}

        exact = [(f.name, f.memory_dtype) for f in (*self.state_fields, *self.link_fields)]
        attributes = [(f.name, f.memory_dtype) for f in (KIND, *self.attribute_fields)]
        rest = [(f.name, f.memory_dtype) for f in hidden_fields]
        self.exact_record: np.dtype = np.dtype([*_ROW_HEAD, *exact])
        self.full_record: np.dtype = np.dtype([*_ROW_HEAD, *exact, *attributes, *rest, DIFFERS])
        _check_size(self.full_record, "all components of an entity take")
        self.proposed = tuple(number for number, c in numbered.items() if c.proposed)
        self.kept = tuple(n for n, c in numbered.items() if c.name in _KEPT)
        self.mask_given = mask_of(n for n in self.proposed if n not in self.kept)
        self.proposed_rows: dict[int, np.dtype[Any]] = {
            number: self.exact_record if c.name == MOTION.name else _row_of(c, _ROW_HEAD)
            for number, c in numbered.items()
        }
        self.proposed_rows |= {GONE: np.dtype([*_ROW_HEAD]), WHOLE: self.full_record}
        self.event_numbers: dict[str, int] = self._lay_out_events()
        self.masks, self.first, self.saved = self._describe_kinds(kinds)
        self.controls = controls
        named = [(k.name, [self.numbers[name] for name in k.components]) for k in kinds]
        self.description = describe(self.components, named, controls.fields, self.events)
        self.hash: bytes = self.description.digest()

    def _lay_out_events(self) -> dict[str, int]:
        """Add the rows of events, and give their numbers by name."""
        numbered = dict(enumerate(self.events, EVENT_FIRST))
        self.private_events: dict[int, np.dtype[Any]] = {}
        for number, event in numbered.items():
            rows = self.private_events if event.is_private_event else self.rows
            rows[number] = event.row
            self.proposed_rows[number] = _row_of(event, _EVENT_HEAD)
            _check_size(self.proposed_rows[number], f"an event {event.name} takes")
        return {event.name: number for number, event in numbered.items()}

    @cached_property
    def _judged(self) -> dict[str, Field]:
        """Fields of all rows, by name."""
        return self.fields | {field.name: field for event in self.events for field in event.fields}

    @cached_property
    def _ranges(self) -> dict[np.dtype[Any], RowRanges]:
        """Of types of rows that have come."""
        return {}

    def component(self, number: int) -> Component:
        """The component, or the event, with this number."""
        if number >= EVENT_FIRST:
            return self.events[number - EVENT_FIRST]
        return self.components[number - 1]

    def explain_untrusted(self, description: bytes, text: str) -> str:
        """Say why a server has refused this end; see `description.explain_untrusted`."""
        return explain_untrusted(self.description, description, text)

    def shown_to(self, role: str) -> tuple[int, ...]:
        """Numbers of the components that clients of a role in interest are sent, ascending."""
        return tuple(n for n in self.sent if self.component(n).role in ("", role))

    def database_columns(self) -> list[tuple[str, str]]:
        """Column name and PostgreSQL type of every persisted field, in order."""
        return [(field.name, field.database_type) for field in self.persisted_fields]

    def masks_of(self, records: NDArray[np.void]) -> NDArray[np.uint64]:
        """Tell which components entities have, uint64[n], of records with their kinds."""
        masks = self.masks[records[KIND.name]]
        if DIFFERS[0] in (records.dtype.names or ()):
            masks = (masks ^ records[DIFFERS[0]]) & np.uint64(self.mask_all)
        return np.asarray(masks)

    def valid_rows(self, records: NDArray[np.void]) -> NDArray[np.bool_]:
        """Tell which rows hold only values their declaration allows.

        Args:
            records: structured array; fields that the schema does not declare are not looked at.

        Returns:
            bool[n]: every number finite and within low and high, every text UTF-8 without NUL.
        """
        ranges = self._ranges.get(records.dtype)
        if ranges is None:
            names = [name for name in records.dtype.names or () if name in self._judged]
            ranges = RowRanges(records.dtype, [self._judged[name] for name in names])
            self._ranges[records.dtype] = ranges
        return ranges.valid(records)

    def _describe_kinds(
        self, kinds: Sequence[Begin]
    ) -> tuple[NDArray[np.uint64], NDArray[np.void], NDArray[np.bool_]]:
        masks = np.full(KIND_NUMBERS, 0 if kinds else self.mask_all, np.uint64)
        first = np.zeros(KIND_NUMBERS, self.full_record)
        first[KIND.name] = np.arange(KIND_NUMBERS)
        saved = np.ones(KIND_NUMBERS, np.bool_)
        for kind, begin in enumerate(kinds, 1):
            masks[kind] = mask_of(self.numbers[name] for name in begin.components)
            saved[kind] = begin.saved
            for name, value in begin.values.items():
                first[name][kind] = value
        return masks, first, saved

    def _fields_of(self, *replicated: Replication) -> tuple[Field, ...]:
        return tuple(f for c in self.components if c.replicated in replicated for f in c.fields)


def mask_of(numbers: Iterable[int]) -> int:
    """Give the mask of components by their numbers."""
    return sum(1 << number for number in numbers)


def _mask_field(mask: int) -> tuple[str, np.dtype[Any]]:
    return "mask", np.min_scalar_type(mask).newbyteorder("<")


def _flown_row(mask: int) -> np.dtype[Any]:
    return np.dtype([("id", "<u4"), ("control_epoch", "<u4"), _mask_field(mask)])


def _check_size(record: np.dtype[Any], which_takes: str) -> None:
    if record.itemsize > FULL_SIZE_MAX:
        raise ConfigError(
            f"{which_takes} {record.itemsize} bytes; "
            f"a message holds {FULL_SIZE_MAX}: declare fewer or smaller fields"
        )


def _row_of(component: Component, head: tuple[tuple[str, str], ...]) -> np.dtype[Any]:
    return np.dtype([*head, *((f.name, f.memory_dtype) for f in component.fields)])


def _check(components: tuple[Component, ...], events: tuple[Component, ...]) -> None:
    every = (*components, *events)
    problems = [problem for component in every for problem in component.problems()]
    if len(components) > NUMBER_MAX:
        problems.append(f"{len(components)} components; a world has at most {NUMBER_MAX}")
    if len(events) > EVENTS_MAX:
        problems.append(f"{len(events)} events; a world has at most {EVENTS_MAX}")
    component_names: set[str] = set()
    field_names: set[str] = set(NAMES_TAKEN)
    for component in every:
        if component.name in component_names:
            problems.append(f"two components named {component.name}")
        component_names.add(component.name)
        for field in component.fields:
            if field.name in field_names:
                problems.append(f"{component.name}.{field.name}: the name is taken")
            field_names.add(field.name)
            if component.persisted and np.dtype(field.dtype).str[1:] == "u8":
                problems.append(f"{component.name}.{field.name}: PostgreSQL has no u8, use i8")
    if problems:
        raise ConfigError("; ".join(problems))


_WORLD_EDGE: Final = 2.0**31 * 1000.0
"""Where sectors of the default size run out of numbers; smaller ones do sooner (`geometry`)."""

MOTION: Final = Component(
    "motion",
    (
        Field("x", "f8", "unit", -_WORLD_EDGE, _WORLD_EDGE, 2.0**-16, cell_axis="x"),
        Field("y", "f8", "unit", -_WORLD_EDGE, _WORLD_EDGE, 2.0**-16, cell_axis="y"),
        Field("vx", "f8", "unit/s", -250.0, 250.0, 1 / 128),
        Field("vy", "f8", "unit/s", -250.0, 250.0, 1 / 128),
        Field("heading", "f8", "rad", -math.pi, math.pi, math.tau / 65536, wrap=True),
        Field("spin", "f8", "rad/s", -31.0, 31.0, 1 / 1024),
    ),
    Replication.STATE,
    persisted=True,
    predicted=True,
    interpolated=True,
    proposed=True,
)
"""Where an entity is and how it moves: the part of a reference that dead reckoning continues."""

BODY: Final = Component(
    "body",
    (
        Field("radius", "f4", "unit", 1 / 16, 512),
        Field("mass", "f4", "t", 1 / 1024, 2.0**30),
        Field("group", "u4", reference=True),
    ),
    Replication.ATTRIBUTE,
    persisted=True,
    proposed=True,
)
"""A circle; bodies of one group never touch, and 0 is a group of its own."""

LABEL: Final = Component(
    "label", (Field("name", f"S{NAME_SIZE_MAX}"),), Replication.ATTRIBUTE, persisted=True
)
"""What people call it, in UTF-8."""

OWNER: Final = Component("owner", (Field("shard", "u2"),), Replication.ATTRIBUTE)
"""The shard that simulates it; 0 is nobody."""

PILOT: Final = Component(
    "pilot",
    (Field("control_epoch", "u4"), Field("input_seq", "u4"), Field("input_early", "i1")),
    Replication.LINK,
)
"""Whose controls count, the newest of them that this state has in it, and how early they come."""

PREDICTED: Final = Component(
    "predicted",
    (
        Field("by_id", "u4", reference=True),
        Field("by_epoch", "u1"),
        Field("by_input", "u2"),
        Field("by_nth", "u1"),
    ),
    Replication.ATTRIBUTE,
    proposed=True,
)
"""Which input of whose pilot has spawned it, and as which one; see `spawnkeys`."""

PARENT: Final = Component(
    "parent",
    (Field("of", "u4", reference=True),),
    Replication.ATTRIBUTE,
    persisted=True,
    proposed=True,
)
"""Whose child it is, for all its life; see `families`."""

BASE_COMPONENTS: Final = (MOTION, BODY, LABEL, OWNER, PILOT, PREDICTED, PARENT)
BASE_SCHEMA: Final = Schema(BASE_COMPONENTS)
"""The components that every world has; a game's come after them."""
