"""A whole cluster that plays a game that is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sidereal.game import Part
from sidereal.game.declarations import Declarations
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.replication.world import UUID
from sidereal.shard.shard import ShardCore
from sidereal.tools.simulate.clients import JudgedClient
from sidereal.tools.simulate.cluster import Checker, Cluster
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.given.clients import BotProcess
from sidereal.tools.simulate.given.staging import Staged
from sidereal.tools.simulate.seeds import random_of
from sidereal.tools.simulate.shards import Recorder

LOOKS_WITHIN: Final = 400.0
"""How far from the origin observers look, along both axes, world units."""


class Unrecorded:
    """Writes down nothing: see `Recorder`."""

    def __init__(self, core: str) -> None:
        self.core = core
        self.since = self.at = np.inf
        self.shard: ShardCore | None = None
        self.part = Part("unrecorded")


class GivenCluster(Cluster):
    """A cluster that plays a game that is given, by the rules that games are made for."""

    def __init__(self, plan: Plan, staged: Staged, checkers: Sequence[Checker]) -> None:
        self._staged = staged
        super().__init__(plan, checkers)

    def _make_rules(self) -> Rules:
        plan = self.plan
        return Rules(
            tick_hz=plan.tick_hz,
            cell_size=plan.cell_size,
            view_radius_cells=plan.view_radius_cells,
            streams=plan.streams,
        )

    def _declare(self, parts: Sequence[Part] = ()) -> Declarations:
        return self._staged.declare(parts)

    def _record(self, core: str) -> Recorder:
        return Unrecorded(core)

    def _make_world(self) -> tuple[np.ndarray, np.ndarray]:
        rng = random_of(self.plan.seed, "world")
        records = self._staged.make_world(rng)
        return records, np.frombuffer(rng.bytes(16 * len(records)), UUID)

    def _make_client(self, number: int, role: Role) -> JudgedClient:
        return BotProcess(
            self._seat(number, role),
            game=self.game,
            limits=self.plan.client_limits,
            looks_within=LOOKS_WITHIN,
            sign_in=self._sign_in,
        )
