"""Settings of `sidereal netsim`, in the units that people write."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.ids import Address
from sidereal.protocol.runtime.config import parse_endpoint
from sidereal.protocol.testing.link import LinkConfig, find_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFlags:
    """What a direction does to datagrams; None where nothing was said."""

    delay_ms: float | None = None
    """Every datagram takes at least that long."""
    jitter_ms: float | None = None
    """And up to that much longer, evenly spread; jitter alone does not reorder."""
    jitter_correlation: float | None = None
    """Of one datagram's jitter with that of the next, 0 to 1."""
    loss: float | None = None
    """Probability that a datagram is lost, 0 to 1."""
    burst_start: float | None = None
    """Probability, for each datagram, that a burst of losses begins (netem's gemodel: p)."""
    burst_end: float | None = None
    """Probability, for each further one, that the burst is over (r): it lasts 1/r on average; 1
    unless given."""
    burst_loss: float | None = None
    """Probability that a datagram in a burst is lost (1-h); 1 unless given."""
    duplication: float | None = None
    """Probability that a datagram arrives twice."""
    reordering: float | None = None
    """Probability that a datagram is held up while others pass."""
    reordering_ms: float | None = None
    """For up to that long; 50 unless given."""
    rate_kbit: float | None = None
    """Kilobits (1,000) per second that the link carries; any amount unless given."""
    queue_ms: float | None = None
    """Datagrams that would wait longer than that for the link are lost; 250 unless given."""


_FIELDS: Final = {
    "delay_ms": ("delay_s", 1e-3),
    "jitter_ms": ("jitter_s", 1e-3),
    "jitter_correlation": ("jitter_correlation", 1.0),
    "loss": ("loss", 1.0),
    "burst_start": ("burst_start", 1.0),
    "burst_end": ("burst_end", 1.0),
    "burst_loss": ("burst_loss", 1.0),
    "duplication": ("duplication", 1.0),
    "reordering": ("reordering", 1.0),
    "reordering_ms": ("reordering_s", 1e-3),
    "rate_kbit": ("bytes_per_s", 125.0),
    "queue_ms": ("queue_s_max", 1e-3),
}
"""For every flag the field of `LinkConfig` that it sets, and one of its units in the field's."""


@dataclass(frozen=True, slots=True)
class NetsimConfig:
    """What to stand between, and how bad to be.

    Attributes:
        listen: `host:port` for clients; port 0 is any free one.
        target: `host:port` of the server.
        both: what both directions do.
        up: what the direction from clients to the server does instead.
        down: what the direction from the server to clients does instead.
        seed: of all that is random.
        for_s: how long, None until stopped.
    """

    listen: str = "127.0.0.1:7073"
    target: str = "127.0.0.1:7071"
    both: LinkFlags = LinkFlags()
    up: LinkFlags = LinkFlags()
    down: LinkFlags = LinkFlags()
    seed: int = 1
    for_s: float | None = None

    def check(self) -> None:
        """Check all settings.

        Raises:
            ConfigError: naming every problem at once.
        """
        problems = []
        ends: dict[str, Address] = {}
        for name, text in (("--listen", self.listen), ("--target", self.target)):
            try:
                ends[name] = parse_endpoint(text, name)
            except ConfigError as error:
                problems.append(str(error))
        target = ends.get("--target")
        if target is not None and target.port == 0:
            problems.append(f"--target is {self.target!r}; its port must be 1 or more")
        elif target is not None and target == ends.get("--listen"):
            problems.append(f"--target is {self.target!r}, and so is --listen")
        for prefix, flags in (("", self.both), ("up.", self.up), ("down.", self.down)):
            problems += _find_flag_problems(prefix, flags)
        if self.seed < 0:
            problems.append("--seed must be 0 or more")
        if self.for_s is not None and not self.for_s > 0:
            problems.append("--for must be above 0 seconds")
        if problems:
            raise ConfigError("; ".join(problems))

    def link_up(self) -> LinkConfig:
        """Give what the direction from clients to the server does."""
        return _make_link(self.both, self.up)

    def link_down(self) -> LinkConfig:
        """Give what the direction from the server to clients does."""
        return _make_link(self.both, self.down)


def _find_flag_problems(prefix: str, flags: LinkFlags) -> list[str]:
    problems = []
    for flag, (field, _) in _FIELDS.items():
        value = getattr(flags, flag)
        if value is not None and (problem := find_problem(field, value)):
            problems.append(f"--{prefix}{flag.replace('_', '-')} {problem}")
    return problems


def _make_link(both: LinkFlags, own: LinkFlags) -> LinkConfig:
    given = {
        flag: value
        for flags in (both, own)
        for flag, value in dataclasses.asdict(flags).items()
        if value is not None
    }
    fields = {_FIELDS[flag][0]: value * _FIELDS[flag][1] for flag, value in given.items()}
    return LinkConfig(**fields)
