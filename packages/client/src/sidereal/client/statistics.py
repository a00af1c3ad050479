"""What a client reports of a session."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from sidereal.client.own import OwnEntity
from sidereal.client.replica import Replica
from sidereal.client.traffic import Traffic
from sidereal.protocol.channel.statistics import ConnectionStatistics


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
    spawns_matched: int
    """Entities that models spawned ahead of the authority, and that came from it."""
    spawns_unmatched: int
    """Those that did not."""


def gather_statistics(
    state: SessionState,
    link: ConnectionStatistics,
    traffic: Traffic,
    own: OwnEntity,
    replica: Replica | None,
    *,
    newest_tick: int,
    data_age_s: float,
    malformed: int,
    events_dropped: int,
) -> ClientStatistics:
    """Put together what the parts of a session have counted."""
    inputs, prediction = own.inputs, own.prediction
    return ClientStatistics(
        state=state,
        rtt_s=link.rtt_s,
        jitter_s=link.jitter_s,
        loss=link.loss,
        snapshot_hz=traffic.snapshot_hz,
        bytes_in_per_s=traffic.bytes_in_per_s,
        bytes_out_per_s=traffic.bytes_out_per_s,
        newest_tick=newest_tick,
        data_age_s=data_age_s,
        visible_entities=0 if replica is None else len(replica.rows()),
        snapshots=traffic.snapshots,
        bytes_in=traffic.bytes_in,
        bytes_out=traffic.bytes_out,
        malformed=malformed,
        events_dropped=events_dropped,
        entities_dropped=0 if replica is None else replica.entities_dropped,
        inputs=0 if inputs is None else inputs.made - inputs.skipped,
        inputs_skipped=0 if inputs is None else inputs.skipped,
        corrections=0 if prediction is None else prediction.corrections,
        position_error_units=0.0 if prediction is None else prediction.position_error_units,
        spawns_matched=0 if prediction is None else prediction.spawns.matched,
        spawns_unmatched=0 if prediction is None else prediction.spawns.unmatched,
    )


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
        spawns_matched=0,
        spawns_unmatched=0,
    )
