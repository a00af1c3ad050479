"""What of the bodies has changed since it was proposed last; nobody has to report it.

Theory of operation. The population knows of every row what the replication server has, or will have
once it has acked it: `reference` of its motion, `known` of every other component that shards write.
Motion is news when the truth has strayed from the straight line of its reference, or when a pilot's
newer input is in it. Another component is news when a field lies on another step of its quantum, or
is another at all if it has none. A row that stays on its step may be off by less than a quantum:
once a second it is compared exactly, a part of the rows in every tick, so that a handover loses no
more than the last second's part of a step.

What models write is flown again by whoever adopts an entity, from the input that its motion answers
on. So of an entity with a pilot such a component is news together with its motion.

A follower has the motion of its parent, and none to be proposed.

Whole columns are compared first, which costs a few microseconds each; only rows that differ are
looked at, and put back into their declared range.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sidereal.game.declarations import Declarations
from sidereal.game.schema import name_of
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import opaque, take_rows
from sidereal.protocol.state.component import Component, Field
from sidereal.protocol.state.families import are_followers
from sidereal.protocol.state.quantize import codes_of
from sidereal.protocol.state.reckoning import Motion, strayed
from sidereal.protocol.state.schema import MOTION, WHOLE, Schema
from sidereal.protocol.state.values import in_range
from sidereal.shard.population import Ints, Population

DISTANCE_MAX: Final = 1e-3
"""World units the truth may be off its reference before that is replaced."""
ANGLE_MAX: Final = 1e-4
"""Likewise for the heading, rad."""


class Changes:
    """Finds what is new of the bodies of one population."""

    def __init__(
        self,
        population: Population,
        schema: Schema,
        rules: Rules,
        modelled: frozenset[int],
        flown: NDArray[np.bool_],
    ) -> None:
        """Begin to look.

        Args:
            population: whose bodies are looked at.
            schema: of their components.
            rules: of the world.
            modelled: numbers of the components beside motion that models write.
            flown: bool[256], by a kind's number, whether its entities have a pilot.
        """
        self._population = population
        self._modelled = modelled
        self._flown = flown
        self._schema = schema
        self._rules = rules
        self._motion = schema.numbers[MOTION.name]
        self._components = {
            number: schema.component(number) for number in schema.proposed if number != self._motion
        }

    def collect(self, tick: int, whole: Ints) -> dict[int, Ints]:
        """Find what is new, and take it for known from now on.

        Args:
            tick: the shard's.
            whole: rows of bodies that are proposed as wholes: their motion is as of this tick.

        Mutates:
            reference and known of the population; ticks of its bodies, and fields that are out of
            their range.

        Returns:
            int64[n], rows by the number of the component, ascending; components of which nothing is
            new are left out.
        """
        found = {
            number: self._collect_component(number, component, tick)
            for number, component in self._components.items()
        }
        together = self._population.mark(whole)
        for number in self._modelled:
            together[found[number][self._is_flown(found[number])]] = True
        found[self._motion] = self._collect_motion(tick, together)
        return {number: found[number] for number in sorted(found) if len(found[number])}

    def records(self, number: int, rows: Ints, ticks: Ints) -> NDArray[np.void]:
        """Give rows of a component, or whole entities, as they were proposed last.

        Args:
            number: of the component, or WHOLE.
            rows: int64[n], of bodies.
            ticks: int64[n], when each has changed.

        Returns:
            `Schema.proposed_rows[number]`[n]
        """
        population = self._population
        if number == self._motion:
            return take_rows(population.reference, rows)
        if number == WHOLE:
            return self._wholes(rows)
        records = np.empty(len(rows), self._schema.proposed_rows[number])
        records["id"] = population.columns.net_id[rows]
        records["epoch"] = population.columns.epoch[rows]
        records["tick"] = ticks
        for field in self._components[number].fields:
            records[field.name] = population.known[field.name][rows]
        return records

    def _wholes(self, rows: Ints) -> NDArray[np.void]:
        population = self._population
        records = population.columns.store(rows, self._schema.full_record)
        for name in population.reference.dtype.names or ():
            records[name] = population.reference[name][rows]
        for name, known in population.known.items():
            records[name] = known[rows]
        return records

    def _collect_motion(self, tick: int, whole: NDArray[np.bool_]) -> Ints:
        population, columns = self._population, self._population.columns
        for field in self._schema.component(self._motion).fields:
            # Places and headings have no ends that a body could be put back to.
            if not field.cell_axis and not field.wrap:
                np.clip(columns[field.name], *field.bounds, out=columns[field.name])
        held = population.own_rows()
        columns.tick[held] = tick
        before = take_rows(population.reference, held)
        reference = Motion(*(before[name] for name in Motion._fields))
        truth = Motion(*(columns[name].take(held) for name in Motion._fields))
        changed = strayed(
            reference, before["tick"], truth, tick, self._rules.tick_s, DISTANCE_MAX, ANGLE_MAX
        )
        # A new velocity shows in the position only a tick later; it is news at once.
        speed_off = np.hypot(truth.vx - reference.vx, truth.vy - reference.vy)
        changed |= speed_off * self._rules.tick_s > DISTANCE_MAX
        changed |= np.abs(truth.spin - reference.spin) * self._rules.tick_s > ANGLE_MAX
        for field in self._schema.link_fields:
            changed |= columns[field.name][held] != before[field.name]
        changed |= whole[held]
        rows = held[changed]
        fresh = columns.store(rows, population.reference.dtype)
        opaque(population.reference)[rows] = opaque(fresh)
        return rows[~are_followers(columns.mask[rows])]

    def _collect_component(self, number: int, component: Component, tick: int) -> Ints:
        columns, known = self._population.columns, self._population.known
        found = []
        for field in component.fields:
            now, then = columns[field.name], known[field.name]
            differs = now != then
            if differs.any():
                rows = np.flatnonzero(differs)
                now[rows] = in_range(field, now[rows])
                exactly = (rows - tick) % self._rules.tick_hz == 0
                found.append(rows[_is_news(field, now[rows], then[rows], exactly)])
        if not found:
            return np.empty(0, np.int64)
        rows = found[0] if len(found) == 1 else np.unique(np.concatenate(found))
        rows = rows[self._population.own[rows] & columns.has(rows, number)]
        for field in component.fields:
            known[field.name][rows] = columns[field.name][rows]
        return rows

    def _is_flown(self, rows: Ints) -> NDArray[np.bool_]:
        flown: NDArray[np.bool_] = self._flown[self._population.columns["kind"][rows]]
        return flown


def modelled_of(declared: Declarations, schema: Schema) -> frozenset[int]:
    """Give the numbers of the components beside motion that models of a game write."""
    written = {name_of(component) for model in declared.models for component in model.writes}
    return frozenset(schema.numbers[name] for name in written - {MOTION.name})


def _is_news(
    field: Field, now: NDArray[Any], then: NDArray[Any], exactly: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Tell which values are another step of their grid, or other at all: bool[n].

    Args:
        field: the declaration.
        now: [n], in range.
        then: [n], what is known of them.
        exactly: bool[n], which are compared without their quantum.
    """
    if field.quantum is None:
        return np.asarray(now != then, np.bool_)
    stepped = codes_of(field, now) != codes_of(field, then)
    return np.asarray(stepped | (exactly & (now != then)), np.bool_)
