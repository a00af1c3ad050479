from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import LocalProtocolError, WireError
from sidereal.protocol.ids import Address
from sidereal.protocol.session.token import (
    NEVER,
    ConnectToken,
    PrivateToken,
    canonical_address,
    encode_connect_token,
    generate_connect_token,
    open_private_token_untrusted,
    read_connect_token_untrusted,
    read_private_token_untrusted,
    seal_private_token,
)

KEY = bytes(range(32))
HERE = Address("127.0.0.1", 40000)

PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)

addresses = st.lists(
    st.builds(Address, st.ip_addresses().map(str), st.integers(0, 0xFFFF)),
    min_size=1,
    max_size=32,
).map(lambda several: tuple(canonical_address(one) for one in several))
keys = st.binary(min_size=32, max_size=32)
u64 = st.integers(0, (1 << 64) - 1)
timeouts = st.integers(-(1 << 31), (1 << 31) - 1)


def issue(**changes: object) -> bytes:
    arguments: dict[str, object] = {
        "protocol_id": 7,
        "private_key": KEY,
        "client_id": 3,
        "server_addresses": [HERE],
        "user_data": bytes(256),
        "expire_s": 30,
        "timeout_s": 5,
        "wall_now": 1000.9,
        "entropy": random.Random(1).randbytes,
    }
    return generate_connect_token(**(arguments | changes))  # type: ignore[arg-type]


@PROPERTY
@given(
    token=st.builds(
        ConnectToken,
        protocol_id=u64,
        create_timestamp=st.just(5),
        expire_timestamp=st.integers(5, NEVER),
        nonce=st.binary(min_size=24, max_size=24),
        private_sealed=st.binary(min_size=1024, max_size=1024),
        timeout_s=timeouts,
        server_addresses=addresses,
        client_to_server_key=keys,
        server_to_client_key=keys,
    )
)
def test_connect_token_round_trips(token: ConnectToken) -> None:
    encoded = encode_connect_token(token)
    assert len(encoded) == 2048
    assert read_connect_token_untrusted(encoded) == token


@PROPERTY
@given(
    token=st.builds(
        PrivateToken,
        client_id=u64,
        timeout_s=timeouts,
        server_addresses=addresses,
        client_to_server_key=keys,
        server_to_client_key=keys,
        user_data=st.binary(min_size=256, max_size=256),
    ),
    expire=u64,
    nonce=st.binary(min_size=24, max_size=24),
)
def test_private_token_round_trips(token: PrivateToken, expire: int, nonce: bytes) -> None:
    sealed = seal_private_token(token, 7, expire, nonce, KEY)
    assert len(sealed) == 1024
    plain = open_private_token_untrusted(sealed, 7, expire, nonce, KEY)
    assert read_private_token_untrusted(plain) == token


@PROPERTY
@given(st.one_of(st.binary(max_size=64), st.binary(min_size=2048, max_size=2048)))
def test_arbitrary_bytes_are_no_connect_token(body: bytes) -> None:
    with pytest.raises(WireError):
        read_connect_token_untrusted(body)


@PROPERTY
@given(offset=st.integers(0, 2047), value=st.integers(0, 255))
def test_damaged_connect_token_raises_nothing_but_wire_error(offset: int, value: int) -> None:
    token = bytearray(issue(server_addresses=[HERE, Address("::1", 5)]))
    token[offset] = value
    try:
        read_connect_token_untrusted(bytes(token))
    except WireError:
        return


@PROPERTY
@given(st.one_of(st.binary(max_size=64), st.binary(min_size=1008, max_size=1008)))
def test_arbitrary_private_token_raises_nothing_but_wire_error(body: bytes) -> None:
    try:
        read_private_token_untrusted(body)
    except WireError:
        return


def test_private_part_opens_only_with_its_key_protocol_and_time() -> None:
    token = read_connect_token_untrusted(issue())
    good = (token.private_sealed, 7, token.expire_timestamp, token.nonce, KEY)
    assert len(open_private_token_untrusted(*good)) == 1008
    for position, value in (
        (1, 8),
        (2, token.expire_timestamp + 1),
        (3, bytes(24)),
        (4, bytes(32)),
    ):
        bad = list(good)
        bad[position] = value
        with pytest.raises(WireError, match="not authentic"):
            open_private_token_untrusted(*bad)  # type: ignore[arg-type]


def test_both_parts_carry_the_same_keys_and_their_own_addresses() -> None:
    inside = Address("10.0.0.7", 41000)
    token = read_connect_token_untrusted(issue(private_addresses=[inside]))
    private = read_private_token_untrusted(
        open_private_token_untrusted(
            token.private_sealed, 7, token.expire_timestamp, token.nonce, KEY
        )
    )
    assert token.server_addresses == (HERE,)
    assert private.server_addresses == (inside,)
    assert private.client_to_server_key == token.client_to_server_key
    assert private.server_to_client_key == token.server_to_client_key
    assert token.client_to_server_key != token.server_to_client_key


def test_times_are_whole_seconds_and_negative_expiry_is_never() -> None:
    token = read_connect_token_untrusted(issue())
    assert (token.create_timestamp, token.expire_timestamp) == (1000, 1030)
    assert read_connect_token_untrusted(issue(expire_s=-1)).expire_timestamp == NEVER


def test_printing_a_token_shows_no_key() -> None:
    token = read_connect_token_untrusted(issue())
    assert "key" not in repr(token)
    assert "sealed" not in repr(token)


@pytest.mark.parametrize(
    ("name", "offset", "value"),
    [
        ("version", 0, b"NETCODE 1.01\0"),
        ("created after it expires", 21, (1031).to_bytes(8, "little")),
        ("no server", 1089, (0).to_bytes(4, "little")),
        ("33 servers", 1089, (33).to_bytes(4, "little")),
        ("negative count", 1089, (0xFFFF_FFFF).to_bytes(4, "little")),
        ("address type 0", 1093, b"\0"),
        ("address type 3", 1093, b"\3"),
    ],
)
def test_contradictory_connect_token_is_refused(name: str, offset: int, value: bytes) -> None:
    token = bytearray(issue())
    token[offset : offset + len(value)] = value
    with pytest.raises(WireError):
        read_connect_token_untrusted(bytes(token))


@pytest.mark.parametrize("size", [0, 2047, 2049])
def test_connect_token_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(WireError, match="2048"):
        read_connect_token_untrusted(issue().ljust(2049, b"\0")[:size])


def test_32_ipv6_servers_fit_and_33_do_not() -> None:
    many = [Address(f"2001:db8::{number:x}", 40000) for number in range(1, 33)]
    assert read_connect_token_untrusted(issue(server_addresses=many)).server_addresses == tuple(
        many
    )
    with pytest.raises(LocalProtocolError, match="1 to 32"):
        issue(server_addresses=[*many, HERE])


@pytest.mark.parametrize(
    "changes",
    [
        {"server_addresses": []},
        {"server_addresses": [Address("localhost", 1)]},
        {"server_addresses": [Address("127.0.0.1", 65536)]},
        {"user_data": bytes(255)},
        {"private_key": bytes(31)},
        {"client_id": 1 << 64},
        {"client_id": -1},
        {"protocol_id": 1 << 64},
        {"timeout_s": 1 << 31},
    ],
)
def test_misuse_says_what_is_wrong(changes: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        issue(**changes)


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("2001:0db8:0000::0001", "2001:db8::1"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:102:304", "::ffff:1.2.3.4"),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
    ],
)
def test_addresses_are_spelled_as_sockets_spell_them(host: str, canonical: str) -> None:
    assert canonical_address(Address(host, 5)) == Address(canonical, 5)
