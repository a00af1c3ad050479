"""`sidereal netsim`."""

from __future__ import annotations

import dataclasses
import sys
from importlib.metadata import version
from typing import Annotated, Any, Final

import trio
from cyclopts import Parameter

from sidereal.protocol.ids import Address
from sidereal.protocol.runtime.config import format_endpoint
from sidereal.protocol.runtime.process import run_until_told, settle_memory
from sidereal.tools.netsim.config import LinkFlags, NetsimConfig
from sidereal.tools.netsim.relay import Relay, RelayStatistics
from sidereal.tools.netsim.service import find_clients_max, run
from sidereal.tools.publish import JsonTarget, check_target, publish_report

LINK: Final = "Link, both directions; --up.NAME or --down.NAME for one"
NOTHING_GIVEN: Final = LinkFlags()


async def netsim(
    *,
    listen: str = "127.0.0.1:7073",
    target: str = "127.0.0.1:7071",
    both: Annotated[LinkFlags, Parameter(name="*", group=LINK)] = NOTHING_GIVEN,
    up: Annotated[LinkFlags, Parameter(show=False)] = NOTHING_GIVEN,
    down: Annotated[LinkFlags, Parameter(show=False)] = NOTHING_GIVEN,
    seed: int = 1,
    for_s: Annotated[float | None, Parameter(name="--for")] = None,
    json: JsonTarget = None,
) -> None:
    """Be a bad network between clients and a server, until Ctrl-C: a UDP proxy.

    Clients send to the address in their connect tokens, and a server accepts only tokens that name
    it. So tell the server to go by the proxy's address, and all its clients come through:

    sidereal up --public-clients 127.0.0.1:7073

    Example: sidereal netsim --delay-ms 40 --loss 0.02 --down.rate-kbit 2000

    Every client has a link of its own in each direction. Sizes are those of UDP payloads; longer
    ones than Sidereal's 1,300 bytes are dropped.

    Parameters
    ----------
    listen
        host:port where clients send to; port 0 is any free one.
    target
        host:port of the server's UDP endpoint.
    seed
        Of all that is random.
    for_s
        Seconds until it ends; forever without.
    json
        File for the report; - is standard output.
    """
    check_target(json)
    config = NetsimConfig(
        listen=listen, target=target, both=both, up=up, down=down, seed=seed, for_s=for_s
    )
    config.check()
    relay = Relay(config.link_up(), config.link_down(), seed, find_clients_max())
    settle_memory()
    began_at = trio.current_time()
    finished = False

    async def pass_on() -> None:
        nonlocal finished
        await run(config, relay, _announce)
        finished = True

    await run_until_told(pass_on)
    statistics = relay.statistics()
    report: dict[str, Any] = {
        "version": version("sidereal-tools"),
        "duration_s": round(trio.current_time() - began_at, 3),
        "seed": seed,
        "exit": "done" if finished or for_s is None else "interrupted",
        **dataclasses.asdict(statistics),
    }
    publish_report(report, _describe(statistics), json)


def _announce(door: Address, target: Address) -> None:
    print(
        f"netsim passes on {format_endpoint(door)} to {format_endpoint(target)}",
        file=sys.stderr,
        flush=True,
    )


def _describe(statistics: RelayStatistics) -> list[str]:
    return [
        f"{statistics.clients_seen} clients",
        *(
            f"{name:<5} {traffic.datagrams} datagrams: {traffic.lost} lost "
            f"({traffic.queue_full} at a full queue), {traffic.duplicated} doubled, "
            f"{traffic.delivered} delivered, {traffic.dropped} dropped"
            for name, traffic in (("up", statistics.up), ("down", statistics.down))
        ),
    ]
