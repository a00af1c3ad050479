"""A game of components that change, and a population of which that is found."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sidereal.game import (
    ANGLE,
    AUTHORITY,
    F4,
    F8,
    I2,
    PILOT,
    U4,
    Body,
    Component,
    Game,
    Motion,
    Text,
    field,
)
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.rules import Rules
from sidereal.shard.changes import Changes
from sidereal.shard.population import Population

RULES = Rules()
HZ = RULES.tick_hz


class Health(Component):
    hp: F4 = field(100, low=0, high=100, quantum=0.5)
    shots: U4


class Turret(Component, audience=PILOT):
    aim: F8 = field(0, low=-math.pi, high=math.pi, quantum=math.tau / 256, curve=ANGLE)
    step: I2 = field(0, low=-100, high=100, quantum=5)


class Purse(Component, writer=AUTHORITY):
    credits: U4


class Sign(Component):
    says: Text = field(b"", size=8)


game = Game("changing")
HULL = game.kind("hull", Motion(), Body(), Health(), Turret(), Purse(), Sign())
ROCK = game.kind("rock", Motion(), Body())
DECLARED = declare(game)
SCHEMA = schema_of(DECLARED)
NUMBER = {
    component: SCHEMA.numbers[f"changing_{component.__name__.lower()}"]
    for component in (Health, Turret, Purse, Sign)
}
HP, SHOTS = (column_of(Health, f) for f in Health.fields.values())
AIM, STEP = (column_of(Turret, f) for f in Turret.fields.values())
(CREDITS,) = (column_of(Purse, f) for f in Purse.fields.values())
(SAYS,) = (column_of(Sign, f) for f in Sign.fields.values())


class Rig:
    """A population, and what is found of it."""

    def __init__(
        self,
        count: int = 40,
        *,
        own: bool = True,
        kind: int = 1,
        modelled: frozenset[int] = frozenset(),
    ) -> None:
        self.population = Population(SCHEMA)
        flown = np.ones(256, np.bool_)
        self.changes = Changes(self.population, SCHEMA, RULES, modelled, flown)
        records = np.zeros(count, SCHEMA.full_record)
        records["id"], records["epoch"] = 1000 + np.arange(count), 3
        records["kind"], records["radius"], records["mass"] = kind, 4.0, 10.0
        self.rows = self.population.load(records, own=own)
        self.tick = 100

    def write(self, name: str, value: Any, rows: Any = slice(None)) -> None:
        self.population.columns[name][self.rows[rows]] = value

    def find(self, ticks: int = 1) -> dict[int, set[int]]:
        """Let ticks pass: the rows that are news, by component."""
        found: dict[int, set[int]] = {}
        for _ in range(ticks):
            self.tick += 1
            for number, rows in self.changes.collect(self.tick, np.empty(0, np.int64)).items():
                assert (np.diff(rows) > 0).all()
                found.setdefault(number, set()).update(rows.tolist())
        return found
