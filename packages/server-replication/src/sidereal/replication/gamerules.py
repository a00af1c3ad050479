"""What a game itself has to say about what shards propose: its rules, on all rows at once.

A rule is asked whenever a shard says what a component holds: of a row of it, of an entity that is
given it, and of one that is new. What was not there before counts as what its kind begins with. So
nobody gets around a rule by taking something and giving it anew, or by a spawn.

A rule is somebody else's code. One that raises, or gives something else than a bool for each row,
accepts none of them. That is no fault of the shard.
"""

from __future__ import annotations

import traceback
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sidereal.game.logic import Rule
from sidereal.game.record import as_columns
from sidereal.game.schema import column_of, name_of
from sidereal.protocol.errors import SiderealError
from sidereal.protocol.state.schema import Schema
from sidereal.replication.notes import Notes
from sidereal.replication.play.raised import describe_raised
from sidereal.replication.validate import Verdict


class RuleError(SiderealError):
    """A rule can't say what holds.

    Attributes:
        trace: as Python tells what it raised.
    """

    def __init__(self, text: str, trace: str = "") -> None:
        super().__init__(text)
        self.trace = trace


class Offered(NamedTuple):
    """Rows that have passed all other checks.

    Attributes:
        records: `Schema.proposed_rows`[n] of one component.
        before: what their entities had until then, by column, [n] each.
        dt: float64[n], seconds since the row that the world has.
    """

    records: np.ndarray
    before: Mapping[str, np.ndarray]
    dt: np.ndarray


class GameRules:
    """The rules of one game.

    Attributes:
        failed: rows that were refused because a rule failed, by its name.
    """

    def __init__(self, rules: Sequence[Rule], schema: Schema, notes: Notes) -> None:
        self.failed: Counter[str] = Counter()
        self._notes = notes
        self._rules: defaultdict[int, list[Rule]] = defaultdict(list)
        for rule in rules:
            self._rules[schema.numbers[name_of(rule.component)]].append(rule)

    def concern(self, number: int) -> bool:
        """Tell whether there are rules for a component."""
        return number in self._rules

    def judge(self, number: int, offered: Offered, tick: int) -> np.ndarray:
        """Judge rows by all rules for their component.

        Args:
            number: of the component.
            offered: at least one row.
            tick: the current one.

        Returns:
            uint8[n], a `Verdict` for each.
        """
        verdicts = np.full(len(offered.records), Verdict.ACCEPTED, np.uint8)
        for rule in self._rules[number]:
            verdict, holds = self._ask(rule, offered, tick)
            verdicts[~holds & (verdicts == Verdict.ACCEPTED)] = verdict
        return verdicts

    def _ask(self, rule: Rule, offered: Offered, tick: int) -> tuple[Verdict, np.ndarray]:
        """Ask one rule: which rows hold, and the verdict on the others."""
        names = {f.name: column_of(rule.component, f) for f in rule.component.fields.values()}
        before = {name: offered.before[column].copy() for name, column in names.items()}
        after = {name: offered.records[column].copy() for name, column in names.items()}
        try:
            return Verdict.AGAINST_A_RULE, _call(rule, before, after, offered.dt.copy())
        except RuleError as error:
            if rule.name not in self.failed:
                self._notes.add(tick, "rule_failed", error.trace, rule=rule.name, why=str(error))
            self.failed[rule.name] += len(offered.records)
            return Verdict.RULE_FAILED, np.zeros(len(offered.records), np.bool_)


def _call(
    rule: Rule, before: dict[str, np.ndarray], after: dict[str, np.ndarray], dt: np.ndarray
) -> np.ndarray:
    """Ask a rule which rows hold, bool[n].

    Raises:
        RuleError: it raised, or gave something else.
    """
    component = rule.component
    try:
        holds = rule.function(as_columns(component, before), as_columns(component, after), dt)
    except Exception as error:  # the game's rule is somebody else's code: it may raise anything
        trace = "".join(traceback.format_exception(error))
        raise RuleError(describe_raised(error), trace) from error
    if not isinstance(holds, np.ndarray) or (holds.dtype, holds.shape) != (np.bool_, dt.shape):
        raise RuleError(f"it gave {type(holds).__name__}, not a bool for each of {len(dt)} rows")
    return holds
