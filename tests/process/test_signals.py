"""What tells a process to end is heard at whatever moment it comes."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.process.conftest import Command, Toolbox

NETSIM = ("netsim", "--listen", "127.0.0.1:0", "--target", "127.0.0.1:9")
"""The server that is started fastest."""

ANNOUNCEMENT = "netsim passes on"

ENDS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def disposition(command: Command, kind: str, number: signal.Signals) -> bool:
    """Whether a signal is blocked (SigBlk), ignored (SigIgn) or caught (SigCgt) by a process."""
    status = Path(f"/proc/{command.process.pid}/status").read_text()
    found = re.search(rf"{kind}:\s*(\w+)", status)
    return bool(found and int(found[1], 16) >> (number - 1) & 1)


def holds_back(command: Command, number: signal.Signals) -> bool:
    """Whether a signal waits, because the process is still loading its modules, or is heard."""
    return disposition(command, "SigBlk", number) or ANNOUNCEMENT in command.err


@pytest.fixture(scope="module")
def loading(toolbox: Toolbox) -> dict[signal.Signals, Command]:
    """Servers that were told to end while they were loading, all at once."""
    # Whatever these tests were started with: `nohup` ignores SIGHUP, and `&` in a script SIGINT.
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ENDS}
    commands = {number: toolbox.start(*NETSIM, "--json", "-") for number in ENDS}
    for number, handler in before.items():
        signal.signal(number, handler)
    for number, command in commands.items():
        toolbox.wait_until(lambda: holds_back(command, number), "it is loading")  # noqa: B023
        command.tell(number)
    return commands


@pytest.mark.parametrize("number", ENDS)
def test_a_server_that_is_still_loading_ends_as_it_always_does(
    loading: dict[signal.Signals, Command], number: signal.Signals
) -> None:
    assert loading[number].wait() == 0
    assert loading[number].report["clients_seen"] == 0
    assert "Traceback" not in loading[number].err


def test_a_terminal_that_is_gone_does_not_end_what_nohup_started(toolbox: Toolbox) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what it is started with
    try:
        command = toolbox.start(*NETSIM)
    finally:
        signal.signal(signal.SIGHUP, before)
    command.wait_output(f"({ANNOUNCEMENT})")
    assert disposition(command, "SigIgn", signal.SIGHUP)
    command.tell(signal.SIGTERM)
    assert command.wait() == 0
