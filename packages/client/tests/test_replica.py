from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.client.limits import Limits
from sidereal.client.replica import Replica
from sidereal.protocol.errors import WireError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import BASE_SCHEMA as SCHEMA
from sidereal.protocol.state.stream import (
    CONTINUED,
    EXTENT,
    HEADER,
    MOVED,
    OWN,
    OWN_BLOCK,
    PARTIAL,
    REPLACE,
    SECTION,
    SNAPSHOT_VERSION,
    TOMBSTONE,
)

RULES = Rules(view_radius_cells=1)
WINDOW = 9
CENTRE = (1, 1)


@dataclass
class Told:
    """One section, as a test wants it."""

    cell: tuple[int, int]
    ids: dict[int, int] = field(default_factory=dict)
    """Reference tick by id."""
    described: dict[int, int] = field(default_factory=dict)
    """Owner (an attribute) by id."""
    moved: dict[int, int] = field(default_factory=dict)
    gone: dict[int, int] = field(default_factory=dict)
    since: int | None = None
    """Replaces the cell without one."""
    part: int = 0
    parts: int = 1
    to_tick: int | None = None
    """Continued with one."""


def place(cell: tuple[int, int]) -> int:
    return cell[1] % 3 * 3 + cell[0] % 3


def entity(net_id: int, tick: int) -> tuple[object, ...]:
    return (net_id, tick % 65536, net_id * 100 % 65536, 7, tick % 100, 0, 0, 0)


def datagram(
    tick: int,
    *told: Told,
    centre: tuple[int, int] = CENTRE,
    unchanged: list[tuple[int, int]] | None = None,
    own: bytes = b"",
) -> bytes:
    header = np.zeros(1, HEADER)
    header["version"], header["tick"], header["sections"] = SNAPSHOT_VERSION, tick, len(told)
    header["flags"] = OWN if own else 0
    header["sector_x"], header["sector_y"] = centre[0] // 4, centre[1] // 4
    header["cell"] = centre[1] % 4 * 4 + centre[0] % 4
    bits = np.zeros(16, np.uint8)
    bits[[place(cell) for cell in unchanged or []]] = 1
    heads, extents = b"", b""
    references, attributes, tombstones = [], [], []
    for section in told:
        flags = REPLACE if section.since is None else 0
        to_tick = tick if section.to_tick is None else section.to_tick
        if section.parts > 1:
            flags |= PARTIAL | (0 if section.to_tick is None else CONTINUED)
            extent = np.array([(section.part, section.parts, tick - to_tick)], EXTENT)
            extents += extent.tobytes()
        age = 0 if section.since is None else to_tick - section.since
        counts = len(section.ids), len(section.described), len(section.moved) + len(section.gone)
        heads += np.array([(place(section.cell), flags, age, *counts)], SECTION).tobytes()
        references += [entity(i, t) for i, t in section.ids.items()]
        attributes += [(i, 2, 1.0, 1.0, b"", shard) for i, shard in section.described.items()]
        tombstones += [(i, t % 65536, MOVED) for i, t in section.moved.items()]
        tombstones += [(i, t % 65536, 0) for i, t in section.gone.items()]
    return b"".join(
        (
            header.tobytes(),
            np.packbits(bits, bitorder="little").tobytes(),
            own,
            heads,
            extents,
            np.array(references, SCHEMA.wire_record).tobytes(),
            np.array(attributes, SCHEMA.attribute_record).tobytes(),
            np.array(tombstones, TOMBSTONE).tobytes(),
        )
    )


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


def test_a_whole_cell_fills_the_replica(replica: Replica) -> None:
    applied = replica.apply_untrusted(
        known(10, Told(HERE, {5: 8, 6: 9, 7: 3}, {5: 1, 6: 2, 7: 3})), 1.5
    )
    assert (applied.tick, applied.own) == (10, None)
    assert ids(replica) == [5, 6, 7]
    assert tick_of(replica, 5) == 8
    row = replica.columns.rows_of([6])
    assert replica.columns["shard"][row] == 2
    np.testing.assert_allclose(replica.columns["x"][row], 250 + 600 * 250 / 65536)
    assert (replica.have == 10).all()
    assert replica.newest_at == 1.5


def test_an_entity_shows_when_reference_and_attributes_are_known(replica: Replica) -> None:
    replica.apply_untrusted(datagram(10, Told(HERE, {5: 8}, part=0, parts=2)), 0.0)
    assert ids(replica) == []
    replica.apply_untrusted(datagram(10, Told(HERE, {}, {5: 1}, part=1, parts=2)), 0.0)
    assert ids(replica) == [5]


def test_a_section_that_leaves_a_gap_is_not_applied(replica: Replica) -> None:
    replica.apply_untrusted(known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    replica.apply_untrusted(datagram(13, Told(HERE, {5: 13}, since=12)), 0.0)
    assert tick_of(replica, 5) == 8
    replica.apply_untrusted(datagram(14, Told(HERE, {5: 14}, since=10)), 0.0)
    assert tick_of(replica, 5) == 14
    assert replica.have[place(HERE)] == 14


def test_unchanged_cells_are_known_up_to_the_snapshot_if_they_were_known_at_all(
    replica: Replica,
) -> None:
    replica.apply_untrusted(datagram(10, Told(HERE)), 0.0)
    replica.apply_untrusted(datagram(12, unchanged=window()), 0.0)
    assert replica.have[place(HERE)] == 12
    assert replica.have[place(THERE)] == -1


def test_older_snapshots_never_undo_newer_ones(replica: Replica) -> None:
    first = known(10, Told(HERE, {5: 8}, {5: 1}))
    replica.apply_untrusted(first, 0.0)
    replica.apply_untrusted(datagram(12, Told(HERE, {5: 12}, {5: 2}, since=10)), 0.0)
    replica.apply_untrusted(datagram(11, Told(HERE, {5: 11}, {5: 9}, since=10)), 0.0)
    replica.apply_untrusted(first, 0.0)
    row = replica.columns.rows_of([5])
    assert tick_of(replica, 5) == 12
    assert replica.columns["shard"][row].tolist() == [2]


def test_what_was_sent_before_the_window_moved_counts_where_both_windows_are(
    replica: Replica,
) -> None:
    replica.apply_untrusted(known(10), 0.0)
    for axis in (0, 1):
        moved = (CENTRE[0] + (axis == 0), CENTRE[1] + (axis == 1))
        tick = replica.newest_tick + 2
        replica.apply_untrusted(datagram(tick, centre=moved), 0.0)
        out = (AWAY[0], HERE[1]) if axis == 0 else (HERE[0], AWAY[1])
        since = replica.newest_tick - 2
        late = datagram(
            tick - 1,
            Told(HERE, {5 + axis: tick - 1}, {5 + axis: 1}, since=since),
            Told(out, {8 + axis: tick - 1}, {8 + axis: 1}),
        )
        replica.apply_untrusted(late, 0.0)
        assert 5 + axis in ids(replica)
        assert 8 + axis not in ids(replica)
        replica.apply_untrusted(known(tick + 1), 0.0)


def test_parts_make_a_cell_known_in_any_order_and_only_together(replica: Replica) -> None:
    def part(number: int, tick: int) -> bytes:
        cell = Told(HERE, {number + 1: tick}, {number + 1: 0}, part=number, parts=3)
        return datagram(tick, cell)

    for number, tick in ((2, 10), (0, 10), (2, 10), (1, 11)):
        replica.apply_untrusted(part(number, tick), 0.0)
        assert replica.have[place(HERE)] == -1
    replica.apply_untrusted(part(1, 10), 0.0)
    assert replica.have[place(HERE)] == 10
    assert ids(replica) == [1, 2, 3]


def test_continued_parts_make_a_cell_known_up_to_the_tick_they_began(replica: Replica) -> None:
    def part(number: int, tick: int) -> bytes:
        cell = Told(HERE, {number + 1: 5}, {number + 1: 0}, part=number, parts=2, to_tick=10)
        return datagram(tick, cell)

    replica.apply_untrusted(part(1, 10), 0.0)
    for tick in range(11, 11 + 2 * RULES.streams.reorder_ticks):
        replica.apply_untrusted(datagram(tick), 0.0)
    replica.apply_untrusted(part(0, 10 + 2 * RULES.streams.reorder_ticks), 0.0)
    assert replica.have[place(HERE)] == 10
    assert ids(replica) == [1, 2]


def test_a_whole_cell_removes_who_is_not_named_once_the_others_are_known(
    replica: Replica,
) -> None:
    replica.apply_untrusted(known(10, Told(HERE, {5: 8, 6: 8}, {5: 1, 6: 1})), 0.0)
    replica.apply_untrusted(datagram(20, Told(HERE, {5: 8}, {5: 1})), 0.0)
    assert ids(replica) == [5, 6], "6 may have gone to a cell that is not known up to 20"
    replica.apply_untrusted(datagram(20, unchanged=others(HERE)), 0.0)
    assert ids(replica) == [5]


def test_the_gone_go_and_nothing_late_brings_them_back(replica: Replica) -> None:
    replica.apply_untrusted(known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    replica.apply_untrusted(datagram(13, Told(HERE, gone={5: 12}, since=10, part=0, parts=2)), 0.0)
    assert ids(replica) == []
    late = datagram(11, Told(HERE, {5: 11}, {5: 1}, since=10))
    replica.apply_untrusted(late, 0.0)
    assert ids(replica) == []
    replica.apply_untrusted(datagram(14, Told(HERE, {5: 14}, {5: 1}, since=10)), 0.0)
    assert ids(replica) == [5], "a later snapshot knows better"


def test_a_late_tombstone_does_not_end_who_was_seen_since(replica: Replica) -> None:
    replica.apply_untrusted(known(20, Told(HERE, {5: 20}, {5: 1})), 0.0)
    replica.apply_untrusted(datagram(21, Told(HERE, gone={5: 20}, since=20)), 0.0)
    assert ids(replica) == [5]


def test_who_moves_stays_until_found(replica: Replica) -> None:
    replica.apply_untrusted(known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    replica.apply_untrusted(datagram(12, Told(HERE, moved={5: 12}, since=10)), 0.0)
    for tick in range(13, 30):
        replica.apply_untrusted(datagram(tick, unchanged=others(THERE)), 0.0)
        assert ids(replica) == [5], "it may be in the one cell that is not known"
    replica.apply_untrusted(
        datagram(30, Told(THERE, {5: 12}, {5: 1}, since=10), unchanged=others(THERE)), 0.0
    )
    assert ids(replica) == [5]
    assert replica.confirmed(replica.rows()).tolist() == [30]


def test_who_moved_out_goes_once_everything_is_known(replica: Replica) -> None:
    replica.apply_untrusted(known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    replica.apply_untrusted(datagram(12, Told(HERE, moved={5: 12}, since=10)), 0.0)
    replica.apply_untrusted(datagram(11, unchanged=others(HERE)), 0.0)
    assert ids(replica) == [5], "what is known ends before it moved"
    replica.apply_untrusted(datagram(12, unchanged=others(HERE)), 0.0)
    assert ids(replica) == []


def test_a_second_move_waits_for_the_cell_after_it(replica: Replica) -> None:
    replica.apply_untrusted(known(4, Told(HERE, {5: 3}, {5: 1})), 0.0)
    # To THERE at 5, to AWAY at 8; the news come in the wrong order.
    replica.apply_untrusted(datagram(9, Told(THERE, moved={5: 8}, since=4)), 0.0)
    replica.apply_untrusted(
        datagram(9, Told(HERE, moved={5: 5}, since=4), unchanged=others(HERE, THERE, AWAY)), 0.0
    )
    replica.apply_untrusted(datagram(7, unchanged=[AWAY]), 0.0)
    assert ids(replica) == [5]
    replica.apply_untrusted(datagram(10, Told(AWAY, {5: 8}, {5: 1}, since=7)), 0.0)
    assert ids(replica) == [5]
    assert tick_of(replica, 5) == 8


def test_a_move_told_of_a_stranger_is_remembered(replica: Replica) -> None:
    replica.apply_untrusted(known(4), 0.0)
    news = Told(HERE, moved={5: 8}, since=4, part=0, parts=2, to_tick=9)
    replica.apply_untrusted(datagram(9, news), 0.0)
    replica.apply_untrusted(datagram(6, Told(HERE, {5: 6}, {5: 1}, since=4)), 0.0)
    rest = Told(HERE, since=4, part=1, parts=2, to_tick=9)
    replica.apply_untrusted(datagram(10, rest, unchanged=others(HERE)), 0.0)
    assert ids(replica) == []


def test_the_window_moves_and_who_stayed_behind_goes_when_the_new_cells_are_known(
    replica: Replica,
) -> None:
    replica.apply_untrusted(known(10, Told(AWAY, {5: 8}, {5: 1}), Told(THERE, {6: 8}, {6: 1})), 0.0)
    moved = (2, 1)
    entered = [cell for cell in window(moved) if cell not in window()]
    kept = [cell for cell in window(moved) if cell in window()]
    replica.apply_untrusted(datagram(12, centre=moved, unchanged=kept), 0.0)
    assert ids(replica) == [5, 6]
    told = [Told(cell) for cell in entered]
    replica.apply_untrusted(datagram(13, *told, centre=moved, unchanged=kept), 0.0)
    assert ids(replica) == [6]


def test_who_stayed_behind_is_not_missed_by_what_was_known_before_the_window_moved(
    replica: Replica,
) -> None:
    replica.apply_untrusted(known(10, Told(AWAY, {5: 8}, {5: 1})), 0.0)
    moved = (2, 1)
    entered = [cell for cell in window(moved) if cell not in window()]
    kept = [cell for cell in window(moved) if cell in window()]
    replica.apply_untrusted(datagram(20, centre=moved), 0.0)
    told = [Told(cell) for cell in entered]
    replica.apply_untrusted(datagram(19, *told, centre=moved, unchanged=kept), 0.0)
    assert ids(replica) == [5], "it may have come along at 20"
    replica.apply_untrusted(datagram(21, centre=moved, unchanged=window(moved)), 0.0)
    assert ids(replica) == []


def test_one_part_of_a_later_snapshot_outdoes_an_earlier_one_that_is_whole(
    replica: Replica,
) -> None:
    replica.apply_untrusted(known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    later = Told(HERE, {5: 12}, {5: 2}, since=10, part=0, parts=2)
    replica.apply_untrusted(datagram(12, later), 0.0)
    replica.apply_untrusted(datagram(11, Told(HERE, {5: 11}, {5: 3}, since=10)), 0.0)
    assert replica.have[place(HERE)] == 11
    assert tick_of(replica, 5) == 12
    assert replica.columns["shard"][replica.columns.rows_of([5])] == 2


def test_what_was_sent_before_a_cell_left_says_nothing_after_its_return(
    replica: Replica,
) -> None:
    replica.apply_untrusted(known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    replica.apply_untrusted(datagram(20, centre=(50, 50)), 0.0)
    replica.apply_untrusted(datagram(30), 0.0)
    replica.apply_untrusted(known(15, Told(HERE, {7: 8}, {7: 1})), 0.0)
    replica.apply_untrusted(datagram(15, unchanged=window()), 0.0)
    assert (replica.have == -1).all()
    assert 7 not in ids(replica)
    replica.apply_untrusted(known(25), 0.0)
    assert (replica.have == 25).all()


def test_a_jump_to_the_other_end_of_the_world_leaves_nothing_behind(replica: Replica) -> None:
    replica.apply_untrusted(known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    far = (-(2**31) * 4 + 2, 2**31 * 4 - 2)
    cells = [Told(cell) for cell in window(far)]
    cells[4].ids, cells[4].described = {6: 20}, {6: 1}
    replica.apply_untrusted(datagram(20, *cells, centre=far), 0.0)
    assert ids(replica) == [6]
    assert len(replica.columns) == 1


def test_snapshots_that_are_too_old_are_dropped(replica: Replica) -> None:
    replica.apply_untrusted(datagram(1000), 0.0)
    replica.apply_untrusted(known(1000 - RULES.streams.reorder_ticks), 0.0)
    assert (replica.have == 1000 - RULES.streams.reorder_ticks).all()
    replica = Replica(SCHEMA, RULES)
    replica.apply_untrusted(datagram(1000), 0.0)
    replica.apply_untrusted(known(999 - RULES.streams.reorder_ticks), 0.0)
    assert (replica.have == -1).all()
    assert replica.stale == 1


def test_the_lost_are_given_up_in_the_end(replica: Replica) -> None:
    replica.apply_untrusted(known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    replica.apply_untrusted(datagram(12, Told(HERE, moved={5: 12}, since=10)), 0.0)
    replica.expire(12 + RULES.streams.reorder_ticks)
    assert ids(replica) == [5]
    replica.expire(13 + RULES.streams.reorder_ticks)
    assert ids(replica) == []


def test_the_two_newest_references_are_kept(replica: Replica) -> None:
    replica.apply_untrusted(known(10, Told(HERE, {5: 8}, {5: 1})), 0.0)
    rows = replica.rows()
    assert (replica.older(rows).tick.tolist(), replica.newer(rows).tick.tolist()) == ([8], [8])
    for tick, since, older in ((12, 10, 8), (13, 10, 12)):
        replica.apply_untrusted(datagram(tick, Told(HERE, {5: tick}, since=since)), 0.0)
        assert replica.older(rows).tick.tolist() == [older]
        assert replica.newer(rows).tick.tolist() == [tick]
        assert replica.newer(rows).vx.tolist() == [tick / 128]
    replica.apply_untrusted(datagram(14, Told(HERE, {5: 13}, since=10)), 0.0)
    assert replica.older(rows).tick.tolist() == [12], "the same reference again is not another"


@pytest.mark.parametrize("tick", [65_535, 65_536, 65_540, 2**32 - 1])
@pytest.mark.parametrize("age", [0, 1, 200, 16_384, 32_767])
def test_ticks_of_records_survive_the_wrap_of_their_16_bits(
    replica: Replica, tick: int, age: int
) -> None:
    replica.apply_untrusted(known(tick, Told(HERE, {5: tick - age}, {5: 1})), 0.0)
    assert tick_of(replica, 5) == tick - age
    replica.apply_untrusted(
        datagram(tick, Told(THERE, moved={5: tick}, since=tick - 1), unchanged=[]), 0.0
    )
    assert ids(replica) == [5]


def test_the_own_block_is_handed_on(replica: Replica) -> None:
    block = np.zeros(1, OWN_BLOCK)
    block["x"], block["input_seq"] = 12.5, 9
    own = replica.apply_untrusted(datagram(3, own=block.tobytes()), 0.0).own
    assert own is not None
    assert (own["x"], own["input_seq"]) == (12.5, 9)
    block["vx"] = np.nan
    with pytest.raises(WireError):
        replica.apply_untrusted(datagram(4, own=block.tobytes()), 0.0)
    assert replica.newest_tick == 3


GOOD = known(
    10,
    Told(HERE, {5: 8, 6: 9}, {5: 1, 6: 1}, gone={7: 9}, part=0, parts=2),
    Told(THERE, {8: 8}, {8: 1}, moved={9: 9}),
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
    try:
        replica.apply_untrusted(message, 0.0)
    except WireError:
        assert replica.newest_tick == -1
        assert len(replica.columns) == 0


@pytest.mark.parametrize(
    "bad",
    [
        known(10, Told(HERE, {0: 8})),
        known(10, Told(HERE, {5: 8}), Told(THERE, gone={0: 3})),
        datagram(10, Told(HERE), unchanged=[HERE]),
        datagram(10, Told(HERE, part=2, parts=2)),
        datagram(10, Told(HERE, part=0, parts=2, to_tick=-1)),
        GOOD + b"\0",
        b"\7" + GOOD[1:],
        GOOD[:1] + b"\2" + GOOD[2:],
        GOOD[:16] + b"\x10" + GOOD[17:],
        GOOD + bytes(1200),
    ],
)
def test_impossible_snapshots_are_refused(replica: Replica, bad: bytes) -> None:
    with pytest.raises(WireError):
        replica.apply_untrusted(bad, 0.0)
    assert len(replica.columns) == 0
    assert (replica.have == -1).all()


def test_attributes_out_of_range_change_nothing(replica: Replica) -> None:
    message = bytearray(known(10, Told(HERE, {5: 8}, {5: 1})))
    at = len(message) - SCHEMA.attribute_record.itemsize + 4
    message[at] = 0
    with pytest.raises(WireError):
        replica.apply_untrusted(bytes(message), 0.0)
    assert replica.newest_tick == -1


def test_entities_beyond_the_limit_are_dropped_and_counted() -> None:
    replica = Replica(SCHEMA, RULES, limits=Limits(entities=3))
    told = {1: 5, 2: 5, 3: 5, 4: 5, 5: 5}
    replica.apply_untrusted(known(5, Told(CENTRE, told, dict.fromkeys(told, 1))), 0.0)
    assert ids(replica) == [1, 2, 3]
    # A reference and attributes of each.
    assert replica.entities_dropped == 4
    replica.apply_untrusted(
        datagram(6, Told(CENTRE, {2: 6}, gone={1: 6}, since=5), unchanged=others(CENTRE)), 0.1
    )
    replica.apply_untrusted(
        datagram(7, Told(CENTRE, {4: 7}, {4: 1}, since=6), unchanged=others(CENTRE)), 0.2
    )
    assert ids(replica) == [2, 3, 4]
    assert replica.entities_dropped == 4
