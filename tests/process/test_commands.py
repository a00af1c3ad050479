"""What commands answer when something is wrong with what they are told, or with their world."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

from sidereal.client.front import preflight
from sidereal.protocol.errors import UnavailableError

if TYPE_CHECKING:
    from tests.process.conftest import Answer, Toolbox

USAGE: Final = 2
UNAVAILABLE: Final = 69

FACES: Final = ("status", "token", "bots", "monitor --once", "view --headless --seconds 9")
NOBODY: Final = "http://127.0.0.1:{port}"
"""A port that is bound and never listens."""
ANY_PORTS: Final = "--http 127.0.0.1:0 --client-port 0 --shard-port 0"

ANSWERS: Final[dict[str, tuple[int, str]]] = {
    **{
        f"{face} --server {NOBODY}": (UNAVAILABLE, f"no server answers at {NOBODY} (")
        for face in FACES
    },
    **{
        f"{face} --server {url}": (USAGE, f"--server is '{url}'; it must be a URL like http://")
        for face, url in zip(
            FACES,
            ("nonsense", "ftp://127.0.0.1", "http://127.0.0.1:x", "http://", "http://a:99999"),
            strict=True,
        )
    },
    "nonsense": (USAGE, 'Unknown command "nonsense". Available commands: up, replication,'),
    "up --nonsense": (USAGE, "Unknown option: --nonsense."),
    "status --json": (USAGE, "--json requires an argument"),
    "up --shards two": (USAGE, 'Invalid value for --shards: unable to convert "two" into int.'),
    "up --shards 0 --bots -1": (USAGE, "--shards must be 1 to 64; --bots must be 0 to 4096"),
    "up --http nonsense": (USAGE, "--http is 'nonsense'; it must be host:port"),
    "up --json /nowhere/report.json": (USAGE, "--json is '/nowhere/report.json'; it must be"),
    "up --world nowhere": (
        USAGE,
        "--world is 'nowhere'; there are: belt, frontier, empty, star, crowd, seam",
    ),
    "up --game sidereal.games.frontier:gaem": (
        USAGE,
        "--game sidereal.games.frontier:gaem: module sidereal.games.frontier has no gaem; it has",
    ),
    "up --database mysql://ada:swordfish@db/x": (USAGE, "--database takes embedded, or a URL"),
    f"up {ANY_PORTS} --database postgresql://ada:swordfish@127.0.0.1:{{port}}/x": (
        UNAVAILABLE,
        "the database at 127.0.0.1:{port}/x can't be reached: Connection refused; start it",
    ),
    "bots --behaviour lazy": (USAGE, "--behaviour is 'lazy'; there are: "),
    "bots --require speed>1": (USAGE, "--require 'speed>1': 'speed' is not measured; there are: "),
    "monitor --svg /nonexistent/x.svg": (USAGE, "--svg is '/nonexistent/x.svg'; it must be a file"),
    "view --headless": (USAGE, "--headless shows nothing: add --shot"),
    "shard --server nonsense": (USAGE, "the shard key is missing: set SIDEREAL_SHARD_KEY, or"),
    "token --name ada": (USAGE, "the password of 'ada' is missing: set SIDEREAL_TOKEN_PASSWORD"),
    "shard --shard-key-file /dev/fd/0": (USAGE, "--shard-key-file is '/dev/fd/0', which is empty"),
    "up --bots 99999 --seed -1 --for nan": (USAGE, "--bots must be 0 to 4096; --for must be above"),
    "bots --ramp nan --seed -1 --mirror -1": (USAGE, "--ramp must be 0 seconds or more; --seed"),
    "doctor --client-port 70000": (USAGE, "--client-port is '127.0.0.1:70000'; the port must be"),
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield silent.getsockname()[1]


@pytest.fixture(scope="module")
def answers(toolbox: Toolbox, port: int) -> dict[str, Answer]:
    asked = [text.format(port=port).split() for text in ANSWERS]
    return dict(zip(ANSWERS, toolbox.ask(asked), strict=True))


@pytest.mark.parametrize("text", ANSWERS)
def test_what_is_wrong_is_said_in_a_line(answers: dict[str, Answer], port: int, text: str) -> None:
    answer = answers[text]
    status, says = ANSWERS[text]
    if text.startswith("view ") and status == UNAVAILABLE:
        try:
            preflight.check(headless=True)
        except UnavailableError:
            says = "The debug client draws with"  # it looks for what it needs itself first
    assert answer.status == status, answer.said
    (line,) = answer.said
    assert line.startswith("sidereal ")
    assert says.format(port=port) in line
    assert answer.out == ""
    assert "swordfish" not in line
