"""Sparks that a lying shard puts elsewhere, again and again, as if it had simulated ticks again.

The authority believes that of an entity as far as what the shard was given explains it. So some of
these rows may be believed, which does no harm: a spark touches nothing, and its origin is said to
be where it must have been. What may not be believed is judged by `checks.elsewhere`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.game.schema import column_of, name_of
from sidereal.protocol.limits import REPAIRED_TICKS_MAX
from sidereal.protocol.state.schema import MOTION, Schema
from sidereal.replication.validate import DISPLACEMENT_SLACK
from sidereal.shard.simulation import Simulation
from sidereal.tools.simulate.lies import Lies
from sidereal.tools.simulate.passing import SPARK, Origin, Spark

LEAPING: Final = 6
"""So many sparks leap at a time."""

KNOWN_TICKS: Final = 2
"""Of a spark that is so old the authority may know."""

BORN, FIRST_X, FIRST_Y = (column_of(Origin, Origin.fields[name]) for name in ("born", "x", "y"))
UNTIL: Final = column_of(Spark, Spark.fields["until"])


class _Said(NamedTuple):
    """When and where a spark was said to be last."""

    tick: int
    x: float
    y: float


class Leaps:
    """Makes up rows of sparks."""

    def __init__(self, schema: Schema, dice: np.random.Generator, lies: Lies) -> None:
        self._numbers = [schema.numbers[name] for name in (MOTION.name, name_of(Origin))]
        self._rows = [schema.proposed_rows[number] for number in self._numbers]
        self._dice = dice
        self._lies = lies
        # By id and epoch: one that is given anew begins again from there.
        self._said: dict[tuple[int, int], _Said] = {}

    def make(self, simulation: Simulation, tick: int) -> list[tuple[int, np.ndarray]]:
        """Let the sparks leap that last longest.

        Args:
            simulation: that they are in.
            tick: the shard's.

        Returns:
            rows to propose: of their motion, and of their origins.
        """
        columns, rows = simulation.bodies.columns, simulation.bodies.rows()
        sparks = rows[columns["kind"][rows] == SPARK]
        sparks = sparks[columns[BORN][sparks].astype(np.int64) <= tick - KNOWN_TICKS]
        sparks = sparks[np.argsort(columns[UNTIL][sparks], kind="stable")][-LEAPING:]
        motion, origin = (columns.store(sparks, row) for row in self._rows)
        middle_x, middle_y = (columns[name][rows].sum() / max(1, len(rows)) for name in ("x", "y"))
        rules, said = simulation.rules, self._said
        self._said = {}
        for at, row in enumerate(sparks.tolist()):
            key = int(columns.net_id[row]), int(columns.epoch[row])
            known = simulation.population.reference[row]
            last = said.get(key) or _Said(int(known["tick"]), known["x"], known["y"])
            far = tick - last.tick + float(self._dice.uniform(0.5, REPAIRED_TICKS_MAX - 1.0))
            far = DISPLACEMENT_SLACK + far * rules.speed_max * rules.tick_s
            # Away from all else, give or take a quarter turn: what is near explains more.
            course = float(np.arctan2(last.y - middle_y, last.x - middle_x))
            course += float(self._dice.uniform(-0.25, 0.25)) * np.pi
            here = _Said(tick, last.x + far * np.cos(course), last.y + far * np.sin(course))
            self._said[key] = here
            self._lies.told["a leap"] += 1
            motion["tick"][at] = origin["tick"][at] = tick
            motion["x"][at], motion["y"][at] = here.x, here.y
            age_s = (tick - int(columns[BORN][row])) * rules.tick_s
            origin[FIRST_X][at] = here.x - motion["vx"][at] * age_s
            origin[FIRST_Y][at] = here.y - motion["vy"][at] * age_s
        return list(zip(self._numbers, (motion, origin), strict=True))
