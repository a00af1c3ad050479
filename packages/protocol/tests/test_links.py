from __future__ import annotations

import contextlib

import argon2.low_level
import nacl.encoding
import nacl.hash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol import limits
from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.spec import Delivery
from sidereal.protocol.errors import LocalProtocolError, WireError
from sidereal.protocol.links import (
    PLAYER_CHANNELS,
    SHARD_CHANNELS,
    USER_DATA_SIZE,
    UserData,
    decode_user_data_untrusted,
    derive_shard_key,
    describe_weak_shard_key,
    encode_user_data,
)
from sidereal.protocol.message.player import PlayerChannel, Role
from sidereal.protocol.message.shard import ShardChannel

ZERO_END = UserData(account=7, role=Role.PLAYER, name="Ada", incarnation=bytes(16))


def test_channels_have_the_guarantee_their_messages_need() -> None:
    for channels in (PLAYER_CHANNELS, SHARD_CHANNELS):
        Connection(channels, 0.0)
    assert PLAYER_CHANNELS[PlayerChannel.SNAPSHOT].delivery is Delivery.UNRELIABLE
    assert PLAYER_CHANNELS[PlayerChannel.CONTROLS].delivery is Delivery.UNRELIABLE_SEQUENCED
    assert PLAYER_CHANNELS[PlayerChannel.COMMAND].delivery is Delivery.RELIABLE_ORDERED
    assert SHARD_CHANNELS[ShardChannel.PROPOSAL].delivery is Delivery.UNRELIABLE
    assert SHARD_CHANNELS[ShardChannel.GHOST].delivery is Delivery.UNRELIABLE
    assert SHARD_CHANNELS[ShardChannel.BEAT].delivery is Delivery.UNRELIABLE_SEQUENCED
    assert SHARD_CHANNELS[ShardChannel.CONTROLS].delivery is Delivery.UNRELIABLE
    assert SHARD_CHANNELS[ShardChannel.LEASE].delivery is Delivery.RELIABLE_ORDERED
    assert SHARD_CHANNELS[ShardChannel.LEASE].message_size_max == limits.MESSAGE_SIZE_MAX


users = st.builds(
    UserData,
    account=st.integers(0, (1 << 63) - 1),
    role=st.sampled_from([int(role) for role in Role]),
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=limits.NAME_SIZE_MAX).filter(
        lambda name: len(name.encode()) <= limits.NAME_SIZE_MAX
    ),
    incarnation=st.binary(min_size=16, max_size=16),
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(users)
def test_user_data_comes_back_as_it_was(user: UserData) -> None:
    encoded = encode_user_data(user)
    assert len(encoded) == USER_DATA_SIZE
    assert decode_user_data_untrusted(encoded) == user


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=300) | st.binary(max_size=40).map(lambda b: b.ljust(256, b"\0")))
def test_arbitrary_bytes_are_user_data_or_a_wire_error(user_data: bytes) -> None:
    with contextlib.suppress(WireError):
        decode_user_data_untrusted(user_data)


def test_user_data_of_another_shape_is_refused() -> None:
    good = encode_user_data(ZERO_END)
    unknown_role = encode_user_data(UserData(7, 99, "Ada", bytes(16)))
    not_text = good.replace(b"Ada", b"Ad\xff")
    for bad in (good[:-1], good + b"\0", good[:-1] + b"\1", bytes(256), unknown_role, not_text):
        with pytest.raises(WireError):
            decode_user_data_untrusted(bad)


def test_a_name_is_measured_in_bytes() -> None:
    encode_user_data(UserData(1, 1, "é" * 12, bytes(16)))
    with pytest.raises(LocalProtocolError):
        encode_user_data(UserData(1, 1, "é" * 13, bytes(16)))


def test_a_random_shard_key_is_hashed_as_another_implementation_does() -> None:
    text = "0123456789abcdefABCDEF9876543210"
    expected = nacl.hash.blake2b(
        text.encode(), digest_size=32, person=b"sidereal-shard", encoder=nacl.encoding.RawEncoder
    )
    assert derive_shard_key(text) == expected
    assert derive_shard_key(text.lower()) != expected


def test_a_shard_key_that_is_a_text_is_stretched_as_another_implementation_does() -> None:
    text = "ein längerer Satz"
    expected = argon2.low_level.hash_secret_raw(
        text.encode(),
        b"sidereal-shard\0\0",
        time_cost=3,
        memory_cost=64 * 1024,
        parallelism=1,
        hash_len=32,
        type=argon2.low_level.Type.ID,
    )
    assert derive_shard_key(text) == expected


@pytest.mark.parametrize("text", ["", "abcd", "sesame", "a" * 11, "0123456789a"])
def test_a_shard_key_that_can_be_guessed_is_refused_with_a_remedy(text: str) -> None:
    assert "openssl rand -hex 16" in describe_weak_shard_key(text)


@pytest.mark.parametrize("text", ["0" * 32, "a longer text"])
def test_a_shard_key_that_is_long_enough_is_taken(text: str) -> None:
    assert describe_weak_shard_key(text) == ""
