from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from flying import Flying, flown_by

from sidereal.protocol.errors import ConfigError, LocalProtocolError
from sidereal.protocol.limits import (
    DATAGRAM_OVERHEAD_SIZE,
    SNAPSHOT_SIZE_MAX,
)
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.sectors import SectorTable, pack_sector
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.heads import encode_head
from sidereal.protocol.state.schema import BASE_COMPONENTS, LABEL, MOTION, PARENT, PREDICTED, Schema
from sidereal.protocol.state.snapshot import gather, read_snapshot_untrusted, unchanged_places
from sidereal.protocol.state.stream import (
    GONE,
    MOVED,
    PRESENCE,
)
from sidereal.replication.edge.changelog import ChangeLog, State
from sidereal.replication.edge.fanout import Fanout
from sidereal.replication.limits import LIMITS, EdgeLimits

RULES = Rules(view_radius_cells=1)
EVERY_TICK = replace(LIMITS.edge, silence_s=RULES.tick_s)
SMALL = replace(EVERY_TICK, datagrams=LIMITS.edge.section_parts + 1)
PLENTY = 1 << 30
WINDOW = 9
CENTRE = (1, 1)
CENTRE_PLACE = 4
SCHEMA = Schema(each for each in BASE_COMPONENTS if each not in (PREDICTED, PARENT))
"""Whose entities have all components."""
NUMBERS = len(SCHEMA.components) + 1
MOVES, NAMED = SCHEMA.numbers[MOTION.name], SCHEMA.numbers[LABEL.name]


class Heard:
    """One datagram, read."""

    def __init__(self, message: bytes) -> None:
        assert len(message) <= SNAPSHOT_SIZE_MAX
        self.head = read_snapshot_untrusted(SCHEMA, RULES, message)
        self.all = gather(SCHEMA, [self.head])
        self.unchanged = unchanged_places(RULES, [self.head.unchanged])

    def ids(self, what: int) -> list[int]:
        """Whose rows of this sort it has."""
        rows = self.all.rows.get(what)
        return [] if rows is None else rows["id"].tolist()


class Server:
    """A world without motion: entities in cells, and what its clients are sent."""

    def __init__(self, limits: EdgeLimits = EVERY_TICK) -> None:
        self.changes = ChangeLog(SCHEMA, RULES)
        self.table = SectorTable(RULES)
        self.fanout = Fanout(SCHEMA, RULES, self.changes, 4, limits)
        self.allowance = np.full(4, PLENTY)
        self.tick = 0
        self.rows = 1
        self.cells: dict[int, tuple[int, int]] = {}
        self.changed: dict[int, int] = {}
        self.named: dict[int, int] = {}
        self.entered: dict[int, int] = {}
        self.tags: dict[int, list[int]] = {}
        self.sent: dict[int, list[Heard]] = {}

    def group(self, cell: tuple[int, int]) -> int:
        at = np.array([cell]) * RULES.cell_size + 1.0
        return int(self.table.group_of(at[:, 0], at[:, 1])[0])

    def put(self, cell: tuple[int, int], ids: Iterable[int]) -> None:
        for net_id in ids:
            if net_id in self.cells:
                self.note_left(net_id, moved=True)
            self.cells[net_id] = cell
            self.changed[net_id] = self.entered[net_id] = self.tick + 1

    def kill(self, net_id: int) -> None:
        self.note_left(net_id, moved=False)
        del self.cells[net_id], self.changed[net_id]

    def note_left(self, net_id: int, moved: bool) -> None:
        group = np.array([self.group(self.cells[net_id])], np.int32)
        self.changes.note_left(
            self.tick + 1, np.array([net_id], np.uint32), group, np.array([moved])
        )

    def touch(self, ids: Iterable[int]) -> None:
        for net_id in ids:
            self.changed[net_id] = self.tick + 1

    def name(self, ids: Iterable[int]) -> None:
        for net_id in ids:
            self.named[net_id] = self.tick + 1

    def look(self, client: int, cell: tuple[int, int] = CENTRE) -> None:
        self.fanout.move(client, self.tick + 1, *cell)

    def step(self, *flown: Flying) -> None:
        self.tick += 1
        self.changes.publish(self.tick, self.state())
        self.fanout.refresh(self.table)
        self.tags, self.sent = {}, {}
        self.fanout.private.publish(self.tick, flown_by(*flown))
        for client, message, tag in self.fanout.collect(self.tick, self.allowance):
            heard = Heard(message)
            assert heard.head.tick == self.tick
            self.tags.setdefault(client, []).append(tag)
            self.sent.setdefault(client, []).append(heard)

    def state(self) -> State:
        """Everybody, each in the row of its id."""
        self.rows = count = max([self.rows - 1, *self.cells]) + 1
        here = np.array(sorted(self.cells), np.int64)
        net_id, group = np.zeros(count, np.uint32), np.full(count, -1, np.int32)
        entered = np.full(count, -1, np.int64)
        changed = np.full((NUMBERS, count), -1, np.int64)
        at = np.array([self.cells[i] for i in here.tolist()]).reshape(-1, 2) * RULES.cell_size + 1.0
        net_id[here], group[here] = here, self.table.group_of(at[:, 0], at[:, 1])
        entered[here] = [self.entered[i] for i in here.tolist()]
        changed[:, here] = entered[here]
        changed[MOVES, here] = [self.changed[i] for i in here.tolist()]
        changed[NAMED, here] = [self.named.get(i, self.entered[i]) for i in here.tolist()]
        rows = {number: np.zeros(count, dtype) for number, dtype in SCHEMA.rows.items()}
        for array in rows.values():
            array["id"] = net_id
        return State(net_id, group, entered, changed, changed.max(axis=1, initial=-1), rows)

    def ack(self, client: int = 0, tags: list[int] | None = None) -> None:
        self.fanout.acked(client, self.tags[client] if tags is None else tags)

    def lose(self, client: int = 0, tags: list[int] | None = None) -> None:
        self.fanout.lost(client, self.tags[client] if tags is None else tags)

    def sections(self, client: int = 0) -> dict[int, bool]:
        """Columns told, and whether whole."""
        return {
            int(place): bool(replace)
            for heard in self.sent.get(client, [])
            for place, replace in zip(heard.all.place, heard.all.replace, strict=True)
        }

    def ids(self, client: int = 0, what: int = MOVES) -> list[int]:
        return sorted(i for heard in self.sent.get(client, []) for i in heard.ids(what))

    def gone(self, client: int = 0) -> list[int]:
        return sorted(self.ids(client, GONE) + self.ids(client, MOVED))

    def unchanged(self, client: int = 0) -> int:
        return int(self.sent[client][0].unchanged.sum())


@pytest.fixture
def server() -> Server:
    server = Server()
    server.fanout.join(0)
    server.look(0)
    return server


def settle(server: Server) -> None:
    """Let everybody know everything."""
    server.step()
    for client in server.tags:
        server.ack(client)


def test_a_new_client_is_sent_every_cell_whole_and_once(server: Server) -> None:
    server.put(CENTRE, [5])
    server.step()
    assert server.sections() == dict.fromkeys(range(WINDOW), True)
    assert server.ids() == [5]
    first = server.tags[0]
    for _ in range(3):
        server.step()
        assert (server.sections(), server.unchanged()) == ({}, 0), "it may not have it yet"
    server.ack(tags=first)
    server.step()
    assert (server.sections(), server.unchanged()) == ({}, WINDOW)


def test_only_what_changed_since_it_was_sent_is_sent(server: Server) -> None:
    server.put(CENTRE, [5, 6, 7])
    settle(server)
    for net_id in (6, 7, 6):
        server.touch([net_id])
        server.step()
        assert (server.ids(), server.sections()) == ([net_id], {4: False})
        assert server.unchanged() == WINDOW - 1


def test_a_cell_is_unchanged_when_all_that_was_sent_of_it_has_arrived_in_any_order(
    server: Server,
) -> None:
    server.put(CENTRE, [5, 6])
    settle(server)
    server.touch([5])
    server.step()
    first = server.tags[0]
    server.touch([6])
    server.step()
    server.ack()
    server.step()
    assert (server.sections(), server.unchanged()) == ({}, WINDOW - 1)
    server.ack(tags=first)
    server.ack(tags=first)
    server.step()
    assert (server.sections(), server.unchanged()) == ({}, WINDOW)


def test_what_is_lost_is_sent_again_with_what_has_changed_since(server: Server) -> None:
    server.put(CENTRE, [5, 6, 7, 8])
    settle(server)
    server.touch([5])
    server.step()
    lost = server.tags[0]
    server.touch([6])
    server.step()
    server.ack()
    server.touch([7])
    server.lose(tags=lost)
    server.step()
    assert (server.ids(), server.sections()) == ([5, 6, 7], {4: False})
    server.touch([8])
    server.step()
    assert server.ids() == [8], "once"


def test_what_is_lost_was_sent_again_already_if_something_before_it_was(server: Server) -> None:
    server.put(CENTRE, [5, 6, 7])
    settle(server)
    lost = []
    for net_id in (5, 6, 7):
        server.touch([net_id])
        server.step()
        lost.append(server.tags[0])
    server.lose(tags=lost[1])
    server.step()
    assert server.ids() == [6, 7]
    server.lose(tags=lost[2])
    server.step()
    assert server.ids() == []
    server.lose(tags=lost[0])
    server.step()
    assert server.ids() == [5, 6, 7], "what was lost before that was not"


def test_what_was_sent_again_may_be_lost_again(server: Server) -> None:
    server.put(CENTRE, [5])
    settle(server)
    server.touch([5])
    server.step()
    for _ in range(3):
        server.lose()
        server.step()
        assert (server.ids(), server.unchanged()) == ([5], WINDOW - 1)
    server.ack()
    server.step()
    assert (server.sections(), server.unchanged()) == ({}, WINDOW)


def test_a_whole_cell_that_is_lost_is_sent_whole_again(server: Server) -> None:
    server.put(CENTRE, [5])
    server.step()
    server.lose()
    server.touch([5])
    server.step()
    assert server.sections() == dict.fromkeys(range(WINDOW), True)
    assert server.ids(what=PRESENCE) == [5]


def test_what_is_lost_and_arrives_after_all_is_sent_again_and_counts_once(server: Server) -> None:
    server.put(CENTRE, [5])
    settle(server)
    server.touch([5])
    server.step()
    late = server.tags[0]
    server.lose()
    server.step()
    assert server.ids() == [5]
    server.ack(tags=late)
    server.step()
    assert server.unchanged() == WINDOW - 1, "the second time is on its way"
    server.lose(tags=late)
    server.step()
    assert server.sections() == {}


def test_a_client_without_news_still_gets_one_datagram_with_what_it_alone_is_told(
    server: Server,
) -> None:
    settle(server)
    server.step(Flying(0, net_id=5, input_seq=77))
    [snapshot] = server.sent[0]
    assert snapshot.head.private is not None
    assert snapshot.head.private.inputs is not None
    assert snapshot.head.private.inputs.input == 77
    server.ack()
    server.step(Flying(0, net_id=5, input_seq=77))
    assert server.sent[0][0].head.private is None


def test_the_private_section_comes_once_per_tick(server: Server) -> None:
    for y in range(3):
        server.put((0, y), range(100 * y + 1, 100 * y + 40))
    server.step(Flying(0, net_id=5))
    assert len(server.sent[0]) > 1
    assert [snapshot.head.private is not None for snapshot in server.sent[0]].count(True) == 1


def test_how_its_own_entity_moves_is_no_news_to_a_client(server: Server) -> None:
    server.put(CENTRE, [5, 6])
    server.fanout.join(1)
    server.look(1)
    flies = Flying(0, net_id=5, row=5)
    server.step(flies)
    server.ack(0)
    server.ack(1)
    server.touch([5])
    server.step(flies)
    assert server.sections(0) == {}
    assert server.unchanged(0) == WINDOW
    assert server.ids(1) == [5]
    server.touch([5, 6])
    server.step(flies)
    assert server.ids(0) == [5, 6], "with something else it comes along"
    server.ack(0)
    server.touch([6])
    server.step(flies)
    assert server.ids(0) == [6]
    server.name([5])
    server.step(flies)
    assert server.ids(0, NAMED) == [5], "what is not in the private section is news"


def test_who_flies_something_no_more_is_sent_its_cell_anew(server: Server) -> None:
    server.put(CENTRE, [5, 6])
    flies = Flying(0, net_id=5, row=5)
    server.step(flies)
    server.ack()
    server.touch([5])
    server.step(flies)
    late = server.tags[0]
    server.step(Flying(0, net_id=6, row=6))
    assert server.sections() == {CENTRE_PLACE: True}
    assert server.ids() == [5, 6]
    server.ack(tags=late)
    server.lose()
    server.step(Flying(0, net_id=6, row=6))
    assert server.sections() == {CENTRE_PLACE: True}, "what was unchanged then does not count"
    server.ack()
    server.step(Flying(0, net_id=6, row=6))
    assert server.sections() == {}
    server.touch([5])
    server.step(Flying(0, net_id=6, row=6))
    assert server.ids() == [5]


def test_who_has_missed_nothing_of_what_it_flew_is_not_sent_its_cell_anew(server: Server) -> None:
    server.put(CENTRE, [5])
    server.step(Flying(0, net_id=5, row=5))
    server.ack()
    server.step()
    assert server.sections() == {}
    server.step(Flying(0, net_id=5, row=5))
    server.touch([5])
    server.step(Flying(0, net_id=5, row=5))
    server.put((2, 1), [5])
    server.step()
    assert server.ids(0, MOVED) == [5]
    assert True not in server.sections().values(), "where it is now all of it is told"


def test_leaving_and_dying_are_sent_once_and_again_when_lost(server: Server) -> None:
    server.put(CENTRE, [5, 6])
    settle(server)
    server.kill(5)
    server.put((2, 1), [6])
    for _ in range(2):
        server.step()
        assert server.gone() == [5, 6]
        assert server.ids() == [6]
        server.lose()
    server.step()
    server.ack()
    server.step()
    assert server.sections() == {}


def test_cells_sent_whole_have_no_tombstones(server: Server) -> None:
    server.put(CENTRE, [5])
    server.step()
    server.kill(5)
    server.lose()
    server.step()
    assert server.gone() == []
    assert server.sections()[4] is True


def test_only_entered_cells_are_sent_whole_after_a_step_aside(server: Server) -> None:
    server.put((3, 1), [9])
    settle(server)
    server.look(0, (2, 1))
    server.step()
    assert sorted(server.sections().values()) == [True] * 3
    assert server.ids() == [9]
    assert server.unchanged() == WINDOW - 3


@pytest.mark.parametrize("arrived", [True, False])
def test_what_became_of_what_was_sent_before_a_cell_was_left_does_not_count_after_its_return(
    server: Server, arrived: bool
) -> None:
    server.put(CENTRE, [5])
    server.step()
    late = server.tags[0]
    server.look(0, (20, 20))
    server.step()
    server.look(0)
    server.step()
    assert server.sections() == dict.fromkeys(range(WINDOW), True)
    assert server.ids() == [5]
    fate = server.ack if arrived else server.lose
    fate(tags=late)
    server.step()
    assert (server.sections(), server.unchanged()) == ({}, 0)


@pytest.mark.parametrize("arrived", [True, False])
def test_what_became_of_what_a_former_client_was_sent_in_the_same_row_does_not_count(
    server: Server, arrived: bool
) -> None:
    fate = server.ack if arrived else server.lose
    server.step()
    late = server.tags[0]
    server.fanout.leave(0)
    fate(tags=late)
    server.fanout.join(0)
    server.look(0)
    fate(tags=late)
    server.step()
    assert server.sections() == dict.fromkeys(range(WINDOW), True)
    fate(tags=late)
    server.step()
    assert (server.sections(), server.unchanged()) == ({}, 0)


def test_acks_count_up_to_the_age_at_which_receivers_drop_then_all_is_sent_again(
    server: Server,
) -> None:
    for age, counts in (
        (RULES.streams.reorder_ticks, True),
        (RULES.streams.reorder_ticks + 1, False),
    ):
        server.fanout.join(0)
        server.look(0)
        server.step()
        tags = server.tags[0]
        for _ in range(age - 1):
            server.step()
        server.ack(tags=tags)
        server.step()
        assert (server.sections() == {}) is (server.unchanged() == WINDOW) is counts
    assert server.fanout.statistics().late_acks == 1


def test_a_client_that_acks_nothing_for_longer_than_tombstones_last_gets_the_cell_whole(
    server: Server,
) -> None:
    server.put(CENTRE, [5, 6])
    settle(server)
    for age in range(255):
        server.step()
        assert server.sections() == {}, age
    server.kill(5)
    server.step()
    assert server.sections() == {4: True}
    assert (server.ids(), server.gone()) == ([6], [])


def test_a_cell_in_which_nothing_happens_stays_known_by_its_acks(server: Server) -> None:
    server.put(CENTRE, [5, 6])
    for _ in range(300):
        settle(server)
    server.kill(5)
    server.step()
    assert (server.sections(), server.ids(), server.gone()) == ({4: False}, [], [5])


def test_a_cell_in_parts_counts_when_all_of_them_are_acked(server: Server) -> None:
    server.put(CENTRE, range(1, 101))
    for _ in range(4):
        settle(server)
    server.touch(range(1, 101))
    server.step()
    parts = {int(p) for s in server.sent[0] for p in s.all.parts}
    assert parts == {2}
    one, other = server.tags[0]
    server.ack(tags=[other])
    server.step()
    assert (server.sections(), server.unchanged()) == ({}, WINDOW - 1)
    server.lose(tags=[one])
    server.step()
    assert len(server.ids()) == 100
    server.ack()
    server.step()
    assert (server.sections(), server.unchanged()) == ({}, WINDOW)


def test_a_cell_too_large_for_a_tick_comes_in_continued_parts(server: Server) -> None:
    server.put(CENTRE, range(1, 901))
    seen: set[int] = set()
    described: set[int] = set()
    for _ in range(30):
        server.step()
        assert len(server.sent[0]) <= 16
        seen |= set(server.ids())
        described |= set(server.ids(what=NAMED))
        if len(seen) < 900:
            assert not any(snapshot.unchanged[4] for snapshot in server.sent[0])
        server.ack()
    assert seen == described == set(range(1, 901))
    assert server.fanout.statistics().transfers == 1
    assert server.sections() == {}


def test_parts_of_a_transfer_are_sent_again_when_they_are_lost_and_no_others(
    server: Server,
) -> None:
    server.put(CENTRE, range(1, 301))
    sent: dict[int, int] = {}
    again: set[int] = set()
    for _ in range(40):
        server.step()
        keep = []
        for snapshot, tag in zip(server.sent[0], server.tags[0], strict=True):
            parts = snapshot.all.part[snapshot.all.continued].tolist()
            for part in parts:
                sent[part] = sent.get(part, 0) + 1
            if 3 in parts and sent[3] < 3:
                server.lose(tags=[tag])
                again.update(parts)
            else:
                keep.append(tag)
        server.ack(tags=keep)
    assert sent[3] == 3
    assert {count for part, count in sent.items() if part not in again} == {1}


def test_what_changes_while_a_transfer_is_in_flight_is_sent_beside_it(server: Server) -> None:
    server.put(CENTRE, range(1, 201))
    server.step()
    assert server.fanout.statistics().transfers == 1
    server.touch([7])
    server.step()
    assert (server.ids(), server.sections()) == ([7], {4: False})
    assert server.unchanged() == 0


def test_a_crowd_that_goes_on_changing_is_sent_in_one_transfer_after_the_other() -> None:
    server = Server(limits=SMALL)
    server.fanout.join(0)
    server.look(0)
    server.put(CENTRE, range(1, 901))
    seen: dict[int, int] = {}
    for _ in range(60):
        server.touch(range(1, 901))
        server.step()
        seen |= dict.fromkeys(server.ids(), server.tick)
    assert server.fanout.statistics().transfers > 2
    assert len(seen) == 900
    assert min(seen.values()) > server.tick - 5, "nobody waits for an ack"


def test_who_left_during_a_transfer_is_told_as_left(server: Server) -> None:
    server.put(CENTRE, range(1, 301))
    server.step()
    server.put((2, 1), [1])
    server.kill(300)
    told: dict[str, set[int]] = {"ids": set(), "gone": set()}
    for _ in range(20):
        server.step()
        told["ids"] |= set(server.ids())
        told["gone"] |= set(server.gone())
    assert {1, 300} <= told["gone"]
    assert 300 not in told["ids"]


def test_over_budget_near_cells_come_first_and_all_of_them_in_the_end() -> None:
    server = Server(limits=SMALL)
    server.fanout.join(0)
    server.look(0)
    for place in range(WINDOW):
        cell = (place % 3, place // 3)
        server.put(cell, range(100 * place + 1, 100 * place + 41))
    server.step()
    assert 4 in server.sections()
    assert len(server.sections()) < WINDOW
    assert server.sent[0][0].head.deferred == WINDOW - len(server.sections())
    told: set[int] = set()
    for _ in range(6):
        assert len(server.sent[0]) <= SMALL.datagrams
        told |= set(server.sections())
        assert server.unchanged() + len(server.sections()) <= WINDOW
        server.step()
    assert told == set(range(WINDOW)), "no cell starves"


def test_what_is_put_off_is_neither_told_nor_unchanged_nor_acked() -> None:
    server = Server(limits=SMALL)
    server.fanout.join(0)
    server.look(0)
    for place in range(WINDOW):
        server.put((place % 3, place // 3), range(100 * place + 1, 100 * place + 41))
    server.step()
    told = set(server.sections())
    server.ack()
    rest = set(range(WINDOW)) - told
    server.step()
    assert server.sections()
    assert set(server.sections()) <= rest
    assert server.unchanged() == len(told)


def test_a_sector_that_becomes_inactive_is_told_as_empty(server: Server) -> None:
    server.put((-1, 0), [5])
    settle(server)
    server.kill(5)
    server.table.release(pack_sector(-1, 0))
    server.step()
    # Cell (-1, 0) is outside the window around (1, 1); its sector is not.
    assert server.sections() == {}
    server.look(0, (0, 0))
    server.put((-1, 0), [6])
    settle(server)
    server.kill(6)
    server.table.release(pack_sector(-1, 0))
    server.step()
    assert server.sections() == {2: True, 5: True}
    assert (server.ids(), server.gone()) == ([], [])


def test_a_group_used_again_for_another_sector_begins_anew(server: Server) -> None:
    server.look(0, (0, 0))
    server.put((-1, 0), [5])
    settle(server)
    group = server.group((-1, 0))
    server.kill(5)
    server.table.release(pack_sector(-1, 0))
    server.changes.forget(np.array([group], np.int32))
    server.put((400, 0), [6])
    assert server.group((400, 0)) // 16 == group // 16
    server.step()
    assert server.ids() == []
    assert server.sections() == {2: True, 5: True}


def test_an_empty_world_is_told_once(server: Server) -> None:
    server.step()
    assert server.sections() == dict.fromkeys(range(WINDOW), True)
    server.ack()
    server.step()
    assert (server.sections(), len(server.sent[0])) == ({}, 1)


def test_clients_do_not_see_each_other_s_progress(server: Server) -> None:
    server.put(CENTRE, [5])
    server.fanout.join(2)
    server.look(2)
    server.step()
    server.ack(2)
    server.step()
    assert (server.unchanged(2), server.unchanged(0)) == (WINDOW, 0)
    server.fanout.leave(0)
    server.step()
    assert set(server.sent) == {2}


def test_a_tick_is_collected_once_and_only_when_published(server: Server) -> None:
    server.step()
    for tick in (server.tick, server.tick + 1):
        with pytest.raises(LocalProtocolError):
            server.fanout.collect(tick, server.allowance)


def test_rows_that_cannot_be_sent_are_refused() -> None:
    huge = Component("book", (Field("text", "S1000"),), Replication.ATTRIBUTE)
    schema = Schema((*BASE_COMPONENTS, huge))
    with pytest.raises(ConfigError, match="one snapshot"):
        Fanout(schema, RULES, ChangeLog(schema, RULES), 1)


def test_a_client_gets_more_datagrams_than_a_cell_has_parts() -> None:
    parts = LIMITS.edge.section_parts
    with pytest.raises(ConfigError, match="section_parts < datagrams"):
        EdgeLimits(datagrams=parts)
    assert EdgeLimits(datagrams=parts + 1).datagrams == parts + 1


def test_a_world_may_begin_with_tick_0() -> None:
    server = Server()
    server.tick = -1
    server.fanout.join(0)
    server.look(0)
    server.step()
    assert len(server.sections()) == WINDOW
    server.ack()
    server.step()
    assert server.sections() == {}


def test_only_the_component_that_changed_is_told(server: Server) -> None:
    server.put(CENTRE, [5, 6])
    settle(server)
    server.name([6])
    server.step()
    sorts = {what: server.ids(what=what) for what in range(64) if server.ids(what=what)}
    assert sorts == {NAMED: [6]}
    [heard] = server.sent[0]
    head = encode_head(heard.head.tick, heard.head.centre_x, heard.head.centre_y)
    place_form_and_sort = 3
    assert len(heard.head.message) == len(head) + place_form_and_sort + SCHEMA.rows[NAMED].itemsize


def test_who_comes_is_told_with_all_it_has_and_who_stays_is_not(server: Server) -> None:
    server.put((3, 1), [5])
    server.put(CENTRE, [6])
    settle(server)
    server.put(CENTRE, [5])
    server.step()
    for what in (PRESENCE, *SCHEMA.shown):
        assert server.ids(what=what) == [5]


def test_clients_that_were_sent_the_same_are_sent_the_same_bytes(server: Server) -> None:
    server.put(CENTRE, [5, 6, 7])
    for client in (1, 2, 3):
        server.fanout.join(client)
        server.look(client)
    settle(server)
    server.touch([6])
    server.step()
    server.lose(3)
    server.touch([7])
    server.step()
    bodies = [heard.head.message for client in range(4) for heard in server.sent[client]]
    assert bodies[0] == bodies[1] == bodies[2] != bodies[3]


def test_more_rows_of_a_sort_than_a_run_can_count_come_in_several_runs(server: Server) -> None:
    server.put(CENTRE, range(1, 261))
    for _ in range(20):
        settle(server)
    for net_id in range(1, 261):
        server.kill(net_id)
    server.step()
    [heard] = server.sent[0]
    assert [(what, rows) for what, _, rows, *_ in heard.head.spans] == [(GONE, 255), (GONE, 5)]
    assert server.gone() == list(range(1, 261))


def test_a_section_in_parts_says_what_it_would_say_in_one_piece(server: Server) -> None:
    server.put(CENTRE, range(1, 131))
    for _ in range(20):
        settle(server)
    server.touch(range(1, 131))
    server.name(range(60, 131))
    server.step()
    assert {int(parts) for heard in server.sent[0] for parts in heard.all.parts} == {5}
    assert server.ids(what=MOVES) == list(range(1, 131))
    assert server.ids(what=NAMED) == list(range(60, 131))
    server.ack()
    server.step()
    assert server.sections() == {}


def test_a_client_for_which_nothing_is_new_is_sent_a_datagram_now_and_then() -> None:
    server = Server(LIMITS.edge)
    server.fanout.join(0)
    server.look(0)
    server.put(CENTRE, [5])
    settle(server)
    spoke = [server.tick]
    for _ in range(13):
        server.step()
        spoke += [server.tick] * len(server.sent.get(0, []))
    silence_ticks = round(LIMITS.edge.silence_s * RULES.tick_hz)
    assert np.diff(spoke).tolist() == [silence_ticks] * 3
    server.touch([5])
    server.step()
    assert server.ids() == [5], "news does not wait"


def test_an_own_state_that_changes_is_news() -> None:
    server = Server(LIMITS.edge)
    server.fanout.join(0)
    server.look(0)
    settle(server)
    for seq in range(5):
        server.step(Flying(0, input_seq=seq))
        assert [heard.head.private is not None for heard in server.sent[0]] == [True]
    server.step(Flying(0, input_seq=seq))
    assert server.sent == {}


def size_of(server: Server, client: int = 0) -> int:
    """What a tick took of a client's link."""
    heard = server.sent.get(client, [])
    return sum(len(one.head.message) + DATAGRAM_OVERHEAD_SIZE for one in heard)


def test_no_more_is_written_than_can_leave_and_near_cells_come_first(server: Server) -> None:
    for place in range(WINDOW):
        server.put((place % 3, place // 3), range(10 * place + 1, 10 * place + 6))
    server.allowance[0] = 800
    told: list[int] = []
    for _ in range(WINDOW + 1):
        server.step()
        assert size_of(server) <= 800
        told += server.sections()
        server.ack()
    assert told[0] == 4
    assert sorted(told) == list(range(WINDOW)), "each once"


def test_what_is_put_off_is_counted_in_the_header(server: Server) -> None:
    for place in range(WINDOW):
        server.put((place % 3, place // 3), range(10 * place + 1, 10 * place + 6))
    server.allowance[0] = 800
    server.step()
    assert [heard.head.deferred for heard in server.sent[0]] == [WINDOW - len(server.sections())]


def test_nothing_is_written_when_nothing_can_leave() -> None:
    server = Server(LIMITS.edge)
    server.fanout.join(0)
    server.look(0)
    server.put(CENTRE, [5])
    settle(server)
    server.allowance[0] = 0
    server.touch([5])
    server.step(Flying(0))
    assert 0 not in server.sent
    server.allowance[0] = PLENTY
    server.step()
    assert server.ids() == [5]


def test_the_own_state_goes_before_all_else(server: Server) -> None:
    server.put(CENTRE, range(1, 100))
    server.allowance[0] = 300
    for seq in range(10):
        server.step(Flying(0, input_seq=seq))
        assert size_of(server) <= 300
        assert [heard.head.private is not None for heard in server.sent[0]] == [True]


def test_a_crowd_on_a_thin_link_is_renewed_in_turn(server: Server) -> None:
    crowd = range(1, 61)
    server.put(CENTRE, crowd)
    for _ in range(10):
        settle(server)
    server.allowance[0] = 400
    for _ in range(LIMITS.edge.room_ticks):
        settle(server)
    seen = dict.fromkeys(crowd, server.tick)
    worst = 0
    for _ in range(40):
        server.touch(crowd)
        server.step()
        assert size_of(server) <= 400
        for net_id in server.ids():
            worst = max(worst, server.tick - seen[net_id])
            seen[net_id] = server.tick
        server.ack()
    rows = SCHEMA.rows[MOVES].itemsize * len(crowd)
    assert worst <= rows / 400 + 2
    assert min(seen.values()) >= server.tick - worst


class Thin:
    """A link that carries so many bytes per tick, and saves up no more than five hundred."""

    def __init__(self, server: Server, per_tick: int) -> None:
        self.server, self.per_tick = server, per_tick
        self.left = 0
        self.spoke: list[int] = []
        self.told: dict[int, list[int]] = {place: [] for place in range(WINDOW)}
        """In which ticks something of each cell came, by place."""

    def step(self, *flown: Flying) -> None:
        server = self.server
        self.left = min(self.left + self.per_tick, 500)
        server.allowance[0] = max(self.left, 0)
        server.step(*flown)
        self.left -= size_of(server)
        for place in server.sections():
            self.told[place].append(server.tick)
        if 0 in server.tags:
            self.spoke.append(server.tick)
            server.ack()


def crowded(server: Server, each: int = 5) -> range:
    """Some in every cell of the window; gives all of them."""
    for place in range(WINDOW):
        server.put((place % 3, place // 3), range(10 * place + 1, 10 * place + 1 + each))
    return range(1, 10 * WINDOW)


def test_by_a_thin_link_near_cells_come_more_often_and_no_cell_starves() -> None:
    server = Server(replace(EVERY_TICK, ring_stretch=2.0))
    server.fanout.join(0)
    server.look(0)
    everyone = [i for i in crowded(server, 3) if i in server.cells]
    settle(server)
    link = Thin(server, 200)
    for _ in range(400):
        server.touch(everyone)
        link.step()
    times = {place: len(told) for place, told in link.told.items()}
    far = [times[place] for place in range(WINDOW) if place != CENTRE_PLACE]
    assert times[CENTRE_PLACE] >= 1.5 * max(far)
    assert max(far) <= 1.25 * min(far), "all of a ring in turn"
    waits = max(int(np.diff(told).max()) for told in link.told.values())
    assert waits <= 2 * 400 / min(far)


def test_the_cell_into_which_the_own_entity_comes_goes_before_all_others(server: Server) -> None:
    everyone = [i for i in crowded(server) if i in server.cells]
    server.put(CENTRE, [95])
    flies = Flying(0, net_id=95, row=95)
    for _ in range(8):
        server.step(flies)
        server.ack()
    link = Thin(server, 250)
    for _ in range(40):
        server.touch(everyone)
        link.step(flies)
    for cell in ((2, 1), (2, 2), (1, 2)):
        server.put(cell, [95])
        server.touch(everyone)
        server.sent = {}
        before = server.tick
        while not server.sent:
            link.step(flies)
        assert server.tick <= before + 4
        assert server.sent[0][0].all.place[0] == cell[1] * 3 + cell[0]
        assert 95 in server.sent[0][0].ids(PRESENCE)


@pytest.mark.parametrize("own", [1, 40, 80])
def test_of_a_cell_in_parts_the_own_entity_comes_first_and_again_first_if_that_is_lost(
    own: int,
) -> None:
    server = Server()
    server.fanout.join(0)
    server.look(0)
    server.put((0, 0), range(101, 181))
    server.put(CENTRE, range(1, 81))
    server.allowance[0] = 300
    for _ in range(2):
        server.step(Flying(0, net_id=own, row=own))
        assert server.ids(what=PRESENCE)[:1] == [own]
        assert own in server.sent[0][0].ids(PRESENCE), "with the private section"
        server.lose()
    server.step(Flying(0, net_id=own, row=own))
    server.ack()
    server.step(Flying(0, net_id=own, row=own))
    assert own not in server.ids(what=PRESENCE), "once"


def test_what_a_client_flies_anew_does_not_wait_for_a_cell_that_is_on_its_way() -> None:
    server = Server()
    server.fanout.join(0)
    server.look(0)
    others = range(101, 106)
    server.put((0, 0), others)
    settle(server)
    server.put(CENTRE, range(1, 81))
    server.allowance[0] = 300
    for _ in range(3):
        server.touch(others)
        settle(server)
    server.put(CENTRE, [90])
    seen: set[int] = set()
    while len(seen) < 81:
        server.touch(others)
        server.step(Flying(0, net_id=90, row=90))
        server.ack()
        seen |= set(server.ids(what=PRESENCE))
        assert 90 in seen, "at once, whoever else has waited"
        assert server.tick < 100


@pytest.mark.parametrize("per_tick", [100, 130, 160, 190])
@pytest.mark.parametrize("each", [3, 7])
def test_by_a_thin_link_own_states_leave_half_of_it_to_cells(per_tick: int, each: int) -> None:
    server = Server(LIMITS.edge)
    server.fanout.join(0)
    server.look(0)
    everyone = [i for i in crowded(server, each) if i in server.cells]
    settle(server)
    link = Thin(server, per_tick)
    rows = 0
    for tick in range(400):
        server.touch(everyone)
        link.step(Flying(0, net_id=1, row=1, input_seq=tick, moved=True))
        rows += len(server.ids())
    silence_ticks = round(LIMITS.edge.silence_s * RULES.tick_hz)
    assert max(np.diff(link.spoke)) <= silence_ticks
    assert rows * SCHEMA.rows[MOVES].itemsize >= 0.45 * per_tick * 400
    assert all(np.diff(told).max() < 40 for told in link.told.values())


def test_a_cell_for_which_there_is_never_room_by_a_thin_link_comes_in_its_turn() -> None:
    server = Server(LIMITS.edge)
    server.fanout.join(0)
    server.look(0)
    crowded(server, 1)
    large = range(201, 210)
    server.put((0, 0), large)
    everyone = list(server.cells)
    for _ in range(4):
        settle(server)
    link = Thin(server, 130)
    for tick in range(200):
        server.touch(everyone)
        link.step(Flying(0, net_id=1, row=1, input_seq=tick, moved=True))
    size = SCHEMA.rows[MOVES].itemsize * len(large)
    assert size < 2 * LIMITS.edge.part_size, "it is too small for a transfer"
    assert len(link.told[0]) > 10
    assert np.diff(link.told[0]).max() < 20
