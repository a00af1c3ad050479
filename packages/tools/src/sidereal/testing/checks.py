"""What must be true after every run, whatever the game does: the engine's part of a game's test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from sidereal.protocol.state.families import (
    NOBODY,
    are_children,
    are_followers,
    parents_of,
)
from sidereal.protocol.state.schema import MOTION
from sidereal.replication.replicator import Replicator
from sidereal.shard.shard import ShardCore


class BrokenWorldError(AssertionError):
    """The world is not as it must be."""


def check_world(core: Replicator, shards: Iterable[ShardCore]) -> None:
    """Look at a whole world.

    Raises:
        BrokenWorldError: naming all that is wrong.
    """
    problems = [*_check_identities(core), *_check_owners(core, shards), *_check_motion(core)]
    problems += _check_families(core)
    if problems:
        raise BrokenWorldError(f"tick {core.tick}: " + "; ".join(problems))


def _check_identities(core: Replicator) -> Iterator[str]:
    columns = core.world.columns
    rows = columns.rows()
    for what, names in (("id", columns.net_id[rows]), ("uuid", core.world.uuid[rows])):
        if len(np.unique(names)) != len(rows):
            yield f"two entities have one {what}"


def _check_owners(core: Replicator, shards: Iterable[ShardCore]) -> Iterator[str]:
    """Nobody is simulated by two shards under the epoch that counts."""
    columns = core.world.columns
    counts: Counter[int] = Counter()
    for shard in shards:
        if shard.bodies is None:
            continue
        rows = shard.bodies.rows()
        ids = shard.bodies.columns.net_id[rows]
        at = columns.rows_of(ids)
        current = (at >= 0) & (columns.epoch[at] == shard.bodies.columns.epoch[rows])
        counts.update(ids[current].tolist())
    twice = [net_id for net_id, count in counts.items() if count > 1]
    if twice:
        yield f"two shards simulate {sorted(twice)}"


def _check_families(core: Replicator) -> Iterator[str]:
    """Every child has its parent, the same shard as it, and without a body the same motion."""
    columns, up = core.world.columns, parents_of(core.world.columns)
    rows = columns.rows()
    children = rows[are_children(columns.mask[rows])]
    lone = children[up[children] == NOBODY]
    if len(lone):
        yield f"no parent is there of {columns.net_id[lone].tolist()}"
        return
    apart = columns["shard"][children] != columns["shard"][up[children]]
    if apart.any():
        yield f"another shard than their parents' simulates {columns.net_id[children[apart]]}"
    followers = children[are_followers(columns.mask[children])]
    off = [columns[f.name][followers] != columns[f.name][up[followers]] for f in MOTION.fields]
    if np.any(off):
        yield f"elsewhere than their parents: {columns.net_id[followers[np.any(off, axis=0)]]}"


def _check_motion(core: Replicator) -> Iterator[str]:
    columns = core.world.columns
    rows = columns.rows()
    wrong = ~np.isfinite(np.array([columns[name][rows] for name in ("x", "y", "vx", "vy")]))
    if wrong.any():
        yield f"no place or speed: {columns.net_id[rows][wrong.any(axis=0)].tolist()}"
