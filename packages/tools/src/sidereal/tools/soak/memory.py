"""What the process holds, sampled through a run, and whether that grows.

The rule: in the last quarter of a run neither the resident memory nor the live objects may reach
more than their share of `GROWTH_MAX` above what they reached in the second quarter. The first
quarter is for filling up: sessions, queues, the allocator's pools. What is live swings by a few
percent with what is in flight; one object left by each session would be twice what is allowed. A
run of less than two minutes still fills up in its second quarter, and is not judged.
"""

from __future__ import annotations

import gc
import itertools
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

GROWTH_MAX: Final = {"rss_mb": 0.05, "objects": 0.1}
SAMPLES_PER_RUN: Final = 60
SAMPLE_S_MIN: Final = 1.0
JUDGED_S_MIN: Final = 120.0


class MemorySample(NamedTuple):
    """What the process held at some time.

    Attributes:
        at_s: seconds since the run began.
        rss_mb: resident memory, megabytes.
        objects: containers that are reachable, those from before the run left out.
    """

    at_s: float
    rss_mb: float
    objects: int


def take_sample(at_s: float) -> MemorySample:
    """Collect what is garbage and count the rest; 10 ms for 200 clients."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return MemorySample(at_s, pages * resource.getpagesize() / 1e6, len(gc.get_objects()))


def quarters(samples: Sequence[MemorySample]) -> list[MemorySample] | None:
    """Give the highest values of each quarter of the run, and when it ended; None if too short."""
    if not samples or samples[-1].at_s < JUDGED_S_MIN:
        return None
    cuts = [len(samples) * quarter // 4 for quarter in range(5)]
    parts = [samples[first:last] for first, last in itertools.pairwise(cuts)]
    return [
        MemorySample(
            part[-1].at_s,
            max(sample.rss_mb for sample in part),
            max(sample.objects for sample in part),
        )
        for part in parts
    ]


def growth(samples: Sequence[MemorySample]) -> list[str]:
    """Say what grew; nothing if memory is flat or the run was too short to tell."""
    highest = quarters(samples)
    if highest is None:
        return []
    _, second, _, last = highest
    grown = []
    for name, share in GROWTH_MAX.items():
        before, after = getattr(second, name), getattr(last, name)
        if after > before * (1 + share):
            grown.append(f"{name} grew from {before:g} to {after:g}")
    return grown
