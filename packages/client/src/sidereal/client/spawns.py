"""What models spawn ahead of the authority: shown in the frame of the press, known again later.

Theory of operation. A model that flies an input may spawn. What it spawns has a **key**: the number
of the input, and how many that input had spawned before. Its shard spawns by the same input, and
says the key of what comes (`PREDICTED`). So:

* an input that is flown again spawns again; what has the same key is the same entity, with other
  values, and what is spawned no more ends;
* when the entity of a key comes from the authority, it takes the place of the predicted one, under
  its own id. The key is never spawned again;
* what has not come a while after its input was answered ends: the shard has not spawned it. The
  datagram that has it may be lost, and the next one as well, each of which costs about as long as
  the answer took: what ends too early is gone for a moment, and is there again. What waits too long
  for an answer ends, too.

A press that comes to the shard too late counts with one of the next inputs. What that spawns is of
the same sort, and takes the place of what was foreseen for the input of the press.

What was foreseen begins at the time of whoever flies. All others are drawn some time ago, and so
must it be when it meets one of them, whoever it comes from by then. So it gives up its lead little
by little, and is drawn a bit slower for a while. Where the two agree nothing jumps when the entity
that has come replaces the predicted one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.client.interpolation import References
from sidereal.client.limits import LIMITS, Limits
from sidereal.client.rollback import Spawned
from sidereal.game.component import SHARD
from sidereal.game.declarations import Declarations
from sidereal.game.spawns import Spawns
from sidereal.protocol.ids import NET_ID_MAX
from sidereal.protocol.limits import INPUT_GUESSES_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.reckoning import Motion, slowing
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.spawnkeys import KEY_FIELDS, NTH_MAX, pack_keys, write_keys

EASE: Final = 0.3
"""Ticks of its lead that what was foreseen gives up in a tick."""
LOSSES: Final = 2
"""So many datagrams in a row may be lost with what comes."""
PREDICTED_BIT: Final = NET_ID_MAX + 1
"""What a client alone knows of has this bit in its id."""

Key = tuple[int, int]
"""The number of an input, and how many it had spawned before."""


class Pending(NamedTuple):
    """What has not come from the authority.

    Attributes:
        record: `Schema.full_record[1]`, as it was spawned, at the tick of that.
        version: counts up with all that changes; this is as of the one that it says.
        since: when its input was made or foreseen, monotonic seconds.
        until: when it ends.
        answered: whether the input is.
    """

    record: NDArray[np.void]
    version: int
    since: float
    until: float
    answered: bool


class Ahead(NamedTuple):
    """What whoever flies sees at the own time, and not at that of the others.

    Attributes:
        tick: the own time.
        net_id: what is flown, 0 for nothing.
        control_epoch: by whose inputs.
        records: `Schema.full_record[n]` of what has not come, ids ascending.
        version: int64[n], of each; a higher one says something new.
        names: ids that were drawn and are no more, with those of the entities in their places.
        born: ids of those that have come, with the ticks at which they were foreseen.
    """

    tick: float
    net_id: int
    control_epoch: int
    records: NDArray[np.void]
    version: Ints
    names: Mapping[int, int]
    born: Mapping[int, int]

    @classmethod
    def nothing(cls, schema: Schema, tick: float) -> Ahead:
        """That of who flies nothing."""
        return cls(tick, 0, 0, np.zeros(0, schema.full_record), np.zeros(0, np.int64), {}, {})

    def mine(self, columns: Columns, rows: Ints) -> NDArray[np.bool_]:
        """Tell which of some entities come from the own inputs, bool[n]."""
        by, epoch = columns["by_id"][rows], columns["by_epoch"][rows]
        mine = (by == self.net_id) & (epoch == self.control_epoch % (1 << 8)) & (by > 0)
        return np.asarray(mine)

    @property
    def is_idle(self) -> bool:
        """Whether nothing was foreseen that is still there, come or not."""
        return not len(self.records) and not self.born

    def times(self, ids: NDArray[np.uint32], drawn_tick: float) -> NDArray[np.float64]:
        """Give at which ticks entities are drawn, float64[n].

        Args:
            ids: uint32[n], ascending; all that were foreseen are among them.
            drawn_tick: at which others are.
        """
        times = np.full(len(ids), drawn_tick)
        foreseen = np.concatenate([np.array([*self.born], np.uint32), self.records["id"]])
        born = np.concatenate([np.array([*self.born.values()], float), self.records["tick"]])
        given_up = EASE * np.maximum(0.0, self.tick - born)
        lead = np.maximum(0.0, self.tick - drawn_tick - given_up)
        times[np.searchsorted(ids, foreseen)] += lead
        return times

    def references(self) -> References:
        """Where what has not come was spawned, [n]."""
        records = self.records
        motion = (records[name] for name in Motion._fields)
        return References(records["tick"].astype(np.int64), *motion)


class PredictedSpawns:
    """What the inputs of one pilot have spawned so far, as far as it has not come.

    Attributes:
        matched: entities that came.
        unmatched: that ended without.
    """

    def __init__(
        self, game: Declarations, schema: Schema, rules: Rules, limits: Limits = LIMITS
    ) -> None:
        self.matched = self.unmatched = 0
        self._spawns = Spawns(game, schema, SHARD)
        self._schema, self._rules, self._limits = schema, rules, limits
        # In the order of their ids.
        self._pending: dict[Key, Pending] = {}
        self._come: set[Key] = set()
        # Those that took a place, with their ticks.
        self._born: dict[int, int] = {}
        self._by = 0, 0
        self._next_id = self._version = 0

    def restart(self, net_id: int, control_epoch: int) -> None:
        """Forget all: another entity is flown, or by other inputs."""
        self._by = net_id, control_epoch
        self._pending.clear()
        self._come.clear()
        self._born.clear()

    def flown(self, seq: int, tick: int, spawned: Sequence[Spawned], now: float) -> None:
        """Note all that an input has spawned, instead of what it had spawned before.

        Args:
            seq: number of the input.
            tick: that it was flown for.
            spawned: in order.
            now: monotonic seconds.
        """
        if not spawned and not self._pending:
            return
        self._version += 1
        keys = set()
        for nth, record in enumerate(self._make(spawned, tick)[: NTH_MAX + 1]):
            key = seq, nth
            keys.add(key)
            if key not in self._come:
                self._put(key, record, now)
        for key in [key for key in self._pending if key[0] == seq and key not in keys]:
            self._end(key)

    def answered(self, seq: int, now: float) -> None:
        """Note that the authority has applied the inputs up to this one."""
        self._come = {key for key in self._come if key[0] > seq}
        for key, pending in self._pending.items():
            if key[0] <= seq and not pending.answered:
                late_s = self._limits.spawn_late_s + LOSSES * (now - pending.since)
                until = min(pending.until, now + late_s)
                self._pending[key] = pending._replace(until=until, answered=True)
        self.expire(now)

    def expire(self, now: float) -> None:
        """End what has waited for too long."""
        for key in [key for key, pending in self._pending.items() if pending.until <= now]:
            self._end(key)

    def ahead(self, tick: float, columns: Columns, rows: Ints) -> Ahead:
        """Let those that have come take their places, and give the others, to be drawn.

        Args:
            tick: the own time.
            columns: of the entities that are known.
            rows: int64[n], of these.
        """
        net_id, control_epoch = self._by
        nothing = Ahead.nothing(self._schema, tick)
        ahead = nothing._replace(net_id=net_id, control_epoch=control_epoch)
        mine = rows[ahead.mine(columns, rows)]
        there = {*columns.net_id[mine].tolist()}
        self._born = {came: born for came, born in self._born.items() if came in there}
        if not self._pending:
            return ahead._replace(born=dict(self._born))
        keys = pack_keys({name: columns[name][mine] for name in KEY_FIELDS})
        names = self._match(keys, columns.net_id[mine])
        names |= self._match_late(keys, columns.net_id[mine], columns["kind"][mine])
        records = np.concatenate([ahead.records, *(each.record for each in self._pending.values())])
        version = np.array([each.version for each in self._pending.values()], np.int64)
        born = dict(self._born)
        return ahead._replace(records=records, version=version, names=names, born=born)

    def _match(self, keys: Ints, net_id: NDArray[np.uint32]) -> dict[int, int]:
        """Let go of what has come, by its key; gives whose id takes the place of which."""
        there = dict(zip(keys.tolist(), net_id.tolist(), strict=True))
        names = {}
        for key, pending in list(self._pending.items()):  # a few
            came = there.get(int(pack_keys(pending.record)[0]))
            if came is not None:
                names[self._place(key, came)] = came
        return names

    def _match_late(
        self, keys: Ints, net_id: NDArray[np.uint32], kind: NDArray[np.uint8]
    ) -> dict[int, int]:
        """Likewise for what a press has spawned that came too late for its own input."""
        came = net_id.tolist()
        names = {}
        for at in range(len(came)):  # a few
            if came[at] in self._born:
                continue
            low, nth = int(keys[at]) >> 8 & 0xFFFF, int(keys[at]) & 0xFF
            for key, pending in self._pending.items():
                late = 0 < (low - key[0]) % (1 << 16) <= INPUT_GUESSES_MAX and key[1] == nth
                if late and pending.answered and pending.record["kind"][0] == kind[at]:
                    names[self._place(key, came[at])] = came[at]
                    break
        return names

    def _place(self, key: Key, came: int) -> int:
        """Let an entity take the place of what was foreseen; gives the id that it had there."""
        self._come.add(key)
        self.matched += 1
        record = self._pending.pop(key).record
        self._born[came] = int(record["tick"][0])
        return int(record["id"][0])

    def _make(self, spawned: Sequence[Spawned], tick: int) -> list[NDArray[np.void]]:
        """Make records, one by one, as a shard does."""
        made = []
        for kind, rows, components in spawned:
            records = self._spawns.make(kind, components, len(rows))
            shrink = slowing(records["vx"], records["vy"], self._rules.speed_max)
            records["vx"] *= shrink
            records["vy"] *= shrink
            records["tick"] = tick
            made += [records[at : at + 1] for at in range(len(records))]
        return made

    def _put(self, key: Key, record: NDArray[np.void], now: float) -> None:
        write_keys(record, *self._by, *key)
        before = self._pending.get(key)
        if before is None:
            if len(self._pending) >= self._limits.spawns:
                self._end(next(iter(self._pending)))
            record["id"] = PREDICTED_BIT | self._next_id
            self._next_id = (self._next_id + 1) & NET_ID_MAX
            until = now + self._limits.spawn_unanswered_s
            self._pending[key] = Pending(record, self._version, now, until, answered=False)
        else:
            record["id"] = before.record["id"]
            self._pending[key] = before._replace(record=record, version=self._version)

    def _end(self, key: Key) -> None:
        del self._pending[key]
        self.unmatched += 1
