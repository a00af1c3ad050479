"""What comes with a row of a tick to come is adopted then, and as it is by then."""

from __future__ import annotations

import numpy as np
from changing import CREDITS, NUMBER, SCHEMA, Purse

from sidereal.protocol.message.codec import INPUT_ROW
from sidereal.protocol.message.inputs import Input, RoutedInput
from sidereal.shard.handover.early import Early

TICK = 100


def records(*ticks: int, epoch: int = 3) -> np.ndarray:
    made = np.zeros(len(ticks), SCHEMA.full_record)
    made["id"], made["epoch"], made["tick"] = 1 + np.arange(len(ticks)), epoch, ticks
    made["kind"] = 1
    return made


def inputs(*ids: int) -> np.ndarray:
    return np.array([(net_id, 7, 1) for net_id in ids], INPUT_ROW)


def test_what_is_of_now_is_adopted_at_once_and_the_rest_at_the_tick_of_its_row() -> None:
    early = Early(SCHEMA, 4)
    now, theirs = early.put_by(records(TICK, TICK + 2), inputs(1, 2), TICK)
    assert (now["id"].tolist(), theirs["id"].tolist()) == ([1], [1])
    assert not len(early.take(TICK + 1)[0])
    due, theirs = early.take(TICK + 2)
    assert (due["id"].tolist(), theirs["id"].tolist()) == ([2], [2])
    assert not len(early.take(TICK + 3)[0])


def test_inputs_of_who_waits_are_kept_up_to_a_limit() -> None:
    early = Early(SCHEMA, 2)
    early.put_by(records(TICK + 2), inputs(), TICK)
    assert not early.hold(RoutedInput(9, Input(1, 1, (0,))))
    messages = [RoutedInput(1, Input(1, seq, (0,))) for seq in (1, 2, 3)]
    assert all(early.hold(message) for message in messages)
    assert early.controls_dropped == 1
    assert early.take_controls() == messages[1:]
    assert not early.take_controls()


def test_who_is_released_meanwhile_is_not_adopted() -> None:
    early = Early(SCHEMA, 4)
    early.put_by(records(TICK + 1, TICK + 1), inputs(1, 2), TICK)
    ids, epochs = np.array([1, 2, 1], np.uint32), np.array([4, 3, 2], np.uint32)
    early.release(ids, epochs)
    due, theirs = early.take(TICK + 1)
    assert (due["id"].tolist(), theirs["id"].tolist()) == ([2], [2])


def test_who_is_given_anew_meanwhile_is_adopted_once_with_its_newest_inputs() -> None:
    early = Early(SCHEMA, 4)
    early.put_by(records(TICK + 1), inputs(1), TICK)
    early.put_by(records(TICK + 2, epoch=4), inputs(1, 1), TICK)
    assert not len(early.take(TICK + 1)[0])
    due, theirs = early.take(TICK + 2)
    assert due["epoch"].tolist() == [4]
    assert len(theirs) == 2


def test_what_the_authority_decides_meanwhile_is_so_when_it_is_adopted() -> None:
    early, bit = Early(SCHEMA, 4), np.uint64(1 << NUMBER[Purse])
    early.put_by(records(TICK + 1, TICK + 1), inputs(), TICK)
    news = records(TICK, TICK)
    news[CREDITS], news["x"], news["differs"] = 5, 9.0, bit
    news["epoch"] = 3, 2
    early.amend(news)
    due, _ = early.take(TICK + 1)
    assert due[CREDITS].tolist() == [5, 0]
    assert due["x"].tolist() == [0.0, 0.0]
    assert due["differs"].tolist() == [int(bit), 0]
