"""What game code has written: whether it may have, and whether it can be.

Numbers that are not finite would spread through the physics, so they are looked for after every
model and system, everywhere. Rows that a system may not write are watched by a `Guard`, in tests:
that takes a copy of all that a system asks for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidereal.game.builtin import Parent
from sidereal.game.component import AUTHORITY, Component
from sidereal.game.record import Record
from sidereal.protocol.errors import GameFailedError
from sidereal.shard.population import Population
from sidereal.shard.queries import Queries


def check_finite(queries: Queries, what: str, tick: int, records: tuple[type[Record], ...]) -> None:
    """Look for numbers that are not finite in all that was written or may have been.

    Args:
        queries: where the columns are.
        what: has just run.
        tick: in which.
        records: that it was given.

    Raises:
        GameFailedError: there is one.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        for block in queries.floats(records):  # a component's, of one type: 4 µs of 6 times 2,000
            if not math.isfinite(np.add.reduce(block, axis=None)):
                _blame(queries, what, tick, records)


def _blame(queries: Queries, what: str, tick: int, records: Iterable[type[Record]]) -> None:
    """Name the first number that is not finite; there is none if only a sum is not.

    Raises:
        GameFailedError: there is one.
    """
    for record in records:
        floats = (name for name, field in record.fields.items() if field.dtype.kind == "f")
        for name in floats:
            values: NDArray[Any] = getattr(queries.columns(record), name)
            wrong = np.flatnonzero(~np.isfinite(values))
            if len(wrong):
                number = "NaN" if np.isnan(values[wrong[0]]) else "infinity"
                where = f"{record.__name__}.{name} of {queries.name_of(int(wrong[0]))}"
                text = f"{what} left {number} in {where} at tick {tick}"
                raise GameFailedError(what, tick, f"{text} (first of {_rows(len(wrong))})")


def check_parents(
    population: Population, what: str, tick: int, records: Iterable[type[Record]]
) -> None:
    """Look whether somebody was given another parent.

    Args:
        population: whose columns were written.
        what: has just run.
        tick: in which.
        records: that it was given.

    Raises:
        GameFailedError: so it was.
    """
    if Parent in records and (population.columns["of"] != population.known["of"]).any():
        text = f"{what} wrote Parent.of at tick {tick}: an entity has one parent for all its life"
        raise GameFailedError(what, tick, text)


class Guard:
    """Rows that a system may read and not write."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._before: dict[type[Component], dict[str, NDArray[Any]]] = {}

    def keep(self, record: type[Record]) -> None:
        """Note how things are before a system that asks for columns can change them."""
        if issubclass(record, Component):
            there = self._queries.columns(record)
            self._before[record] = {name: getattr(there, name).copy() for name in record.fields}

    def look(self, what: str, tick: int) -> None:
        """Compare after a system has run.

        Raises:
            GameFailedError: it wrote what it may not.
        """
        for record, before in self._before.items():
            there = self._queries.columns(record)
            for name, values in before.items():
                # Most systems write little: only what is different is looked at.
                wrote = (getattr(there, name) != values).nonzero()[0]
                if len(wrote):
                    self._judge(what, tick, record, name, wrote)

    def _judge(
        self, what: str, tick: int, record: type[Component], name: str, wrote: NDArray[np.int64]
    ) -> None:
        """Look whether a system may have written a field of these rows.

        Raises:
            GameFailedError: it may not.
        """
        said = f"{what} wrote {record.__name__}.{name}"
        population = self._queries.population
        seen = population.columns.alive[wrote]
        own = seen & population.own[wrote]
        if record.writer is AUTHORITY and seen.any():
            why = "its writer is the authority; step.ask(an action) instead"
            raise GameFailedError(what, tick, f"{said}: {why}")
        if count := int((seen & ~own).sum()):
            why = "write step.rows(…), read step.seen(…)"
            raise GameFailedError(what, tick, f"{said} of {_rows(count)} of another shard: {why}")
        if count := int((~seen).sum()):
            why = "step.find gives -1 for who is not there"
            raise GameFailedError(what, tick, f"{said} of {_rows(count)} where nobody is: {why}")


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"
