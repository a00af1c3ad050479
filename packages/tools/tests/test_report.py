"""Histograms, the bots block, requirements."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import ConfigError
from sidereal.tools.bots.report import BotsMeasured, Histogram, parse_requirement

VALUES = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=200)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(values=VALUES, q=st.floats(0.01, 1.0))
def test_quantiles_are_within_two_percent(values: list[float], q: float) -> None:
    histogram = Histogram()
    histogram.extend(values)
    exact = float(np.quantile(values, q, method="inverted_cdf"))
    assert histogram.quantile(q) == pytest.approx(exact, rel=0.016)
    assert histogram.count == len(values)
    assert histogram.max == max(values)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(a=VALUES, b=VALUES)
def test_merged_is_as_if_all_were_added_to_one(a: list[float], b: list[float]) -> None:
    merged, other, whole = Histogram(), Histogram(), Histogram()
    merged.extend(a)
    other.extend(b)
    merged.merge(other)
    whole.extend(a + b)
    assert merged.quantiles() == whole.quantiles()


def test_zero_and_below_count_as_zero() -> None:
    histogram = Histogram()
    histogram.extend([0.0, -1e-9, 0.0, 5.0])
    assert histogram.quantile(0.5) == 0.0
    assert histogram.quantile(1.0) == 5.0


def test_nothing_measured_is_null() -> None:
    assert Histogram().quantiles() is None


def test_the_block_has_exactly_the_members_the_report_promises() -> None:
    measured = BotsMeasured(requested=3, connected=2, refused={"world full": 1})
    measured.input_to_view_ms.extend([80.0, 90.0])
    block = json.loads(json.dumps(measured.block()))
    assert list(block) == [
        "requested",
        "connected",
        "disconnected",
        "refused",
        "snapshot_hz",
        "input_to_view_ms",
        "rtt_ms",
        "visible_entities",
        "bytes_in_per_s",
        "position_error_units",
        "lateness_ms",
        "cpu_percent",
        "private_mb",
    ]
    assert set(block["input_to_view_ms"]) == {"p50", "p90", "p99", "max", "count"}
    assert block["refused"] == 1
    assert block["rtt_ms"] is None
    assert block["cpu_percent"] is None


def test_two_processes_merge_into_one_block() -> None:
    a = BotsMeasured(requested=2, connected=2, cpu_percent=10.0, private_mb=50.0)
    b = BotsMeasured(requested=3, connected=1, disconnected=1, cpu_percent=5.0, private_mb=40.0)
    b.refused["world full"] = 1
    a.rtt_ms.add(1.0)
    b.rtt_ms.add(3.0)
    a.merge(b)
    block = a.block()
    assert (block["requested"], block["connected"], block["disconnected"]) == (5, 3, 1)
    assert block["refused"] == 1
    assert block["cpu_percent"] == 15.0
    assert block["private_mb"] == 90.0
    assert block["rtt_ms"]["count"] == 2


def test_a_requirement_is_judged_on_the_block() -> None:
    measured = BotsMeasured(requested=1, connected=1)
    measured.input_to_view_ms.add(100.0)
    block = measured.block()
    assert parse_requirement("input_to_view_ms.p99<150").met(block)
    assert not parse_requirement("input_to_view_ms.max < 100").met(block)
    assert parse_requirement("input_to_view_ms.max<=100").met(block)
    assert parse_requirement("connected>=1").met(block)
    assert parse_requirement("connected>=1").describe(block) == "✓ connected>=1 (1)"


def test_what_was_not_measured_is_not_met() -> None:
    block = BotsMeasured(requested=1).block()
    requirement = parse_requirement("rtt_ms.p50<1000")
    assert not requirement.met(block)
    assert requirement.describe(block) == "✗ rtt_ms.p50<1000 (not measured)"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "write it like"),
        ("input_to_view_ms.p99", "write it like"),
        ("input_to_view_ms<5", "say which"),
        ("input_to_view_ms.p98<5", "say which"),
        ("wisdom.p99<5", "not measured; there are"),
        ("connected.p50<5", "not measured; there are"),
        ("connected<1.2.3", "not a number"),
    ],
)
def test_a_wrong_requirement_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_requirement(text)
