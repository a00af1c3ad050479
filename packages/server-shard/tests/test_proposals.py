"""What has changed is proposed until it is acked, whatever is lost on the way."""

from __future__ import annotations

import numpy as np
from changing import DECLARED, HP, NUMBER, SCHEMA, SHOTS, Health, Rig
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.state.proposals import decode_proposal_untrusted
from sidereal.protocol.state.schema import MOTION
from sidereal.shard.events import Events
from sidereal.shard.families import Families
from sidereal.shard.proposals import Proposals

REORDER_TICKS = 20
WHOLES_MAX = 4


class Sender:
    """A shard's bodies, and what it proposes of them."""

    def __init__(self, count: int = 8, modelled: frozenset[int] = frozenset()) -> None:
        self.rig = Rig(count, modelled=modelled)
        capacity = self.rig.population.columns.capacity
        self.events = Events(DECLARED, self.rig.population)
        self.proposals = Proposals(
            SCHEMA,
            capacity,
            REORDER_TICKS,
            WHOLES_MAX,
            modelled,
            self.events,
            Families(self.rig.population),
        )

    def propose(self) -> list[tuple[bytes, int | None]]:
        """Let a tick pass."""
        self.rig.tick += 1
        for number, rows in self.rig.changes.collect(self.rig.tick, self.proposals.whole()).items():
            self.proposals.note(number, rows, self.rig.tick)
        return self.proposals.write(self.rig.tick, self.rig.changes)

    def ids(self) -> list[int]:
        """Whose health is proposed in the next tick."""
        return [int(row["id"]) for row in health_in([m for m, _ in self.propose()])]


def health_in(messages: list[bytes]) -> list[np.void]:
    runs = [run for message in messages for run in decode_proposal_untrusted(SCHEMA, message)[1]]
    assert all(number == NUMBER[Health] for number, _ in runs)
    return [row for _, rows in runs for row in rows]


def test_a_row_is_proposed_until_it_is_acked_and_then_no_more() -> None:
    sender = Sender()
    sender.rig.write(SHOTS, 1, [2])
    assert sender.ids() == [1002]
    messages = sender.propose()
    assert len(health_in([message for message, _ in messages])) == 1
    sender.proposals.acked([tag for _, tag in messages if tag is not None])
    ((message, tag),) = sender.propose()
    assert (decode_proposal_untrusted(SCHEMA, message)[1], tag) == ([], None)


def test_the_ack_of_an_older_value_does_not_count_for_a_newer_one() -> None:
    sender = Sender()
    sender.rig.write(SHOTS, 1, [2])
    older = [tag for _, tag in sender.propose()]
    sender.rig.write(SHOTS, 2, [2])
    sender.propose()
    sender.proposals.acked([tag for tag in older if tag is not None])
    assert sender.ids() == [1002]


def test_an_ack_that_is_late_counts_for_nobody_who_has_the_row_by_then() -> None:
    sender = Sender(1)
    sender.rig.write(SHOTS, 1)
    late = [tag for _, tag in sender.propose()]
    sender.proposals.forget(sender.rig.rows)
    assert sender.ids() == []
    sender.rig.write(SHOTS, 2)
    assert sender.ids() == [1000]
    sender.proposals.acked([tag for tag in late if tag is not None])
    assert sender.ids() == [1000]


def test_an_ack_that_is_too_late_is_ignored() -> None:
    sender = Sender()
    sender.rig.write(SHOTS, 1, [2])
    tags = [tag for _, tag in sender.propose()]
    for _ in range(REORDER_TICKS + 1):
        sender.propose()
    sender.proposals.acked([tag for tag in tags if tag is not None])
    assert sender.ids() == [1002]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1 << 32), loss=st.floats(0.0, 0.6))
def test_in_the_end_the_server_has_everything_whatever_was_lost(seed: int, loss: float) -> None:
    rng, sender = np.random.default_rng(seed), Sender(20)
    columns, rows = sender.rig.population.columns, sender.rig.rows
    had: dict[int, tuple[int, float, int]] = {}
    under_way: list[tuple[int, bytes, int | None]] = []
    for tick in range(60):
        if tick < 25:
            some = rows[rng.random(len(rows)) < 0.2]
            columns[HP][some] = rng.uniform(0, 100, len(some))
            columns[SHOTS][some] += np.uint32(1)
        late = tick < 30
        for message, tag in sender.propose():
            if not late or rng.random() >= loss:
                under_way.append((tick + int(rng.integers(0, 6 if late else 1)), message, tag))
        due = [arrival for arrival in under_way if arrival[0] <= tick]
        under_way = [arrival for arrival in under_way if arrival[0] > tick]
        for _, message, tag in due:
            for row in health_in([message]):
                held = had.get(int(row["id"]), (-1, 0.0, 0))
                fresh = int(row["tick"]), float(row[HP]), int(row[SHOTS])
                had[int(row["id"])] = max(held, fresh, key=lambda seen: seen[0])
            if tag is not None and (not late or rng.random() >= loss):
                sender.proposals.acked([tag])
    changed = rows[columns[SHOTS][rows] > 0]
    assert {net_id: seen[1:] for net_id, seen in had.items()} == {
        int(columns.net_id[row]): (float(columns[HP][row]), int(columns[SHOTS][row]))
        for row in changed.tolist()
    }
    assert sender.ids() == []


def test_what_models_write_travels_in_one_message_with_its_motion() -> None:
    modelled = frozenset((NUMBER[Health],))
    sender, motion = Sender(60, modelled), SCHEMA.numbers[MOTION.name]
    sender.rig.write(SHOTS, 1, slice(10, 50))
    sender.rig.write("x", 7.0, slice(30, 60))
    found: dict[int, list[int]] = {motion: [], NUMBER[Health]: []}
    for message, tag in sender.propose():
        runs = dict(decode_proposal_untrusted(SCHEMA, message)[1])
        ids = {number: rows["id"].tolist() for number, rows in runs.items()}
        assert set(ids.get(NUMBER[Health], ())) <= set(ids[motion])
        for number, some in ids.items():
            found[number] += some
        assert tag is not None
        sender.proposals.acked([tag])
    assert sorted(found[NUMBER[Health]]) == list(range(1010, 1050))
    assert sorted(found[motion]) == list(range(1010, 1060))
    assert not sender.ids()
