"""What a face draws: one frame's worth of columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from sidereal.client.endings import Bodies, Endings
from sidereal.client.families import find_shown
from sidereal.client.interpolation import Poses, References, interpolate, reckon
from sidereal.client.limits import LIMITS, Limits
from sidereal.client.own import OwnEntity
from sidereal.client.prediction import OwnState
from sidereal.client.replica import Replica
from sidereal.client.smoothing import Path, Smoothing
from sidereal.client.spawns import Ahead
from sidereal.client.timeline import Lead, Moment, Timeline
from sidereal.game.declarations import Declarations
from sidereal.game.record import Record, no_rows
from sidereal.game.schema import gather
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Ints

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]
"""By the names of the schema."""
NOTHING: Final[Columns] = MappingProxyType({})
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class View:
    """The world in interest at one moment, one row per entity, ordered by net id.

    All arrays have the same length; they are the caller's to keep.

    Attributes:
        tick: time the others are drawn at, in ticks of the server (its now minus a delay that
            follows from what was measured).
        server_tick: the estimate of the server's own now, in ticks.
        net_id: uint32[n]; with bit 31 that of an entity of which only this client knows so far.
        kind: uint8[n], number of its kind in the game.
        radius: float32[n], world units.
        shard: uint16[n], the shard that owns it, 0 for nobody.
        x: float64[n], world units, where to draw it. The own entity is drawn where it is
            predicted to be, what its inputs have spawned at the same time at first, and little by
            little at that of all others: at `tick`. Followers are where those are whom they follow.
        y: float64[n], world units.
        vx: float64[n], world units per second.
        vy: float64[n], world units per second.
        heading: float64[n], radians in [-π, π).
        age_s: float64[n], seconds since a snapshot last confirmed the row.
        name: bytes24[n], UTF-8, empty for the nameless.
        own: row of the entity this client flies, −1 without one.
        authority_x: float64[n], the authority's newest reference, extrapolated to `server_tick`.
        authority_y: float64[n].
        authority_heading: float64[n].
        columns: gives those of a component other than motion, [n], until the next datagram comes.
    """

    tick: float
    server_tick: float
    net_id: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    radius: NDArray[np.float32]
    shard: NDArray[np.uint16]
    x: Floats
    y: Floats
    vx: Floats
    vy: Floats
    heading: Floats
    age_s: Floats
    name: NDArray[np.bytes_]
    own: int
    authority_x: Floats
    authority_y: Floats
    authority_heading: Floats
    columns: Callable[[type[Record]], Record]

    def __len__(self) -> int:
        """Count of rows."""
        return len(self.net_id)

    def __getitem__(self, component: type[R], /) -> R:
        """Columns of a component other than motion, [n]; zeros where this client is not sent it."""
        return cast(R, self.columns(component))


class Drawing:
    """When what is drawn, and what was drawn so far.

    Attributes:
        timeline: of the pictures.
    """

    def __init__(self, game: Declarations, rules: Rules, limits: Limits = LIMITS) -> None:
        self.timeline = Timeline(rules.tick_s, limits)
        self._smoothing = Smoothing(limits)
        self._endings = Endings(game)
        self._lead = Lead(rules.tick_s)
        self._rules = rules

    def view(self, replica: Replica, own: OwnEntity, now: float) -> View:
        """Draw at `now`; see `compose_view`."""
        moment = self.timeline.moment(now)
        own.foresee(now)
        spawns = own.spawns_ahead(replica.columns, replica.rows(), now)
        if spawns is not None:
            self._smoothing.rename(spawns.names)
            self._endings.rename(spawns.names)
            wanted = spawns.tick - moment.drawn_tick
            lead = self._lead.follow(wanted, now, idle=spawns.is_idle)
            spawns = spawns._replace(tick=moment.drawn_tick + lead)
        return compose_view(
            replica,
            self._rules,
            moment,
            own.net_id,
            own.pose(now),
            own.ahead(),
            self._smoothing,
            self._endings,
            spawns,
        )


def empty_view() -> View:
    """View of a client that knows nothing yet."""
    none = np.zeros(0)
    return View(
        tick=0.0,
        server_tick=0.0,
        net_id=np.zeros(0, np.uint32),
        kind=np.zeros(0, np.uint8),
        radius=np.zeros(0, np.float32),
        shard=np.zeros(0, np.uint16),
        x=none,
        y=none,
        vx=none,
        vy=none,
        heading=none,
        age_s=none,
        name=np.zeros(0, "S24"),
        own=-1,
        authority_x=none,
        authority_y=none,
        authority_heading=none,
        columns=no_rows,
    )


def compose_view(
    replica: Replica,
    rules: Rules,
    moment: Moment,
    net_id: int,
    own: OwnState | None,
    ahead: Columns,
    smoothing: Smoothing,
    endings: Endings,
    spawns: Ahead | None = None,
) -> View:
    """Put together what to draw.

    Args:
        replica: what is known.
        rules: of the world.
        moment: to draw.
        net_id: of the own entity, 0 without one.
        own: where the own entity is predicted to be, None to draw it like any other.
        ahead: columns of the own entity, [1], where they are predicted to be others.
        smoothing: of the pictures so far.
        endings: likewise.
        spawns: what the inputs of the own entity have spawned; None to draw it like any other.
    """
    server_tick, tick, blend_ticks = moment
    columns, rows = replica.columns, replica.rows()
    rows = rows[np.argsort(columns.net_id[rows])]
    spawns = Ahead.nothing(replica.schema, tick) if spawns is None else spawns
    ids = np.concatenate([columns.net_id[rows], spawns.records["id"]])
    known = _join(replica.known(rows), spawns.references())
    stamp = np.concatenate([replica.stamp[rows], spawns.version])
    path = _path(known, blend_ticks, rules.tick_s)
    poses = smoothing.smooth(ids, stamp, spawns.times(ids, tick), rules.tick_s, path)
    authority = reckon(known.newest(), server_tick, rules.tick_s)
    at = int(np.searchsorted(ids, np.uint32(net_id)))
    own_row = at if at < len(ids) and ids[at] == net_id else -1
    x, y, vx, vy, heading = _with_own(poses, own_row, own)
    confirmed = np.concatenate([replica.confirmed(rows), spawns.records["tick"]])
    told = known_columns(replica, rows, ahead)

    def of_all(name: str) -> NDArray[Any]:
        return np.concatenate([told(name), spawns.records[name]])

    masks = np.concatenate([replica.components(rows), replica.schema.masks_of(spawns.records)])
    shown, leads = find_shown(ids, masks, of_all("of"))
    if not spawns.is_idle:
        drawn = Bodies.of(ids, of_all, x, y, spawns.times(ids, tick))
        left = ~endings.ended(drawn, spawns, tick)[shown]
        shown, leads = shown[left], leads[left]

    def column_of(name: str) -> NDArray[Any]:
        column: NDArray[Any] = of_all(name)[shown]
        return column

    return View(
        tick=tick,
        server_tick=server_tick,
        net_id=ids[shown],
        kind=column_of("kind"),
        radius=column_of("radius"),
        shard=column_of("shard"),
        x=x[leads],
        y=y[leads],
        vx=vx[leads],
        vy=vy[leads],
        heading=heading[leads],
        age_s=np.maximum(0.0, (server_tick - confirmed[shown]) * rules.tick_s),
        name=column_of("name"),
        own=own_row if own_row < 0 else int(np.searchsorted(shown, own_row)),
        authority_x=authority.x[leads],
        authority_y=authority.y[leads],
        authority_heading=authority.heading[leads],
        columns=lambda record: gather(record, column_of),
    )


def _with_own(poses: Poses, row: int, own: OwnState | None) -> Poses:
    """Put the own entity where it is predicted to be, if it is."""
    if own is None or row < 0:
        return poses
    poses = Poses(*(column.copy() for column in poses))
    for column, value in zip(poses, own[:5], strict=True):
        column[row] = value
    return poses


def _join(known: References, more: References) -> References:
    """Add entities of which there is one reference each."""
    ring, count = len(known.tick), len(more.tick)
    pairs = zip(known, more, strict=True)
    return References(
        *(np.concatenate([a, np.broadcast_to(b, (ring, count))], axis=1) for a, b in pairs)
    )


def _path(known: References, blend_ticks: float, tick_s: float) -> Path:
    return lambda at, some: interpolate(known.take(some), at, tick_s, blend_ticks)


def known_columns(
    replica: Replica, rows: Ints, ahead: Columns = NOTHING
) -> Callable[[str], NDArray[Any]]:
    """Give the columns of some entities by the names of the schema.

    Of the entity that the client flies they are exact, and have what only its pilot is sent.

    Args:
        replica: what is known.
        rows: int64[n]
        ahead: columns of that entity, [1], where they are predicted to be others.
    """
    columns, private = replica.columns, replica.private
    own = columns.net_id[rows] == private.flown.net_id

    def column(name: str) -> NDArray[Any]:
        known = columns[name][rows]
        if name in private.values:
            known[own] = private.values[name]
        if name in ahead:
            known[own] = ahead[name]
        return known

    return column
