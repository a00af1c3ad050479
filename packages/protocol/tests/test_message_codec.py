from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import CloseReason, WireError
from sidereal.protocol.limits import MESSAGE_SIZE_MAX
from sidereal.protocol.message.codec import (
    decode_authority_untrusted,
    decode_client_untrusted,
    decode_server_untrusted,
    decode_shard_untrusted,
    encode_message,
)
from sidereal.protocol.message.player import (
    Assigned,
    Call,
    Hello,
    Leases,
    LookAt,
    Notice,
    Outcome,
    PlayerChannel,
    Receipt,
    Refused,
    Role,
    Standstill,
    Told,
    Values,
    Welcome,
)
from sidereal.protocol.message.shard import (
    Adopt,
    Asked,
    Beat,
    Dismiss,
    Drain,
    Farewell,
    Grant,
    Load,
    Release,
    Revoke,
    Shadows,
    ShardChannel,
    ShardHello,
    ShardWelcome,
)
from sidereal.protocol.rules import Rules

Decode = Callable[[int, bytes], Any]
DECODERS = (
    decode_client_untrusted,
    decode_server_untrusted,
    decode_shard_untrusted,
    decode_authority_untrusted,
)
HASH = bytes(16)
# PROTOCOL.md, "Messages": what travels which way, and on which channel of its link.
TRAVELS: list[tuple[Decode, int, Any]] = [
    (decode_client_untrusted, PlayerChannel.COMMAND, Hello(HASH, "test")),
    (decode_client_untrusted, PlayerChannel.COMMAND, LookAt(1.0, 2.0)),
    (decode_client_untrusted, PlayerChannel.COMMAND, Call(HASH, "hello", b"")),
    (decode_server_untrusted, PlayerChannel.COMMAND, Welcome(HASH, Rules(), 1, 1, Role.PLAYER, "")),
    (decode_server_untrusted, PlayerChannel.COMMAND, Refused(CloseReason.WORLD_FULL, "full")),
    (decode_server_untrusted, PlayerChannel.COMMAND, Assigned(1, 1, 1)),
    (decode_server_untrusted, PlayerChannel.LEASES, Leases(1, 0, -1, 4, b"")),
    (decode_server_untrusted, PlayerChannel.COMMAND, Told("hello")),
    (decode_server_untrusted, PlayerChannel.COMMAND, Values(True, 7, b"1234")),
    (decode_server_untrusted, PlayerChannel.COMMAND, Receipt(HASH, Outcome.NOT_NOW, "wait")),
    (decode_server_untrusted, PlayerChannel.COMMAND, Notice("hello")),
    (decode_server_untrusted, PlayerChannel.COMMAND, Standstill(7)),
    (decode_shard_untrusted, ShardChannel.BEAT, Load(1, 1, 1, 1, 1, 1, b"", "", 0, 0, 0)),
    (
        decode_shard_untrusted,
        ShardChannel.LEASE,
        ShardHello(HASH, "one", HASH, 1, 2, HASH, spare=False),
    ),
    (decode_shard_untrusted, ShardChannel.LEASE, Farewell("system mine.mend", "it raised")),
    (decode_shard_untrusted, ShardChannel.LEASE, Asked("mine.collect", b"", b"\x90")),
    (decode_shard_untrusted, ShardChannel.LEASE, Drain()),
    (decode_authority_untrusted, ShardChannel.BEAT, Beat(1, 1)),
    (decode_authority_untrusted, ShardChannel.LEASE, ShardWelcome(1, Rules(), 1)),
    (decode_authority_untrusted, ShardChannel.LEASE, Refused(CloseReason.FENCED, "")),
    (decode_authority_untrusted, ShardChannel.LEASE, Grant(1, b"")),
    (decode_authority_untrusted, ShardChannel.LEASE, Revoke(1, b"")),
    (decode_authority_untrusted, ShardChannel.LEASE, Adopt(1, b"", b"")),
    (decode_authority_untrusted, ShardChannel.LEASE, Release(1, b"")),
    (decode_authority_untrusted, ShardChannel.LEASE, Dismiss()),
    (decode_authority_untrusted, ShardChannel.LEASE, Shadows(1, bytes(12))),
]


@pytest.mark.parametrize(
    ("decode", "own_channel", "message"),
    TRAVELS,
    ids=[f"{decode.__name__}-{type(message).__name__}" for decode, _, message in TRAVELS],
)
def test_every_message_is_read_on_its_own_channel_only(
    decode: Decode, own_channel: int, message: Any
) -> None:
    body = encode_message(message)
    assert decode(own_channel, body) == message
    for channel in range(-1, 256):
        if channel != own_channel:
            with pytest.raises(WireError, match=f"channel {channel}"):
                decode(channel, body)


def test_records_that_are_given_to_a_shard_are_compressed() -> None:
    rows = np.random.default_rng(1).bytes(32).ljust(400, b"\0") * 400
    body = encode_message(Adopt(5, rows, b"inputs"))
    assert len(body) < len(rows) / 10
    assert decode_authority_untrusted(ShardChannel.LEASE, body) == Adopt(5, rows, b"inputs")


@pytest.mark.parametrize(
    "rows",
    [
        b"",
        b"no stream",
        zlib.compress(bytes(1000))[:-1],
        zlib.compress(bytes(1000)) + b"x",
        zlib.compress(bytes(MESSAGE_SIZE_MAX + 1)),
    ],
    ids=["nothing", "another", "cut short", "more behind it", "longer than a message"],
)
def test_what_is_no_compressed_records_is_malformed(rows: bytes) -> None:
    body = msgspec.msgpack.encode([36, 5, rows, b""])
    with pytest.raises(WireError, match="compressed"):
        decode_authority_untrusted(ShardChannel.LEASE, body)


def test_no_message_is_read_by_the_end_that_sends_it() -> None:
    for decode, channel, message in TRAVELS:
        readers = {decode for decode, _, other in TRAVELS if type(other) is type(message)}
        for other in set(DECODERS) - readers:
            with pytest.raises(WireError):
                other(channel, encode_message(message))


@pytest.mark.parametrize(
    ("decode", "channel", "message"),
    [
        (decode_client_untrusted, PlayerChannel.COMMAND, Call(HASH, "hello", b"")),
        (decode_server_untrusted, PlayerChannel.COMMAND, Notice("hello")),
        (
            decode_shard_untrusted,
            ShardChannel.LEASE,
            ShardHello(HASH, "hello", HASH, 1, 1, HASH, spare=False),
        ),
        (decode_authority_untrusted, ShardChannel.LEASE, Refused(CloseReason.FENCED, "hello")),
    ],
)
def test_text_that_is_not_utf8_is_refused(decode: Decode, channel: int, message: Any) -> None:
    body = encode_message(message)
    assert decode(channel, body) == message
    with pytest.raises(WireError):
        decode(channel, body.replace(b"hello", b"hell\xff"))


@pytest.mark.parametrize("decode", DECODERS)
def test_nesting_without_end_is_refused(decode: Decode) -> None:
    for channel in ShardChannel:
        with pytest.raises(WireError):
            decode(channel, b"\x91" * 100_000)


@pytest.mark.parametrize("decode", DECODERS)
@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.sampled_from(ShardChannel), st.binary(max_size=100))
def test_arbitrary_bytes_are_a_message_or_a_wire_error(
    decode: Decode, channel: int, body: bytes
) -> None:
    with contextlib.suppress(WireError):
        decode(channel, body)
