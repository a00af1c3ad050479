"""What one client alone is told: what is in its private section, and when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from flying import AT_REST, Flying, flown_by

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.private import (
    Flown,
    Private,
    read_private_untrusted,
)
from sidereal.protocol.state.reckoning import Motion, extrapolate
from sidereal.protocol.state.schema import BASE_COMPONENTS, Schema
from sidereal.replication.edge.in_flight import TAG_BITS
from sidereal.replication.edge.private import PrivateLog
from sidereal.replication.edge.windows import Windows

RULES = Rules()
FUEL = Component("fuel", (Field("left", "f4", "t", 0, 100),), Replication.PILOT)
GUN = Component("gun", (Field("ready", "u4"), Field("shots", "u1")), Replication.PILOT)
SCHEMA = Schema((*BASE_COMPONENTS, FUEL, GUN))
MOVES = SCHEMA.numbers["motion"]
FUELLED, ARMED = SCHEMA.numbers["fuel"], SCHEMA.numbers["gun"]
DRIFTS = AT_REST._replace(vx=np.array(12.3), vy=np.array(-4.5), spin=np.array(0.7))
NOBODY = np.zeros(0, np.int64)


class Rig:
    """A log and two clients whose windows are around cell (1, 1)."""

    def __init__(self, schema: Schema = SCHEMA) -> None:
        self.schema = schema
        self.log = PrivateLog(schema, RULES, 2)
        self.windows = Windows(RULES, 2)
        self.tick = 100
        for client in range(2):
            self.log.join(client)
            self.windows.move(client, 0, 1, 1)

    def step(self, *flying: Flying) -> list[bytes]:
        """Publish what is flown, now; gives the sections of both clients."""
        self.tick += 1
        now = [one._replace(tick=self.tick) for one in flying]
        self.log.publish(self.tick, flown_by(*now, schema=self.schema))
        sections = self.log.collect(np.arange(2), self.windows, np.full(2, 1000))
        assert sections.size.tolist() == [len(section) for section in sections.data]
        self.log.note_sent(np.where(sections.size > 0, np.arange(2), -1))
        return sections.data

    def ack(self, client: int = 0, tick: int | None = None) -> None:
        self.log.settle(self.tag(client, tick), NOBODY)

    def lose(self, client: int = 0, tick: int | None = None) -> None:
        self.log.settle(NOBODY, self.tag(client, tick))

    def tag(self, client: int, tick: int | None) -> np.ndarray:
        return np.array([((tick or self.tick) << TAG_BITS) | client])

    def read(self, section: bytes) -> Private:
        private, end = read_private_untrusted(self.schema, RULES, section, 0, self.tick, (1, 1))
        assert end == len(section)
        return private


@pytest.fixture
def rig() -> Rig:
    return Rig()


def settle(rig: Rig, *flying: Flying) -> None:
    for section in rig.step(*flying):
        del section
    for client in range(2):
        rig.ack(client)


def test_who_flies_nothing_is_told_nothing(rig: Rig) -> None:
    assert rig.step() == [b"", b""]


def test_a_pilot_is_told_all_that_there_is_once(rig: Rig) -> None:
    flying = Flying(0, net_id=7, control_epoch=3, input_seq=9, early=2, components={"left": 1.5})
    section, other = rig.step(flying)
    assert other == b""
    told = rig.read(section)
    assert told.replace
    assert told.flown == Flown(7, 3, 1 << MOVES | 1 << FUELLED)
    assert told.inputs == (rig.tick, 9, 2)
    assert told.components[FUELLED].item() == (1.5,)
    assert told.components.keys() == {FUELLED}
    assert rig.step(flying) == [b"", b""]


def test_a_pilot_has_its_motion_as_exactly_as_it_shows(rig: Rig) -> None:
    motion = Motion(*np.array([-321.123456, 777.654321, 123.456789, -0.001, -3.14159, 30.5]))
    told = rig.read(rig.step(Flying(0, motion=motion))[0]).motion
    assert told is not None
    assert told.tick == rig.tick
    off = np.abs(np.array(told[1:]) - np.array(motion))
    assert (off <= [1e-5, 1e-5, 1e-7, 1e-7, 1e-8, 1e-7]).all()


def test_an_input_alone_takes_four_bytes_and_a_motion_28(rig: Rig) -> None:
    settle(rig, Flying(0))
    [section, _] = rig.step(Flying(0, input_seq=1))
    assert len(section) == 4
    rig.ack()
    motion = AT_REST._replace(vx=np.array(3.0))
    [section, _] = rig.step(Flying(0, input_seq=2, motion=motion))
    assert len(section) == 28
    told = rig.read(section)
    assert (told.flown, told.from_tick, told.components) == (None, rig.tick - 1, {})


def test_what_other_rows_need_goes_along_until_it_is_acked(rig: Rig) -> None:
    rig.step(Flying(0))
    told = rig.read(rig.step(Flying(0, input_seq=1))[0])
    assert told.flown is not None
    assert told.motion is not None
    assert not told.replace
    rig.ack()
    there = AT_REST._replace(x=np.array(300.0))
    rig.step(Flying(0, input_seq=1, motion=there))
    moved = rig.tick
    for seq in (2, 3):
        told = rig.read(rig.step(Flying(0, input_seq=seq, motion=there))[0])
        assert told.flown is None
        assert told.motion is not None
        assert told.motion.tick == rig.tick
        assert told.from_tick == rig.tick - 1
    assert rig.step(Flying(0, input_seq=3, motion=there)) == [b"", b""], "alone it does not go"
    rig.ack(tick=moved)
    assert len(rig.step(Flying(0, input_seq=4, motion=there))[0]) == 5


def test_what_models_write_goes_along_until_it_is_acked() -> None:
    modelled = replace(GUN, replicated=Replication.ATTRIBUTE, predicted=True)
    rig = Rig(Schema((*BASE_COMPONENTS, FUEL, modelled)))
    settle(rig, Flying(0, components={"ready": 7, "left": 3.0}))
    fired = {"ready": 13, "left": 2.0}
    rig.step(Flying(0, input_seq=1, components=fired))
    told = rig.read(rig.step(Flying(0, input_seq=2, components=fired))[0])
    assert told.motion is None
    assert [*told.components] == [ARMED]
    assert told.components[ARMED]["ready"] == 13
    rig.ack()
    told = rig.read(rig.step(Flying(0, input_seq=3, components=fired))[0])
    assert told.components == {}


def test_a_drift_is_told_once(rig: Rig) -> None:
    """A state that keeps to its line is known, whatever the inputs are."""
    settle(rig, Flying(0, motion=DRIFTS))
    start = rig.tick
    for ahead in range(1, 400):
        x, y, heading = extrapolate(*DRIFTS, 0, ahead, RULES.tick_s)
        there = DRIFTS._replace(x=x[()], y=y[()], heading=heading[()])
        told = rig.read(rig.step(Flying(0, input_seq=ahead, motion=there))[0])
        assert told.motion is None
        rig.ack()
    assert rig.tick - start == 399
    told = rig.read(rig.step(Flying(0, input_seq=999, motion=there, moved=True))[0])
    assert told.motion is not None, "cells say it anew, and may leave it out"
    rig.ack()
    pushed = there._replace(vx=there.vx + 1e-5)
    told = rig.read(rig.step(Flying(0, input_seq=1000, motion=pushed))[0])
    assert told.motion is not None


def test_what_has_changed_is_told_once_and_again_when_it_is_lost(rig: Rig) -> None:
    settle(rig, Flying(0, components={"left": 5.0, "ready": 0.0}))
    fired = Flying(0, components={"left": 5.0, "ready": 70_000.0})
    for turn in range(3):
        told = rig.read(rig.step(fired)[0])
        assert told.from_tick == rig.tick - turn - 1
        assert told.components.keys() == {ARMED}
        assert told.components[ARMED].item() == (70_000, 0)
        rig.lose()
    rig.step(fired)
    assert rig.step(fired) == [b"", b""]


def test_what_is_lost_is_told_as_it_is_by_then(rig: Rig) -> None:
    settle(rig, Flying(0, components={"left": 5.0}))
    begin = rig.tick
    rig.step(Flying(0, components={"left": 4.0}))
    rig.step(Flying(0, input_seq=1, components={"left": 4.0}))
    rig.lose(tick=begin + 1)
    told = rig.read(rig.step(Flying(0, input_seq=1, components={"left": 3.0}))[0])
    assert told.from_tick == begin
    assert told.inputs is not None
    assert told.components[FUELLED].item() == (3.0,)


def test_what_was_said_again_is_not_said_a_third_time(rig: Rig) -> None:
    settle(rig, Flying(0))
    begin = rig.tick
    for seq in (1, 2):
        rig.step(Flying(0, input_seq=seq))
    rig.lose(tick=begin + 1)
    rig.step(Flying(0, input_seq=2))
    rig.lose(tick=begin + 2)
    assert rig.step(Flying(0, input_seq=2)) == [b"", b""]


def test_a_datagram_of_which_nothing_is_heard_is_taken_for_lost(rig: Rig) -> None:
    settle(rig, Flying(0))
    rig.step(Flying(0, input_seq=1))
    for _ in range(RULES.streams.reorder_ticks):
        rig.log.settle(NOBODY, NOBODY)
        assert rig.step(Flying(0, input_seq=1)) == [b"", b""]
    rig.log.settle(NOBODY, NOBODY)
    assert rig.step(Flying(0, input_seq=1)) == [b"", b""]
    rig.log.settle(NOBODY, NOBODY)
    assert len(rig.step(Flying(0, input_seq=1))[0]) == 5


def test_what_was_acked_is_not_lost_any_more(rig: Rig) -> None:
    settle(rig, Flying(0))
    rig.step(Flying(0, input_seq=1))
    rig.ack()
    rig.lose()
    assert rig.step(Flying(0, input_seq=1)) == [b"", b""]


def test_a_component_that_comes_and_goes_is_in_the_mask(rig: Rig) -> None:
    settle(rig, Flying(0, components={"left": 5.0}))
    told = rig.read(rig.step(Flying(0))[0])
    assert told.flown == Flown(5, 1, 1 << MOVES)
    assert told.components == {}
    rig.ack()
    told = rig.read(rig.step(Flying(0, components={"left": 0.0}))[0])
    assert told.flown == Flown(5, 1, 1 << MOVES | 1 << FUELLED)
    assert told.components[FUELLED].item() == (0.0,)


def test_another_entity_begins_anew_under_another_flight(rig: Rig) -> None:
    settle(rig, Flying(0, components={"left": 5.0}))
    settle(rig, Flying(0, net_id=6, components={"left": 5.0}))
    before = rig.read(rig.step(Flying(0, net_id=6, input_seq=1, components={"left": 5.0}))[0])
    told = rig.read(rig.step(Flying(0, net_id=6, control_epoch=2, components={"left": 5.0}))[0])
    assert told.flight == before.flight + 1
    assert told.flown == Flown(6, 2, 1 << MOVES | 1 << FUELLED)
    assert told.motion is not None
    assert told.inputs is not None
    assert told.components.keys() == {FUELLED}


def test_who_flies_no_longer_is_told_so_and_nothing_else(rig: Rig) -> None:
    settle(rig, Flying(0, components={"left": 5.0}))
    told = rig.read(rig.step()[0])
    assert told.flown == Flown(0, 0, 0)
    assert (told.motion, told.inputs, told.components) == (None, None, {})


def test_nothing_of_one_client_is_told_to_another(rig: Rig) -> None:
    settle(rig, Flying(0, net_id=6), Flying(1, net_id=7))
    first, second = rig.step(
        Flying(0, net_id=6, components={"left": 5.0}), Flying(1, net_id=7, input_seq=1)
    )
    assert FUELLED in rig.read(first).components
    assert rig.read(second).components == {}
    assert rig.read(second).flown is None


def test_a_loss_of_a_session_before_counts_for_nothing(rig: Rig) -> None:
    rig.step(Flying(0))
    before = rig.tick
    rig.log.join(0)
    assert rig.read(rig.step(Flying(0))[0]).replace
    rig.lose(tick=before)
    assert rig.step(Flying(0)) == [b"", b""]


def test_what_is_too_old_to_be_said_since_then_is_said_whole(rig: Rig) -> None:
    settle(rig, Flying(0))
    for _ in range(RULES.streams.section_age_max):
        assert rig.step(Flying(0)) == [b"", b""]
    told = rig.read(rig.step(Flying(0, input_seq=1))[0])
    assert told.replace
    assert told.motion is not None


def test_a_pilot_who_would_be_told_more_than_half_a_datagram_is_refused() -> None:
    log = Component("log", (Field("text", "S600"),), Replication.PILOT)
    with pytest.raises(ConfigError, match="what a pilot is sent of its own takes"):
        PrivateLog(Schema((*BASE_COMPONENTS, log)), RULES, 1)
