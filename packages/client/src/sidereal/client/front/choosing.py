"""Choosing one after another what is in the picture: what a pilot asks for first comes first.

Kinds have ranks (`Looks.rank`); of one rank the nearest comes first. While somebody goes on, all
moves, and who was nearest is so no more. So who has been chosen already is remembered: the next one
is the first that has not been, and the previous one is the one that was chosen before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sidereal.client.front.camera import Camera
from sidereal.client.front.looks import Looks
from sidereal.client.view import View

WALK_MAX: Final = 256
"""Of those chosen already; the first are forgotten."""


def choices(view: View, looks: Looks, camera: Camera) -> list[int]:
    """List what can be chosen in the picture, net ids, those first that matter most.

    Scenery is among them only if there is nothing else; what is flown never is.
    """
    seen = camera.visible(view.x, view.y)
    here = camera.x, camera.y
    if view.own >= 0:
        seen[view.own] = False
        here = float(view.x[view.own]), float(view.y[view.own])
    rare = seen & ~looks.scenery[view.kind]
    rows = np.flatnonzero(rare if rare.any() else seen)
    away = np.hypot(view.x[rows] - here[0], view.y[rows] - here[1])
    order = np.lexsort((view.net_id[rows], away, looks.rank[view.kind[rows]]))
    chosen: list[int] = view.net_id[rows[order]].tolist()
    return chosen


class Walk:
    """Who was chosen one after another, and where among them somebody is."""

    def __init__(self) -> None:
        self._chosen: list[int] = []

    def step(self, forward: bool, there: Sequence[int], selected: int) -> int:
        """Choose the next one, or the previous one.

        Args:
            forward: whether the next one.
            there: what can be chosen, in order.
            selected: what is chosen now, 0 for nothing; a walk begins anew if that is not of it.

        Returns:
            net id; `selected` if there is nothing.
        """
        if not there:
            return selected
        known = set(there)
        if selected not in self._chosen:
            self._chosen = [selected] if selected in known else []
        walk = [net_id for net_id in self._chosen if net_id in known or net_id == selected]
        at = walk.index(selected) if selected in walk else -1
        fresh = [net_id for net_id in there if net_id not in walk]
        if forward and at + 1 < len(walk):
            chosen = walk[at + 1]
        elif forward:
            chosen = fresh[0] if fresh else walk[0]
            walk = [*walk, chosen] if fresh else walk
        elif at > 0:
            chosen = walk[at - 1]
        else:
            chosen = fresh[-1] if fresh else walk[-1]
            walk = [chosen, *walk] if fresh else walk
        self._chosen = walk[-WALK_MAX:]
        return chosen
