"""The one door to pymunk: circles that move, turn and bounce, read and written all at once.

Bodies are known here by their row in the shard's columns. pymunk's batch functions walk bodies in
an order of their own: new ones at the end, and the last one fills the place of one that is removed.
`Space` repeats that order in its arrays. After bodies have come or gone it checks it against
pymunk's body addresses, once, before it uses it: so indices into them can be trusted.

pymunk integrates position first, by the velocity it finds, and solves contacts afterwards: what
was written to the velocities before a step is what moves the bodies in it. After a step pymunk has
what the columns have: nobody's motion follows from who came or went meanwhile. Headings it does not
have: nothing that a circle without friction touches changes how that turns.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple, Protocol

import numpy as np
import pymunk
from numpy.typing import NDArray
from pymunk import batch

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.space.geometry import wrap_angle
from sidereal.shard.contacts import Touches

FRICTION: Final = 0.0
ITERATIONS: Final = 30
"""Solver passes per step. With few, what comes of three that touch follows from their order."""
ITERATIONS_CROWDED: Final = 10
"""Likewise after a step with more than `CONTACTS_MANY`: there a pass costs more than it tells."""
CONTACTS_MANY: Final = 1000
SPARES_MAX: Final = 256
"""Sensors that a space keeps for others to come."""

PUSHED_FIELDS: Final = ("x", "y", "vx", "vy")
"""What pymunk knows, in the order of its batch buffers: position, velocity."""
TURNED_FIELDS: Final = ("heading", "spin")
"""What it does not: nothing that a circle without friction touches changes how it turns."""
MOTION_FIELDS: Final = (*PUSHED_FIELDS, *TURNED_FIELDS)
VELOCITY_FIELDS: Final = ("vx", "vy")

_STATE = batch.BodyFields.POSITION | batch.BodyFields.VELOCITY
_PAIR = batch.ArbiterFields.BODY_A_ID | batch.ArbiterFields.BODY_B_ID
_TOUCH = _PAIR | batch.ArbiterFields.TOTAL_IMPULSE | batch.ArbiterFields.TOTAL_KE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Motion(Protocol):
    """Motion by row: `motion["x"]` is float64[capacity], likewise y, heading, vx, vy, spin."""

    def __getitem__(self, name: str, /) -> NDArray[np.float64]: ...


class Shapes(NamedTuple):
    """What bodies are to others; arrays of one length.

    Attributes:
        radius: float64[n], world units.
        mass: float64[n], t.
        category: uint32[n], bits of what each is, for the masks of others.
        mask: uint32[n], categories that it touches, if they touch it too.
        sensor: bool[n], whether it notices contacts, but neither pushes nor is pushed.
        bounce: float64[n], share of their approaching speed with which two alike part; of two that
            differ it is the geometric mean.
        group: uint32[n], not 0: of one group none touches another.
    """

    radius: Floats
    mass: Floats
    category: NDArray[np.uint32]
    mask: NDArray[np.uint32]
    sensor: NDArray[np.bool_]
    bounce: Floats
    group: NDArray[np.uint32]


class Space:
    """Bodies of one shard in pymunk.

    Attributes:
        rows: int64[count], the row of every body, in pymunk's order.
        pairs: int64[2, n], rows of those that touched in the last step, each pair once, in any
            order; sensors included.
    """

    def __init__(self) -> None:
        self._space = pymunk.Space()
        self._space.gravity = (0.0, 0.0)
        self._space.damping = 1.0
        self._space.iterations = ITERATIONS
        # Contacts that end leave nothing behind. At 0 pymunk would drop fresh ones unsolved, too.
        self._space.collision_persistence = 1
        self.rows: Ints = np.empty(0, dtype=np.int64)
        self.pairs: Ints = np.empty((2, 0), dtype=np.int64)
        self._addresses: NDArray[np.uintp] = np.empty(0, dtype=np.uintp)
        self._is_checked = True
        self._rows_by_address = self._addresses, self.rows
        # Velocities as pymunk has them, in its order; none if that is not known.
        self._velocities: Floats = np.empty((0, 2))
        self._circles: list[pymunk.Circle] = []
        self._index_of: dict[int, int] = {}
        self._spares = _Spares()
        self._reading = batch.Buffer()
        # A buffer that was given NumPy's memory must never be grown by pymunk: two of them.
        self._writing = batch.Buffer()

    def __len__(self) -> int:
        return len(self._circles)

    def add(self, rows: Ints, motion: Motion, shapes: Shapes) -> None:
        """Let bodies into the space, between steps.

        Args:
            rows: int64[n], not in the space yet.
            motion: where they are and how they move, by row.
            shapes: what they are, [n].

        Raises:
            LocalProtocolError: a number that is not finite or a size that is not positive.
        """
        if len(rows) == 0:
            return
        state = np.column_stack([motion[name][rows] for name in MOTION_FIELDS])
        sizes = np.column_stack([shapes.radius, shapes.mass]).astype(np.float64)
        if not (np.isfinite(state).all() and np.isfinite(sizes).all() and (sizes > 0).all()):
            raise LocalProtocolError("a body needs finite motion and a positive radius and mass")
        addresses = []
        touches = (column.tolist() for column in shapes[2:])
        # 30 µs per body, when it is adopted, 10 for a sensor in the place of another one; the
        # position must be right before the shape is indexed, and the velocity is none by then.
        for row, (x, y, vx, vy), (r, m), category, mask, sensor, bounce, group in zip(
            rows.tolist(), state[:, :4].tolist(), sizes.tolist(), *touches, strict=True
        ):
            if row in self._index_of:
                raise LocalProtocolError(f"row {row} is in the space already")
            circle = self._spares.take(r, m) if sensor else None
            if circle is None:
                circle = _make(r, m, sensor)
            body = circle.body
            body.position = (x, y)
            circle.elasticity = math.sqrt(bounce)  # pymunk multiplies both shapes'
            circle.filter = pymunk.ShapeFilter(group=group, categories=category, mask=mask)
            self._space.add(body, circle)
            body.velocity = (vx, vy)
            self._index_of[row] = len(self._circles)
            self._circles.append(circle)
            addresses.append(body.id)
        self.rows = np.concatenate([self.rows, rows])
        self._addresses = np.concatenate([self._addresses, np.array(addresses, dtype=np.uintp)])
        self._is_checked = False

    def remove(self, rows: Ints) -> None:
        """Take bodies out of the space, between steps.

        Raises:
            LocalProtocolError: a row is not in the space.
        """
        # 9 µs per body, when it is released, of which 1 in the next step.
        for row in rows.tolist():
            circle = self._take_out(row)
            self._space.remove(circle, circle.body)
            if not self._spares.keep(circle):
                _let_free(circle)
        self._is_checked &= not len(rows)

    def hand_over(self, rows: Ints, other: Space) -> None:
        """Let bodies go on in another space, with how far they are still to be pushed apart.

        Args:
            rows: int64[n], not in the other one.
            other: where they go.

        Raises:
            LocalProtocolError: a row is not in the space.
        """
        for row in rows.tolist():  # 20 µs each, when they are simulated again
            circle = self._take_out(row)
            body = circle.body
            self._space.remove(circle, body)
            other._space.add(body, circle)
            other._append(row, circle)
        self._is_checked = other._is_checked = False

    def clear(self) -> None:
        """Take all bodies out, and free them."""
        self.remove(self.rows.copy())
        self._spares.clear()
        self._space.step(0.0)

    def place(self, motion: Motion) -> None:
        """Put every body where the columns say, moving as they say.

        Raises:
            LocalProtocolError: a number that is not finite.
        """
        self._collect(motion, TURNED_FIELDS)
        self._write(self._collect(motion, PUSHED_FIELDS), _STATE)

    def step(self, motion: Motion, dt: float) -> None:
        """Take velocities from the columns, simulate, and bring everything back.

        Args:
            motion: by row; positions must be those of the last step (or `place`).
            dt: s.

        Mutates:
            motion, all of it, headings in [-π, π); and `pairs`.

        Raises:
            LocalProtocolError: a velocity that is not finite.
        """
        self._check_order()
        turning, velocities = (self._collect(motion, f) for f in (TURNED_FIELDS, VELOCITY_FIELDS))
        # To write takes pymunk three times as long as to read, and most of what moves is adrift.
        if not np.array_equal(velocities, self._velocities):
            self._write(velocities, batch.BodyFields.VELOCITY)
        # Without bodies, too: until then pymunk keeps those that were removed.
        self._space.step(dt)
        self.pairs = self._read_pairs()
        if not self._circles:
            return
        crowded = self.pairs.shape[1] > CONTACTS_MANY
        self._space.iterations = ITERATIONS_CROWDED if crowded else ITERATIONS
        state = self._read()
        rows = self.rows
        for column, name in enumerate(PUSHED_FIELDS):
            motion[name][rows] = state[:, column]
        self._velocities = state[:, 2:].copy()
        motion["heading"][rows] = _turned(turning[:, 0] + turning[:, 1] * dt)

    def touches(self) -> Touches:
        """Tell who touched whom in the last step, sensors included."""
        self._check_order()
        self._reading.clear()
        batch.get_space_arbiters(self._space, _TOUCH, self._reading)
        one, other = self._pairs_read()
        numbers = np.frombuffer(self._reading.float_buf(), dtype=np.float64).reshape(-1, 3)
        impulse = np.hypot(numbers[:, 0], numbers[:, 1])
        # Of ½ m v² pymunk leaves out the half.
        energy = numbers[:, 2] / 2
        return Touches(np.minimum(one, other), np.maximum(one, other), impulse, energy)

    def _read_pairs(self) -> Ints:
        """Read who touched whom in the last step."""
        self._check_order()
        self._reading.clear()
        batch.get_space_arbiters(self._space, _PAIR, self._reading)
        return self._pairs_read()

    def _pairs_read(self) -> Ints:
        """Give the rows of the pairs whose bodies have just been read, int64[2, n]."""
        addresses = np.frombuffer(self._reading.int_buf(), dtype=np.uintp)
        known, rows = self._rows_by_address
        return np.asarray(rows[np.searchsorted(known, addresses)].reshape(-1, 2).T)

    def _append(self, row: int, circle: pymunk.Circle) -> None:
        """Note that a body was let in behind all others."""
        self._index_of[row] = len(self._circles)
        self._circles.append(circle)
        self.rows = np.append(self.rows, row)
        self._addresses = np.append(self._addresses, np.uintp(circle.body.id))

    def _take_out(self, row: int) -> pymunk.Circle:
        """Note that a body goes: the last one fills its place.

        Raises:
            LocalProtocolError: it is not in the space.
        """
        index = self._index_of.pop(row, None)
        if index is None:
            raise LocalProtocolError(f"row {row} is not in the space")
        circle = self._circles[index]
        last = self._circles.pop()
        count = len(self._circles)
        self.rows[index] = self.rows[count]
        self._addresses[index] = self._addresses[count]
        if last is not circle:
            self._circles[index] = last
            self._index_of[int(self.rows[index])] = index
        self.rows, self._addresses = self.rows[:count], self._addresses[:count]
        return circle

    def _collect(self, motion: Motion, names: tuple[str, ...]) -> Floats:
        """Take some of the motion of all bodies, in pymunk's order: float64[count, k].

        Raises:
            LocalProtocolError: a number that is not finite.
        """
        state = np.empty((len(self.rows), len(names)))
        for column, name in enumerate(names):
            state[:, column] = motion[name].take(self.rows)
        if not np.isfinite(state).all():
            raise LocalProtocolError("NaN or infinity in the bodies' motion: it would spread")
        return state

    def _write(self, state: Floats, fields: batch.BodyFields) -> None:
        """Let pymunk have some of the motion of all bodies."""
        if not self._circles:
            return
        self._check_order()
        self._writing.set_float_buf(state)
        batch.set_space_bodies(self._space, fields, self._writing)
        self._velocities = state[:, -2:]

    def _read(self) -> Floats:
        """Read all bodies.

        Returns:
            float64[count, 4], `PUSHED_FIELDS`; valid until the next call.
        """
        self._reading.clear()
        batch.get_space_bodies(self._space, _STATE, self._reading)
        return np.frombuffer(self._reading.float_buf(), dtype=np.float64).reshape(-1, 4)

    def _check_order(self) -> None:
        """Compare pymunk's order of bodies with ours, if some have come or gone since it was.

        Raises:
            LocalProtocolError: they differ: this pymunk keeps bodies in another way.
        """
        if self._is_checked:
            return
        self._is_checked = True
        self._velocities = np.empty((0, 2))
        self._reading.clear()
        batch.get_space_bodies(self._space, batch.BodyFields.BODY_ID, self._reading)
        found = np.frombuffer(self._reading.int_buf(), dtype=np.uintp)
        if not np.array_equal(found, self._addresses):
            raise LocalProtocolError("pymunk's bodies are in another order")
        order = np.argsort(self._addresses)
        self._rows_by_address = self._addresses[order], self.rows[order]


class _Spares:
    """Sensors that have left a space, for others like them: shots come and go all the time.

    A sensor is never pushed. So nothing is left in it of where it was but how it moved, which
    would tell physics where it soon will be.
    """

    def __init__(self) -> None:
        self._count = 0
        self._circles: dict[tuple[float, float], list[pymunk.Circle]] = {}

    def keep(self, circle: pymunk.Circle) -> bool:
        """Keep one that has been taken out; false if it is no sensor, or there are many."""
        if not circle.sensor or self._count >= SPARES_MAX:
            return False
        self._circles.setdefault((circle.radius, circle.body.mass), []).append(circle)
        self._count += 1
        return True

    def take(self, radius: float, mass: float) -> pymunk.Circle | None:
        """Give one of this size at rest, if there is any."""
        alike = self._circles.get((radius, mass))
        if not alike:
            return None
        circle = alike.pop()
        circle.body.velocity = (0.0, 0.0)
        self._count -= 1
        return circle

    def clear(self) -> None:
        """Let all be freed."""
        for circle in (circle for alike in self._circles.values() for circle in alike):
            _let_free(circle)
        self._circles.clear()
        self._count = 0


def _turned(heading: Floats) -> Floats:
    """Bring headings into [-π, π); mutates them."""
    beyond = np.flatnonzero((heading < -math.pi) | (heading >= math.pi))
    heading[beyond] = wrap_angle(heading[beyond])
    return heading


def _make(radius: float, mass: float, sensor: bool) -> pymunk.Circle:
    """Make a body that is in no space."""
    body = pymunk.Body(mass, pymunk.moment_for_circle(mass, 0.0, radius))
    circle = pymunk.Circle(body, radius)
    circle.friction = FRICTION
    circle.sensor = sensor
    return circle


def _let_free(circle: pymunk.Circle) -> None:
    """Let a body that was taken out be freed with the next step.

    pymunk's bodies hold themselves by a handle for callbacks from C, of which nobody here has any.
    Left alone they would stay until a garbage collection, which comes seldom.
    """
    body = circle.body
    circle.body = None
    body._data_handle = None
