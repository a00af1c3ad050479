"""What must be true of fights, whichever shards saw them."""

from __future__ import annotations

from collections.abc import Iterator

from sidereal.games.frontier.fight.armour import HULL_MAX, SHIELD_MAX, Hull, Shield
from sidereal.games.frontier.fight.guns import DAMAGE
from sidereal.games.frontier.fight.shots import Hit
from sidereal.tools.simulate.given.truth import Truth


class HitsOnce:
    """A shot hits once.

    Attributes:
        hits: how many there were since the server began.
    """

    def __init__(self) -> None:
        self.hits = 0
        self._era = 0
        self._struck: dict[int, int] = {}

    def look(self, truth: Truth) -> Iterator[str]:
        """Count hits, by the shots that made them: an id may be another's after a while."""
        if truth.era != self._era:
            self._era = truth.era
            self.hits = 0
            self._struck.clear()
        hits = truth.events(Hit)
        for shot, tick in zip(hits.subject.tolist(), hits.tick.tolist(), strict=True):
            if shot in self._struck:
                yield f"shot {shot} has hit at tick {self._struck[shot]}, and again at {tick}"
            self._struck[shot] = tick
        self.hits += len(hits.subject)
        truth.judged["hits judged"] += len(hits.subject)

    def conclude(self, truth: Truth) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())


class DamageAddsUp(HitsOnce):
    """What ships have lost is what bullets did: in a fight where nobody dies and no shield grows.

    A hull and its hit are told apart from each other: both are there when all has arrived.
    """

    def conclude(self, truth: Truth) -> Iterator[str]:
        """Compare what all ships have left with what they had."""
        ships = truth.has(Hull)
        left = truth[Hull].hp[ships].sum() + truth[Shield].hp[ships].sum()
        lost = len(ships) * (HULL_MAX + SHIELD_MAX) - float(left)
        if lost != self.hits * DAMAGE:
            yield f"{len(ships)} ships lost {lost} hp by {self.hits} hits of {DAMAGE}"
