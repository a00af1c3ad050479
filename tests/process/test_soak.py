"""The soak as a person starts it: real sockets, a report, an exit status."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

DEADLINE_S: Final = 60.0
SOAK: Final = [sys.executable, "-m", "sidereal.tools.soak"]

LYING: Final = """
import sys
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.events import PeerClosed
from sidereal.protocol.errors import CloseReason
honest = ServerEndpoint.next_event

def next_event(self):
    event = honest(self)
    return PeerClosed(event.peer, CloseReason.UNKNOWN) if isinstance(event, PeerClosed) else event

ServerEndpoint.next_event = next_event
from sidereal.tools.soak.__main__ import main
sys.exit(main())
"""
"""A soak whose server does not know why anybody goes."""


def run(*words: str, command: list[str] = SOAK) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *words], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


def test_a_short_soak_breaks_nothing_and_reports(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    ended = run("--clients", "5", "--for", "2", "--json", str(target))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "5 clients, seed 1" in ended.stdout
    assert "broken guarantees     none" in ended.stdout
    report = json.loads(target.read_text())
    assert report["exit"] == "done"
    assert report["violations"] == []
    assert report["sessions"]["client"]["opened"] >= 5
    assert report["sessions"]["server"]["opened"] >= report["sessions"]["client"]["opened"]
    assert report["link"]["lost"] > 0
    for ways in report["messages"].values():
        for counts in ways.values():
            assert 0 < counts["delivered"] <= counts["sent"]


def test_a_broken_guarantee_fails_the_soak() -> None:
    ended = run("--clients", "2", "--for", "1", command=[sys.executable, "-c", LYING])
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "the server's end closed with UNKNOWN, expected" in ended.stdout


def test_an_interrupted_soak_tells_what_it_has() -> None:
    soak = subprocess.Popen(
        [*SOAK, "--clients", "3", "--for", "600", "--json", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert soak.stderr is not None
    assert "sample" in soak.stderr.readline()
    soak.send_signal(signal.SIGINT)
    said, log = soak.communicate(timeout=DEADLINE_S)
    assert soak.returncode == 0, log
    report = json.loads(said)
    assert report["exit"] == "interrupted"
    assert report["config"]["clients"] == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--clients", "0", "--loss", "2"), "--clients must be 1 to 500; --loss must be 0 to 0.5"),
        (("--json", "/nowhere/report.json"), "--json is '/nowhere/report.json'; it must be"),
        (("--seed", "x"), "argument --seed: invalid int value: 'x'"),
        (("--nonsense",), "unrecognized arguments: --nonsense"),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], says: str) -> None:
    ended = run(*words)
    assert ended.returncode == 2
    assert says in ended.stderr.splitlines()[-1]
    assert ended.stdout == ""
