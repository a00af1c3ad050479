"""Rates are those of the last full second."""

from __future__ import annotations

import pytest

from sidereal.client.traffic import Traffic


def test_rates_are_those_of_the_last_period_and_stay_until_the_next_is_over() -> None:
    traffic = Traffic(now=100.0)
    traffic.snapshots, traffic.bytes_in, traffic.bytes_out = 30, 3000, 300
    traffic.advance(100.99)
    assert (traffic.snapshot_hz, traffic.bytes_in_per_s, traffic.bytes_out_per_s) == (0, 0, 0)
    traffic.advance(101.5)
    rates = traffic.snapshot_hz, traffic.bytes_in_per_s, traffic.bytes_out_per_s
    assert rates == pytest.approx((20.0, 2000.0, 200.0))
    traffic.snapshots, traffic.bytes_in, traffic.bytes_out = 31, 3008, 302
    traffic.advance(102.4)
    assert traffic.snapshot_hz == pytest.approx(20.0)
    traffic.advance(102.5)
    rates = traffic.snapshot_hz, traffic.bytes_in_per_s, traffic.bytes_out_per_s
    assert rates == pytest.approx((1.0, 8.0, 2.0))
