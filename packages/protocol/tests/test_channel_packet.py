from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol import limits
from sidereal.protocol.channel.packet import (
    ALL_CAME,
    Packet,
    Part,
    decode_packet_untrusted,
    encode_ack,
    encode_fragment_head,
    encode_header,
    encode_run,
    encode_unreliable_head,
    leave_out_size,
)
from sidereal.protocol.errors import WireError

RELIABLE = [False, True, False, True]
FULL = bytes(limits.FRAGMENT_SIZE)


def encode_part(part: Part) -> bytes:
    if RELIABLE[part.channel] and part.fragments == 1:
        return encode_run(part.channel, part.message_id, part.bodies)
    (body,) = part.bodies
    if not RELIABLE[part.channel]:
        return encode_unreliable_head(part.channel, len(body)) + body
    return (
        encode_fragment_head(
            part.channel, len(body), part.message_id, part.fragment, part.fragments
        )
        + body
    )


bodies = st.binary(max_size=60)
ids = st.integers(0, 0xFFFF_FFFF)
unreliable = st.builds(lambda c, b: Part(c, 0, 0, 1, [b]), st.sampled_from([0, 2]), bodies)
whole = st.builds(
    lambda c, i, b: Part(c, i, 0, 1, b),
    st.sampled_from([1, 3]),
    ids,
    st.lists(bodies, min_size=1, max_size=4),
)
last_fragment = st.builds(
    lambda c, i, n, b: Part(c, i, n - 1, n, [b]),
    st.sampled_from([1, 3]),
    ids,
    st.integers(2, limits.FRAGMENTS_MAX),
    st.binary(min_size=1, max_size=60),
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.integers(1, limits.ACK_WORDS_PACKED_MAX),
    st.integers(0, (1 << 256) - 1),
    st.lists(unreliable | whole | last_fragment, max_size=4),
)
def test_what_is_encoded_is_decoded(
    sequence: int, ack: int, delay: int, words: int, bits: int, parts: list[Part]
) -> None:
    header = encode_ack(ack, (delay + 0.5) * 1e-4, bits, words)
    payload = encode_header(sequence, bool(parts), header)
    payload += b"".join(map(encode_part, parts))
    kept = bits & ((1 << 32 * words) - 1)
    assert decode_packet_untrusted(payload, RELIABLE) == Packet(
        sequence, bool(parts), ack, delay * 1e-4, kept, parts
    )


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_a_packet_or_a_wire_error(payload: bytes) -> None:
    with contextlib.suppress(WireError):
        decode_packet_untrusted(payload, RELIABLE)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(unreliable | whole | last_fragment, min_size=1, max_size=5), st.data())
def test_a_damaged_packet_is_a_packet_or_a_wire_error(
    parts: list[Part], data: st.DataObject
) -> None:
    payload = bytearray(encode_header(7, True, encode_ack(9, 0.0, 5, 2)))
    for part in parts:
        payload += encode_part(part)
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] = data.draw(st.integers(0, 255))
    del payload[data.draw(st.integers(0, len(payload))) :]
    with contextlib.suppress(WireError):
        decode_packet_untrusted(bytes(payload), RELIABLE)


def test_the_bytes_are_those_of_the_specification() -> None:
    payload = encode_header(0x12345, True, encode_ack(0x1ABCD, 0.0123, 0b101, 1))
    payload += encode_part(Part(0, 0, 0, 1, [b"hi"]))
    payload += encode_part(Part(1, 0x0A0B0C0D, 0, 1, [b"x", b"", b"yz"]))
    payload += encode_part(Part(3, 5, 1, 2, [b"end"]))
    chunks = [encode_unreliable_head(2, 2), b"oh"]
    assert leave_out_size(chunks) == 2
    payload += b"".join(chunks)
    assert payload.hex(" ") == (
        "45 23 81 cd ab 7b 00 05 00 00 00 "
        "00 02 00 68 69 "
        "01 03 0d 0c 0b 0a 01 00 00 00 02 00 78 79 7a "
        "83 03 00 05 00 00 00 01 00 02 00 65 6e 64 "
        "42 6f 68"
    )


def test_an_ack_of_all_that_was_before_has_no_bits() -> None:
    every = (1 << 32) - 1
    payload = encode_header(3, True, encode_ack(9, 0.0, every, 1))
    assert len(payload) == 3 + 4
    assert decode_packet_untrusted(payload, RELIABLE) == Packet(3, True, 9, 0.0, every, [])
    assert len(encode_header(3, True, encode_ack(9, 0.0, every, 2))) == 3 + 4 + 8
    assert len(encode_header(3, True, encode_ack(9, 0.0, every >> 1, 1))) == 3 + 4 + 4


def test_a_packet_before_anything_came_has_no_ack() -> None:
    packet = decode_packet_untrusted(encode_header(3, False, b""), RELIABLE)
    assert packet == Packet(3, False, -1, 0.0, 0, [])


def test_the_ack_delay_saturates() -> None:
    header = encode_header(0, False, encode_ack(0, 60.0, 0, 1))
    assert decode_packet_untrusted(header, RELIABLE).ack_delay_s == pytest.approx(6.5535)


def test_a_packet_without_messages_may_want_an_ack() -> None:
    packet = decode_packet_untrusted(encode_header(3, True, b""), RELIABLE)
    assert packet.ack_wanted
    assert packet.parts == []


def header(words: int = 0) -> bytes:
    return struct.pack("<HB", 0, words)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        header()[:2],
        header(words=1),
        header(words=1) + bytes(7),
        header(words=ALL_CAME) + bytes(3),
        header(words=ALL_CAME + 1) + bytes(4 + 4 * (ALL_CAME + 1)),
        header() + b"\x04\x00\x00",
        header() + b"\x41",
        header() + b"\x44",
        header() + b"\xc1" + encode_fragment_head(1, 1, 0, 1, 2)[1:] + b"x",
        header() + b"\x40" + bytes(limits.UNRELIABLE_SIZE_MAX + 1),
        header() + b"\x80" + bytes(10),
        header() + b"\x00\x01",
        header() + b"\x00\x01\x00",
        header() + encode_unreliable_head(0, limits.UNRELIABLE_SIZE_MAX + 1) + bytes(1151),
        header() + encode_run(1, 0, [bytes(limits.FRAGMENT_SIZE + 1)]),
        header() + encode_run(1, 0, [b"", bytes(limits.FRAGMENT_SIZE + 1)]),
        header() + encode_run(1, 0, [b"a", b"b"])[:-1],
        header() + encode_run(1, 0, [b"a", b"b"])[:9],
        header() + b"\x01\x00" + bytes(4),
        header() + encode_fragment_head(1, 0, 0, 1, 2),
        header() + encode_fragment_head(1, 5, 0, 0, 2) + bytes(5),
        header() + encode_fragment_head(1, 1025, 0, 1, 2) + bytes(1025),
        header() + encode_fragment_head(1, 1024, 0, 2, 2) + FULL,
        header() + encode_fragment_head(1, 1024, 0, 0, 1) + FULL,
        header() + encode_fragment_head(1, 1024, 0, 0, 0) + FULL,
        header() + encode_fragment_head(1, 1024, 0, 0, limits.FRAGMENTS_MAX + 1) + FULL,
        header() + bytes(limits.PAYLOAD_SIZE_MAX),
    ],
)
def test_malformed_packets_are_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        decode_packet_untrusted(payload, RELIABLE)


@pytest.mark.parametrize(
    "payload",
    [
        header(words=limits.ACK_WORDS_MAX) + bytes(4 + 4 * limits.ACK_WORDS_MAX),
        header(words=ALL_CAME) + bytes(4),
        header() + encode_unreliable_head(0, 1150) + bytes(limits.UNRELIABLE_SIZE_MAX),
        header() + b"\x40" + bytes(limits.UNRELIABLE_SIZE_MAX),
        header() + b"\x42",
        header() + encode_run(1, 0, [FULL]),
        header() + encode_run(1, 0xFFFF_FFFF, [b""] * limits.MESSAGES_PER_RUN_MAX),
        header() + encode_fragment_head(1, 1024, 0, 0, limits.FRAGMENTS_MAX) + FULL,
        header() + encode_fragment_head(1, 1024, 0, 1, 2) + FULL,
        header() + encode_fragment_head(1, 1, 0, 1, 2) + b"x",
        header() + encode_unreliable_head(0, 0) * ((limits.PAYLOAD_SIZE_MAX - 4) // 3),
    ],
)
def test_packets_at_the_limits_are_taken(payload: bytes) -> None:
    decode_packet_untrusted(payload, RELIABLE)
