"""The whole command in a process of its own: only there can arcade be off screen anew."""

import os
import subprocess
import sys
from typing import Any

import pytest

from sidereal.client.front.config import ViewConfig
from sidereal.client.front.launch import run_view
from sidereal.protocol.errors import ConfigError

SCRIPT = """
import sys
from sidereal.client.front.config import ViewConfig
from sidereal.client.front.launch import run_view
from sidereal.protocol.errors import SiderealError
try:
    sys.exit(run_view(ViewConfig(server="http://127.0.0.1:9", headless=True, seconds=9.0)))
except SiderealError as error:
    print(type(error).__name__, error)
    sys.exit(69)
"""


def test_no_server_is_one_sentence_and_not_a_traceback(screen: Any) -> None:
    environ = {key: value for key, value in os.environ.items() if key != "ARCADE_HEADLESS"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 69, done.stderr
    assert done.stdout.startswith("UnavailableError no server answers at http://127.0.0.1:9")
    assert "Traceback" not in done.stderr


def test_a_game_that_is_not_here_can_be_left_out() -> None:
    with pytest.raises(ConfigError, match=r"no module nogame, .*; without --game the world is"):
        run_view(ViewConfig(server="http://127.0.0.1:9", game="nogame:game", observe=True))
