"""The numbers of a shard that only tuning decides, given to its core.

What is laid out in bytes stands in `sidereal.protocol.limits`; what both ends of the link must
agree on is among the `Rules`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sidereal.protocol.channel.limits import TransportLimits
from sidereal.protocol.limits import (
    ASKED_PER_TICK_MAX,
    EVENTS_PER_TICK_MAX,
    INPUT_GUESSES_MAX,
    REPAIRED_BODIES_MAX,
    REPAIRED_TICKS_MAX,
    check_limits,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """All of them.

    Attributes:
        ticks_catch_up: ticks run back to back after a stall; what is beyond passes in straight
            lines.
        ahead_ticks: how far beyond the newest beat it simulates, and a round trip more; the server
            believes no rows that are much further ahead of its clock.
        inbox: messages between two ticks; a server that sends more is left.
        controls_waiting: players' controls between two ticks; of more the oldest are dropped, since
            newer ones repeat them.
        controls_queue: entries of one body's controls that are held until they are due.
        controls_reserve: entries of those that may wait; what is beyond is jumped over.
        guesses: entries that have not come for which the states of the newest one are taken.
        replay_ahead: entries ahead of the one that is due with which a queue is filled while its
            body is flown through the ticks before it was adopted.
        resimulated_ticks: for how long it is known where bodies were, for who is adopted late.
        resimulated_bodies: of one contact that formed before somebody was adopted; those beyond are
            left out.
        resimulations: ticks that are simulated again for them in one tick, all together; those
            beyond are left as they are.
        releases: releases of ghosts that are remembered, so that nothing late brings one back.
        beats: the newest, of which the quickest tells when ticks begin.
        beats_late: so many in a row, all late, mean that the server's clock slipped, not the
            network.
        jump_ticks: a tick clock that is off by more than this jumps; by less, it is shifted slowly.
        asked: actions that its systems may ask for in a tick; others are dropped and counted.
        events_per_tick: what systems may emit in one tick; more is dropped and counted.
        events_waiting: events that the server has not acked; of more the oldest are dropped.
        events_resend_ticks: an event is sent again when no ack has come for so long.
        spawns_per_s: entities that systems may spawn, at most a second's worth at once; a kind may
            have a bound of its own.
        wholes_per_tick: entities that are proposed as a whole in a tick, those that are sent again
            included; the others wait.
        drain_within_s: a shard that is to leave does so after so long, whatever it still has.
        drain_silence_s: likewise when the server has not beaten for so long: nobody takes it then.
        speak_every_s: a shard whose next tick is not due yet says so often that it is there.
        transport: of its session.
    """

    ticks_catch_up: int = 5
    ahead_ticks: int = 6
    inbox: int = 4096
    controls_waiting: int = 16_384
    controls_queue: int = 32
    controls_reserve: int = 6
    guesses: int = INPUT_GUESSES_MAX
    replay_ahead: int = 16
    resimulated_ticks: int = REPAIRED_TICKS_MAX
    resimulated_bodies: int = REPAIRED_BODIES_MAX
    resimulations: int = 48
    releases: int = 1 << 16
    beats: int = 20
    beats_late: int = 3
    jump_ticks: int = 3
    asked: int = ASKED_PER_TICK_MAX
    events_per_tick: int = EVENTS_PER_TICK_MAX
    events_waiting: int = 8 * EVENTS_PER_TICK_MAX
    events_resend_ticks: int = 3
    spawns_per_s: float = 2000.0
    wholes_per_tick: int = 400
    drain_within_s: float = 8.0
    drain_silence_s: float = 1.0
    speak_every_s: float = 0.2
    transport: TransportLimits = field(default_factory=TransportLimits)

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if self.resimulated_ticks > REPAIRED_TICKS_MAX:
            problems.append(f"resimulated_ticks must be at most {REPAIRED_TICKS_MAX}")
        if self.resimulated_bodies > REPAIRED_BODIES_MAX:
            problems.append(f"resimulated_bodies must be at most {REPAIRED_BODIES_MAX}")
        if self.resimulated_ticks > self.resimulations:
            problems.append("resimulated_ticks must be at most resimulations")
        if not self.controls_reserve < self.controls_queue:
            problems.append("controls_reserve must be below controls_queue")
        if self.replay_ahead > self.controls_queue:
            problems.append("replay_ahead must be at most controls_queue")
        if self.beats_late > self.beats:
            problems.append("beats_late must be at most beats")
        if self.guesses > INPUT_GUESSES_MAX:
            problems.append(f"guesses must be at most {INPUT_GUESSES_MAX}: no server believes more")
        if self.asked > ASKED_PER_TICK_MAX:
            problems.append(f"asked must be at most {ASKED_PER_TICK_MAX}")
        if self.events_per_tick > EVENTS_PER_TICK_MAX:
            problems.append(f"events_per_tick must be at most {EVENTS_PER_TICK_MAX}")
        check_limits(self, problems)


LIMITS: Final = Limits()
"""What a shard runs on."""
