# /// script
# requires-python = ">=3.11"
# dependencies = ["pyenet>=1.3.17,<2"]
#
# [tool.uv]
# exclude-newer = "2026-11-15T00:00:00Z"
# ///
"""The same work over ENet (C, not encrypted): `uv run --script pyenet.py CASE --seconds N`.

Both ends are in this process and take turns on a plain loop, as ours do. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from importlib.metadata import version

import enet

BURST = 512
STALLED_S = 10.0


def turn(near: enet.Host, far: enet.Host) -> Iterator[enet.Event]:
    """Send what the server has, yield what reaches the client, and let the acks return."""
    near.flush()
    event = far.service(0)
    while event.type != enet.EVENT_TYPE_NONE:
        yield event
        event = far.check_events() or far.service(0)
    far.flush()
    near.service(0)


def connect() -> tuple[enet.Host, enet.Host, enet.Peer]:
    near = enet.Host(enet.Address(b"127.0.0.1", 0), 1, 1, 0, 0)
    far = enet.Host(None, 1, 1, 0, 0)
    far.connect(near.address, 1)
    give_up_at = time.monotonic() + STALLED_S
    peer = None
    is_connected = False
    while peer is None or not is_connected:
        for host in (near, far):
            event = host.service(0)
            if event.type == enet.EVENT_TYPE_CONNECT:
                if host is near:
                    peer = event.peer
                else:
                    is_connected = True
        if time.monotonic() > give_up_at:
            raise AssertionError("no connection over loopback")
    return near, far, peer


def reliable(seconds: float) -> float:
    """100-byte reliable ordered messages per second."""
    near, far, peer = connect()
    burst = [random.Random(1).randbytes(100) for _ in range(BURST)]
    count, spent = 0, 0.0
    began = time.perf_counter()
    while spent < seconds:
        for message in burst:
            peer.send(0, enet.Packet(message, enet.PACKET_FLAG_RELIABLE))
        arrived: list[bytes] = []
        while len(arrived) < BURST:
            arrived += [event.packet.data for event in turn(near, far)]
        if arrived != burst:
            raise AssertionError("messages arrived that were not sent")
        count += BURST
        spent = time.perf_counter() - began
    return count / spent


CASES = {"reliable_100B_per_s": reliable}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--seconds", type=float, required=True)
    flags = parser.parse_args()
    value = CASES[flags.case](flags.seconds)
    print(json.dumps({"peer": f"pyenet {version('pyenet')}", "value": value}))


if __name__ == "__main__":
    main()
