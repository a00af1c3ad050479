"""What a shard proposes is believed only after these checks, made on all rows at once.

Every row gets a verdict: the first check that fails. They are, in this order:

* the entity exists, its epoch is current, and the shard owns it;
* the component is one that shards write, and that the entity has: nobody's parent ever changes,
  and a follower has no motion of its own;
* the row is news, and not too far ahead;
* every number is finite and within its declared range.

Of motion, these follow:

* it is not of long ago;
* speed and displacement are possible;
* it answers the pilot that flies it;
* its newest input is one that this pilot can have sent (a shard guesses a few that are on their
  way), and none before the one that was committed.

Of an entity as a whole, all of that follows; and its kind stays.

What is new to the world is judged by what shards may spawn: the id is of a block that the shard was
granted, and was not used before; the kind is one that shards spawn; the place is in a sector of the
shard, or near an entity that it owns, as far as both may have flown since; it is not of long ago;
its parent, if it has one, is an entity of the shard; and there are no more of them than there
may be.

The game's own rules come last (`gamerules`), of all that a shard says of a component: a row of it,
an entity that is given it, an entity that is new.

Events are judged by whose they are, and by their ranges; the first check is that they have not come
before.

Displacement is measured twice: from where the entity was, and from where it was taken to be by now.
By its speed alone, an entity that has rested for an hour could be anywhere. But its shard would
have said within a moment that it moves. What counts is where its line leads by now: that is where
everybody takes it to be. So a row of long ago is none, wherever it says that the entity was.
Who is farther off may have been put there by a repair of its shard (`repairs`).

Two verdicts are no fault. A row that is fenced within `superseded_ticks` of its entity's handover
or departure was on its way when that happened. A row that is no newer than what was committed is a
repetition.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.limits import INPUT_GUESSES_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.families import PARENT_NUMBER, are_children, are_followers
from sidereal.protocol.state.schema import Schema
from sidereal.replication.limits import LIMITS, ProposalLimits
from sidereal.replication.repairs import Repairs

DISPLACEMENT_SLACK: Final = 5.0
"""World units a record may be off what its speed limit allows (contacts push bodies apart)."""


class Verdict(enum.IntEnum):
    """What becomes of a proposed row."""

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
    OTHER_WRITER = 13
    MISSING_COMPONENT = 14
    AGAINST_A_RULE = 15
    RULE_FAILED = 16
    FOREIGN_ID = 17
    FOREIGN_KIND = 18
    FOREIGN_PLACE = 19
    TOO_MANY = 20
    PAST_TICK = 21
    FOREIGN_PARENT = 22


FAULTS: Final = tuple(verdict for verdict in Verdict if verdict > Verdict.SUPERSEDED)
"""The verdicts that count as rejections."""

EPOCH_FIRST: Final = 1
"""Of an entity that has just come into the world."""

Check = tuple[Verdict, np.ndarray]
"""A verdict, and which rows get it if no check before has failed: bool[n]."""


class Proposed(NamedTuple):
    """Rows of one component that a shard proposes, and what they are judged by.

    Attributes:
        records: `Schema.proposed_rows`[n] of the component.
        rows: int64[n], the world's row of each one's entity, -1 where there is none.
        columns: the committed world.
        handover_tick: int64 by row, when the entity last changed hands or was adopted anew.
        departed: int64[k], those of the ids that entities have had which are no more.
        shard: who proposes.
        tick: the tick about to be committed.
        schema: for the declared ranges.
        repairs: who may be elsewhere than it can have flown.
        limits: what is believed.
    """

    records: np.ndarray
    rows: np.ndarray
    columns: Columns
    handover_tick: np.ndarray
    departed: np.ndarray
    shard: int
    tick: int
    schema: Schema
    repairs: Repairs
    limits: ProposalLimits = LIMITS.proposals

    @property
    def at(self) -> np.ndarray:
        """int64[n], the rows, with row 0 in the place of those that are unknown."""
        at: np.ndarray = np.maximum(self.rows, 0)
        return at


class Spawned(NamedTuple):
    """What is known of entities that a shard has spawned; arrays of one length.

    Attributes:
        granted: bool[n], whether the id is of a block that the shard was granted.
        used: bool[n], whether the id was used before.
        allowed: bool[n], whether shards may spawn this kind.
        known: bool[n], whether the input that spawned it has done so already.
        near: bool[n], whether the shard may spawn at this place.
        orphaned: bool[n], whether its parent has gone, be it to another shard.
        adopted: bool[n], whether it is to be a child of what the shard may not give children.
        lost: bool[n], whether it may have been told too late that it may not.
    """

    granted: np.ndarray
    used: np.ndarray
    allowed: np.ndarray
    known: np.ndarray
    near: np.ndarray
    orphaned: np.ndarray
    adopted: np.ndarray
    lost: np.ndarray


def judge_motion(proposed: Proposed, newest_input: np.ndarray, rules: Rules) -> np.ndarray:
    """Judge proposed motion.

    Args:
        proposed: `Schema.exact_record[n]`, and what they are judged by.
        newest_input: int64[n], the newest that each record's pilot has sent, -1 for none.
        rules: for the speed limit.

    Mutates:
        the repairs, of whom one is believed.

    Returns:
        uint8[n], a `Verdict` per record.
    """
    records, columns, at = proposed.records, proposed.columns, proposed.at
    before = [
        *_check_entity(proposed),
        *_check_row(proposed, records["tick"] <= columns.tick[at]),
        (Verdict.OTHER_WRITER, are_followers(columns.mask[at])),
        _check_age(proposed, rules),
    ]
    return _first_failed(
        [
            *before,
            *_check_motion(proposed, rules, before),
            (Verdict.OTHER_PILOT, records["control_epoch"] != columns["control_epoch"][at]),
            *_check_inputs(proposed, newest_input),
        ]
    )


def judge_component(
    proposed: Proposed, number: int, newest: np.ndarray, late: np.ndarray
) -> np.ndarray:
    """Judge proposed rows of another component.

    Args:
        proposed: rows, and what they are judged by.
        number: of the component.
        newest: bool[n], whether each row is newer than the one that was committed.
        late: bool[n], whether it is from before its entity got the components that it has.

    Returns:
        uint8[n], a `Verdict` per row.
    """
    others = number not in proposed.schema.proposed or number == PARENT_NUMBER
    lacks = ~proposed.columns.has(proposed.at, number)
    return _first_failed(
        [
            *_check_entity(proposed),
            (Verdict.OTHER_WRITER, np.full(len(lacks), others)),
            (Verdict.SUPERSEDED, lacks & late),
            (Verdict.MISSING_COMPONENT, lacks),
            *_check_row(proposed, ~newest),
        ]
    )


def judge_event(proposed: Proposed, fresh: np.ndarray) -> np.ndarray:
    """Judge events that a shard says have happened.

    Args:
        proposed: rows, and what they are judged by.
        fresh: bool[n], whether each has not come before.

    Returns:
        uint8[n], a `Verdict` per row.
    """
    return _first_failed(
        [
            (Verdict.REPEATED, ~fresh),
            *_check_entity(proposed),
            (Verdict.OUT_OF_RANGE, ~proposed.schema.valid_rows(proposed.records)),
        ]
    )


def judge_whole(
    proposed: Proposed, newest_input: np.ndarray, newest: np.ndarray, rules: Rules
) -> np.ndarray:
    """Judge entities that are there, proposed as wholes.

    Args:
        proposed: `Schema.full_record[n]`, and what they are judged by.
        newest_input: as of `judge_motion`.
        newest: bool[n], whether each is newer than what its entity was proposed as last.
        rules: for the speed limit.

    Mutates:
        the repairs, of whom one is believed.

    Returns:
        uint8[n], a `Verdict` per record.
    """
    records, columns, at = proposed.records, proposed.columns, proposed.at
    # Its motion may have been overtaken by a newer row, what else it says may not.
    moves = (records["tick"] > columns.tick[at]) & ~are_followers(columns.mask[at])
    other_parent = are_children(columns.mask[at]) & (records["of"] != columns["of"][at])
    before = [
        *_check_entity(proposed),
        *_check_row(proposed, ~newest),
        (Verdict.FOREIGN_KIND, records["kind"] != columns["kind"][at]),
        (Verdict.FOREIGN_PARENT, other_parent),
    ]
    age = _check_age(proposed, rules)
    motion = [
        age,
        *_check_motion(proposed, rules, [*before, age, (Verdict.REPEATED, ~moves)]),
        (Verdict.OTHER_PILOT, records["control_epoch"] != columns["control_epoch"][at]),
        *_check_inputs(proposed, newest_input),
    ]
    return _first_failed([*before, *((verdict, failed & moves) for verdict, failed in motion)])


def judge_spawn(proposed: Proposed, spawned: Spawned, rules: Rules) -> np.ndarray:
    """Judge entities that are new to the world; how many there may be is not looked at.

    Args:
        proposed: `Schema.full_record[n]`, without rows.
        spawned: what is known of them.
        rules: for the speed limit.

    Returns:
        uint8[n], a `Verdict` per record.
    """
    records = proposed.records
    with np.errstate(invalid="ignore", over="ignore"):
        speed = np.hypot(records["vx"], records["vy"])
    return _first_failed(
        [
            (Verdict.SUPERSEDED, spawned.used),
            (Verdict.FOREIGN_ID, ~spawned.granted),
            (Verdict.FOREIGN_KIND, ~spawned.allowed),
            (Verdict.STALE_EPOCH, records["epoch"] != EPOCH_FIRST),
            *_check_row(proposed, np.zeros(len(records), np.bool_)),
            _check_age(proposed, rules),
            (Verdict.TOO_FAST, ~(speed <= rules.speed_max)),
            (Verdict.SUPERSEDED, spawned.known | spawned.orphaned),
            (Verdict.FOREIGN_PARENT, spawned.adopted),
            (Verdict.SUPERSEDED, ~spawned.near & spawned.lost),
            (Verdict.FOREIGN_PLACE, ~spawned.near),
        ]
    )


def judge_gone(proposed: Proposed, granted: np.ndarray) -> np.ndarray:
    """Judge the ends of entities.

    Args:
        proposed: their ids and epochs, and what they are judged by.
        granted: bool[n], whether the shard may have spawned it: then it may have ended unheard of.

    Returns:
        uint8[n], a `Verdict` per row.
    """
    unheard = (Verdict.SUPERSEDED, (proposed.rows < 0) & granted)
    return _first_failed([unheard, *_check_entity(proposed)])


def _first_failed(checks: list[Check]) -> np.ndarray:
    return np.select(
        [failed for _, failed in checks],
        [np.uint8(verdict) for verdict, _ in checks],
        np.uint8(Verdict.ACCEPTED),
    ).astype(np.uint8)


def _check_entity(proposed: Proposed) -> list[Check]:
    """Check whose entity it is, and since when."""
    records, columns, at = proposed.records, proposed.columns, proposed.at
    known = proposed.rows >= 0
    epoch, current = records["epoch"].astype(np.int64), columns.epoch[at].astype(np.int64)
    since = proposed.tick - proposed.handover_tick[at]
    late = (epoch < current) & (since <= proposed.limits.superseded_ticks)
    return [
        (Verdict.SUPERSEDED, ~known & np.isin(records["id"], proposed.departed)),
        (Verdict.UNKNOWN_ENTITY, ~known),
        (Verdict.SUPERSEDED, late),
        (Verdict.STALE_EPOCH, epoch != current),
        (Verdict.NOT_OWNER, columns["shard"][at] != proposed.shard),
    ]


def _check_row(proposed: Proposed, repeated: np.ndarray) -> list[Check]:
    """Check that a row is news and of now, and that its values are declared."""
    records, latest = proposed.records, proposed.tick + proposed.limits.future_ticks
    return [
        (Verdict.REPEATED, repeated),
        (Verdict.FUTURE_TICK, records["tick"].astype(np.int64) > latest),
        (Verdict.OUT_OF_RANGE, ~proposed.schema.valid_rows(records)),
    ]


def _check_age(proposed: Proposed, rules: Rules) -> Check:
    """Check that a row is not of long ago."""
    age = proposed.tick - proposed.records["tick"].astype(np.int64)
    return Verdict.PAST_TICK, age * rules.tick_s > proposed.limits.unreported_s


def _check_motion(proposed: Proposed, rules: Rules, before: list[Check]) -> list[Check]:
    """Check that an entity can be as fast, and have come there.

    Who has failed one of the checks `before` uses up no repair.
    """
    records, columns, at = proposed.records, proposed.columns, proposed.at
    elapsed_s = (records["tick"].astype(np.int64) - columns.tick[at]) * rules.tick_s
    reach = rules.speed_max * elapsed_s + DISPLACEMENT_SLACK
    # Both lines lead on from there to now; one of a row that is ahead is taken at its own tick.
    since_s = np.maximum(proposed.tick - records["tick"].astype(np.int64), 0) * rules.tick_s
    total_s = elapsed_s + since_s
    # The line leads one way at most as fast as the entity may have gone the other.
    unreported_s = np.minimum(total_s, proposed.limits.unreported_s)
    stray = 2 * rules.speed_max * unreported_s + DISPLACEMENT_SLACK
    with np.errstate(invalid="ignore", over="ignore"):
        speed = np.hypot(records["vx"], records["vy"])
        off_x, off_y = records["x"] - columns["x"][at], records["y"] - columns["y"][at]
        displacement = np.hypot(off_x, off_y)
        strayed = np.hypot(
            off_x + records["vx"] * since_s - columns["vx"][at] * total_s,
            off_y + records["vy"] * since_s - columns["vy"][at] * total_s,
        )
        step = rules.speed_max * rules.tick_s
        missing = np.maximum((displacement - reach) / step, (strayed - stray) / (2 * step))
    too_fast, far = (Verdict.TOO_FAST, ~(speed <= rules.speed_max)), ~(missing <= 0.0)
    if far.any():
        failed = np.any([failed for _, failed in (*before, too_fast)], axis=0)
        asked = np.flatnonzero(far & ~failed)
        far[proposed.repairs.believe(proposed, asked, missing[asked])] = False
    return [too_fast, (Verdict.TOO_FAR, far)]


def _check_inputs(proposed: Proposed, newest_input: np.ndarray) -> list[Check]:
    """Check that a pilot can have sent what is answered."""
    input_seq = proposed.records["input_seq"].astype(np.int64)
    answered = proposed.columns["input_seq"][proposed.at].astype(np.int64)
    sent = np.where(newest_input >= 0, newest_input + INPUT_GUESSES_MAX, -1)
    return [
        (Verdict.UNSENT_INPUT, input_seq > np.maximum(answered, sent)),
        (Verdict.EARLIER_INPUT, input_seq < answered),
    ]
