"""Bugs planted in what models spawn ahead of the authority."""

from __future__ import annotations

from typing import Any, Final

import pytest
from mutant import Mutant, any_plan

from sidereal.client.spawns import PredictedSpawns
from sidereal.shard.spawnkeys import SpawnKeys


def what_comes_is_not_known_again(patch: pytest.MonkeyPatch) -> None:
    """The key of what comes is not compared with those of what was predicted."""
    patch.setattr(PredictedSpawns, "_match", lambda *_: {})


def what_has_come_stays_predicted(patch: pytest.MonkeyPatch) -> None:
    """An entity that comes is shown beside the predicted one."""
    match = PredictedSpawns._match

    def beside(self: PredictedSpawns, *arguments: Any) -> dict[int, int]:
        pending = dict(self._pending)
        match(self, *arguments)
        self._pending = pending
        return {}

    patch.setattr(PredictedSpawns, "_match", beside)


def what_never_comes_never_ends(patch: pytest.MonkeyPatch) -> None:
    """A client goes on showing what the authority has not confirmed."""
    patch.setattr(PredictedSpawns, "expire", lambda *_: None)


def every_spawn_of_an_input_is_its_first(patch: pytest.MonkeyPatch) -> None:
    """A shard does not count what one input spawns."""
    sign = SpawnKeys.sign

    def forgetful(self: SpawnKeys, *arguments: Any) -> None:
        sign(self, *arguments)
        self._last[2] = 0

    patch.setattr(SpawnKeys, "sign", forgetful)


FOUND: Final = ("Foreseen",)

MUTANTS: Final = (
    Mutant(what_comes_is_not_known_again, FOUND, any_plan),
    Mutant(what_has_come_stays_predicted, FOUND, any_plan),
    Mutant(what_never_comes_never_ends, FOUND, any_plan),
    Mutant(every_spawn_of_an_input_is_its_first, FOUND, any_plan),
)
