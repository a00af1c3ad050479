"""`sidereal doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from sidereal.protocol.ids import Address
from sidereal.protocol.runtime.config import format_endpoint, parse_endpoint
from sidereal.tools.doctor import Finding, Plan, State, describe, examine
from sidereal.tools.publish import JsonTarget, check_target, publish

EXIT_UNAVAILABLE: Final = 69
NAME_WIDTH: Final = 16

_MARKS: Final = {State.OK: ("✓", "green"), State.WARN: ("!", "yellow"), State.FAIL: ("✗", "red")}


async def doctor(
    *,
    data_dir: Path = Path(".sidereal"),
    http: str = "127.0.0.1:7070",
    client_port: int = 7071,
    shard_port: int = 7072,
    json: JsonTarget = None,
) -> int:
    """Say what on this machine would stop any command, and the remedy.

    Exit status 69 when something is missing that `sidereal up` needs.

    Example: sidereal doctor --json -

    Parameters
    ----------
    data_dir
        Where the embedded database would live.
    http
        host:port of the HTTP endpoint.
    client_port
        UDP port for clients.
    shard_port
        UDP port for shards.
    json
        File for the findings; - is standard output.
    """
    check_target(json)
    endpoint = parse_endpoint(http, "--http")
    plan = Plan(
        data_dir=data_dir,
        http=endpoint,
        clients=_endpoint(endpoint.host, client_port, "--client-port"),
        shards=_endpoint(endpoint.host, shard_port, "--shard-port"),
    )
    findings = list(examine(plan))
    result = describe(findings)
    if json is not None:
        publish(result, (), json)
    if json != "-":
        console = Console(highlight=False, soft_wrap=True)
        for finding in findings:
            console.print(row(finding))
        console.print(verdict(findings))
    return 0 if result["ok"] else EXIT_UNAVAILABLE


def _endpoint(host: str, port: int, flag: str) -> Address:
    return parse_endpoint(format_endpoint(Address(host, port)), flag)


def row(finding: Finding) -> Text:
    """Write a finding for people; the remedy on a line of its own."""
    mark, colour = _MARKS[finding.state]
    text = Text().append(f"{mark} ", colour).append(f"{finding.name:<{NAME_WIDTH}}", "bold")
    text.append(finding.detail)
    if finding.remedy:
        text.append("\n" + " " * (NAME_WIDTH + 2)).append("→ ", colour).append(finding.remedy)
    return text


def verdict(findings: list[Finding]) -> Text:
    """Say in a line what it comes to."""
    failed = [finding.name for finding in findings if finding.state is State.FAIL]
    if failed:
        return Text().append("`sidereal up` can't run", "red").append(f": {', '.join(failed)}")
    warned = [finding.name for finding in findings if finding.state is State.WARN]
    text = Text().append("`sidereal up` can run", "green")
    return text.append(f"; less than all: {', '.join(warned)}" if warned else "")
