"""What pilots have held lately, for whoever is given their ships."""

from __future__ import annotations

import numpy as np

from sidereal.protocol.message.inputs import Input
from sidereal.replication.ownership.inputs import INPUTS_KEPT_MAX, InputLog

ROW = np.dtype([("id", "<u4"), ("control_epoch", "<u4"), ("input_seq", "<u4")])


def pressed(first_seq: int, *records: int, epoch: int = 9) -> Input:
    return Input(epoch, first_seq, records)


def rows(*values: tuple[int, int, int]) -> np.ndarray:
    return np.array([*values], ROW)


def test_inputs_go_with_a_row_from_the_newest_in_it_on() -> None:
    log = InputLog()
    log.note(7, pressed(1, 5, 6, 7))
    log.note(4, pressed(1, 1))
    given = log.since(rows((7, 9, 2), (5, 9, 0), (4, 9, 0)))
    assert given.tolist() == [(7, 2, 6), (7, 3, 7), (4, 1, 1)]
    assert log.since(rows((7, 9, 4))).tolist() == [(7, 3, 7)]  # 4 was guessed by that


def test_what_is_repeated_changes_nothing_and_what_is_new_is_added() -> None:
    log = InputLog()
    log.note(7, pressed(1, 5, 6))
    log.note(7, pressed(1, 9, 9, 8))
    log.note(7, pressed(1, 9))
    log.note(7, pressed(6, 4))
    assert log.since(rows((7, 9, 0))).tolist() == [(7, 1, 5), (7, 2, 6), (7, 3, 8), (7, 6, 4)]


def test_the_newest_input_is_that_of_the_pilot_that_the_row_is_for() -> None:
    log = InputLog()
    log.note(7, pressed(1, 5, 6))
    assert log.newest(rows((7, 9, 0), (7, 8, 0), (3, 9, 0))).tolist() == [2, -1, -1]
    log.note(7, pressed(1, 3, epoch=10))
    assert log.newest(rows((7, 9, 0), (7, 10, 0))).tolist() == [-1, 1]
    assert log.since(rows((7, 9, 0))).tolist() == []
    assert log.since(rows((7, 10, 0))).tolist() == [(7, 1, 3)]


def test_the_newest_are_kept_and_nothing_of_who_has_left() -> None:
    log = InputLog()
    for seq in range(1, INPUTS_KEPT_MAX + 3):
        log.note(7, pressed(seq, seq))
    kept = log.since(rows((7, 9, 0)))["seq"].tolist()
    assert kept == list(range(3, INPUTS_KEPT_MAX + 3))
    log.forget(7)
    log.forget(7)
    assert log.newest(rows((7, 9, 0))).tolist() == [-1]
