"""A world behind a bad network: real servers, real bots, and `sidereal netsim` between them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.process.conftest import Command, Toolbox

BOTS = 4
LINK = "--delay-ms 20 --jitter-ms 10 --duplication 0.02 --reordering 0.05"
LOSSES = "--up.loss 0.05 --down.burst-start 0.02 --down.burst-end 0.4"


class Passage(NamedTuple):
    """A run that is over, as the bots and the network between saw it."""

    bots: Command
    netsim: Command


@pytest.fixture(scope="module")
def passage(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Passage:
    """Bots in a world that knows itself by the network's address."""
    port = toolbox.free_udp_port()
    words = f"--listen 127.0.0.1:0 --target 127.0.0.1:{port} {LINK} {LOSSES} --json -"
    netsim = toolbox.start("netsim", *words.split())
    door = netsim.wait_output(r"netsim passes on (\S+) to ")
    words = f"--http 127.0.0.1:0 --shard-port 0 --client-port {port} --public-clients {door}"
    words += " --world belt"
    up = toolbox.start("up", *words.split(), "--data-dir", tmp_path_factory.mktemp("world"))
    url = up.wait_output(r"The world is ready at (\S+)")
    bots = toolbox.start("bots", "--server", url, "--count", BOTS, "--for", 6, "--json", "-")
    bots.wait()
    for command in (netsim, up):
        command.tell(signal.SIGINT)
    for command in (netsim, up):
        command.wait()
    return Passage(bots, netsim)


def test_bots_stay_connected_over_a_bad_network(passage: Passage) -> None:
    assert passage.bots.wait() == 0, passage.bots.err
    bots = passage.bots.report["bots"]
    assert [bots[name] for name in ("requested", "connected")] == [BOTS, BOTS]
    assert [bots[name] for name in ("disconnected", "refused")] == [0, 0]


def test_all_of_it_went_through_the_network_and_some_was_lost(passage: Passage) -> None:
    report = passage.netsim.report
    assert report["clients_seen"] == BOTS
    for direction in ("up", "down"):
        traffic = report[direction]
        assert traffic["lost"] > 0
        assert traffic["delivered"] > 0.8 * traffic["datagrams"]
        assert traffic["dropped"] == 0
    # The round trip that the bots measured has both delays in it.
    assert passage.bots.report["bots"]["rtt_ms"]["p50"] > 40.0


def test_ctrl_c_ends_the_network_cleanly(passage: Passage) -> None:
    assert passage.netsim.wait() == 0
    assert passage.netsim.report["exit"] == "done"
    (line,) = passage.netsim.said
    assert line.startswith("netsim passes on 127.0.0.1:")
