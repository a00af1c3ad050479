"""The numbers of a client that only tuning decides, given to its core.

What is laid out in bytes stands in `sidereal.protocol.limits`; what both ends of the link must
agree on is among the `Rules`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sidereal.protocol.channel.limits import TransportLimits
from sidereal.protocol.limits import CONTROLS_PER_MESSAGE_MAX, INPUTS_UNANSWERED_MAX, check_limits


@dataclass(frozen=True, slots=True)
class Limits:
    """All of them.

    Attributes:
        ticks_catch_up: inputs made back to back after a stall; the rest is never made.
        inputs: own inputs kept that no snapshot has shown applied.
        reserve_least_s: inputs are made so long before the earliest deadline that was seen lately.
        reserve_most_s: and at most so long before the latest one.
        reserve_window_s: for so long a deadline counts.
        predict_ticks: how far ahead of the newest answer the own entity is drawn.
        samples: latencies of inputs, and errors of predictions, kept until they are taken.
        snapshots_waiting: snapshots kept until the next turn, or until the welcome that they need.
        events: kept until the face takes them; of more the oldest are lost.
        happened: events of the game that are kept until they are shown; likewise.
        entities: in the copy of the world; others are dropped and counted.
        traces: entities that are known no more of which it is remembered where they were.
        tombstones: remembered, so that nothing late brings back who has left.
        retry_s: waits before another session is tried, by failures in a row; the last one repeats.
            Each is shortened or stretched by up to half, so that those who went together come back
            one by one.
        steady_s: a session that lasted so long was no failure, however it ended.
        coast_s: what was last heard is extrapolated for so long.
        picture_s: a picture without news for so long is stale: nothing is shown any more.
        whole_within_s: so long after its welcome a new session is not shown while its window is not
            whole.
        clock_window_s: length of one generation of the samples by which the clock is judged.
        delay_s_first: how long ago the picture was, before anything is measured.
        lateness_samples: snapshots by whose lateness the delay is judged.
        lateness_every: it is judged anew after so many.
        loss_noticed: share of packets lost from which a loss is allowed for.
        smooth_s: an error of the picture of others has shrunk to a twentieth after so long.
        snap_units: a larger error is shown at once: it was moved, not seen wrongly.
        spawns: that models have spawned and that have not come; of more the oldest end.
        spawn_late_s: so long after its input was answered what has not come ends, and later by what
            lost datagrams cost.
        spawn_unanswered_s: and so long after the press, answered or not.
        look_every_s: the centre of interest is sent no more often.
        calls: of actions that wait for their receipts; one more is refused.
        call_again_s: a call that may have been done before, and was put off, is sent again after so
            long.
        transport: of its session.
    """

    ticks_catch_up: int = CONTROLS_PER_MESSAGE_MAX
    inputs: int = INPUTS_UNANSWERED_MAX
    reserve_least_s: float = 0.01
    reserve_most_s: float = 0.1
    reserve_window_s: float = 30.0
    predict_ticks: int = 30
    samples: int = 4096
    snapshots_waiting: int = 256
    events: int = 1024
    happened: int = 4096
    entities: int = 1 << 17
    traces: int = 1024
    tombstones: int = 1 << 16
    retry_s: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 4.0)
    steady_s: float = 5.0
    coast_s: float = 2.0
    picture_s: float = 30.0
    whole_within_s: float = 1.0
    clock_window_s: float = 2.0
    delay_s_first: float = 0.1
    lateness_samples: int = 200
    lateness_every: int = 10
    loss_noticed: float = 0.005
    smooth_s: float = 0.2
    snap_units: float = 50.0
    spawns: int = 64
    spawn_late_s: float = 0.5
    spawn_unanswered_s: float = 3.0
    look_every_s: float = 0.1
    calls: int = 64
    call_again_s: float = 1.0
    transport: TransportLimits = field(default_factory=TransportLimits)

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if not CONTROLS_PER_MESSAGE_MAX <= self.inputs <= INPUTS_UNANSWERED_MAX:
            problems.append(f"inputs must be {CONTROLS_PER_MESSAGE_MAX} to {INPUTS_UNANSWERED_MAX}")
        if self.predict_ticks > self.inputs:
            problems.append("predict_ticks must be at most inputs")
        if not self.retry_s or min(self.retry_s) <= 0.0:
            problems.append("retry_s must be waits above 0")
        if self.spawn_late_s > self.spawn_unanswered_s:
            problems.append("spawn_late_s must be at most spawn_unanswered_s")
        if self.coast_s > self.picture_s:
            problems.append("coast_s must be at most picture_s")
        check_limits(self, problems)


LIMITS: Final = Limits()
"""What a client runs on."""
