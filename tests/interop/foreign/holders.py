"""Who simulates the sectors around a client. PROTOCOL.md, "Between a client and the server"."""

from __future__ import annotations

from .messages import I32, Message
from .octets import Malformed

Sector = tuple[int, int]


def read_square(message: Message, before: dict[Sector, int]) -> dict[Sector, int]:
    """Work out what is known after a message, given what was before."""
    x, y, radius = message["x"], message["y"], message["radius"]
    if len(message["holders"]) > (2 * radius + 1) ** 2:
        raise Malformed("more holders than sectors")
    known = {
        (sector_x, sector_y): shard
        for (sector_x, sector_y), shard in before.items()
        if max(abs(sector_x - x), abs(sector_y - y)) <= radius
    }
    for dx, dy, shard in message["holders"]:
        if max(abs(dx), abs(dy)) > radius or None in (I32(x + dx), I32(y + dy)):
            raise Malformed("a holder outside the square or the world")
        known[x + dx, y + dy] = shard
    return {sector: shard for sector, shard in known.items() if shard}
