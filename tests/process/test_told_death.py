"""The supervisor tells the server of a shard's death, which then waits for nothing."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.conftest import Toolbox


def test_a_shard_that_is_killed_is_gone_for_the_server_at_once(
    toolbox: Toolbox, tmp_path: Path
) -> None:
    world = toolbox.start_world(tmp_path / "world")
    victim = world.command.family().pid_of("--name", "shard-1")
    os.kill(victim, signal.SIGKILL)
    why = world.command.wait_output(r"shard_left .*name=shard-1 .*why=(.*)")
    assert why == '"its process has ended"'
    world.command.tell(signal.SIGTERM)
    assert world.command.wait() == 0


def test_a_shard_that_is_told_to_end_drains_first(toolbox: Toolbox, tmp_path: Path) -> None:
    world = toolbox.start_world(tmp_path / "world")
    victim = world.command.family().pid_of("--name", "shard-1")
    os.kill(victim, signal.SIGTERM)
    assert world.command.wait_output(r"(shard_drains) .*name=shard-1")
    assert float(world.command.wait_output(r"drained seconds=([0-9.]+)")) < 3.0
    assert world.command.wait_output(r"shard_left .*name=shard-1 .*why=(-)") == "-"
    world.command.tell(signal.SIGTERM)
    assert world.command.wait() == 0
