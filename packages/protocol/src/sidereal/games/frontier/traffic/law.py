"""Law: who has shot somebody peaceful.

Peaceful is who is no pirate, and has not shot anybody peaceful for a while. So it counts who began:
who shoots back, or shoots a pirate, does no wrong, however long it goes on shooting. Patrols do
none at all. Who runs into others is not to blame, for both do.

An offence is written down by the shard of who has done it, which sees whom its ships strike.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.game import SHARDS, U4, Bools, Component, Indices, Part, Step
from sidereal.games.frontier.fight.armour import SHOT, Struck
from sidereal.games.frontier.traffic.kinds import CRAFT, PATROL, PIRATE

FEUD: Final = 600
"""Ticks after an offence in which anybody may shoot who has done it."""
NEWS: Final = 40
"""Ticks for which a hit is looked at: it may be heard of late from a neighbour."""

law = Part("law")


class Offence(Component, audience=SHARDS, saved=False):
    """When a ship has last shot somebody peaceful; a tick, 0 for never."""

    at: U4


for craft in CRAFT:
    law.extend(craft, Offence())


@law.system
def take_down(step: Step) -> None:
    """Take down who has shot somebody that was peaceful then."""
    struck, offence = step[Struck], step[Offence]
    victims = step.seen(Struck, Offence)
    when = struck.when[victims].astype(np.int64)
    new = (struck.how[victims] == SHOT) & (step.tick - when < NEWS)
    victims = victims[new]
    if not len(victims):
        return
    peaceful, judged = np.ones(len(step.id), np.bool_), np.zeros(len(step.id), np.bool_)
    peaceful[step.seen(PIRATE)] = False
    judged[step.rows(Offence)] = True
    judged[step.rows(PATROL)] = False
    victims = victims[peaceful[victims]]
    by = step.find(struck.by[victims])
    blamed = (by >= 0) & judged[by]
    victims, by = victims[blamed], by[blamed]
    when, before = struck.when[victims].astype(np.int64), offence.at[victims].astype(np.int64)
    wronged = (before == 0) | (when > before + FEUD)
    np.maximum.at(offence.at, by[wronged], struck.when[victims[wronged]])


def offenders(step: Step, within: int) -> Indices:
    """Find who has done wrong of late.

    Args:
        step: of a system.
        within: so many ticks.
    """
    seen = step.seen(Offence)
    at = step[Offence].at[seen].astype(np.int64)
    late: Bools = (at > 0) & (step.tick - at < within)
    found: Indices = seen[late]
    return found
