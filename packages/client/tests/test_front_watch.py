import numpy as np
import pytest

from sidereal.client.front.meter import FRAMES_MAX, Meter, Ring
from sidereal.client.front.watch import FLASH_S, FLASHES_MAX, OwnerWatch, row_of


def ids(*net_ids: int) -> np.ndarray:
    return np.array(net_ids, dtype=np.uint32)


def shards(*owners: int) -> np.ndarray:
    return np.array(owners, dtype=np.uint16)


def test_a_change_of_owner_flashes_once_for_its_time() -> None:
    watch = OwnerWatch()
    assert watch.look(ids(3, 5, 9), shards(1, 1, 2), 10.0) == []
    changes = watch.look(ids(3, 5, 9), shards(1, 2, 2), 10.1)
    assert [(flash.net_id, flash.before, flash.after) for flash in changes] == [(5, 1, 2)]
    assert watch.look(ids(3, 5, 9), shards(1, 2, 2), 10.2) == []
    assert len(watch.flashes) == 1
    watch.look(ids(3, 5, 9), shards(1, 2, 2), 10.1 + FLASH_S)
    assert watch.flashes == []
    assert watch.handovers == 1


def test_entities_that_come_and_go_are_no_handovers() -> None:
    watch = OwnerWatch()
    watch.look(ids(3, 5, 9), shards(1, 1, 2), 0.0)
    assert watch.look(ids(1, 5, 7, 12), shards(2, 1, 2, 2), 0.1) == []
    assert watch.look(ids(), shards(), 0.2) == []
    assert watch.look(ids(5), shards(2), 0.3) == []


def test_losing_its_shard_is_no_handover_either() -> None:
    watch = OwnerWatch()
    watch.look(ids(5), shards(1), 0.0)
    assert watch.look(ids(5), shards(0), 0.1) == []
    assert watch.look(ids(5), shards(2), 0.2) == []


def test_a_whole_sector_changing_hands_is_bounded() -> None:
    watch = OwnerWatch()
    many = np.arange(1, 5000, dtype=np.uint32)
    watch.look(many, np.ones(len(many), np.uint16), 0.0)
    watch.look(many, np.full(len(many), 2, np.uint16), 0.1)
    assert len(watch.flashes) == FLASHES_MAX


def test_row_of_finds_only_what_is_there() -> None:
    assert [row_of(ids(2, 4, 8), net_id) for net_id in (0, 2, 4, 5, 8, 9)] == [-1, 0, 1, -1, 2, -1]


def test_ring_keeps_the_newest_in_order() -> None:
    ring = Ring(4)
    assert np.isnan(ring.values()).all()
    assert ring.percentiles(50) == [0.0]
    for value in range(6):
        ring.add(value)
    assert ring.values().tolist() == [2, 3, 4, 5]
    assert ring.percentiles(0, 100) == [2.0, 5.0]


def test_frame_times_are_between_frames() -> None:
    meter = Meter()
    assert meter.frame_begins(1.0) == 0.0
    meter.frame_drawn(1.005)
    assert meter.frame_begins(1.02) == pytest.approx(0.02)
    assert meter.frame_ms.percentiles(50) == [pytest.approx(20.0)]
    assert meter.draw_ms.percentiles(50) == [pytest.approx(5.0)]


def test_lead_is_negative_while_the_client_guesses() -> None:
    meter = Meter()
    meter.data_seen(98.0, 100, 100, 0, 0.05)
    meter.data_seen(101.0, 100, 100, 0, 0.05)
    assert meter.lead_ms.values()[-2:].tolist() == pytest.approx([100.0, -50.0])


def test_ticks_without_a_snapshot_are_missed() -> None:
    meter = Meter()
    meter.data_seen(0.0, 10, 11, 1000, 0.05)
    meter.data_seen(0.0, 11, 12, 1400, 0.05)
    meter.data_seen(0.0, 11, 12, 1400, 0.05)
    meter.data_seen(0.0, 14, 13, 2000, 0.05)
    assert meter.lost == 2
    known = meter.snapshot_bytes.values()
    assert known[~np.isnan(known)].tolist() == [400.0, 0.0, 0.0, 600.0]


def test_a_long_silence_is_bounded() -> None:
    meter = Meter()
    meter.data_seen(0.0, 10, 1, 0, 0.05)
    meter.data_seen(0.0, 4_000_000, 2, 100, 0.05)
    assert len(meter.snapshot_bytes.values()) <= FRAMES_MAX
    assert meter.lost == 4_000_000 - 11
