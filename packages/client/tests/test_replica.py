from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.client.interpolation import RING
from sidereal.client.limits import Limits
from sidereal.client.private import Applied
from sidereal.client.replica import Replica
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.heads import encode_head, encode_section
from sidereal.protocol.state.private import (
    AGED,
    ANSWERS,
    FLIGHT,
    FLOWN,
    INPUTS_ROW,
    LAGS,
    MOVES,
    PLACE_STEPS,
    VELOCITY_STEP,
)
from sidereal.protocol.state.private import REPLACE as OWN_REPLACE
from sidereal.protocol.state.schema import BASE_COMPONENTS, BODY, LABEL, MOTION, OWNER, Schema
from sidereal.protocol.state.stream import (
    CONTINUED,
    GONE,
    MOVED,
    PARTIAL,
    PRESENCE,
    REPLACE,
    TOMBSTONE,
)

HEALTH = Component("health", (Field("hp", "f4", "hp", 0, 100, 0.5),), Replication.ATTRIBUTE)
SCHEMA = Schema((*BASE_COMPONENTS, HEALTH))
RULES = Rules(view_radius_cells=1)
WINDOW = 9
CENTRE = (1, 1)
NUMBERS = SCHEMA.numbers
USUAL = sum(1 << NUMBERS[c.name] for c in (MOTION, BODY, LABEL, OWNER))
MORTAL = USUAL | 1 << NUMBERS[HEALTH.name]


@dataclass
class Told:
    """One section, as a test wants it."""

    cell: tuple[int, int]
    ids: dict[int, int] = field(default_factory=dict)
    """Reference tick by id."""
    described: dict[int, int] = field(default_factory=dict)
    """Owner by id, with all else that there is besides the reference."""
    moved: Iterable[int] = ()
    gone: Iterable[int] = ()
    since: int | None = None
    """Replaces the cell without one."""
    part: int = 0
    parts: int = 1
    to_tick: int | None = None
    """Continued with one."""
    masks: dict[int, int] = field(default_factory=dict)
    """Components by id; those that are described have the usual ones."""
    hp: dict[int, float] = field(default_factory=dict)

    def rows(self) -> list[tuple[int, np.ndarray]]:
        """Runs of the section, in order: their sort and rows."""
        masks = dict.fromkeys(self.described, USUAL) | self.masks
        by_sort: dict[int, list[tuple[Any, ...]]] = {
            PRESENCE: [(i, 2, mask) for i, mask in masks.items()],
            NUMBERS[MOTION.name]: [entity(i, tick) for i, tick in self.ids.items()],
            NUMBERS[BODY.name]: [(i, 1.0, 1.0, 0) for i in self.described],
            NUMBERS[LABEL.name]: [(i, b"rock") for i in self.described],
            NUMBERS[OWNER.name]: [(i, shard) for i, shard in self.described.items()],
            NUMBERS[HEALTH.name]: [(i, round(hp / 0.5)) for i, hp in self.hp.items()],
        }
        runs = [(what, np.array(rows, SCHEMA.rows[what])) for what, rows in by_sort.items() if rows]
        for what, ids in ((MOVED, [*self.moved]), (GONE, [*self.gone])):
            if ids:
                runs.append((what, np.array([(i,) for i in ids], TOMBSTONE)))
        return runs


def place(cell: tuple[int, int]) -> int:
    return cell[1] % 3 * 3 + cell[0] % 3


def entity(net_id: int, tick: int) -> tuple[object, ...]:
    return (net_id, tick % 65536, net_id * 100 % 65536, 7, tick % 100, 0, 0, 0)


def datagram(
    tick: int,
    *told: Told,
    centre: tuple[int, int] = CENTRE,
    unchanged: list[tuple[int, int]] | None = None,
    private: bytes = b"",
    deferred: int = 0,
) -> bytes:
    bits = np.zeros(16, np.uint8)
    bits[[place(cell) for cell in unchanged or []]] = 1
    packed = np.packbits(bits, bitorder="little").tobytes()
    head = encode_head(tick, *centre, deferred=deferred, unchanged=packed, own=bool(private))
    pieces = [head, private]
    for section in told:
        flags = REPLACE if section.since is None else 0
        to_tick = tick if section.to_tick is None else section.to_tick
        if section.parts > 1:
            flags |= PARTIAL | (0 if section.to_tick is None else CONTINUED)
        age = 0 if section.since is None else to_tick - section.since
        runs = section.rows()
        extent = section.part, section.parts, tick - to_tick
        heads = [(what, len(rows)) for what, rows in runs]
        pieces.append(encode_section(place(section.cell), flags, age, heads, extent))
        pieces += [rows.tobytes() for _, rows in runs]
    return b"".join(pieces)


def take(replica: Replica, message: bytes, now: float = 0.0) -> Applied:
    """Apply one datagram that is a good one."""
    [applied] = replica.apply_untrusted([message], now)
    return applied


def window(centre: tuple[int, int] = CENTRE) -> list[tuple[int, int]]:
    return [(centre[0] + x, centre[1] + y) for y in (-1, 0, 1) for x in (-1, 0, 1)]


def others(*cells: tuple[int, int]) -> list[tuple[int, int]]:
    return [cell for cell in window() if cell not in cells]


def known(tick: int, *told: Told) -> bytes:
    """A datagram with every cell of the window sent whole, these as given."""
    given = {section.cell for section in told}
    empty = [Told(cell) for cell in window() if cell not in given]
    return datagram(tick, *told, *empty)


def ids(replica: Replica) -> list[int]:
    return sorted(replica.columns.net_id[replica.rows()].tolist())


def tick_of(replica: Replica, net_id: int) -> int:
    return int(replica.columns.tick[replica.columns.rows_of([net_id])[0]])


@pytest.fixture
def replica() -> Replica:
    return Replica(SCHEMA, RULES, capacity=2)


HERE, THERE, AWAY = (1, 1), (2, 1), (0, 0)


def test_of_two_rows_of_one_entity_and_sort_in_a_snapshot_the_first_counts() -> None:
    replica = Replica(SCHEMA, RULES)
    first, second = Told((1, 1), {5: 10}, {5: 7}), Told((2, 1), {5: 9}, {5: 8}, masks={5: MORTAL})
    take(replica, datagram(10, first, second))
    rows = replica.rows()
    assert replica.columns.net_id[rows].tolist() == [5]
    assert replica.columns["shard"][rows].tolist() == [7]
    assert replica.columns.tick[rows].tolist() == [10]


def test_a_whole_cell_fills_the_replica(replica: Replica) -> None:
    applied = take(replica, known(10, Told(HERE, {5: 8, 6: 9, 7: 3}, {5: 1, 6: 2, 7: 3})), 1.5)
    assert (applied.tick, applied.own) == (10, None)
    assert ids(replica) == [5, 6, 7]
    assert tick_of(replica, 5) == 8
    row = replica.columns.rows_of([6])
    assert replica.columns["shard"][row] == 2
    np.testing.assert_allclose(replica.columns["x"][row], 250 + 600 * 250 / 65536)
    assert (replica.have == 10).all()
    assert replica.newest_at == 1.5


def test_an_entity_shows_when_all_its_components_are_known(replica: Replica) -> None:
    take(replica, datagram(10, Told(HERE, {5: 8}, part=0, parts=2)), 0.0)
    assert ids(replica) == []
    take(replica, datagram(10, Told(HERE, {}, {5: 1}, part=1, parts=2)), 0.0)
    assert ids(replica) == [5]


def test_what_comes_after_a_gap_is_applied_but_the_gap_is_not_known(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8, 6: 8}, {5: 1, 6: 1})))
    take(replica, datagram(13, Told(HERE, {5: 13}, since=12), unchanged=others(HERE)))
    assert tick_of(replica, 5) == 13
    assert replica.have[place(HERE)] == 10
    assert ids(replica) == [5, 6], "nobody is taken for absent"
    take(replica, datagram(14, Told(HERE, {6: 14}, since=10)))
    assert replica.have[place(HERE)] == 14


def test_what_a_snapshot_does_not_speak_of_holds_unless_something_is_missed_or_put_off(
    replica: Replica,
) -> None:
    def confirmed() -> int:
        return int(replica.confirmed(replica.columns.rows_of([5]))[0])

    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})))
    for message, tick in (
        (datagram(12), 12),
        (datagram(13, deferred=1), 12),
        (datagram(14, deferred=1, unchanged=[HERE]), 14),
        (datagram(17, Told(HERE, {6: 17}, since=16)), 14),
        (datagram(18), 14),
        (datagram(19, Told(HERE, {6: 19}, since=14)), 19),
        (datagram(20, Told(THERE, since=18)), 20),
    ):
        take(replica, message)
        assert confirmed() == tick


def test_ticks_behind_a_gap_are_known_once_it_is_closed(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})))

    def tell(since: int, tick: int) -> int:
        take(replica, datagram(tick, Told(HERE, {5: tick}, since=since)))
        return int(replica.have[place(HERE)])

    assert [tell(at, at + 1) for at in (11, 12, 15, 14)] == [10, 10, 10, 10]
    assert tell(10, 11) == 13
    assert tell(12, 14) == 16
    assert tell(17, 18) == 16
    take(replica, datagram(20, Told(HERE)))
    assert tell(20, 21) == 21


def test_unchanged_cells_are_known_up_to_the_snapshot_if_they_were_known_at_all(
    replica: Replica,
) -> None:
    take(replica, datagram(10, Told(HERE)), 0.0)
    take(replica, datagram(12, unchanged=window()), 0.0)
    assert replica.have[place(HERE)] == 12
    assert replica.have[place(THERE)] == -1


def test_older_snapshots_never_undo_newer_ones(replica: Replica) -> None:
    first = known(10, Told(HERE, {5: 8}, {5: 1}))
    take(replica, first, 0.0)
    take(replica, datagram(12, Told(HERE, {5: 12}, {5: 2}, since=10)), 0.0)
    take(replica, datagram(11, Told(HERE, {5: 11}, {5: 9}, since=10)), 0.0)
    take(replica, first, 0.0)
    row = replica.columns.rows_of([5])
    assert tick_of(replica, 5) == 12
    assert replica.columns["shard"][row].tolist() == [2]


def test_what_was_sent_before_the_window_moved_counts_where_both_windows_are(
    replica: Replica,
) -> None:
    take(replica, known(10), 0.0)
    for axis in (0, 1):
        moved = (CENTRE[0] + (axis == 0), CENTRE[1] + (axis == 1))
        tick = replica.newest_tick + 2
        take(replica, datagram(tick, centre=moved), 0.0)
        out = (AWAY[0], HERE[1]) if axis == 0 else (HERE[0], AWAY[1])
        since = replica.newest_tick - 2
        late = datagram(
            tick - 1,
            Told(HERE, {5 + axis: tick - 1}, {5 + axis: 1}, since=since),
            Told(out, {8 + axis: tick - 1}, {8 + axis: 1}),
        )
        take(replica, late, 0.0)
        assert 5 + axis in ids(replica)
        assert 8 + axis not in ids(replica)
        take(replica, known(tick + 1), 0.0)


def test_parts_make_a_cell_known_in_any_order_and_only_together(replica: Replica) -> None:
    def part(number: int, tick: int) -> bytes:
        cell = Told(HERE, {number + 1: tick}, {number + 1: 0}, part=number, parts=3)
        return datagram(tick, cell)

    for number, tick in ((2, 10), (0, 10), (2, 10), (1, 11)):
        take(replica, part(number, tick), 0.0)
        assert replica.have[place(HERE)] == -1
    take(replica, part(1, 10), 0.0)
    assert replica.have[place(HERE)] == 10
    assert ids(replica) == [1, 2, 3]


def test_continued_parts_make_a_cell_known_up_to_the_tick_they_began(replica: Replica) -> None:
    def part(number: int, tick: int) -> bytes:
        cell = Told(HERE, {number + 1: 5}, {number + 1: 0}, part=number, parts=2, to_tick=10)
        return datagram(tick, cell)

    take(replica, part(1, 10), 0.0)
    for tick in range(11, 11 + 2 * RULES.streams.reorder_ticks):
        take(replica, datagram(tick), 0.0)
    take(replica, part(0, 10 + 2 * RULES.streams.reorder_ticks), 0.0)
    assert replica.have[place(HERE)] == 10
    assert ids(replica) == [1, 2]


def test_several_sections_of_a_cell_may_be_continued_at_a_time(replica: Replica) -> None:
    def part(number: int, tick: int, to_tick: int, since: int | None) -> bytes:
        ids = {number + 1: tick}
        cell = Told(
            HERE, ids, dict.fromkeys(ids, 0), since=since, part=number, parts=2, to_tick=to_tick
        )
        return datagram(tick, cell)

    for message in (part(0, 10, 10, None), part(1, 13, 12, 10), part(0, 14, 12, 10)):
        take(replica, message)
        assert replica.have[place(HERE)] == -1
    take(replica, part(1, 15, 10, None))
    assert replica.have[place(HERE)] == 12


def test_parts_of_what_is_too_old_to_go_on_are_forgotten(replica: Replica) -> None:
    def part(number: int, tick: int) -> bytes:
        return datagram(tick, Told(HERE, {1: 5}, {1: 0}, part=number, parts=2, to_tick=10))

    late = 11 + RULES.streams.tombstone_ticks
    take(replica, part(0, 10))
    take(replica, part(0, late))
    take(replica, part(1, late + 1))
    assert replica.have[place(HERE)] == -1


def test_a_whole_cell_removes_who_is_not_named_once_the_others_are_known(
    replica: Replica,
) -> None:
    take(replica, known(10, Told(HERE, {5: 8, 6: 8}, {5: 1, 6: 1})), 0.0)
    take(replica, datagram(20, Told(HERE, {5: 8}, {5: 1})), 0.0)
    assert ids(replica) == [5, 6], "6 may have gone to a cell that is not known up to 20"
    take(replica, datagram(20, unchanged=others(HERE)), 0.0)
    assert ids(replica) == [5]


def test_the_gone_go_and_nothing_late_brings_them_back(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    take(replica, datagram(13, Told(HERE, gone=[5], since=10, part=0, parts=2)), 0.0)
    assert ids(replica) == []
    late = datagram(11, Told(HERE, {5: 11}, {5: 1}, since=10))
    take(replica, late, 0.0)
    assert ids(replica) == []
    take(replica, datagram(14, Told(HERE, {5: 14}, {5: 1}, since=10)), 0.0)
    assert ids(replica) == [5], "a later snapshot knows better"


def test_a_late_move_does_not_lose_who_was_seen_there_since(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})))
    take(replica, datagram(22, Told(HERE, {5: 22}, since=21)))
    take(replica, datagram(21, Told(HERE, moved=[5], since=10), unchanged=others(HERE)))
    take(replica, datagram(22, Told(HERE, since=21), unchanged=others(HERE)))
    assert (replica.have == 22).all()
    assert ids(replica) == [5]


def test_a_move_out_of_one_cell_says_nothing_of_another(replica: Replica) -> None:
    take(replica, known(4))
    take(replica, datagram(9, Told(HERE, moved=[5], since=4, part=0, parts=2)))
    take(replica, datagram(8, Told(THERE, {5: 8}, {5: 1}, since=4)))
    assert ids(replica) == [5]


def test_who_moves_stays_until_found(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    take(replica, datagram(12, Told(HERE, moved=[5], since=10)), 0.0)
    for tick in range(13, 30):
        take(replica, datagram(tick, unchanged=others(THERE)), 0.0)
        assert ids(replica) == [5], "it may be in the one cell that is not known"
    take(
        replica, datagram(30, Told(THERE, {5: 12}, {5: 1}, since=10), unchanged=others(THERE)), 0.0
    )
    assert ids(replica) == [5]
    assert replica.confirmed(replica.rows()).tolist() == [30]


def test_who_moved_out_goes_once_everything_is_known(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    take(replica, datagram(12, Told(HERE, moved=[5], since=10)), 0.0)
    take(replica, datagram(11, unchanged=others(HERE)), 0.0)
    assert ids(replica) == [5], "what is known ends before it moved"
    take(replica, datagram(12, unchanged=others(HERE)), 0.0)
    assert ids(replica) == []


def test_a_second_move_waits_for_the_cell_after_it(replica: Replica) -> None:
    take(replica, known(4, Told(HERE, {5: 3}, {5: 1})), 0.0)
    # To THERE at 5, to AWAY at 8; the news come in the wrong order.
    take(replica, datagram(9, Told(THERE, moved=[5], since=4)), 0.0)
    take(
        replica,
        datagram(9, Told(HERE, moved=[5], since=4), unchanged=others(HERE, THERE, AWAY)),
        0.0,
    )
    take(replica, datagram(7, unchanged=[AWAY]), 0.0)
    assert ids(replica) == [5]
    take(replica, datagram(10, Told(AWAY, {5: 8}, {5: 1}, since=7)), 0.0)
    assert ids(replica) == [5]
    assert tick_of(replica, 5) == 8


def test_a_move_told_of_a_stranger_is_remembered(replica: Replica) -> None:
    take(replica, known(4), 0.0)
    news = Told(HERE, moved=[5], since=4, part=0, parts=2, to_tick=9)
    take(replica, datagram(9, news), 0.0)
    take(replica, datagram(6, Told(HERE, {5: 6}, {5: 1}, since=4)), 0.0)
    rest = Told(HERE, since=4, part=1, parts=2, to_tick=9)
    take(replica, datagram(10, rest, unchanged=others(HERE)), 0.0)
    assert ids(replica) == []


def test_the_window_moves_and_who_stayed_behind_goes_when_the_new_cells_are_known(
    replica: Replica,
) -> None:
    take(replica, known(10, Told(AWAY, {5: 8}, {5: 1}), Told(THERE, {6: 8}, {6: 1})), 0.0)
    moved = (2, 1)
    entered = [cell for cell in window(moved) if cell not in window()]
    kept = [cell for cell in window(moved) if cell in window()]
    take(replica, datagram(12, centre=moved, unchanged=kept), 0.0)
    assert ids(replica) == [5, 6]
    told = [Told(cell) for cell in entered]
    take(replica, datagram(13, *told, centre=moved, unchanged=kept), 0.0)
    assert ids(replica) == [6]


def test_who_stayed_behind_is_not_missed_by_what_was_known_before_the_window_moved(
    replica: Replica,
) -> None:
    take(replica, known(10, Told(AWAY, {5: 8}, {5: 1})), 0.0)
    moved = (2, 1)
    entered = [cell for cell in window(moved) if cell not in window()]
    kept = [cell for cell in window(moved) if cell in window()]
    take(replica, datagram(20, centre=moved), 0.0)
    told = [Told(cell) for cell in entered]
    take(replica, datagram(19, *told, centre=moved, unchanged=kept), 0.0)
    assert ids(replica) == [5], "it may have come along at 20"
    take(replica, datagram(21, centre=moved, unchanged=window(moved)), 0.0)
    assert ids(replica) == []


def test_one_part_of_a_later_snapshot_outdoes_an_earlier_one_that_is_whole(
    replica: Replica,
) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    later = Told(HERE, {5: 12}, {5: 2}, since=10, part=0, parts=2)
    take(replica, datagram(12, later), 0.0)
    take(replica, datagram(11, Told(HERE, {5: 11}, {5: 3}, since=10)), 0.0)
    assert replica.have[place(HERE)] == 11
    assert tick_of(replica, 5) == 12
    assert replica.columns["shard"][replica.columns.rows_of([5])] == 2


def test_what_was_sent_before_a_cell_left_says_nothing_after_its_return(
    replica: Replica,
) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    take(replica, datagram(20, centre=(50, 50)), 0.0)
    take(replica, datagram(30), 0.0)
    take(replica, known(15, Told(HERE, {7: 8}, {7: 1})), 0.0)
    take(replica, datagram(15, unchanged=window()), 0.0)
    assert (replica.have == -1).all()
    assert 7 not in ids(replica)
    take(replica, known(25), 0.0)
    assert (replica.have == 25).all()


def test_a_jump_to_the_other_end_of_the_world_leaves_nothing_behind(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    far = (-(2**31) * 4 + 2, 2**31 * 4 - 2)
    cells = [Told(cell) for cell in window(far)]
    cells[4].ids, cells[4].described = {6: 20}, {6: 1}
    take(replica, datagram(20, *cells, centre=far), 0.0)
    assert ids(replica) == [6]
    assert len(replica.columns) == 1


def test_snapshots_that_are_too_old_are_dropped(replica: Replica) -> None:
    take(replica, datagram(1000), 0.0)
    take(replica, known(1000 - RULES.streams.reorder_ticks), 0.0)
    assert (replica.have == 1000 - RULES.streams.reorder_ticks).all()
    replica = Replica(SCHEMA, RULES)
    take(replica, datagram(1000), 0.0)
    take(replica, known(999 - RULES.streams.reorder_ticks), 0.0)
    assert (replica.have == -1).all()
    assert replica.stale == 1


def test_the_lost_are_given_up_in_the_end(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    take(replica, datagram(12, Told(HERE, moved=[5], since=10)), 0.0)
    replica.expire(12 + RULES.streams.reorder_ticks)
    assert ids(replica) == [5]
    replica.expire(13 + RULES.streams.reorder_ticks)
    assert ids(replica) == []


def test_the_four_newest_references_are_kept(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    rows = replica.rows()
    assert replica.known(rows).tick[:, 0].tolist() == [8] * RING
    expected = [8] * RING
    for tick, since in ((12, 10), (13, 12), (14, 13), (15, 14), (16, 15)):
        take(replica, datagram(tick, Told(HERE, {5: tick}, since=since)), 0.0)
        expected = [tick, *expected[:-1]]
        there = replica.known(rows)
        assert there.tick[:, 0].tolist() == expected
        assert there.vx[:, 0].tolist()[:2] == [tick / 128, expected[1] / 128]
        assert replica.newer(rows).tick.tolist() == [tick]
    take(replica, datagram(17, Told(HERE, {5: 16}, since=16)), 0.0)
    assert replica.known(rows).tick[:, 0].tolist() == expected, "the same again is not another"


@pytest.mark.parametrize("tick", [65_535, 65_536, 65_540, 2**32 - 1])
@pytest.mark.parametrize("age", [0, 1, 200, 16_384, 32_767])
def test_ticks_of_records_survive_the_wrap_of_their_16_bits(
    replica: Replica, tick: int, age: int
) -> None:
    take(replica, known(tick, Told(HERE, {5: tick - age}, {5: 1})), 0.0)
    assert tick_of(replica, 5) == tick - age
    take(replica, datagram(tick, Told(THERE, moved=[5], since=tick - 1), unchanged=[]), 0.0)
    assert ids(replica) == [5]


def flying(net_id: int, x: float = 0.0, vx: float = 0.0, lag: int = 0, flight: int = 1) -> bytes:
    """A private section with all that there is of what the client flies."""
    motion = np.zeros(1, SCHEMA.own_rows[NUMBERS[MOTION.name]])
    mask = SCHEMA.mask_own if net_id else 0
    motion["x"] = (x / RULES.cell_size - CENTRE[0]) * PLACE_STEPS
    motion["vx"] = vx / VELOCITY_STEP
    return b"".join(
        [
            bytes((OWN_REPLACE | FLOWN | MOVES | ANSWERS | LAGS | FLIGHT, flight, lag)),
            np.array([(net_id, 4, mask)], SCHEMA.own_rows[PRESENCE]).tobytes(),
            motion.tobytes(),
            np.array([(2, 9)], INPUTS_ROW).tobytes(),
        ]
    )


def place_of(replica: Replica, net_id: int) -> tuple[int, float]:
    """The tick of an entity's reference, and where it was."""
    row = replica.columns.rows_of([net_id])[0]
    return int(replica.columns.tick[row]), round(float(replica.columns["x"][row]), 3)


def test_what_a_client_flies_is_where_its_private_section_says(replica: Replica) -> None:
    take(replica, datagram(9, private=flying(5, 300.0)))
    assert ids(replica) == []
    take(replica, known(8, Told(HERE, {5: 8, 6: 8}, {5: 1, 6: 1})))
    assert place_of(replica, 5) == (9, 300.0), "it was told before the entity was known"
    take(replica, datagram(10, private=flying(5, 310.0, vx=20.0, lag=2)))
    assert place_of(replica, 5) == (10, 310.0 + 20.0 * 2 * RULES.tick_s)
    assert place_of(replica, 6)[0] == 8
    take(replica, datagram(12, Told(HERE, {5: 12}, since=10)))
    cells = place_of(replica, 5)
    assert cells[0] == 12, "what a cell says later is true"
    take(replica, datagram(11, private=flying(5, 400.0)))
    assert place_of(replica, 5) == cells
    take(replica, datagram(12, private=flying(5, 320.0)))
    assert place_of(replica, 5) == (12, 320.0), "of the same tick it is more exact"
    take(replica, datagram(13, private=flying(6, 330.0, flight=2)))
    assert place_of(replica, 5) == (12, 320.0)
    assert place_of(replica, 6) == (13, 330.0)


def leave_by_word(replica: Replica) -> None:
    take(replica, datagram(12, Told(HERE, moved=[5, 6], since=10), unchanged=others(HERE)))


def leave_by_silence(replica: Replica) -> None:
    take(replica, known(12))


def leave_by_turning_away(replica: Replica) -> None:
    far = (20, 20)
    take(replica, datagram(12, *map(Told, window(far)), centre=far))


LEAVES = leave_by_word, leave_by_silence, leave_by_turning_away


@pytest.mark.parametrize("leave", LEAVES)
def test_what_a_client_flies_stays_though_no_cell_of_the_window_has_it(
    replica: Replica, leave: Callable[[Replica], None]
) -> None:
    take(replica, known(10, Told(HERE, {5: 8, 6: 8}, {5: 1, 6: 1})))
    take(replica, datagram(11, private=flying(5, 300.0)))
    leave(replica)
    later = 13 + RULES.streams.reorder_ticks
    centre = replica.coverage.centre_x, replica.coverage.centre_y
    take(replica, datagram(later, centre=centre, unchanged=window(centre)))
    replica.expire(later)
    assert ids(replica) == [5]
    assert replica.confirmed(replica.rows()) == [later], "nothing new is said of it: it holds"
    take(replica, datagram(later + 1, private=flying(0, flight=2), centre=centre))
    replica.expire(later + 1)
    assert ids(replica) == [], "the client flies it no more"


def test_what_a_client_flies_stays_when_one_datagram_says_both(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})))
    moved = Told(HERE, moved=[5], since=10)
    take(replica, datagram(12, moved, unchanged=others(HERE), private=flying(5, 300.0)))
    assert ids(replica) == [5]
    assert place_of(replica, 5) == (12, 300.0)


def test_what_a_client_flies_goes_when_it_is_no_more(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})))
    take(replica, datagram(11, private=flying(5, 300.0)))
    take(replica, datagram(12, Told(HERE, gone=[5], since=10)))
    assert ids(replica) == []


def test_the_private_section_is_handed_on(replica: Replica) -> None:
    private = flying(5, 250.0)
    own = take(replica, datagram(3, private=private), 0.0).own
    assert own is not None
    assert (own.net_id, own.control_epoch, own.tick, own.input) == (5, 4, 3, 9)
    assert (own.state.x, own.state.y) == (250.0, 250.0)
    assert own.early == 2
    wrong = bytes((private[0] | AGED,)) + private[1:]
    assert replica.apply_untrusted([datagram(4, private=wrong)], 0.0) == []
    assert replica.newest_tick == 3


GOOD = known(
    10,
    Told(HERE, {5: 8, 6: 9}, {5: 1, 6: 1}, gone=[7], part=0, parts=2),
    Told(THERE, {8: 8}, {8: 1}, moved=[9]),
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.integers(0, len(GOOD)).map(lambda size: GOOD[:size]),
        st.tuples(st.integers(0, len(GOOD) - 1), st.integers(1, 255)).map(
            lambda flip: GOOD[: flip[0]] + bytes([GOOD[flip[0]] ^ flip[1]]) + GOOD[flip[0] + 1 :]
        ),
    )
)
def test_arbitrary_bytes_are_refused_or_read(message: bytes) -> None:
    replica = Replica(SCHEMA, RULES)
    if not replica.apply_untrusted([message], 0.0):
        assert replica.newest_tick == -1
        assert len(replica.columns) == 0


@pytest.mark.parametrize(
    "bad",
    [
        known(10, Told(HERE, {0: 8})),
        known(10, Told(HERE, {5: 8}), Told(THERE, gone=[0])),
        datagram(10, Told(HERE), unchanged=[HERE]),
        datagram(10, Told(HERE, part=2, parts=2)),
        datagram(10, Told(HERE, part=0, parts=2, to_tick=-1)),
        GOOD + b"\0",
        bytes([GOOD[0] ^ 1]) + GOOD[1:],
        bytes([GOOD[0] | 128]) + GOOD[1:],
        encode_head(2**32, 1, 1),
        encode_head(10, 4 << 31, 1),
        encode_head(10, 1, (-4 << 31) - 1),
        GOOD[:1] + b"\x80" * 6 + b"\0" + GOOD[2:],
        encode_head(10, 1, 1) + encode_section(4, REPLACE, 2, []),
        encode_head(10, 1, 1) + encode_section(4, CONTINUED, 1, []),
        encode_head(10, 1, 1) + encode_section(9, REPLACE, 0, []),
        encode_head(10, 1, 1) + encode_section(4, 0, 1, [(GONE, 255)] * 20),
        encode_head(10, 1, 1) + encode_section(4, 0, 1, [(GONE, 1)]),
        encode_head(10, 1, 1, own=True),
        GOOD + bytes(1200),
    ],
)
def test_impossible_snapshots_are_refused(replica: Replica, bad: bytes) -> None:
    assert replica.apply_untrusted([bad], 0.0) == []
    assert len(replica.columns) == 0
    assert (replica.have == -1).all()


@pytest.mark.parametrize(
    "bad",
    [
        Told(HERE, {5: 8}, {5: 1}, hp={5: 100.5}),
        Told(HERE, {5: 8}, {5: 1}, masks={5: USUAL | 1 << NUMBERS["pilot"]}),
        Told(HERE, {5: 8}, {5: 1}, masks={5: USUAL & ~(1 << NUMBERS["motion"])}),
        Told(HERE, {5: 8}, {5: 1}, masks={5: USUAL | 1}),
    ],
)
def test_rows_out_of_range_change_nothing(replica: Replica, bad: Told) -> None:
    assert replica.apply_untrusted([known(10, bad)], 0.0) == []
    assert replica.newest_tick == -1


@pytest.mark.parametrize("what", [63, 67, 127, 128, 255])
def test_sorts_of_rows_that_there_are_not_are_refused(replica: Replica, what: int) -> None:
    message = bytearray(datagram(10, Told(HERE, gone=[7], since=9)))
    assert message[-5] == GONE
    message[-5] = what
    assert replica.apply_untrusted([bytes(message)], 0.0) == []
    message = bytearray(datagram(10, Told(HERE, gone=[7, 8], since=9)))
    assert message[-10:-8] == bytes([GONE, 2])
    message[-10] = what
    assert replica.apply_untrusted([bytes(message)], 0.0) == []


def test_a_run_without_rows_is_refused(replica: Replica) -> None:
    message = bytearray(datagram(10, Told(HERE, gone=[7, 8], since=9))[:-8])
    assert message[-2:] == bytes([GONE, 2])
    message[-1] = 0
    assert replica.apply_untrusted([bytes(message)], 0.0) == []


def test_entities_beyond_the_limit_are_dropped_and_counted() -> None:
    replica = Replica(SCHEMA, RULES, limits=Limits(entities=3))
    told = {1: 5, 2: 5, 3: 5, 4: 5, 5: 5}
    take(replica, known(5, Told(CENTRE, told, dict.fromkeys(told, 1))), 0.0)
    assert ids(replica) == [1, 2, 3]
    # A presence and four components of each.
    assert replica.entities_dropped == 10
    take(
        replica, datagram(6, Told(CENTRE, {2: 6}, gone=[1], since=5), unchanged=others(CENTRE)), 0.1
    )
    take(replica, datagram(7, Told(CENTRE, {4: 7}, {4: 1}, since=6), unchanged=others(CENTRE)), 0.2)
    assert ids(replica) == [2, 3, 4]
    assert replica.entities_dropped == 10


def hp_of(replica: Replica, net_id: int) -> float | None:
    """What is known of its health, None where it has none."""
    row = replica.columns.rows_of([net_id])[0]
    has = int(replica.components(np.array([row]))[0]) >> NUMBERS[HEALTH.name] & 1
    return float(replica.columns["hp"][row]) if has else None


def test_one_component_changes_without_the_others(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1}, masks={5: MORTAL}, hp={5: 80})))
    take(replica, datagram(11, Told(HERE, hp={5: 79.5}, since=10)))
    assert hp_of(replica, 5) == 79.5
    assert tick_of(replica, 5) == 8


def test_who_shows_goes_on_while_a_component_that_is_new_to_it_is_on_its_way(
    replica: Replica,
) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})))
    take(replica, datagram(11, Told(HERE, masks={5: MORTAL}, since=10, part=0, parts=2)))
    assert (ids(replica), hp_of(replica, 5)) == ([5], None)
    take(replica, datagram(11, Told(HERE, hp={5: 50}, since=10, part=1, parts=2)))
    assert hp_of(replica, 5) == 50


def test_a_component_that_is_taken_is_dropped_and_nothing_late_brings_it_back(
    replica: Replica,
) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1}, masks={5: MORTAL}, hp={5: 80})))
    taken = Told(HERE, masks={5: USUAL}, since=10, part=0, parts=2)
    take(replica, datagram(13, taken))
    assert hp_of(replica, 5) is None
    take(replica, datagram(12, Told(HERE, hp={5: 70}, since=10)))
    take(replica, datagram(11, Told(HERE, masks={5: MORTAL}, hp={5: 75}, since=10)))
    assert ids(replica) == [5]
    assert hp_of(replica, 5) is None
    given = Told(HERE, masks={5: MORTAL}, since=12, part=0, parts=2)
    take(replica, datagram(14, given))
    assert hp_of(replica, 5) is None, "what it was before it was taken is forgotten"
    take(replica, datagram(14, Told(HERE, hp={5: 100}, since=12, part=1, parts=2)))
    assert hp_of(replica, 5) == 100


def test_a_component_that_comes_before_its_presence_is_kept_for_it(replica: Replica) -> None:
    take(replica, known(10, Told(HERE, {5: 8}, {5: 1})))
    take(replica, datagram(13, Told(HERE, hp={5: 70}, since=10, part=1, parts=2)))
    take(replica, datagram(12, Told(HERE, masks={5: USUAL}, since=10)))
    take(replica, datagram(13, Told(HERE, masks={5: MORTAL}, since=10, part=0, parts=2)))
    assert hp_of(replica, 5) == 70


def test_a_bad_datagram_does_not_spoil_those_that_came_with_it(replica: Replica) -> None:
    bad = Told(THERE, {6: 8}, {6: 1}, hp={6: 100.5})
    good = known(10, Told(HERE, {5: 8}, {5: 1}))
    applied = replica.apply_untrusted([datagram(9, bad), good, b"\2"], 0.0)
    assert [one.tick for one in applied] == [10]
    assert ids(replica) == [5]


def picture(replica: Replica) -> list[tuple[Any, ...]]:
    """All that the order of datagrams must not matter for, in the order of ids."""
    rows = replica.columns.rows()
    rows = rows[np.argsort(replica.columns.net_id[rows])]
    columns = replica.columns
    masks = replica.components(rows).tolist()
    values = [columns[name][rows].tolist() for name in ("x", "vx", "shard", "hp")]
    ticks = columns.tick[rows].tolist()
    return [*zip(columns.net_id[rows].tolist(), masks, ticks, *values, strict=True)]


FAR = others(HERE, THERE)
FOUND = Told(THERE, {5: 13}, {5: 2}, since=10)
FOUND_LATER = Told(THERE, {5: 14}, {5: 2}, since=10)
HISTORY = [
    datagram(11, Told(HERE, {5: 11}, masks={5: MORTAL}, hp={5: 50}, since=10)),
    datagram(11, unchanged=others(HERE), private=flying(8, 610.0, vx=8.0)),
    datagram(12, Told(HERE, {5: 11, 7: 12}, masks={5: MORTAL}, hp={5: 50}, gone=[6], since=10)),
    datagram(13, Told(HERE, {7: 12}, moved=[5], gone=[6], since=10), unchanged=FAR),
    datagram(13, FOUND, unchanged=FAR),
    datagram(14, FOUND_LATER, unchanged=FAR, private=flying(8, 620.0, lag=1)),
    datagram(14, Told(HERE, {7: 12}, masks={7: MORTAL}, hp={7: 1}, moved=[5], gone=[6], since=10)),
    datagram(15, Told(HERE, {7: 15}, masks={7: USUAL}, moved=[5], gone=[6], since=10)),
    datagram(15, FOUND_LATER, unchanged=FAR),
]
"""What a client is sent that has acked tick 10: it holds in any order."""


@settings(derandomize=True, deadline=None, max_examples=150)
@given(order=st.permutations(range(len(HISTORY))), cuts=st.sets(st.integers(1, 8)))
def test_datagrams_make_one_picture_in_any_order_and_any_number_of_passes(
    order: list[int], cuts: set[int]
) -> None:
    usual, replica = Replica(SCHEMA, RULES), Replica(SCHEMA, RULES, capacity=2)
    begin = Told(HERE, {5: 8, 6: 9, 7: 9}, {5: 1, 6: 1, 7: 1}), Told(THERE, {8: 8}, {8: 1})
    for either in (usual, replica):
        take(either, known(10, *begin))
    for message in HISTORY:
        take(usual, message)
    bounds = [0, *sorted(cuts), len(order)]
    for first, end in pairwise(bounds):
        replica.apply_untrusted([HISTORY[at] for at in order[first:end]], 0.0)
    assert picture(replica) == picture(usual)
    assert ids(replica) == [5, 7, 8]
