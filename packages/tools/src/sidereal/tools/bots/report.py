"""What the bots measured: histograms, the `bots` block of a report, and requirements on it.

The histogram is log-linear: every power of two is cut into 64 equal parts, so a value comes back
within 1.6 % whatever its size, adding is one increment, and merging is adding counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import ge, gt, le, lt
from typing import Any, Final

from sidereal.protocol.errors import ConfigError

PARTS: Final = 64
"""Sub-buckets per power of two."""

Quantiles = dict[str, float | int]
"""p50, p90, p99, max and count, as every report names them."""


class Histogram:
    """Counts of non-negative values within 1.6 %.

    Attributes:
        count: values added.
        max: the largest, exactly.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.max = 0.0

    def add(self, value: float) -> None:
        """Count one value; one below zero (a clock's rounding) counts as zero."""
        value = max(value, 0.0)
        fraction, power = math.frexp(value)
        bucket = power * PARTS + int((fraction - 0.5) * 2 * PARTS) if value else _ZERO
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self.max = max(self.max, value)

    def extend(self, values: Iterable[float]) -> None:
        """Count many values."""
        for value in values:
            self.add(value)

    def merge(self, other: Histogram) -> None:
        """Add another histogram's counts."""
        for bucket, count in other._buckets.items():
            self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        self.count += other.count
        self.max = max(self.max, other.max)

    def quantile(self, q: float) -> float:
        """Smallest value that at least the fraction `q` of all does not exceed; 0 without any."""
        wanted = max(1, math.ceil(q * self.count))
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return min(_middle(bucket), self.max)
        return 0.0

    def quantiles(self) -> Quantiles | None:
        """The `Q` of a report, None when nothing was measured."""
        if not self.count:
            return None
        return {
            "p50": _rounded(self.quantile(0.5)),
            "p90": _rounded(self.quantile(0.9)),
            "p99": _rounded(self.quantile(0.99)),
            "max": _rounded(self.max),
            "count": self.count,
        }


_ZERO: Final = -2000 * PARTS


def _middle(bucket: int) -> float:
    if bucket == _ZERO:
        return 0.0
    power, part = divmod(bucket, PARTS)
    return math.ldexp(0.5 + (part + 0.5) / (2 * PARTS), power)


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


@dataclass(slots=True)
class BotsMeasured:
    """What a swarm counted and measured; everything in the units of the report's names."""

    requested: int
    connected: int = 0
    disconnected: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    cpu_percent: float | None = None
    private_mb: float | None = None
    snapshot_hz: Histogram = field(default_factory=Histogram)
    input_to_view_ms: Histogram = field(default_factory=Histogram)
    rtt_ms: Histogram = field(default_factory=Histogram)
    visible_entities: Histogram = field(default_factory=Histogram)
    bytes_in_per_s: Histogram = field(default_factory=Histogram)
    position_error_units: Histogram = field(default_factory=Histogram)
    lateness_ms: Histogram = field(default_factory=Histogram)

    def merge(self, other: BotsMeasured) -> None:
        """Add what another swarm measured (another process of the same load)."""
        self.requested += other.requested
        self.connected += other.connected
        self.disconnected += other.disconnected
        for reason, count in other.refused.items():
            self.refused[reason] = self.refused.get(reason, 0) + count
        if other.cpu_percent is not None:
            self.cpu_percent = (self.cpu_percent or 0.0) + other.cpu_percent
        if other.private_mb is not None:
            self.private_mb = (self.private_mb or 0.0) + other.private_mb
        for name in HISTOGRAMS:
            getattr(self, name).merge(getattr(other, name))

    def block(self) -> dict[str, Any]:
        """The `bots` block of a report."""
        return {
            "requested": self.requested,
            "connected": self.connected,
            "disconnected": self.disconnected,
            "refused": sum(self.refused.values()),
            **{name: getattr(self, name).quantiles() for name in HISTOGRAMS},
            "cpu_percent": None if self.cpu_percent is None else round(self.cpu_percent, 1),
            "private_mb": None if self.private_mb is None else round(self.private_mb, 1),
        }


HISTOGRAMS: Final = (
    "snapshot_hz",
    "input_to_view_ms",
    "rtt_ms",
    "visible_entities",
    "bytes_in_per_s",
    "position_error_units",
    "lateness_ms",
)
"""Members of the `bots` block that are a `Q`, in its order."""
COUNTS: Final = ("requested", "connected", "disconnected", "refused", "cpu_percent", "private_mb")
"""Members that are a number."""
_PARTS_OF_Q: Final = ("p50", "p90", "p99", "max", "count")
_COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_REQUIREMENT: Final = re.compile(r"\s*([a-z_0-9.]+)\s*(<=|>=|<|>)\s*([0-9.eE+-]+)\s*")


@dataclass(frozen=True, slots=True)
class Requirement:
    """A bound on one number of the `bots` block, such as `input_to_view_ms.p99<150`."""

    text: str
    path: tuple[str, ...]
    comparison: str
    bound: float

    def value(self, block: Mapping[str, Any]) -> float | None:
        """The number it is about, None where it was not measured."""
        found: Any = block
        for name in self.path:
            if not isinstance(found, Mapping):
                return None
            found = found.get(name)
        return None if found is None else float(found)

    def met(self, block: Mapping[str, Any]) -> bool:
        """Whether the block meets it; what was not measured does not."""
        value = self.value(block)
        return value is not None and _COMPARISONS[self.comparison](value, self.bound)

    def describe(self, block: Mapping[str, Any]) -> str:
        """One line: met or not, and by what number."""
        value = self.value(block)
        found = "not measured" if value is None else f"{value:g}"
        return f"{'✓' if self.met(block) else '✗'} {self.text} ({found})"


def parse_requirement(text: str) -> Requirement:
    """Read a requirement as written on the command line.

    Raises:
        ConfigError: it is not `METRIC.PART<NUMBER` of known names.
    """
    match = _REQUIREMENT.fullmatch(text)
    if match is None:
        raise ConfigError(f"--require {text!r}: write it like input_to_view_ms.p99<150")
    name, comparison, number = match.groups()
    try:
        bound = float(number)
    except ValueError:
        raise ConfigError(f"--require {text!r}: {number!r} is not a number") from None
    path = tuple(name.split("."))
    if path[0] in HISTOGRAMS:
        if len(path) != 2 or path[1] not in _PARTS_OF_Q:
            parts = ", ".join(_PARTS_OF_Q)
            raise ConfigError(f"--require {text!r}: say which of {path[0]}: {parts}")
    elif path[0] not in COUNTS or len(path) != 1:
        known = ", ".join((*HISTOGRAMS, *COUNTS))
        raise ConfigError(f"--require {text!r}: {name!r} is not measured; there are: {known}")
    return Requirement(text=text.strip(), path=path, comparison=comparison, bound=bound)
