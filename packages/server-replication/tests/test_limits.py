"""Limits of the authority: each above 0, and fitting each other, checked where they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.replication.ending import SAVE_S_MAX
from sidereal.replication.keeping.limits import TERM_SILENT_S_MAX, DatabaseLimits, KeepingLimits
from sidereal.replication.limits import LIMITS, EdgeLimits, Limits, ProposalLimits, WorldLimits
from sidereal.replication.links.limits import (
    ADOPT_ROWS_MAX,
    QUEUED_SIZE_MAX,
    ROWS_PER_MESSAGE_MAX,
    PlayerLinkLimits,
    ShardLinkLimits,
)

GROUPS = [
    LIMITS,
    LIMITS.world,
    LIMITS.proposals,
    LIMITS.ownership,
    LIMITS.edge,
    LIMITS.players,
    LIMITS.shards,
    LIMITS.keeping,
    LIMITS.keeping.database,
]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: type(group).__name__)
def test_no_limit_may_be_zero_or_below(group: object) -> None:
    for field in fields(group):  # type: ignore[arg-type]
        if isinstance(getattr(group, field.name), int | float):
            for value in (0, -1):
                with pytest.raises(ConfigError, match=f"{field.name} must be above 0"):
                    type(group)(**{field.name: value})


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"ids_per_block .*; sector_empty_ticks"):
        WorldLimits(ids_per_block=0, sector_empty_ticks=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"replace_parts": 9},
        {"section_parts": 16},
        {"datagrams": 8},
        {"datagrams": 17},
    ],
)
def test_limits_that_do_not_fit_each_other_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="datagrams"):
        EdgeLimits(**wrong)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PlayerLinkLimits(sessions_spare=4096), "sessions_spare must be below 4096"),
        (lambda: PlayerLinkLimits(controls_rate=0.99), "controls_rate must be at least 1"),
        (lambda: ShardLinkLimits(faults_kept_per_tick=1.0), "faults_kept_per_tick must be below"),
        (lambda: ShardLinkLimits(owned_kept_per_tick=1.0), "owned_kept_per_tick must be below 1"),
        (lambda: ShardLinkLimits(allowed_share=0.9), "allowed_share must be at least 1"),
        (lambda: ShardLinkLimits(hello_messages=1), "hello_messages must be at least 2"),
        (lambda: ShardLinkLimits(stall_s=1.1), "stall_s and late_s must be at most silence_s"),
        (lambda: ShardLinkLimits(late_s=1.1), "stall_s and late_s must be at most silence_s"),
        (lambda: ShardLinkLimits(adopt_rows=ADOPT_ROWS_MAX + 1), "adopt_rows must be at most"),
        (
            lambda: ShardLinkLimits(rows_per_message=ROWS_PER_MESSAGE_MAX + 1),
            "rows_per_message must be at most",
        ),
        (lambda: ShardLinkLimits(queued_size=QUEUED_SIZE_MAX + 1), "queued_size must be at most"),
        (lambda: KeepingLimits(flush_s=0.25), "unsaved_s must be above twice flush_s"),
        (lambda: KeepingLimits(batch_rows=499), "batch_rows_least must not be above batch_rows"),
        (lambda: KeepingLimits(beat_s=TERM_SILENT_S_MAX / 2), "beat_s must be below half of 5"),
        (lambda: ProposalLimits(keys_ticks=64), "keys_ticks must be above 64"),
        (lambda: DatabaseLimits(operation_s=SAVE_S_MAX), "operation_s must be below 8"),
        (lambda: DatabaseLimits(reconnect_s=()), "reconnect_s must be pauses above 0"),
        (lambda: DatabaseLimits(reconnect_s=(0.1, 0.0)), "reconnect_s must be pauses above 0"),
        (
            lambda: Limits(proposals=ProposalLimits(unreported_s=1.9)),
            r"proposals.unreported_s must be at least twice shards.silence_s",
        ),
    ],
)
def test_what_would_contradict_itself_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


def test_all_of_them_may_be_as_small_as_they_get() -> None:
    Limits(
        ticks_catch_up=1,
        notes=1,
        world=WorldLimits(1, 1, 1, 1, 1),
        edge=EdgeLimits(2, 1, 1, 1, 1, 1),
        shards=ShardLinkLimits(adopt_rows=1, rows_per_message=1, queued_size=1, outbox_size=1),
        keeping=KeepingLimits(
            batch_rows=1,
            batch_rows_least=1,
            accounts=1,
            database=DatabaseLimits(1, 1, reconnect_s=(0.1,)),
        ),
    )
