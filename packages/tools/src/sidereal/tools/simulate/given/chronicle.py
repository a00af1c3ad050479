"""Events that have happened, as a test, or a checker of a game, asks for them."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeVar

import numpy as np

from sidereal.client.happenings import Happened, make_happened
from sidereal.game import Event
from sidereal.game.schema import happened, name_of
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.quantize import decode_rows
from sidereal.protocol.state.schema import Schema
from sidereal.replication.replicator import Replicator

E = TypeVar("E", bound=Event)


class Chronicle:
    """Events in the order in which they were told."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._told: defaultdict[int, list[Happened]] = defaultdict(list)

    def tell(self, news: list[Happened]) -> None:
        """Add some."""
        for each in news:
            self._told[each.number].append(each)

    def of(self, event: type[E]) -> E:
        """Give all of a sort, with whom they happened to and when.

        Raises:
            KeyError: the game has no such event.
        """
        number = self._schema.event_numbers.get(name_of(event))
        if number is None:
            known = ", ".join(self._schema.event_numbers) or "none"
            raise KeyError(f"the game does not declare {event.__name__}; it has {known}")
        told = self._told[number]
        none = np.zeros(0, self._schema.component(number).row)
        subject = [none["id"], *(each.subject for each in told)]
        tick = [np.zeros(0, np.int64), *(each.tick for each in told)]

        def column(name: str) -> np.ndarray:
            return np.concatenate([none[name], *(each.values[name] for each in told)])

        return happened(event, np.concatenate(subject), np.concatenate(tick), column)


def published(core: Replicator, rules: Rules) -> list[Happened]:
    """Give what has happened in the newest tick of an authority."""
    rows = {
        number: kept.row[kept.tick == core.tick]
        for number, kept in core.edge.changes.events.kept.items()
    }
    told = [*rows.items(), *((each.what, each.rows) for each in core.events.private.happened)]
    found = []
    for number, news in told:
        values = decode_rows(core.schema, number, news, rules)
        tick = np.full(len(news), core.tick)
        found.append(make_happened(number, news["id"].copy(), tick, values))
    return found
