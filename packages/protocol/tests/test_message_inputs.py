"""Inputs: records of controls on the wire."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import CONTROLS_PER_MESSAGE_MAX
from sidereal.protocol.message.inputs import (
    Input,
    RoutedInput,
    decode_input_untrusted,
    decode_routed_input_untrusted,
    encode_input,
    encode_routed_input,
)
from sidereal.protocol.state.controls import NO_CONTROLS, ControlsField, ControlsLayout

LAYOUT = ControlsLayout(
    [
        ControlsField("thrust", 3, "axis"),
        ControlsField("fire", 16, "press"),
        ControlsField("aim", 1 << 10, "angle"),
    ]
)
U32 = st.integers(0, 0xFFFF_FFFF)
RECORDS = st.integers(0, LAYOUT.all_bits).filter(lambda record: LAYOUT.accepts([record]))
INPUTS = st.builds(
    Input, U32, U32, st.lists(RECORDS, min_size=1, max_size=CONTROLS_PER_MESSAGE_MAX).map(tuple)
)


@settings(derandomize=True, deadline=None)
@given(INPUTS, U32)
def test_inputs_round_trip_and_take_as_little_as_their_bits(message: Input, net_id: int) -> None:
    body = encode_input(message, LAYOUT)
    assert len(body) == 9 + 2 * len(message.records)
    assert decode_input_untrusted(body, LAYOUT) == message
    routed = RoutedInput(net_id, message)
    body = encode_routed_input(routed, LAYOUT)
    assert decode_routed_input_untrusted(body, LAYOUT) == routed


def test_an_input_of_a_game_without_controls_only_counts_ticks() -> None:
    message = Input(3, 8, (0, 0))
    body = encode_input(message, NO_CONTROLS)
    assert len(body) == 9
    assert decode_input_untrusted(body, NO_CONTROLS) == message


@pytest.mark.parametrize(
    ("records", "more", "refusal"),
    [
        ((0b11,), b"", "no control has"),  # the axis has no fourth code
        ((1, 1 << 16 - 1 | 1), b"", None),
        ((0,), b"\0", "1 records in 12 bytes"),
        ((), b"", "0 records"),
        ((0,) * (CONTROLS_PER_MESSAGE_MAX + 1), b"", "17 records"),
    ],
)
def test_an_input_of_another_shape_is_refused(
    records: tuple[int, ...], more: bytes, refusal: str | None
) -> None:
    body = encode_input(Input(1, 1, records), LAYOUT) + more
    if refusal is None:
        assert decode_input_untrusted(body, LAYOUT).records == records
        return
    with pytest.raises(WireError, match=refusal):
        decode_input_untrusted(body, LAYOUT)
    with pytest.raises(WireError, match=refusal):
        decode_routed_input_untrusted(b"\1\0\0\0" + body, LAYOUT)


def test_bits_above_those_of_the_controls_are_refused() -> None:
    narrow = ControlsLayout(LAYOUT.fields[:2])  # six bits of a byte
    for record in (1 << 6, 1 << 7):
        body = encode_input(Input(1, 1, (record,)), narrow)
        with pytest.raises(WireError, match="no control has"):
            decode_input_untrusted(body, narrow)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_an_input_or_a_wire_error(body: bytes) -> None:
    with contextlib.suppress(WireError):
        assert encode_input(decode_input_untrusted(body, LAYOUT), LAYOUT) == body
    with contextlib.suppress(WireError):
        routed = decode_routed_input_untrusted(body, LAYOUT)
        assert encode_routed_input(routed, LAYOUT) == body
