"""What a client reports of a session."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class SessionState(enum.Enum):
    """How far a session has come."""

    CONNECTING = "connecting"
    GREETING = "greeting"
    JOINED = "joined"
    ENDED = "ended"
    WAITING = "waiting"
    """Between two sessions (`ReturningClient`)."""


@dataclass(frozen=True, slots=True)
class ClientStatistics:
    """How the link and the prediction are doing."""

    state: SessionState
    rtt_s: float
    jitter_s: float
    loss: float
    """Fraction of packets lost, 0 to 1."""
    snapshot_hz: float
    """Distinct server ticks received in the last full second."""
    bytes_in_per_s: float
    bytes_out_per_s: float
    newest_tick: int
    """−1 before the first snapshot."""
    data_age_s: float
    """Time since the newest snapshot arrived."""
    visible_entities: int
    snapshots: int
    """Distinct server ticks received so far."""
    bytes_in: int
    bytes_out: int
    malformed: int
    """Messages of the server that made no sense, dropped."""
    events_dropped: int
    """Events that the face did not take in time."""
    entities_dropped: int
    """Records of entities for which the replica had no room."""
    inputs: int
    inputs_skipped: int
    """Client ticks whose input was never made, after a stall of this process."""
    corrections: int
    """Predictions the authority disagreed with."""
    position_error_units: float
    """Size of the newest reconciliation's correction."""


def no_statistics(state: SessionState) -> ClientStatistics:
    """Those of a client that has had no session yet."""
    return ClientStatistics(
        state=state,
        rtt_s=0.0,
        jitter_s=0.0,
        loss=0.0,
        snapshot_hz=0.0,
        bytes_in_per_s=0.0,
        bytes_out_per_s=0.0,
        newest_tick=-1,
        data_age_s=0.0,
        visible_entities=0,
        snapshots=0,
        bytes_in=0,
        bytes_out=0,
        malformed=0,
        events_dropped=0,
        entities_dropped=0,
        inputs=0,
        inputs_skipped=0,
        corrections=0,
        position_error_units=0.0,
    )
