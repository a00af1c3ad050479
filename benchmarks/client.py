"""What a client computes ahead: `uv run python benchmarks/client.py`.

Case `rollback_20_ms`: the authority has another state of 20 entities than was predicted, and ten
inputs are flown again for all of them, in three physics steps each, with the models of the game
that ships. The median of processor time; all of it is on one core.
"""

from __future__ import annotations

import os
import time

import numpy as np
from results import parse_flags, publish, result, table

from sidereal.client.rollback import MOTION_COLUMNS, Rollback, Values
from sidereal.game.bits import pack
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.games.frontier import Stick
from sidereal.protocol.rules import Rules

ENTITIES = 20
STEPS = [(1, 0), (0, 0), (1, 0), (0, 0), (1, 0), (0, 0), (1, 0), (0, 0), (0, 1), (0, 1)]
RECORDS = [pack(Stick(thrust=1, turn=turn, brake=brake)) for turn, brake in STEPS]
INPUTS = len(RECORDS)


def make_values(count: int, seed: int) -> Values:
    """Entities on their way."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(-3.0, 3.0, count) for name in MOTION_COLUMNS}


def measure(rounds: int) -> float:
    """Time ten inputs again, ms; what comes of them is what comes of each entity alone."""
    game, rules = load(DEFAULT_GAME), Rules()
    schema, ids = schema_of(game), np.arange(1, ENTITIES + 1, dtype=np.uint32)
    crowd = Rollback(game, schema, rules, ids, INPUTS)
    spent_s = []
    for seed in range(rounds):
        values = make_values(ENTITIES, seed)
        began = time.process_time()
        crowd.begin(values)
        crowd.fly(RECORDS, 100)
        spent_s.append(time.process_time() - began)
    alone = Rollback(game, schema, rules, ids[:1], INPUTS)
    for at in range(ENTITIES):
        alone.begin({name: column[at : at + 1] for name, column in values.items()})
        alone.fly(RECORDS, 100)
        for name, column in alone.state(INPUTS).items():
            assert abs(column[0] - crowd.state(INPUTS)[name][at]) < 1e-9, name
    return 1000 * float(np.median(spent_s))


def main() -> None:
    flags = parse_flags(__doc__)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    spent_ms = measure(200 if flags.quick else 2000)
    print(f"{ENTITIES} entities, {INPUTS} inputs again: {spent_ms:.2f} ms", file=table(flags))
    publish(flags, {"rollback_20_ms": result(spent_ms, "ms")})


if __name__ == "__main__":
    main()
