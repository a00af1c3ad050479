"""What clients fly, as tests of the edge want it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sidereal.protocol.state.reckoning import Motion
from sidereal.protocol.state.schema import BASE_SCHEMA, Schema
from sidereal.replication.edge.private import Piloted

AT_REST = Motion(*np.array([260.0, 270.0, 0.0, 0.0, 0.5, 0.0]))


class Flying(NamedTuple):
    """One client, and what it flies.

    Attributes:
        row: of the world.
        moved: whether cells say anew how it moves.
        components: that it has beside the motion, by their field: its value.
    """

    client: int
    net_id: int = 5
    control_epoch: int = 1
    input_seq: int = 0
    early: int = 0
    tick: int = 0
    row: int = -1
    moved: bool = False
    motion: Motion = AT_REST
    components: dict[str, float] | None = None


def flown_by(*flying: Flying, schema: Schema = BASE_SCHEMA) -> Piloted:
    """Put together what all clients fly."""
    fields = {f.name: f for number in schema.own for f in schema.component(number).fields}
    values = {name: np.zeros(len(flying), field.memory_dtype) for name, field in fields.items()}
    mask = np.full(len(flying), schema.mask_own & schema.mask_places, np.uint64)
    for at, one in enumerate(flying):
        said = one.motion._asdict() | (one.components or {})
        for name, value in said.items():
            values[name][at] = value
        for number in schema.own:
            names = {field.name for field in schema.component(number).fields}
            if names & said.keys():
                mask[at] |= np.uint64(1 << number)
    return Piloted(
        np.array([one.client for one in flying], np.int64),
        np.array([one.row for one in flying], np.int64),
        np.array([one.net_id for one in flying], np.uint32),
        np.array([one.control_epoch for one in flying], np.uint32),
        mask,
        np.array([one.input_seq for one in flying], np.int64),
        np.array([one.early for one in flying], np.int64),
        np.array([one.tick for one in flying], np.int64),
        np.array([one.moved for one in flying], np.bool_),
        values,
    )
