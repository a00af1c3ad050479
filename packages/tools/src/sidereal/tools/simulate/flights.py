"""What shards really did: all bodies before and after every tick, as a part of their game sees."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from sidereal.game import Body, Motion, Parent, Part, Pilot, Stage, Step
from sidereal.game.bits import pack_rows
from sidereal.game.schema import column_of
from sidereal.protocol.state.reckoning import slowing
from sidereal.shard.shard import ShardCore
from sidereal.tools.simulate.game import Charge, Heat, Stick, Tally
from sidereal.tools.simulate.passing import Origin

STATE: Final = ("x", "y", "vx", "vy", "heading", "spin")
"""The columns of a state, float64[6]."""

STORED: Final = ((Charge, "level"), (Charge, "runs_over"), (Heat, "degrees"))
"""What shards change of entities beside their motion."""

SAME: Final = 1e-9
"""World units and the like by which a state that was not changed may be off what it was."""

COLUMNS: Final = tuple(column_of(component, component.fields[name]) for component, name in STORED)
"""Where that is in records and columns."""
SAVED: Final = COLUMNS[:2]
"""What the store keeps of it."""


class Again(NamedTuple):
    """A tick gone by as a shard has it now; arrays have a row for each of some bodies.

    Attributes:
        tick: it.
        net_id: int64[n], ascending.
        epoch: int64[n].
        buttons: uint64[n], the record of controls held during it.
        before: float64[n, 6], `STATE` when the tick begins; likewise `after`.
        was: float64[n, 6], what the shard had for `after` before; NaN if it did not have the body.
    """

    tick: int
    net_id: np.ndarray
    epoch: np.ndarray
    buttons: np.ndarray
    before: np.ndarray
    after: np.ndarray
    was: np.ndarray

    def of(self, net_ids: np.ndarray) -> Again:
        """Keep those of some bodies."""
        kept = np.isin(self.net_id, net_ids)
        return Again(self.tick, *(column[kept] for column in self[1:]))

    def and_(self, other: Again) -> Again:
        """Add other bodies of the same tick."""
        order = np.argsort(np.concatenate([self.net_id, other.net_id]))
        pairs = zip(self[1:], other[1:], strict=True)
        return Again(self.tick, *(np.concatenate(pair)[order] for pair in pairs))


class Seen(NamedTuple):
    """Shadows: bodies that others simulate, in the physics of a shard.

    Attributes:
        net_id: int64[k].
        epoch: int64[k].
        buttons: uint64[k], the record of controls held during the tick.
        before: float64[k, 6], `STATE` when it begins.
    """

    net_id: np.ndarray
    epoch: np.ndarray
    buttons: np.ndarray
    before: np.ndarray


_NOBODY: Final = np.empty(0, np.int64)
NONE_SEEN: Final = Seen(_NOBODY, _NOBODY, _NOBODY.astype(np.uint64), np.empty((0, len(STATE))))


class Flight(NamedTuple):
    """One tick of one shard; arrays have a row for every body, ascending by net id.

    Attributes:
        core: name of the shard's core, another one after every start.
        since: when what welcomed the core was sent, virtual seconds.
        at: when the tick was flown, virtual seconds.
        tick: that was simulated.
        net_id: int64[n].
        epoch: int64[n].
        radius: float64[n], world units.
        control_epoch: int64[n], whose inputs it flies by.
        input_seq: int64[n], of the input flown in this tick, 0 for none so far.
        buttons: uint64[n], the record of controls held during it.
        before: float64[n, 6], `STATE` when the tick begins; likewise `after`.
        stored_before: float64[n, 3], `STORED` when the tick begins; likewise `stored_after`.
        tallied: int64[n, 2], presses and trim of the tallies, when the tick has been flown.
        sparks: int64[k], ids of what was spawned in this tick.
        again: ticks gone by, ascending: of bodies that are new in this one all that the shard knows
            of, of others those that are not as they were in the tick before.
        skipped: bool[n], whom systems have left alone in it: it was simulated again, after another
            tick in which they had gone another way, or had another owner.
        late: how many bodies were adopted too late for what they had missed, in this session.
        shadows: what others simulate of what may touch these.
    """

    core: str
    since: float
    at: float
    tick: int
    net_id: np.ndarray
    epoch: np.ndarray
    radius: np.ndarray
    control_epoch: np.ndarray
    input_seq: np.ndarray
    buttons: np.ndarray
    before: np.ndarray
    after: np.ndarray
    stored_before: np.ndarray
    stored_after: np.ndarray
    tallied: np.ndarray
    sparks: np.ndarray
    again: tuple[Again, ...]
    late: int
    skipped: np.ndarray
    shadows: Seen = NONE_SEEN

    @property
    def keys(self) -> np.ndarray:
        """Names of bodies under their epochs, int64[n], ascending."""
        keys: np.ndarray = self.net_id << 32 | self.epoch
        return keys

    def row_of(self, net_id: int, epoch: int) -> int | None:
        """Find a body under an epoch."""
        found = np.flatnonzero(self.keys == (net_id << 32 | epoch))
        return int(found[0]) if len(found) else None


_BY_BODY: Final = (
    "net_id",
    "epoch",
    "radius",
    "control_epoch",
    "input_seq",
    "buttons",
    "before",
    "after",
    "stored_before",
    "stored_after",
    "tallied",
    "skipped",
)
"""Of a flight, what has a row for every body."""


def blank_flight(like: Flight, tick: int) -> Flight:
    """Give a flight of nobody."""
    empty: dict[str, Any] = {name: getattr(like, name)[:0] for name in (*_BY_BODY, "sparks")}
    return like._replace(tick=tick, again=(), shadows=NONE_SEEN, **empty)


def with_again(flight: Flight, again: Again, radius: np.ndarray) -> Flight:
    """Put into a flight how some bodies have flown it when it was simulated again.

    Args:
        flight: as it was, with or without them.
        again: of these.
        radius: float64[n], of these.
    """
    stays = ~np.isin(flight.net_id, again.net_id)
    count = len(again.net_id)
    theirs = {name: np.zeros((count, *getattr(flight, name).shape[1:])) for name in _BY_BODY}
    theirs |= {name: getattr(again, name) for name in Again._fields[1:-1]}
    skipped = np.ones(count, np.bool_)
    for at, (net_id, epoch) in enumerate(
        zip(again.net_id.tolist(), again.epoch.tolist(), strict=True)
    ):
        row = flight.row_of(net_id, epoch)
        if row is not None and not flight.skipped[row]:
            skipped[at] = np.abs(again.before[at] - flight.before[row]).max() > SAME
    theirs |= {"radius": radius, "skipped": skipped}
    order = np.argsort(np.concatenate([flight.net_id[stays], again.net_id]), kind="stable")
    joined: dict[str, Any] = {
        name: np.concatenate([had[stays], theirs[name].astype(had.dtype)])[order]
        for name in _BY_BODY
        for had in [getattr(flight, name)]
    }
    return flight._replace(**joined)


def same_bodies(one: Flight, other: Flight) -> tuple[np.ndarray, np.ndarray]:
    """Find the bodies that two flights share, with their epochs: rows in each, ascending."""
    _, mine, theirs = np.intersect1d(one.keys, other.keys, assume_unique=True, return_indices=True)
    return mine, theirs


class FlightRecorder:
    """A part of the game that changes nothing and writes everything down.

    Attributes:
        core: name of the core it belongs to.
        speed_max: what is faster the shard slows down once a tick is written down, units/s.
        since: when what welcomed that was sent, virtual seconds; kept by the process, as is
        at: the time, and
        shard: the core itself.
    """

    def __init__(self, core: str, log: list[Flight], speed_max: float) -> None:
        self.core = core
        self.speed_max = speed_max
        self.since = self.at = math.inf
        self.shard: ShardCore | None = None
        self.part = Part("recorder")
        self.part.system(Stage.TICK)(self._begin)
        self.part.system(Stage.SETTLE)(self._settle)
        self._log = log
        self._begun: Flight | None = None
        self._paths: dict[tuple[int, int], _Path] = {}

    def _begin(self, step: Step) -> None:
        assert self.shard is not None
        assert self.shard.bodies is not None
        statistics = self.shard.statistics().simulation
        # Sparks and boats touch nothing: they are judged by what they say of themselves.
        rows = np.setdiff1d(step.rows(Body), step.rows(Parent))
        rows = rows[np.argsort(step.id[rows])]
        pilot, before, stored = step[Pilot], _states(step, rows), _stored(step, rows)
        self._begun = Flight(
            self.core,
            self.since,
            self.at,
            step.tick,
            step.id[rows].astype(np.int64),
            self.shard.bodies.columns.epoch[rows].astype(np.int64),
            step[Body].radius[rows].astype(np.float64),
            pilot.control_epoch[rows].astype(np.int64),
            pilot.input_seq[rows].astype(np.int64),
            pack_rows(step[Stick])[rows],
            before,
            before,
            stored,
            stored,
            _tallied(step, rows),
            np.empty(0, np.int64),
            tuple(self._look_back(step, rows)),
            statistics.adopted_late if statistics is not None else 0,
            np.zeros(len(rows), np.bool_),
            self._look_beyond(step),
        )

    def _settle(self, step: Step) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            rows = step.find(begun.net_id)
            after, stored_after = _states(step, rows), _stored(step, rows)
            kept = _bounded(after, self.speed_max)
            sparks = step.rows(Origin)
            sparks = sparks[step[Origin].born[sparks] == step.tick]
            born = step.id[sparks].astype(np.int64)
            self._paths = {
                key: path._replace(states=np.vstack([path.states, kept[at]]))
                for at, (key, path) in enumerate(self._paths.items())
            }
            self._log.append(
                begun._replace(
                    after=after,
                    stored_after=stored_after,
                    tallied=_tallied(step, rows),
                    sparks=born,
                )
            )

    def _look_beyond(self, step: Step) -> Seen:
        """Give the shadows that there are; children touch nothing."""
        assert self.shard is not None
        assert self.shard.shadows is not None
        assert self.shard.population is not None
        rows = np.setdiff1d(self.shard.shadows.rows, step.seen(Parent))
        epoch = self.shard.population.columns.epoch[rows].astype(np.int64)
        held = pack_rows(step[Stick])[rows]
        return Seen(step.id[rows].astype(np.int64), epoch, held, _states(step, rows))

    def _look_back(self, step: Step, rows: np.ndarray) -> Iterator[Again]:
        """Compare what the shard knows of ticks gone by with what it knew a tick ago."""
        assert self.shard is not None
        assert self.shard.bodies is not None
        ring, newest, before = self.shard.bodies.ring, step.tick - 1, self._paths
        epochs = self.shard.bodies.columns.epoch[rows].tolist()
        keys = list(zip(step.id[rows].tolist(), epochs, strict=True))
        ticks = np.arange(newest - ring.ticks, newest + 1)[:, None]
        states = np.stack([*ring.motion(ticks, rows)], axis=2)
        first = ring.first(rows, newest).tolist()
        self._paths = {
            key: _Path(since, states[since - newest - 1 :, at])
            for at, (key, since) in enumerate(zip(keys, first, strict=True))
        }
        changed, was = np.zeros(states.shape[:2], np.bool_), np.full_like(states, np.nan)
        for at, key in enumerate(keys):
            since, had = first[at], before.get(key)
            place = since - newest - 1
            if had is None:
                changed[place:, at] = True
                continue
            had_from = max(since, had.since)
            count = had.since + len(had.states) - had_from
            if count > 0:
                part = slice(had_from - newest - 1 + len(ticks), None)
                was[part][:count, at] = had.states[had_from - had.since :]
                off = np.abs(states[part][:count, at] - was[part][:count, at]) > SAME
                changed[part][:count, at] = off.any(axis=1)
        for back in range(1, len(ticks)):
            tick = newest - ring.ticks + back
            of = changed[back] & (np.array(first) < tick)
            if of.any():
                here = rows[of]
                yield Again(
                    tick,
                    step.id[here].astype(np.int64),
                    self.shard.bodies.columns.epoch[here].astype(np.int64),
                    ring.held(tick, here),
                    states[back - 1, of],
                    states[back, of],
                    was[back, of],
                )


class _Path(NamedTuple):
    """Where a body was after each tick since one, float64[ticks, 6]."""

    since: int
    states: np.ndarray


def _states(step: Step, rows: np.ndarray) -> np.ndarray:
    motion = step[Motion]
    return np.column_stack([getattr(motion, name)[rows] for name in STATE])


def _bounded(states: np.ndarray, speed_max: float) -> np.ndarray:
    """Slow down what is too fast, as shards do when a tick ends."""
    bounded = states.copy()
    bounded[:, 2:4] *= slowing(states[:, 2], states[:, 3], speed_max)[:, None]
    return bounded


def _stored(step: Step, rows: np.ndarray) -> np.ndarray:
    columns = [getattr(step[component], name)[rows] for component, name in STORED]
    return np.column_stack(columns).astype(np.float64)


def _tallied(step: Step, rows: np.ndarray) -> np.ndarray:
    tally = step[Tally]
    return np.column_stack([tally.presses[rows], tally.trim[rows]]).astype(np.int64)
