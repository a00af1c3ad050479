"""The numbers of a shard that only tuning decides, given to its core.

What is laid out in bytes stands in `sidereal.protocol.limits`; what both ends of the link must
agree on is among the `Rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sidereal.protocol.limits import check_limits


@dataclass(frozen=True, slots=True)
class Limits:
    """All of them.

    Attributes:
        ticks_catch_up: ticks run back to back after a stall; what is beyond passes in straight
            lines.
        inbox: messages between two ticks; a server that sends more is left.
        controls_waiting: players' controls between two ticks; of more the oldest are dropped, since
            newer ones repeat them.
        controls_queue: entries of one ship's controls that are held until they are due.
        controls_reserve: entries of those that may wait; what is beyond is jumped over.
        guesses: ticks for which the last buttons are taken for an entry that is missing.
        trim_ticks: entries that have waited all the while for so long are not needed: one is jumped
            over.
        releases: releases of ghosts that are remembered, so that nothing late brings one back.
        jump_ticks: a tick clock that is off by more than this jumps; by less, it is shifted slowly.
    """

    ticks_catch_up: int = 5
    inbox: int = 4096
    controls_waiting: int = 16_384
    controls_queue: int = 32
    controls_reserve: int = 6
    guesses: int = 5
    trim_ticks: int = 40
    releases: int = 1 << 16
    jump_ticks: int = 3

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if not self.controls_reserve < self.controls_queue:
            problems.append("controls_reserve must be below controls_queue")
        check_limits(self, problems)


LIMITS: Final = Limits()
"""What a shard runs on."""
