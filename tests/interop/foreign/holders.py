"""Who simulates the sectors around a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from .messages import Message
from .octets import require

Holders: TypeAlias = dict[tuple[int, int], int]
"""The shard that simulates a sector; sectors of nobody are left out."""


def read_square(message: Message, known: Mapping[tuple[int, int], int]) -> Holders:
    """Take a message about leases to what is known from earlier ones.

    Raises:
        Malformed: a row is of no sector of the square, or there are too many.
    """
    middle_x, middle_y, radius = message["x"], message["y"], message["radius"]
    rows = message["holders"]
    require(len(rows) <= (2 * radius + 1) ** 2, "more rows than sectors")
    holders = {
        (x, y): shard
        for (x, y), shard in known.items()
        if max(abs(x - middle_x), abs(y - middle_y)) <= radius
    }
    for dx, dy, shard in rows:
        sector = middle_x + dx, middle_y + dy
        require(max(abs(dx), abs(dy)) <= radius, "a row outside of the square")
        require(all(-(1 << 31) <= n < 1 << 31 for n in sector), "a sector without a number")
        holders[sector] = shard
    return {sector: shard for sector, shard in holders.items() if shard}
