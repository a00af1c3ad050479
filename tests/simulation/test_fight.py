"""A fight of forty ships around the corner of four shards: what hits, hits once."""

from __future__ import annotations

import fight
import pytest
from hits import DamageAddsUp

from sidereal.games.frontier.fight import shots
from sidereal.protocol.testing.link import LinkConfig
from sidereal.tools.simulate.checks.always import NothingDoubled, OnlyNewer
from sidereal.tools.simulate.checks.owners import OneOwner
from sidereal.tools.simulate.cluster import Outcome
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.given.cluster import GivenCluster
from sidereal.tools.simulate.given.judges import Judged
from sidereal.tools.simulate.given.staging import Staging, stage

BAD = LinkConfig(
    delay_s=0.03, jitter_s=0.02, loss=0.1, duplication=0.05, reordering=0.1, reordering_s=0.12
)


def play_fight(seed: int, link: LinkConfig) -> tuple[Outcome, DamageAddsUp]:
    plan = Plan(
        seed=seed,
        tick_hz=20,
        shards=4,
        cell_size=250.0,
        entities=fight.SHIPS,
        chaos_s=4.0,
        link=link,
    )
    judge = DamageAddsUp()
    checkers = [NothingDoubled(), OneOwner(plan), OnlyNewer(), Judged(judge)]
    return GivenCluster(plan, stage(Staging("fight:game")), checkers).run(), judge


def test_every_bullet_hits_once_and_damage_adds_up_over_bad_links() -> None:
    outcome, judge = play_fight(3, BAD)
    assert not outcome.violations
    # Of a ship that changes hands a shot may be lost, or one too many be fired.
    assert judge.hits >= 0.9 * fight.BULLETS
    # Every bullet flies over the corner.
    assert outcome.handovers > fight.BULLETS


def test_damage_that_is_not_done_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shots, "hurt", lambda *_: None)
    outcome, _ = play_fight(3, LinkConfig(delay_s=0.02))
    assert {violation.checker for violation in outcome.violations} == {"DamageAddsUp"}
