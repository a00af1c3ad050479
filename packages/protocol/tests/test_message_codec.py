from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import CloseReason, WireError
from sidereal.protocol.message.codec import (
    decode_authority_untrusted,
    decode_client_untrusted,
    decode_server_untrusted,
    decode_shard_untrusted,
    encode_message,
)
from sidereal.protocol.message.player import Chat, Notice, Refused
from sidereal.protocol.message.shard import ShardHello

Decode = Callable[[bytes], Any]
DECODERS = (
    decode_client_untrusted,
    decode_server_untrusted,
    decode_shard_untrusted,
    decode_authority_untrusted,
)


@pytest.mark.parametrize(
    ("decode", "message"),
    [
        (decode_client_untrusted, Chat("hello")),
        (decode_server_untrusted, Notice("hello")),
        (decode_shard_untrusted, ShardHello(bytes(16), "hello", bytes(16))),
        (decode_authority_untrusted, Refused(CloseReason.FENCED, "hello")),
    ],
)
def test_text_that_is_not_utf8_is_refused(decode: Decode, message: Any) -> None:
    body = encode_message(message)
    assert decode(body) == message
    with pytest.raises(WireError):
        decode(body.replace(b"hello", b"hell\xff"))


@pytest.mark.parametrize("decode", DECODERS)
def test_nesting_without_end_is_refused(decode: Decode) -> None:
    with pytest.raises(WireError):
        decode(b"\x91" * 100_000)


@pytest.mark.parametrize("decode", DECODERS)
@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_a_message_or_a_wire_error(decode: Decode, body: bytes) -> None:
    with contextlib.suppress(WireError):
        decode(body)
