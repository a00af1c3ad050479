"""What systems emit, until the replication server has it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sidereal.game import F4, F8, U1, Body, Event, Game, Motion, Stage, Step, Text, field
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, name_of, schema_of
from sidereal.protocol.errors import GameFailedError
from sidereal.protocol.message.shard import Adopt, Release
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.proposals import decode_proposal_untrusted
from sidereal.shard.limits import Limits
from sidereal.shard.simulation import Simulation

RESEND = Limits().events_resend_ticks
OURS, GHOST = (1, 2, 3), 9


class Burst(Event):
    x: F8
    size: F4 = field(1, low=0, high=10, quantum=0.5)
    says: Text = field(b"", size=4)


class Bang(Event):
    """It has no fields."""


class Unknown(Event):
    loud: U1


Tagged = tuple[bytes, int | None]

X, SIZE, SAYS = (column_of(Burst, each) for each in Burst.fields.values())


class Shard:
    """A shard that simulates three entities and sees a fourth; its system does as it is told."""

    def __init__(self, *, strict: bool = True, **limits: Any) -> None:
        game = Game("bursts")
        game.kind("rock", Motion(), Body())
        game.declare(Burst, Bang)
        game.system(Stage.TICK)(self._act)
        declared = declare(game)
        self.schema = schema_of(declared)
        self.number = self.schema.event_numbers[name_of(Burst)]
        self.acts: Callable[[Step], None] = lambda step: None
        rng = np.random.default_rng(1)
        self.simulation = Simulation(
            declared, self.schema, Rules(), rng, Limits(**limits), strict=strict
        )
        self.tick = 100
        rows = np.zeros(4, self.schema.full_record)
        rows["id"], rows["epoch"], rows["tick"] = [*OURS, GHOST], 7, self.tick
        rows["kind"], rows["radius"], rows["mass"] = 1, 1.0, 1.0
        rows["x"] = 100.0 * np.arange(4)
        self.simulation.apply(Adopt(self.tick, rows[:3].tobytes(), b""), self.tick)
        self.simulation.show_ghosts([(self.tick, rows[3:])], self.tick)

    def _act(self, step: Step) -> None:
        self.acts(step)

    def step(self, acts: Callable[[Step], None] = lambda step: None) -> list[Tagged]:
        """Simulate a tick: the messages that it ends in, and their tags."""
        self.acts = acts
        self.tick += 1
        self.simulation.step(self.tick)
        return list(self.simulation.collect_proposals(self.tick))

    def told(self, messages: list[Tagged]) -> list[np.void]:
        """The bursts that are told in messages."""
        runs = [run for m, _ in messages for run in decode_proposal_untrusted(self.schema, m)[1]]
        return [row for number, rows in runs if number == self.number for row in rows]

    def ids(self, messages: list[Tagged]) -> list[int]:
        return [int(row["id"]) for row in self.told(messages)]


def burst_everywhere(step: Step) -> None:
    step.emit(Burst(x=step[Motion].x[step.rows()]), at=step.rows())


def test_events_carry_their_subject_its_epoch_and_their_values() -> None:
    shard = Shard()

    def act(step: Step) -> None:
        rows = step.find([3, 1])
        step.emit(Burst(x=[30.0, 10.0], size=2.5, says="boom"), at=rows)

    third, first = shard.told(shard.step(act))
    assert (third["id"], third["epoch"], third[X]) == (3, 7, 30.0)
    assert (first["id"], first[X], first[SIZE], first[SAYS]) == (1, 10.0, 2.5, b"boom")
    assert first["nth"] != third["nth"]


def test_one_entity_may_have_several_events_in_a_tick_and_an_event_no_fields() -> None:
    shard = Shard()

    def act(step: Step) -> None:
        rows = step.rows()
        step.emit(Bang(), at=np.concatenate([rows, rows]))

    (message, _), *_ = shard.step(act)
    runs = dict(decode_proposal_untrusted(shard.schema, message)[1])
    rows = runs[shard.schema.event_numbers[name_of(Bang)]]
    assert sorted(rows["id"].tolist()) == [1, 1, 2, 2, 3, 3]
    assert len(np.unique(rows["nth"])) == 6


def test_an_event_is_said_again_until_it_is_acked() -> None:
    shard = Shard()
    first = shard.step(burst_everywhere)
    nth = [int(row["nth"]) for row in shard.told(first)]
    for _ in range(RESEND - 1):
        assert shard.ids(shard.step()) == []
    again = shard.step()
    assert [int(row["nth"]) for row in shard.told(again)] == nth
    shard.simulation.proposals_acked([tag for _, tag in again if tag is not None])
    for _ in range(2 * RESEND):
        assert shard.ids(shard.step()) == []


def test_the_ack_of_one_message_leaves_the_events_of_others() -> None:
    shard = Shard()
    first = shard.step(lambda step: step.emit(Burst(), at=step.rows()[:1]))
    shard.step(lambda step: step.emit(Burst(), at=step.rows()[1:2]))
    shard.simulation.proposals_acked([tag for _, tag in first if tag is not None])
    said = [net_id for _ in range(RESEND) for net_id in shard.ids(shard.step())]
    assert said == [2]


def test_an_event_of_who_has_left_since_is_said_with_the_epoch_it_had() -> None:
    shard = Shard()
    shard.step(burst_everywhere)
    released = np.array([(1, 8)], [("id", "<u4"), ("epoch", "<u4")]).tobytes()
    shard.simulation.apply(Release(shard.tick, released), shard.tick)
    for _ in range(RESEND - 1):
        shard.step()
    again = shard.told(shard.step())
    assert [(int(row["id"]), int(row["epoch"])) for row in again] == [(1, 7), (2, 7), (3, 7)]


def test_a_storm_of_events_is_bounded_and_counted() -> None:
    shard = Shard(events_per_tick=5, events_waiting=8)

    def storm(step: Step) -> None:
        for _ in range(4):
            burst_everywhere(step)

    assert len(shard.told(shard.step(storm))) == 5
    statistics = shard.simulation.statistics()
    assert (statistics.events_emitted, statistics.events_dropped) == (12, 7)
    shard.step(storm)
    assert shard.simulation.statistics().events_dropped == 14 + 2
    said = shard.told(shard.step()) + shard.told(shard.step()) + shard.told(shard.step())
    nths = [int(row["nth"]) for row in said]
    assert sorted(nths) == list(range(2, 10)), "the oldest were given up"


def test_numbers_out_of_range_are_clipped() -> None:
    shard = Shard()
    act = lambda step: step.emit(Burst(size=[-3.0, 99.0, 4.0]), at=step.rows())  # noqa: E731
    assert [float(row[SIZE]) for row in shard.told(shard.step(act))] == [0.0, 10.0, 4.0]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Burst(x=math.nan), r"bursts\.burst\.x can't be nan|\.burst\.x can't be nan"),
        (Burst(says="longer than that"), r"says can't be .*it takes 4 bytes"),
        (Burst(says=b"\xff"), r"says can't be"),
        (Burst(x=[1.0, 2.0]), r"x: 2 values for 3 entities"),
        (Unknown(), r"Unknown is not declared: say part\.declare\(Unknown\)"),
    ],
)
def test_what_cannot_be_emitted_ends_the_shard_with_the_systems_name(
    event: Event, words: str
) -> None:
    shard = Shard()
    with pytest.raises(GameFailedError, match=rf"system bursts\._act raised .*{words}"):
        shard.step(lambda step: step.emit(event, at=step.rows()))


def test_events_of_others_are_said_to_nobody_and_named_in_a_test() -> None:
    everybody = lambda step: step.emit(Burst(), at=step.seen())  # noqa: E731
    careless = Shard(strict=False)
    assert sorted(careless.ids(careless.step(everybody))) == list(OURS)
    with pytest.raises(GameFailedError, match="emitted Burst of 1 rows of another shard"):
        Shard().step(everybody)
    with pytest.raises(GameFailedError, match="or of nobody"):
        Shard().step(lambda step: step.emit(Burst(), at=step.find([77])))
