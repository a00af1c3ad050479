"""How spares are asked for, and how people see them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.tools.commands.status import describe
from sidereal.tools.monitor.listing import shard_state
from sidereal.tools.report import make_report, summarise
from sidereal.tools.up.config import SHARDS_MAX, UpConfig

RECORDED = json.loads((Path(__file__).parent / "recorded_status.json").read_text())


def recorded() -> dict[str, Any]:
    """The recorded state, but that its second shard is a spare."""
    status: dict[str, Any] = copy.deepcopy(RECORDED)
    status["shards"][1]["state"] = "spare"
    return status


@pytest.mark.parametrize(("shards", "spares"), [(2, -1), (SHARDS_MAX, 1), (1, SHARDS_MAX)])
def test_there_are_no_more_spares_than_there_is_room_for(shards: int, spares: int) -> None:
    with pytest.raises(ConfigError, match=r"^--spares must be 0 or more"):
        UpConfig(shards=shards, spares=spares).check()


def test_all_shards_but_one_may_be_spares() -> None:
    UpConfig(shards=1, spares=SHARDS_MAX - 1).check()


def test_too_many_shards_are_no_wrong_number_of_spares() -> None:
    with pytest.raises(ConfigError) as raised:
        UpConfig(shards=SHARDS_MAX + 1).check()
    assert "--spares" not in str(raised.value)


def test_the_state_of_a_world_names_its_spares() -> None:
    lines = describe(recorded())
    assert [line for line in lines if line.endswith("S2, spare, code 5f0c2a91 (older)")]
    assert [line for line in lines if "S1, 18 sectors" in line]


def test_the_report_of_a_run_names_its_spares() -> None:
    status = recorded()
    report = make_report(
        version="1",
        duration_s=1.0,
        seed=1,
        end="done",
        errors=[],
        first=status,
        last=status,
        pids={},
        bots=None,
    )
    assert [shard["state"] for shard in report["shards"]] == ["serving", "spare"]
    assert "shard 2    spare" in summarise(report)


def test_the_monitor_shows_a_spare_as_well() -> None:
    status = recorded()
    states = [shard_state(s, status["tick"], status["tick_hz"]).plain for s in status["shards"]]
    assert states[1] == "spare"
