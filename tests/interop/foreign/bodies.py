"""Proposals, ghosts, and what voids them. PROTOCOL.md, "Proposals and ghosts"."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from .octets import Malformed, Octets, text_of, within
from .snapshots import NO_EVENTS, Events, check_traits

WORLD_EDGE: Final = 2.0**31 * 1000
EXACT: Final = "IIIddddddII"
FULL: Final = EXACT + "BffI24sHIBHBIQ"
MOTION: Final = 1
ROWS: Final = {
    MOTION: EXACT,
    2: "IIIffI",
    3: "III24s",
    4: "IIIH",
    5: "IIIII",
    6: "IIIIBHB",
    7: "IIII",
    64: "III",
    66: FULL,
}
"""Layouts of proposed rows, by what they are; those of events begin with `III`."""


class Traits(NamedTuple):
    """What a full record tells beside its body."""

    kind: int
    radius: float
    mass: float
    group: int
    name: str
    owner: int
    spawner: int
    control_epoch: int
    input: int
    which: int
    parent: int
    differs: int


class Body(NamedTuple):
    """An entity as its shard has it."""

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
    traits: Traits | None = None


@dataclass(frozen=True)
class Rows:
    """A message of the ghost channel."""

    tick: int
    bodies: tuple[Body, ...]


@dataclass(frozen=True)
class Proposal:
    """A message of the proposal channel: for each run what it is, and its rows."""

    tick: int
    runs: tuple[tuple[int, tuple[tuple[Any, ...], ...]], ...]

    @property
    def bodies(self) -> tuple[Body, ...]:
        """The rows of motion, but for the void ones."""
        return tuple(body for what, rows in self.runs if what == MOTION for body in _valid(rows))


def read_ghosts(message: bytes) -> Rows:
    """Read a message of the ghost channel, but for its void rows."""
    octets = Octets(message)
    version, zero, count, tick = octets.unpack("BBHI")
    if version != 1 or zero != 0:
        raise Malformed(f"version {version}, then {zero}")
    rows = [octets.unpack(FULL) for _ in range(count)]
    octets.end()
    return Rows(tick, tuple(_valid(rows)))


def read_proposal(message: bytes, events: Events = NO_EVENTS) -> Proposal:
    """Read a message of the proposal channel; events are those that the game declares."""
    octets, runs = Octets(message), []
    layouts = ROWS | {number: "III" + event.proposed for number, event in events.items()}
    version, count, tick = octets.unpack("BBI")
    if version != 2:
        raise Malformed(f"version {version}")
    for _ in range(count):
        what, size = octets.unpack("BB")
        if what not in layouts or not size:
            raise Malformed(f"{size} rows of {what}")
        runs.append((what, tuple(octets.unpack(layouts[what]) for _ in range(size))))
    octets.end()
    return Proposal(tick, tuple(runs))


def read_records(records: bytes) -> tuple[Body, ...]:
    """Read the records of an Adopt message, but for the void ones."""
    octets, rows = Octets(records), []
    while octets.left:
        rows.append(octets.unpack(FULL))
    return tuple(_valid(rows))


def _valid(rows: Iterable[tuple[Any, ...]]) -> Iterator[Body]:
    for row in rows:
        with contextlib.suppress(Malformed):
            yield _read_body(row[:11], row[11:])


def _read_body(exact: tuple[Any, ...], rest: tuple[Any, ...]) -> Body:
    body = Body(*exact)
    within("id", body.id, 1, math.inf)
    within("x", body.x, -WORLD_EDGE, WORLD_EDGE)
    within("y", body.y, -WORLD_EDGE, WORLD_EDGE)
    within("vx", body.vx, -250, 250)
    within("vy", body.vy, -250, 250)
    within("heading", body.heading, -math.pi, math.pi)
    within("spin", body.spin, -31, 31)
    if not rest:
        return body
    kind, radius, mass, group, name, *others = rest
    check_traits(kind, radius, mass)
    return body._replace(traits=Traits(kind, radius, mass, group, text_of(name), *others))


class Simulated:
    """What a shard has: its bodies as they were adopted, and its ghosts."""

    def __init__(self) -> None:
        self.reorder_ticks = 100
        self.bodies: dict[int, Body] = {}
        self.ghosts: dict[int, Body] = {}
        self._sent: dict[int, int] = {}
        # The tick of the message that had each ghost.
        self._newest = -1
        self._void: dict[int, list[tuple[int, int]]] = {}
        # By id: ghosts below an epoch in messages up to a tick are void.

    def take_ghosts(self, rows: Rows) -> None:
        """Take a message of the ghost channel."""
        if rows.tick < self._newest - self.reorder_ticks:
            return
        self._newest = max(self._newest, rows.tick)
        for row in rows.bodies:
            body, ghost = self.bodies.get(row.id), self.ghosts.get(row.id)
            if self._is_void(row, rows.tick) or (body is not None and row.epoch <= body.epoch):
                continue
            if ghost is not None and (row.epoch, rows.tick) < (ghost.epoch, self._sent[row.id]):
                continue
            self.bodies.pop(row.id, None)
            self.ghosts[row.id], self._sent[row.id] = row, rows.tick

    def adopt(self, records: tuple[Body, ...]) -> None:
        """Take an Adopt message."""
        for row in records:
            body, ghost = self.bodies.get(row.id), self.ghosts.get(row.id)
            if all(held is None or row.epoch > held.epoch for held in (body, ghost)):
                self.ghosts.pop(row.id, None)
                self.bodies[row.id] = row

    def amend(self, records: tuple[Body, ...]) -> None:
        """Take an Amend message: the name is the server's, the rest is the shard's."""
        for row in records:
            body = self.bodies.get(row.id)
            if body is not None and body.epoch == row.epoch and body.traits and row.traits:
                self.bodies[row.id] = body._replace(
                    traits=body.traits._replace(name=row.traits.name)
                )

    def release(self, entities: list[tuple[int, int]], tick: int) -> None:
        """Take a Release message."""
        for number, epoch in entities:
            self._void.setdefault(number, []).append((epoch, tick))
            body, ghost = self.bodies.get(number), self.ghosts.get(number)
            if body is not None and body.epoch < epoch:
                del self.bodies[number]
            if ghost is not None and self._is_void(ghost, self._sent[number]):
                del self.ghosts[number]

    def _is_void(self, row: Body, tick: int) -> bool:
        voids = self._void.get(row.id, ())
        return any(row.epoch < epoch and tick <= until for epoch, until in voids)
