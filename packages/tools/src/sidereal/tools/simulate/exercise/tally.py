"""What one run exercised, and many of them; with what there is to exercise at all.

What there is follows from the code: kinds of faults, fields of limits, messages. So what is new
there appears here by itself, as never exercised until it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from sidereal.client.limits import LIMITS as CLIENT_LIMITS
from sidereal.protocol.rules import StreamLimits
from sidereal.replication.limits import LIMITS
from sidereal.shard.limits import LIMITS as SHARD_LIMITS
from sidereal.tools.simulate.exercise.losses import KINDS
from sidereal.tools.simulate.faults import Kind
from sidereal.tools.simulate.network import HAPPENS
from sidereal.tools.simulate.plans.parts import parts_of

JUDGED: Final = (
    "adoptions judged",
    "contacts between owners",
    "contacts judged",
    "contacts of three or more judged",
    "contacts that lasted judged",
    "ghosts judged",
    "handovers between the living",
    "inputs flown",
    "inputs guessed",
    "inputs left unanswered",
    "inputs skipped",
    "lines judged",
    "recoveries judged",
    "rows judged",
    "rows long at peace judged",
    "ships handed over",
    "ships that came back judged",
    "steps judged",
    "ticks of service judged",
    "ticks of whole flights judged",
    "ticks replayed of ships",
    "turned back at the belt's edge",
)
"""What checkers count of what they have looked at."""

NOT_COUNTED: Final[Mapping[str, str]] = {
    "authority.notes": "what is too much for it is not counted; notes are taken after every tick",
    "authority.edge.ring_ticks": "a weight, at work whenever `edge.datagrams` is met",
    "shard.inbox": "ends the session: a faulty server's doing, who is not simulated",
    "shard.releases": "what is too much for it is not counted; a run has a few hundred",
    "client.inputs": "what is too much for it is not counted",
    "client.predict_ticks": "what is too much for it is not counted",
    "client.samples": "for faces, of which a simulated client has none",
    "client.snapshots_early": "what is too much for it is not counted",
    "client.tombstones": "what is too much for it is not counted; a run has a few hundred",
}
"""Limits of which nobody says from outside how often they were met, and why."""

SEEN_BY_CHECKERS: Final = (
    "shard.controls_queue",
    "shard.controls_reserve",
    "shard.guesses",
    "shard.trim_ticks",
)
"""Limits of which a checker says that they were met."""


def limits_there_are() -> Iterator[str]:
    """Name every limit that a core goes by."""
    yield from _paths("stream", StreamLimits())
    yield from _paths("authority", LIMITS)
    yield from _paths("shard", SHARD_LIMITS)
    yield from _paths("client", CLIENT_LIMITS)


def _paths(path: str, value: Any) -> Iterator[str]:
    parts = parts_of(value)
    if not parts:
        yield path
    for name, part in parts.items():
        yield from _paths(f"{path}.{name}", part)


@dataclass(slots=True)
class Tally:
    """How often what happened.

    Attributes:
        faults: of the plan and of the network, by name.
        limits: how often each was met.
        lost: records that did not arrive, by kind.
        healed: those of them whose receiver was there in the end, when everybody agreed.
        judged: what checkers have looked at.
        noted: what the authority noted for its log.
    """

    faults: Counter[str] = field(default_factory=Counter)
    limits: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    healed: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add what another run exercised."""
        for each in fields(self):
            getattr(self, each.name).update(getattr(other, each.name))

    def never(self) -> dict[str, list[str]]:
        """Name what was never exercised, by attribute."""
        return {
            name: [what for what in there if not getattr(self, name)[what]]
            for name, there in THERE_IS.items()
        }


THERE_IS: Final[Mapping[str, tuple[str, ...]]] = {
    "faults": (*(kind.value for kind in Kind), *HAPPENS),
    "limits": tuple(path for path in limits_there_are() if path not in NOT_COUNTED),
    "lost": KINDS,
    "healed": KINDS,
    "judged": JUDGED,
}
"""What can be exercised, by attribute of `Tally`."""
