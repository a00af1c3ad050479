"""Proposals: any rows in as many messages as they need, and nothing else is one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import ConfigError, WireError
from sidereal.protocol.limits import UNRELIABLE_SIZE_MAX
from sidereal.protocol.state.component import Component, Field
from sidereal.protocol.state.proposals import (
    PROPOSAL_HEADER,
    RUN_ROWS_MAX,
    decode_proposal_untrusted,
    encode_proposals,
)
from sidereal.protocol.state.schema import BASE_COMPONENTS, Schema

SMALL = Component("small", (Field("flag", "u1"),), proposed=True)
LARGE = Component("large", tuple(Field(f"f{n}", "f8") for n in range(100)), proposed=True)
SCHEMA = Schema((*BASE_COMPONENTS, SMALL, LARGE))
NUMBERS = sorted(SCHEMA.proposed_rows)


def rows_of(number: int, count: int, seed: int = 0) -> np.ndarray:
    """Rows of a component with noise in them."""
    dtype = SCHEMA.proposed_rows[number]
    noise = np.random.default_rng([seed, number, count]).bytes(count * dtype.itemsize)
    return np.frombuffer(noise, dtype)


@settings(deadline=None, max_examples=60)
@given(counts=st.dictionaries(st.sampled_from(NUMBERS), st.integers(0, 400)), tick=st.integers(0))
def test_any_rows_come_out_as_they_were_put_in(counts: dict[int, int], tick: int) -> None:
    tick %= 1 << 32
    rows = {number: rows_of(number, count) for number, count in counts.items()}
    packed = encode_proposals(tick, rows.items())
    assert packed
    found: dict[int, list[np.ndarray]] = {number: [] for number in rows}
    for message, parts in packed:
        assert len(message) <= UNRELIABLE_SIZE_MAX
        at, runs = decode_proposal_untrusted(SCHEMA, message)
        assert at == tick
        assert [(part.what, part.end - part.first) for part in parts] == [
            (number, len(run)) for number, run in runs
        ]
        for part, (number, run) in zip(parts, runs, strict=True):
            assert run.tobytes() == rows[number][part.first : part.end].tobytes()
            found[number].append(run)
    for number, there in rows.items():
        assert b"".join(run.tobytes() for run in found[number]) == there.tobytes()


def test_a_message_is_full_before_the_next_one_begins() -> None:
    motion = SCHEMA.numbers["motion"]
    messages = encode_proposals(7, [(motion, rows_of(motion, 33)), (6, rows_of(6, 3))])
    assert [len(parts) for _, parts in messages] == [1, 1, 2]
    most = (UNRELIABLE_SIZE_MAX - PROPOSAL_HEADER.size) // SCHEMA.exact_record.itemsize
    assert [part.end - part.first for _, parts in messages for part in parts] == [most, most, 1, 3]


def test_rows_of_a_byte_fill_a_message_however_small_they_are() -> None:
    assert RUN_ROWS_MAX * (12 + 1) > UNRELIABLE_SIZE_MAX
    first, *_ = encode_proposals(7, [(6, rows_of(6, 1000))])
    assert UNRELIABLE_SIZE_MAX - len(first.message) < SCHEMA.proposed_rows[6].itemsize


def test_a_message_without_rows_says_that_the_shard_lives() -> None:
    ((message, parts),) = encode_proposals(9, [(1, rows_of(1, 0))])
    assert parts == ()
    assert decode_proposal_untrusted(SCHEMA, message) == (9, [])


@pytest.mark.parametrize(
    "broken",
    [
        lambda message: message[:5],
        lambda message: b"\1" + message[1:],
        lambda message: message + b"\0",
        lambda message: message[:-1],
        lambda message: message[:6] + b"\0" + message[7:],
        lambda message: message[:6] + b"\x3f" + message[7:],
        lambda message: message[:7] + b"\0" + message[8:],
        lambda message: message[:1] + b"\2" + message[2:],
        lambda message: message[:1] + b"\0" + message[2:],
    ],
)
def test_what_is_no_proposal_is_refused(broken) -> None:  # type: ignore[no-untyped-def]
    ((message, _),) = encode_proposals(9, [(2, rows_of(2, 3))])
    assert decode_proposal_untrusted(SCHEMA, message)[0] == 9
    with pytest.raises(WireError):
        decode_proposal_untrusted(SCHEMA, broken(message))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_proposal_or_refused(body: bytes) -> None:
    for message in (body, b"\2" + body):
        try:
            _, runs = decode_proposal_untrusted(SCHEMA, message)
        except WireError:
            continue
        assert sum(2 + rows.nbytes for _, rows in runs) == len(message) - PROPOSAL_HEADER.size


def test_a_schema_whose_entities_fit_no_message_is_refused_in_words() -> None:
    huge = Component("huge", tuple(Field(f"g{n}", "f8") for n in range(140)))
    with pytest.raises(ConfigError, match=r"take 1248 bytes; a message holds 1142"):
        Schema((*BASE_COMPONENTS, huge))
