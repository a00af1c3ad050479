"""Entities as shards and the server tell each other of them: records, proposals, ghosts."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from .octets import Malformed, Octets, compiled, require
from .rows import EventSort

PROPOSAL_VERSION: Final = 2
GHOSTS_VERSION: Final = 1
MOTION: Final = 1
WHOLE: Final = 66
MOTION_LAYOUT: Final = "IIIddddddIIb"
TRAITS_LAYOUT: Final = "BffI24sHIBHBIQ"
RECORD_SIZE: Final = compiled(MOTION_LAYOUT + TRAITS_LAYOUT).size
LAYOUTS: Final = {
    MOTION: MOTION_LAYOUT,
    2: "IIIffI",
    3: "III24s",
    4: "IIIH",
    5: "IIIIIb",
    6: "IIIIBHB",
    7: "IIII",
    64: "III",
    WHOLE: MOTION_LAYOUT + TRAITS_LAYOUT,
}
COMPRESSED_MAX: Final = 1 << 20
VELOCITY_MAX: Final = 250.0
SPIN_MAX: Final = 31.0
COORDINATE_MAX: Final = 1000.0 * (1 << 31)

Row: TypeAlias = tuple[Any, ...]


class Traits(NamedTuple):
    """What a full record says beside motion."""

    kind: int
    radius: float
    mass: float
    group: int
    name: str
    owner: int
    spawner: int
    spawn_epoch: int
    spawn_input: int
    which: int
    parent: int
    differs: int


class Body(NamedTuple):
    """An entity under an epoch, as it was at a tick."""

    id: int
    epoch: int
    tick: int
    x: float
    y: float
    vx: float
    vy: float
    heading: float
    spin: float
    control_epoch: int
    newest_input: int
    early: int
    traits: Traits | None

    @property
    def is_void(self) -> bool:
        """Whether the record counts for nothing, because a value of it is out of range."""
        limits = (
            (self.vx, VELOCITY_MAX),
            (self.vy, VELOCITY_MAX),
            (self.heading, math.pi),
            (self.spin, SPIN_MAX),
            (self.x, COORDINATE_MAX),
            (self.y, COORDINATE_MAX),
        )
        return self.id == 0 or not all(abs(value) <= limit for value, limit in limits)


class Proposal(NamedTuple):
    """What a shard proposes: runs of rows, each with what they are rows of."""

    tick: int
    runs: list[tuple[int, list[Row]]]


class Ghosts(NamedTuple):
    """Ghosts that a shard is told of."""

    tick: int
    bodies: list[Body]


def body_of(row: Row) -> Body:
    """Make a body of a row of motion, or of a full record."""
    traits = Traits(*row[12:]) if len(row) > 12 else None
    return Body(*row[:12], traits)


def read_full_records(value: Any) -> list[Body]:
    """Read full records, one after the other."""
    require(isinstance(value, bytes), "no bytes")
    require(len(value) % RECORD_SIZE == 0, "a part of a record")
    octets = Octets(value)
    return [
        body_of(_read_row(octets, MOTION_LAYOUT + TRAITS_LAYOUT))
        for _ in range(len(value) // RECORD_SIZE)
    ]


def read_compressed(value: Any) -> list[Body]:
    """Read full records that are compressed."""
    require(isinstance(value, bytes), "no bytes")
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(value, COMPRESSED_MAX)
    except zlib.error:
        raise Malformed("not compressed") from None
    require(stream.eof and not stream.unused_data, "compressed records of another length")
    return read_full_records(plain)


def read_ghosts(body: bytes) -> Ghosts:
    """Read a message of ghosts."""
    octets = Octets(body)
    version, zero, count, tick = octets.unpack("BBHI")
    require(version == GHOSTS_VERSION and zero == 0, "ghosts of another version")
    require(octets.left == count * RECORD_SIZE, "ghosts of another length")
    return Ghosts(tick, read_full_records(octets.rest()))


def read_proposal(body: bytes, events: Mapping[int, EventSort]) -> Proposal:
    """Read a proposal."""
    octets = Octets(body)
    version, runs, tick = octets.unpack("BBI")
    require(version == PROPOSAL_VERSION, "a proposal of another version")
    said = [_read_run(octets, events) for _ in range(runs)]
    octets.end()
    return Proposal(tick, said)


def _read_run(octets: Octets, events: Mapping[int, EventSort]) -> tuple[int, list[Row]]:
    what, count = octets.unpack("BB")
    layout = "III" + events[what].proposed if what in events else LAYOUTS.get(what)
    if layout is None:
        raise Malformed("rows of what is not known")
    require(count > 0, "a run of no rows")
    return what, [_read_row(octets, layout) for _ in range(count)]


def _read_row(octets: Octets, layout: str) -> Row:
    values = octets.unpack(layout)
    return tuple(
        value.rstrip(b"\0").decode(errors="replace") if isinstance(value, bytes) else value
        for value in values
    )


class Proposed:
    """The newest motion that a shard has proposed of each entity.

    Followers are the kinds without a body: if they have a parent they move as it does.
    """

    def __init__(self, followers: frozenset[int]) -> None:
        self._followers = followers
        self._motions: dict[int, Body] = {}
        self._parents: dict[int, int] = {}

    def motion(self, number: int) -> Body | None:
        """Give the newest motion of an entity, if any was proposed."""
        parent = self._parents.get(number)
        if parent is None:
            return self._motions.get(number)
        motion = self.motion(parent)
        return motion and motion._replace(id=number)

    def take(self, proposal: Proposal) -> None:
        """Take what is newer, by epoch and tick."""
        for what, rows in proposal.runs:
            if what in (MOTION, WHOLE):
                for row in rows:
                    self._take(body_of(row))

    def _take(self, body: Body) -> None:
        traits = body.traits
        if traits is not None and traits.parent and traits.kind in self._followers:
            self._parents[body.id] = traits.parent
        known = self._motions.get(body.id)
        if known is None or (body.epoch, body.tick) > (known.epoch, known.tick):
            self._motions[body.id] = body._replace(traits=None)


class Simulated:
    """What a shard simulates, and what it is told of besides.

    Attributes:
        bodies: entities of its own, by their ids.
        reorder_ticks: of the rules.
    """

    def __init__(self) -> None:
        self.bodies: dict[int, Body] = {}
        self.reorder_ticks = 0
        self._newest = 0
        self._ghosts: dict[int, tuple[int, Body]] = {}
        self._released: dict[int, list[tuple[int, int]]] = {}

    @property
    def ghosts(self) -> dict[int, Body]:
        """Entities that others simulate, by their ids."""
        return {number: ghost for number, (_, ghost) in self._ghosts.items()}

    def adopt(self, records: Iterable[Body]) -> None:
        """Take entities to simulate."""
        for record in records:
            _, ghost = self._ghosts.get(record.id, (0, None))
            there = [each.epoch for each in (self.bodies.get(record.id), ghost) if each]
            if not record.is_void and all(record.epoch > epoch for epoch in there):
                self.bodies[record.id] = record
                self._ghosts.pop(record.id, None)

    def release(self, tick: int, rows: Iterable[tuple[int, int]]) -> None:
        """Take what is void below some epoch."""
        for number, epoch in rows:
            self._released.setdefault(number, []).append((tick, epoch))
            if number in self.bodies and self.bodies[number].epoch < epoch:
                del self.bodies[number]
            said_at, ghost = self._ghosts.get(number, (0, None))
            if ghost is not None and said_at <= tick and ghost.epoch < epoch:
                del self._ghosts[number]

    def take_ghosts(self, message: Ghosts) -> None:
        """Take ghosts: what is said under the highest epoch counts, then what is newest."""
        if message.tick < self._newest - self.reorder_ticks:
            return
        self._newest = max(self._newest, message.tick)
        for ghost in message.bodies:
            if not ghost.is_void and not self._is_released(ghost, message.tick):
                self._take_ghost(ghost, message.tick)

    def _is_released(self, ghost: Body, tick: int) -> bool:
        released = self._released.get(ghost.id, ())
        return any(at >= tick and ghost.epoch < epoch for at, epoch in released)

    def _take_ghost(self, ghost: Body, tick: int) -> None:
        said_at, known = self._ghosts.get(ghost.id, (-1, None))
        if known is not None and (ghost.epoch, tick) <= (known.epoch, said_at):
            return
        own = self.bodies.get(ghost.id)
        if own is not None and own.epoch >= ghost.epoch:
            return
        self.bodies.pop(ghost.id, None)
        self._ghosts[ghost.id] = tick, ghost
