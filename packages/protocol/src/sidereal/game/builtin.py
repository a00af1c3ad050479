"""Components that the engine brings."""

from __future__ import annotations

import math
from typing import Final

from sidereal.game.column import ANGLE, F4, F8, I1, LINEAR, U1, U2, U4, Entity, Text, field
from sidereal.game.component import AUTHORITY, SHARDS, Component
from sidereal.protocol.limits import NAME_SIZE_MAX

_WORLD_EDGE: Final = 2.0**31 * 1000.0


class Motion(Component, name="motion"):
    """Where an entity is and how it moves."""

    x: F8 = field(0, low=-_WORLD_EDGE, high=_WORLD_EDGE, unit="unit", curve=LINEAR)
    y: F8 = field(0, low=-_WORLD_EDGE, high=_WORLD_EDGE, unit="unit", curve=LINEAR)
    vx: F8 = field(0, low=-250, high=250, quantum=1 / 128, unit="unit/s")
    vy: F8 = field(0, low=-250, high=250, quantum=1 / 128, unit="unit/s")
    heading: F8 = field(
        0, low=-math.pi, high=math.pi, quantum=math.tau / 65536, unit="rad", curve=ANGLE
    )
    spin: F8 = field(0, low=-31, high=31, quantum=1 / 1024, unit="rad/s")


class Body(Component, name="body"):
    """A circle that others run into, but for those of its group.

    A group is the id of an entity; 0, which it is unless it is given, is the own one.
    """

    radius: F4 = field(1, low=1 / 16, high=512, unit="unit")
    mass: F4 = field(1, low=1 / 1024, high=2.0**30, unit="t")
    group: Entity


class Pilot(Component, name="pilot", audience=SHARDS, writer=AUTHORITY, saved=False):
    """Whose controls count, the newest of them that the state has in it, and how early they come.

    How early is that of the latest input that has come since the tick before: see `earliness`.
    """

    control_epoch: U4
    input_seq: U4
    input_early: I1


class Label(Component, name="label", writer=AUTHORITY):
    """What people call it."""

    name: Text = field(b"", size=NAME_SIZE_MAX)


class Predicted(Component, name="predicted", saved=False):
    """Which input has spawned it, of what models spawn: its pilot's client shows it already.

    Whom the pilot flies, the low bits of the control epoch and of the input's number, and how many
    that input had spawned before.
    """

    by_id: Entity
    by_epoch: U1
    by_input: U2
    by_nth: U1


class Parent(Component, name="parent"):
    """Whose child an entity is, for all its life.

    It is simulated by the shard of its parent, and ends with it. Without a `Body` of its own it has
    its parent's `Motion`.
    """

    of: Entity


BUILTIN: Final = (Motion, Body, Pilot, Label, Predicted, Parent)
"""In the order of their numbers; a game's own components follow."""
