"""Bugs planted in what shards do: inputs, physics, adoptions, proposals."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pymunk
import pytest
from mutant import Mutant, any_plan, with_loss

from sidereal.protocol.state.records import RecordSender
from sidereal.shard.bodies import Bodies
from sidereal.shard.controls import ControlQueues
from sidereal.shard.game.asteroids import Asteroids
from sidereal.shard.simulation import Simulation
from sidereal.shard.space import Space


def proposals_are_sent_once(patch: pytest.MonkeyPatch) -> None:
    """A shard takes what it has proposed for known."""
    collect = RecordSender.collect

    def trusting(self: RecordSender, *arguments: Any) -> Any:
        messages = collect(self, *arguments)
        self.acked([tag for _, tag in messages])
        return messages

    patch.setattr(RecordSender, "collect", trusting)


def controls_are_applied_again(patch: pytest.MonkeyPatch) -> None:
    """A new owner does not know which inputs the ship has had."""
    reset = ControlQueues.reset

    def forget(self: ControlQueues, slots: Any, control_epoch: Any, input_seq: Any) -> None:
        reset(self, slots, control_epoch, np.maximum(input_seq, 5) - 5)

    patch.setattr(ControlQueues, "reset", forget)


def adopted_where_they_were(patch: pytest.MonkeyPatch) -> None:
    """A new owner goes on from an old reference as if it were of now."""
    adopt = Bodies.adopt

    def rewind(self: Bodies, records: Any, tick: int) -> Any:
        slots = adopt(self, records, tick)
        for axis in ("x", "y"):
            self.columns[axis][slots] = records[axis]
        return slots

    patch.setattr(Bodies, "adopt", rewind)


def asteroids_leave_the_belt(patch: pytest.MonkeyPatch) -> None:
    """What flies beyond the belt's edge is not turned back."""
    patch.setattr(Asteroids, "systems", lambda *_: ())


def every_seventh_input_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """Now and then a ship does not do what its pilot held."""
    take = ControlQueues.take

    def absent(self: ControlQueues, slots: Any) -> Any:
        buttons, control_epoch, input_seq = take(self, slots)
        return np.where(input_seq % 7 == 0, 0, buttons).astype("u2"), control_epoch, input_seq

    patch.setattr(ControlQueues, "take", absent)


def two_inputs_are_skipped_at_each_adoption(patch: pytest.MonkeyPatch) -> None:
    """A new owner begins two inputs too far."""
    reset = ControlQueues.reset

    def hasty(self: ControlQueues, slots: Any, control_epoch: Any, input_seq: Any) -> None:
        reset(self, slots, control_epoch, input_seq + np.uint32(2) * (input_seq > 0))

    patch.setattr(ControlQueues, "reset", hasty)


def nothing_collides(patch: pytest.MonkeyPatch) -> None:
    """Everything flies through everything."""
    add = Space.add

    def lonely(self: Space, *arguments: Any) -> None:
        add(self, *arguments)
        for circle in self._circles:
            circle.filter = pymunk.ShapeFilter(group=1)

    patch.setattr(Space, "add", lonely)


def bounces_are_dull(patch: pytest.MonkeyPatch) -> None:
    """The share of speed that is kept is set for one shape, as if it were of the pair."""
    add = Space.add

    def dull(self: Space, *arguments: Any) -> None:
        add(self, *arguments)
        for circle in self._circles:
            circle.elasticity = 0.5

    patch.setattr(Space, "add", dull)


def adopted_a_tick_ahead(patch: pytest.MonkeyPatch) -> None:
    """An adopted row is moved to the tick about to be simulated, and then simulated."""
    adopt = Bodies.adopt
    patch.setattr(Bodies, "adopt", lambda self, records, tick: adopt(self, records, tick + 1))


def buttons_wait_for_the_next_tick(patch: pytest.MonkeyPatch) -> None:
    """Inputs are taken after the bodies have moved, not before."""
    step, take = Simulation.step, Simulation._take_controls

    def late(self: Simulation, tick: int) -> None:
        step(self, tick)
        take(self)

    patch.setattr(Simulation, "_take_controls", lambda *_: None)
    patch.setattr(Simulation, "step", late)


MUTANTS: Final = (
    Mutant(proposals_are_sent_once, ("ShardsConverge", "GhostsConverge", "BeltHolds"), with_loss),
    Mutant(controls_are_applied_again, ("Continuity", "InputLedger"), any_plan),
    Mutant(adopted_where_they_were, ("Reference",), any_plan),
    Mutant(asteroids_leave_the_belt, ("BeltHolds", "Reference"), any_plan),
    Mutant(every_seventh_input_is_ignored, ("InputLedger",), any_plan),
    Mutant(two_inputs_are_skipped_at_each_adoption, ("InputLedger",), any_plan),
    Mutant(nothing_collides, ("Reference",), any_plan),
    Mutant(bounces_are_dull, ("Reference",), any_plan),
    Mutant(adopted_a_tick_ahead, ("Reference",), any_plan),
    Mutant(buttons_wait_for_the_next_tick, ("InputLedger", "Reference"), any_plan),
)
