from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import UNRELIABLE_SIZE_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.records import RecordSender, decode_record_message_untrusted
from sidereal.protocol.state.schema import BASE_SCHEMA

DTYPE = BASE_SCHEMA.exact_record
REORDER_TICKS = Rules().streams.reorder_ticks


def send(
    sender: RecordSender, tick: int, rows: list[int], changed: list[int]
) -> list[tuple[list[int], int]]:
    """Ids (row + 1) in each message, and its tag."""
    at, when = np.array(rows, np.int64), np.array(changed, np.int64)
    due = sender.pending(at, when)
    chosen = np.zeros(len(due), DTYPE)
    chosen["id"] = at[due] + 1
    found = []
    for message, tag in sender.collect(tick, at[due], when[due], chosen):
        assert len(message) <= UNRELIABLE_SIZE_MAX
        sent_at, records = decode_record_message_untrusted(DTYPE, message)
        assert sent_at == tick
        found.append((records["id"].tolist(), tag))
    return found


def test_a_row_is_sent_until_it_is_acked_and_again_when_it_changes() -> None:
    sender = RecordSender(DTYPE, REORDER_TICKS)
    [(ids, tag)] = send(sender, 5, [0, 1], [5, 4])
    assert sorted(ids) == [1, 2]
    assert len(send(sender, 6, [0, 1], [5, 4])) == 1
    sender.acked([tag])
    assert send(sender, 7, [0, 1], [5, 4]) == []
    assert send(sender, 8, [0, 1], [5, 8])[0][0] == [2]


def test_an_ack_of_an_older_change_does_not_count_for_a_newer_one() -> None:
    sender = RecordSender(DTYPE, REORDER_TICKS)
    [(_, old)] = send(sender, 1, [0], [1])
    [(_, new)] = send(sender, 2, [0], [2])
    sender.acked([old])
    assert send(sender, 3, [0], [2])[0][0] == [1]
    sender.acked([new, new, 999])
    assert send(sender, 4, [0], [2]) == []
    sender.acked([old])
    assert send(sender, 5, [0], [2]) == []


def test_a_late_ack_says_nothing_about_the_row_s_next_owner() -> None:
    sender = RecordSender(DTYPE, REORDER_TICKS)
    [(_, tag)] = send(sender, 5, [0], [5])
    sender.forget(np.array([0]))
    sender.acked([tag])
    assert send(sender, 6, [0], [5])[0][0] == [1]


def test_what_does_not_fit_comes_next() -> None:
    sender = RecordSender(DTYPE, REORDER_TICKS, messages_max=1)
    rows = list(range(40))
    seen: set[int] = set()
    for tick in range(1, 4):
        [(ids, _)] = send(sender, tick, rows, [1] * 40)
        seen |= set(ids)
    assert len(seen) == 40


def test_messages_nobody_acks_are_forgotten() -> None:
    sender = RecordSender(DTYPE, REORDER_TICKS)
    for tick in range(1, 3 * REORDER_TICKS):
        send(sender, tick, [0], [1])
    assert sender.unacked <= REORDER_TICKS + 1


@pytest.mark.parametrize("seed", range(4))
def test_the_receiver_ends_with_every_row_whatever_is_lost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sender = RecordSender(DTYPE, REORDER_TICKS)
    changed = np.zeros(60, np.int64)
    received = np.full(60, -1, np.int64)
    rows = np.arange(60)
    late: list[int] = []
    for tick in range(1, 120):
        lossy = tick < 100
        if lossy:
            changed[rng.random(60) < 0.2] = tick
        due = sender.pending(rows, changed)
        records = np.zeros(len(due), DTYPE)
        records["id"], records["tick"] = due + 1, changed[due]
        for message, tag in sender.collect(tick, rows[due], changed[due], records):
            if not lossy or rng.random() < 0.5:
                _, came = decode_record_message_untrusted(DTYPE, message)
                at = came["id"].astype(np.int64) - 1
                received[at] = np.maximum(received[at], came["tick"])
                late.append(tag)
        rng.shuffle(late)
        sender.acked(late[: len(late) // 2])
        late = late[len(late) // 2 :] if not lossy or rng.random() < 0.8 else []
    assert (received == changed).all()


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_or_read(message: bytes) -> None:
    try:
        _, rows = decode_record_message_untrusted(DTYPE, message)
    except WireError:
        return
    assert len(message) == 8 + rows.nbytes


def test_truncated_and_lengthened_messages_are_refused() -> None:
    sender = RecordSender(DTYPE, REORDER_TICKS)
    message, _ = sender.collect(1, np.array([0]), np.array([1]), np.zeros(1, DTYPE))[0]
    for bad in (message[:-1], message + b"\0", message[:4], b"", b"\2" + message[1:]):
        with pytest.raises(WireError):
            decode_record_message_untrusted(DTYPE, bad)
