"""What a shard proposes is believed only after these checks, made on all records at once.

Every record gets a verdict: the first check that fails. They are, in this order:

* the entity exists, its epoch is current, and the shard owns it;
* the record is news, and not too far ahead;
* every number is finite and within its declared range;
* speed and displacement are possible;
* it answers the pilot that flies it;
* its newest input is one that this pilot can have sent (a shard guesses a few that are on their
  way), and none before the one that was committed.

Displacement is measured twice: from where the entity was, and from where it was taken to be by now.
By its speed alone, an entity that has rested for an hour could be anywhere. But its shard would
have said within a moment that it moves.

Two verdicts are no fault. A record that is fenced within `superseded_ticks` of its entity's
handover or departure was on its way when that happened. A record that is no newer than what was
committed is a repetition.
"""

from __future__ import annotations

import enum
from typing import Final

import numpy as np

from sidereal.protocol.limits import INPUT_GUESSES_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.schema import Schema
from sidereal.replication.limits import LIMITS, ProposalLimits

DISPLACEMENT_SLACK: Final = 5.0
"""World units a record may be off what its speed limit allows (contacts push bodies apart)."""


class Verdict(enum.IntEnum):
    """What becomes of a proposed record."""

    ACCEPTED = 0
    REPEATED = 1
    SUPERSEDED = 2
    UNKNOWN_ENTITY = 3
    STALE_EPOCH = 4
    NOT_OWNER = 5
    FUTURE_TICK = 6
    OUT_OF_RANGE = 7
    TOO_FAST = 8
    TOO_FAR = 9
    OTHER_PILOT = 10
    UNSENT_INPUT = 11
    EARLIER_INPUT = 12


FAULTS: Final = tuple(verdict for verdict in Verdict if verdict > Verdict.SUPERSEDED)
"""The verdicts that count as rejections."""


def judge_records(
    records: np.ndarray,
    rows: np.ndarray,
    columns: Columns,
    handover_tick: np.ndarray,
    *,
    departed: np.ndarray,
    newest_input: np.ndarray,
    shard: int,
    tick: int,
    schema: Schema,
    rules: Rules,
    limits: ProposalLimits = LIMITS.proposals,
) -> np.ndarray:
    """Judge one shard's proposed records.

    Args:
        records: `Schema.exact_record[n]`.
        rows: int64[n], the world's row of each record's entity, -1 where there is none.
        columns: the committed world.
        handover_tick: int64 by row, when the entity last changed hands or was adopted anew.
        departed: int64[k], network ids that left the world a short while ago.
        newest_input: int64[n], the newest that each record's pilot has sent, -1 for none.
        shard: who proposes.
        tick: the tick about to be committed.
        schema: for the declared ranges.
        rules: for the speed limit.
        limits: what is believed.

    Returns:
        uint8[n], a `Verdict` per record.
    """
    known = rows >= 0
    at = np.where(known, rows, 0)
    epoch, record_tick = records["epoch"].astype(np.int64), records["tick"].astype(np.int64)
    current_epoch = columns.epoch[at].astype(np.int64)
    fenced = epoch != current_epoch
    late = (epoch < current_epoch) & (tick - handover_tick[at] <= limits.superseded_ticks)
    elapsed_s = (record_tick - columns.tick[at]) * rules.tick_s
    reach = rules.speed_max * elapsed_s + DISPLACEMENT_SLACK
    unreported_s = np.minimum(elapsed_s, limits.unreported_s)
    # The line leads one way at most as fast as the entity may have gone the other.
    stray = 2 * rules.speed_max * unreported_s + DISPLACEMENT_SLACK
    input_seq = records["input_seq"].astype(np.int64)
    answered = columns["input_seq"][at].astype(np.int64)
    sent = np.where(newest_input >= 0, newest_input + INPUT_GUESSES_MAX, -1)
    with np.errstate(invalid="ignore", over="ignore"):
        speed = np.hypot(records["vx"], records["vy"])
        off_x, off_y = records["x"] - columns["x"][at], records["y"] - columns["y"][at]
        displacement = np.hypot(off_x, off_y)
        strayed = np.hypot(
            off_x - columns["vx"][at] * elapsed_s, off_y - columns["vy"][at] * elapsed_s
        )
        checks = (
            (Verdict.SUPERSEDED, ~known & np.isin(records["id"], departed)),
            (Verdict.UNKNOWN_ENTITY, ~known),
            (Verdict.SUPERSEDED, fenced & late),
            (Verdict.STALE_EPOCH, fenced),
            (Verdict.NOT_OWNER, columns["shard"][at] != shard),
            (Verdict.REPEATED, record_tick <= columns.tick[at]),
            (Verdict.FUTURE_TICK, record_tick > tick + limits.future_ticks),
            (Verdict.OUT_OF_RANGE, ~schema.valid_rows(records)),
            (Verdict.TOO_FAST, ~(speed <= rules.speed_max)),
            (Verdict.TOO_FAR, ~((displacement <= reach) & (strayed <= stray))),
            (Verdict.OTHER_PILOT, records["control_epoch"] != columns["control_epoch"][at]),
            (Verdict.UNSENT_INPUT, input_seq > np.maximum(answered, sent)),
            (Verdict.EARLIER_INPUT, input_seq < answered),
        )
    return np.select(
        [failed for _, failed in checks],
        [np.uint8(verdict) for verdict, _ in checks],
        np.uint8(Verdict.ACCEPTED),
    ).astype(np.uint8)
