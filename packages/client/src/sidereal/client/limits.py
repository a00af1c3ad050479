"""The numbers of a client that only tuning decides, given to its core.

What is laid out in bytes stands in `sidereal.protocol.limits`; what both ends of the link must
agree on is among the `Rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sidereal.protocol.limits import CONTROLS_PER_MESSAGE_MAX, INPUTS_UNANSWERED_MAX, check_limits


@dataclass(frozen=True, slots=True)
class Limits:
    """All of them.

    Attributes:
        ticks_catch_up: inputs made back to back after a stall; the rest is never made.
        inputs: own inputs kept that no snapshot has shown applied.
        predict_ticks: how far ahead of the newest answer the own ship is drawn.
        samples: latencies of inputs, and errors of predictions, kept until they are taken.
        snapshots_early: snapshots kept that came before the welcome they need.
        events: kept until the face takes them; of more the oldest are lost.
        entities: in the copy of the world; others are dropped and counted.
        tombstones: remembered, so that nothing late brings back who has left.
    """

    ticks_catch_up: int = 5
    inputs: int = INPUTS_UNANSWERED_MAX
    predict_ticks: int = 30
    samples: int = 4096
    snapshots_early: int = 256
    events: int = 1024
    entities: int = 1 << 17
    tombstones: int = 1 << 16

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if not CONTROLS_PER_MESSAGE_MAX <= self.inputs <= INPUTS_UNANSWERED_MAX:
            problems.append(f"inputs must be {CONTROLS_PER_MESSAGE_MAX} to {INPUTS_UNANSWERED_MAX}")
        if self.predict_ticks > self.inputs:
            problems.append("predict_ticks must be at most inputs")
        check_limits(self, problems)


LIMITS: Final = Limits()
"""What a client runs on."""
