"""Bugs planted in what shards do: inputs, physics, adoptions, proposals."""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
import pymunk
import pytest
from mutant import Mutant, any_plan, with_loss

from sidereal.game import Stage
from sidereal.replication.links.shardlink import ShardLink
from sidereal.shard import space
from sidereal.shard.bodies import Bodies
from sidereal.shard.controls import ControlQueues
from sidereal.shard.handover.adoption import Adoption
from sidereal.shard.handover.repairs import Repairs
from sidereal.shard.handover.ring import Ring
from sidereal.shard.proposals import Proposals
from sidereal.shard.simulation import Simulation
from sidereal.shard.space import Space
from sidereal.shard.stages import Stages


def proposals_are_sent_once(patch: pytest.MonkeyPatch) -> None:
    """A shard takes what it has proposed for known."""
    write = Proposals.write

    def trusting(self: Proposals, *arguments: Any) -> Any:
        messages = write(self, *arguments)
        self.acked([tag for _, tag in messages])
        return messages

    patch.setattr(Proposals, "write", trusting)


def controls_are_applied_again(patch: pytest.MonkeyPatch) -> None:
    """A new owner does not know which inputs the ship has had."""
    reset = ControlQueues.reset

    def forget(self: ControlQueues, rows: Any, control_epoch: Any, input_seq: Any) -> None:
        reset(self, rows, control_epoch, np.maximum(input_seq, 5) - 5)

    patch.setattr(ControlQueues, "reset", forget)


def adopted_where_they_were(patch: pytest.MonkeyPatch) -> None:
    """A new owner goes on from an old reference as if it were of now."""
    adopt = Bodies.adopt

    def rewind(self: Bodies, records: Any, tick: int) -> Any:
        rows = adopt(self, records, tick)
        for axis in ("x", "y"):
            self.columns[axis][rows] = records[axis]
        return rows

    patch.setattr(Bodies, "adopt", rewind)


def asteroids_leave_the_belt(patch: pytest.MonkeyPatch) -> None:
    """What flies beyond the belt's edge is not turned back."""
    run = Stages.run

    def idle(self: Stages, stage: Stage) -> None:
        systems = self._systems
        self._systems = {
            there: [s for s in found if "turn" not in s.name] for there, found in systems.items()
        }
        run(self, stage)
        self._systems = systems

    patch.setattr(Stages, "run", idle)


def every_seventh_input_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """Now and then a ship does not do what its pilot held."""
    take = ControlQueues.take

    def absent(self: ControlQueues, rows: Any) -> Any:
        held, control_epoch, input_seq = take(self, rows)
        return np.where(input_seq % 7 == 0, 0, held).astype("u8"), control_epoch, input_seq

    patch.setattr(ControlQueues, "take", absent)


def two_inputs_are_skipped_at_each_adoption(patch: pytest.MonkeyPatch) -> None:
    """A new owner begins two inputs too far."""
    reset = ControlQueues.reset

    def hasty(self: ControlQueues, rows: Any, control_epoch: Any, input_seq: Any) -> None:
        reset(self, rows, control_epoch, input_seq + np.uint32(2) * (input_seq > 0))

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


def controls_wait_for_the_next_tick(patch: pytest.MonkeyPatch) -> None:
    """Inputs are taken after the bodies have moved, not before."""
    step, take = Simulation.step, Simulation._take_controls

    waiting: WeakKeyDictionary[Simulation, Any] = WeakKeyDictionary()

    def late(self: Simulation, tick: int) -> None:
        step(self, tick)
        waiting[self] = take(self)

    def before(self: Simulation) -> Any:
        return waiting.get(self, np.zeros(self.bodies.columns.capacity, np.uint64))

    patch.setattr(Simulation, "_take_controls", before)
    patch.setattr(Simulation, "step", late)


def the_solver_passes_once(patch: pytest.MonkeyPatch) -> None:
    """Where three touch, the first contact is solved as if the second were not there."""
    patch.setattr(space, "ITERATIONS", 1)


def what_overlaps_is_not_pushed_apart(patch: pytest.MonkeyPatch) -> None:
    """Bodies bounce, and stay as deep in each other as they had come."""
    create = Space.__init__

    def soft(self: Space) -> None:
        create(self)
        self._space.collision_bias = 1.0

    patch.setattr(Space, "__init__", soft)


def a_reserve_is_given_back_at_once(patch: pytest.MonkeyPatch) -> None:
    """An input is jumped over as soon as another one waits behind it."""
    take = ControlQueues.take

    def hasty(self: ControlQueues, rows: Any) -> Any:
        self._missed[rows] = 1
        return take(self, rows)

    patch.setattr(ControlQueues, "take", hasty)


def the_first_input_after_a_handover_is_flown_twice(patch: pytest.MonkeyPatch) -> None:
    """A new owner flies on from the input before the one that is in the row."""
    replay = Adoption.replay

    def again(self: Adoption, rows: Any, inputs: Any, told: int, tick: int) -> None:
        before = self._bodies.columns["input_seq"][rows].copy()
        replay(self, rows, inputs, told, tick)
        flown = self._bodies.columns["input_seq"][rows] > before
        self._controls._passed[rows[flown]] -= 1
        self._controls._held[rows[flown]] = 0

    patch.setattr(Adoption, "replay", again)


def nothing_is_flown_on_at_a_handover(patch: pytest.MonkeyPatch) -> None:
    """A new owner lets ships coast up to its own tick, and flies the inputs late."""
    adopt = Bodies.adopt

    def coasting(self: Bodies, records: Any, tick: Any) -> Any:
        return adopt(self, records, np.full(len(records), np.max(tick)))

    patch.setattr(Bodies, "adopt", coasting)
    patch.setattr(Adoption, "replay", lambda *_: None)


def nothing_is_simulated_again(patch: pytest.MonkeyPatch) -> None:
    """What an adopted body has run into on its way, it has flown through."""
    patch.setattr(Repairs, "run", lambda *_: None)


def nobody_knows_how_the_adopted_have_come(patch: pytest.MonkeyPatch) -> None:
    """Of adopted bodies the ring knows nothing but where they are."""
    replay = Adoption.replay

    def forgetful(self: Adoption, rows: Any, inputs: Any, told: int, tick: int) -> None:
        replay(self, rows, inputs, told, tick)
        self._ring.begin(rows, tick)

    patch.setattr(Adoption, "replay", forgetful)


def pilots_let_go_in_what_is_simulated_again(patch: pytest.MonkeyPatch) -> None:
    """Ships fly the ticks that are simulated again by nothing that their pilots held."""
    fly_among = Stages.fly_among

    def idle(self: Stages, rows: Any, tick: int, records: Any, step: Any) -> None:
        fly_among(self, rows, tick, np.zeros_like(records), step)

    patch.setattr(Stages, "fly_among", idle)


def who_was_pushed_in_vain_keeps_it(patch: pytest.MonkeyPatch) -> None:
    """When ticks are simulated again, who was hit by one that goes elsewhere now, stays hit."""
    patch.setattr(Ring, "touched", lambda self, tick, rows: rows[:0])


def everybody_comes_too_late(patch: pytest.MonkeyPatch) -> None:
    """Whoever is adopted is said to have come too late for what it has missed."""

    def give_up(self: Repairs, tick: int) -> None:
        self.late += len(self._adopted)
        self._adopted = self._adopted[:0]

    patch.setattr(Repairs, "run", give_up)


def inputs_get_lost_on_the_way(patch: pytest.MonkeyPatch) -> None:
    """Of what pilots send every second message or so is not passed on to their shard."""
    send_input, rng = ShardLink.send_input, np.random.default_rng(1)

    def careless(self: ShardLink, *arguments: Any) -> None:
        if rng.random() < 0.5:
            send_input(self, *arguments)

    patch.setattr(ShardLink, "send_input", careless)


def what_is_missing_is_pressed_again(patch: pytest.MonkeyPatch) -> None:
    """An input that is taken for a missing one has the presses of the one before it, too."""
    create = ControlQueues.__init__

    def begin(self: ControlQueues, capacity: int, layout: Any, *arguments: Any) -> None:
        create(self, capacity, layout, *arguments)
        self._states = np.uint64(layout.all_bits)

    patch.setattr(ControlQueues, "__init__", begin)


def late_presses_count_each_time(patch: pytest.MonkeyPatch) -> None:
    """Every copy of an input that comes too late is pressed once more."""
    take = ControlQueues._take_late

    def again(self: ControlQueues, row: int, seq: Any, records: Any) -> Any:
        known = self._ring_seq[row].copy()
        late = take(self, row, seq, records)
        self._ring_seq[row] = known
        return late

    patch.setattr(ControlQueues, "_take_late", again)


MUTANTS: Final = (
    Mutant(
        proposals_are_sent_once,
        ("ShardsConverge", "GhostsConverge", "BeltHolds", "Continuity", "NothingRejected"),
        with_loss,
    ),
    Mutant(what_is_missing_is_pressed_again, ("Presses",), with_loss),
    Mutant(late_presses_count_each_time, ("Presses",), with_loss),
    Mutant(controls_are_applied_again, ("Continuity", "InputLedger", "Reference"), any_plan),
    Mutant(adopted_where_they_were, ("Reference",), any_plan),
    Mutant(asteroids_leave_the_belt, ("BeltHolds", "Reference"), any_plan),
    Mutant(every_seventh_input_is_ignored, ("InputLedger",), any_plan),
    Mutant(two_inputs_are_skipped_at_each_adoption, ("InputLedger", "Reference"), any_plan),
    Mutant(nothing_collides, ("Reference",), any_plan),
    Mutant(bounces_are_dull, ("Reference",), any_plan),
    Mutant(adopted_a_tick_ahead, ("Reference",), any_plan),
    Mutant(controls_wait_for_the_next_tick, ("InputLedger", "Reference"), any_plan),
    Mutant(the_solver_passes_once, ("Reference",), any_plan),
    Mutant(what_overlaps_is_not_pushed_apart, ("Reference",), any_plan),
    Mutant(a_reserve_is_given_back_at_once, ("InputLedger",), any_plan),
    Mutant(
        the_first_input_after_a_handover_is_flown_twice,
        ("Reference", "InputLedger", "Presses"),
        any_plan,
    ),
    Mutant(nothing_is_flown_on_at_a_handover, ("Reference",), any_plan),
    Mutant(nothing_is_simulated_again, ("Reference",), any_plan),
    Mutant(nobody_knows_how_the_adopted_have_come, ("Reference",), any_plan),
    Mutant(pilots_let_go_in_what_is_simulated_again, ("Reference",), any_plan),
    Mutant(who_was_pushed_in_vain_keeps_it, ("Reference",), any_plan),
    Mutant(everybody_comes_too_late, ("Reference",), any_plan),
    Mutant(inputs_get_lost_on_the_way, ("InputLedger",), lambda plan: plan.calm),
)
