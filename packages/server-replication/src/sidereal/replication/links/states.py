"""The states of a shard, and what leads from one to the next.

A shard is *joining* from its hello until it has proposed something; from then on it is *serving*.
One that is to wait until another shard is gone is *spare*: it holds nothing, and goes on as one
that joins when it is called. One that is to leave is *draining*: it simulates what it has, and is
leased nothing more, while what it has goes to others. *Gone* is final: another session of the same
process is another one.

Whatever is not in the table changes nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class ShardState(enum.Enum):
    """How far a shard has come."""

    JOINING = enum.auto()
    SPARE = enum.auto()
    SERVING = enum.auto()
    DRAINING = enum.auto()
    GONE = enum.auto()


class ShardSignal(enum.Enum):
    """What can happen to a shard."""

    WAITS = enum.auto()
    """It has come, and is to wait until another one is gone."""
    CALLED = enum.auto()
    """Another one is gone, or is to go: this one takes over."""
    PROPOSES = enum.auto()
    """It has proposed something, be it nothing new."""
    DRAINS = enum.auto()
    """It says that it is to leave."""
    LEAVES = enum.auto()
    """Its session has ended, whoever ended it."""


_S = ShardState
_I = ShardSignal

TRANSITIONS: Final[Mapping[tuple[ShardState, ShardSignal], ShardState]] = {
    (_S.JOINING, _I.WAITS): _S.SPARE,
    (_S.JOINING, _I.PROPOSES): _S.SERVING,
    (_S.JOINING, _I.DRAINS): _S.DRAINING,
    (_S.JOINING, _I.LEAVES): _S.GONE,
    (_S.SPARE, _I.CALLED): _S.JOINING,
    (_S.SPARE, _I.DRAINS): _S.DRAINING,
    (_S.SPARE, _I.LEAVES): _S.GONE,
    (_S.SERVING, _I.DRAINS): _S.DRAINING,
    (_S.SERVING, _I.LEAVES): _S.GONE,
    (_S.DRAINING, _I.LEAVES): _S.GONE,
}
