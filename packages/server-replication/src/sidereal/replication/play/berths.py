"""What accounts fly: in the world while their player is, in its berth while not.

Theory of operation. When a player comes, what it left is in one of two places. It may be among what
has left the world and is not saved yet. Then it is here at once, unless it is gone for good.
Otherwise it is in the database, as it was when it left. It is asked for, and the player waits for
the answer. Every request has a number, and only the answer to the newest request of an account
counts: an older answer may have been read before the entity was flown and saved again. What
has come waits here until its player flies something or leaves: games may let it do so much later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from sidereal.game import Body
from sidereal.game.schema import name_of
from sidereal.replication.keeping.limits import KeepingLimits
from sidereal.replication.keeping.persist import WriteBehind
from sidereal.replication.keeping.references import (
    amend_saved,
    descendants,
    enter_saved,
    to_saved,
)
from sidereal.replication.keeping.stored import Berth
from sidereal.replication.limits import LIMITS
from sidereal.replication.play.spots import nearest_free_spot
from sidereal.replication.world import UUID, World


class BerthRequest(NamedTuple):
    """A question to the database: what an account left."""

    account: int
    number: int


@dataclass(slots=True)
class _Wanted:
    """A berth that is asked for.

    Attributes:
        number: of the request that counts.
        since: tick of the request.
        late: whether its player has been told that it has to wait.
    """

    number: int
    since: int
    late: bool = False


class Berths:
    """What accounts have left, one entity each."""

    def __init__(
        self,
        world: World,
        saving: WriteBehind,
        limits: KeepingLimits = LIMITS.keeping,
    ) -> None:
        self._world = world
        self._saving = saving
        self._limits = limits
        self._number = 0
        self._wanted: dict[int, _Wanted] = {}
        self._requests: list[BerthRequest] = []
        self._arrived: dict[int, Berth | None] = {}
        self._offered: dict[int, Berth] = {}
        self._entered: list[bytes] = []
        # By name when it was amended last, and what was committed by the number of the component.
        self._amended: dict[bytes, tuple[int, dict[int, Mapping[str, Any]]]] = {}
        self._ended: dict[bytes, int] = {}

    # -- what is fetched ------------------------------------------------------------------------

    def fetch(self, account: int, tick: int) -> None:
        """Ask for what an account left, unless it is here or known to be gone for good."""
        self.give_up(account)
        departed = self._saving.departed_of(account)
        if departed is None:
            self._number += 1
            self._wanted[account] = _Wanted(self._number, tick)
            self._requests.append(BerthRequest(account, self._number))
        elif departed.removed:
            self._arrived[account] = None
        else:
            family = self._saving.departed_with(departed)
            records = np.concatenate([each.record for each in family])
            self._arrived[account] = Berth(records, np.concatenate([e.uuid for e in family]))

    def give_up(self, account: int) -> None:
        """Forget what was asked for or waits: its player has gone."""
        if self._wanted.pop(account, None) is not None:
            self._requests = [entry for entry in self._requests if entry.account != account]
        self._arrived.pop(account, None)
        self._offered.pop(account, None)

    @property
    def has_requests(self) -> bool:
        """Whether something is to be asked of the database."""
        return bool(self._requests)

    def take_requests(self) -> list[BerthRequest]:
        """Give up what is to be asked of the database."""
        requests, self._requests = self._requests, []
        return requests

    def wants(self, request: BerthRequest) -> bool:
        """Tell whether the answer to a request still counts."""
        wanted = self._wanted.get(request.account)
        return wanted is not None and wanted.number == request.number

    def deliver(self, request: BerthRequest, berth: Berth | None) -> None:
        """Take the answer to a request, None for an account that has left nothing."""
        if self.wants(request):
            del self._wanted[request.account]
            self._arrived[request.account] = berth

    def take_arrived(self, most: int) -> list[tuple[int, Berth | None]]:
        """Give up so many of the answers that have come, each with its account, in their order."""
        accounts = list(islice(self._arrived, most))
        return [(account, self._of_now(self._arrived.pop(account))) for account in accounts]

    def _of_now(self, berth: Berth | None) -> Berth | None:
        """Give what was left, without what of it has ended since it was read."""
        if berth is None:
            return None
        names = [name.tobytes() for name in berth.uuid]
        ended = np.array([n in self._ended or self._saving.has_ended(n) for n in names], np.bool_)
        return None if ended[0] else Berth(berth.record[~ended], berth.uuid[~ended])

    def take_late(self, tick: int) -> list[int]:
        """Give the accounts whose players have begun to wait long; each is given once."""
        late = [
            account
            for account, wanted in self._wanted.items()
            if not wanted.late and tick - wanted.since >= self._limits.berth_late_ticks
        ]
        for account in late:
            self._wanted[account].late = True
        return late

    # -- what waits for a player that is here -----------------------------------------------------

    def offer(self, account: int, berth: Berth | None) -> None:
        """Let what an account left wait for its player, which is here; None: no longer."""
        if berth is None:
            self._offered.pop(account, None)
        else:
            self._offered[account] = berth

    def offered(self, account: int) -> Berth | None:
        """Find what waits for the player of an account."""
        return self._offered.get(account)

    def amend(self, uuid: bytes, number: int, values: Mapping[str, Any], tick: int) -> None:
        """Note what was committed of an entity that is not in the world.

        It may be on its way out of the database as it was before, or wait here: to be saved, or for
        its player.

        Args:
            uuid: its name.
            number: of the component that was committed.
            values: all of it, as the database has it; empty if it was taken.
            tick: the current one.
        """
        self._saving.amend(uuid, number, values)
        for berth in self._offered.values():
            for at in range(len(berth.uuid)):
                if berth.uuid[at].tobytes() == uuid:
                    amend_saved(self._world.schema, berth.record[at : at + 1], number, values)
        _, before = self._amended.pop(uuid, (tick, {}))
        since = tick - self._limits.amended_ticks
        self._amended = {key: kept for key, kept in self._amended.items() if kept[0] >= since}
        self._amended[uuid] = tick, {**before, number: values}

    def end(self, uuid: bytes, tick: int) -> None:
        """End for good what is not in the world: it may be on its way out of the database."""
        self._saving.end(uuid)
        since = tick - self._limits.amended_ticks
        self._ended = {key: ended for key, ended in self._ended.items() if ended >= since}
        self._ended[uuid] = tick
        name = np.frombuffer(uuid, UUID)[0]
        for account, berth in list(self._offered.items()):
            if (berth.uuid == name).any():
                self.offer(account, self._of_now(berth))

    # -- into the world and out of it -----------------------------------------------------------

    def enter(self, account: int, tick: int, berth: Berth) -> int:
        """Put what an account left into the world, at rest and near where it was.

        What has drifted to where it was meanwhile stays; it gets the nearest spot beside it. A
        crash has left it with the velocity that it had; nobody has flown it since. Its children
        come with it; those whose parents are no more end.

        Returns:
            its row.
        """
        family = descendants(berth.record, berth.uuid)
        for at in np.flatnonzero(~family).tolist():
            self._saving.drop(berth.record[[at]], berth.uuid[[at]], tick)
        record, uuid = berth.record[family], berth.uuid[family]
        x, y, size = (float(record[name][0]) for name in ("x", "y", "radius"))
        spot_x, spot_y = nearest_free_spot(x, y, size, self.others(tick))
        record["x"] += spot_x - x
        record["y"] += spot_y - y
        record["x"][0], record["y"][0] = spot_x, spot_y
        for at in range(len(uuid)):
            _, amended = self._amended.pop(uuid[at].tobytes(), (tick, {}))
            for number, values in amended.items():
                amend_saved(self._world.schema, record[at : at + 1], number, values)
        record["tick"] = tick
        _stop(record)
        record["epoch"] += np.uint32(1)
        self._saving.come_back(uuid)
        accounts = np.zeros(len(record), np.int64)
        accounts[0] = account
        rows = enter_saved(self._world, record, uuid, accounts, tick)
        self._world.stored[rows] = True
        self._entered += [name.tobytes() for name in uuid]
        return int(rows[0])

    def take_entered(self) -> list[bytes]:
        """Give up the names of what has entered since the last call."""
        entered, self._entered = self._entered, []
        return entered

    def leave(self, row: int, tick: int, *, waits: bool = False) -> None:
        """Keep an entity that is about to leave the world, as it is now, and standing still.

        Args:
            row: its own.
            tick: the current one.
            waits: for its player, who is here and flies nothing.
        """
        children = np.setdiff1d(self._world.families.whole(np.array([row])), row)
        rows = np.concatenate([[row], children])
        record = self._world.columns.store(rows, self._world.schema.full_record)
        record["x"], record["y"], record["heading"] = self._world.locate(rows, tick)
        _stop(record)
        record["tick"] = tick
        for at, each in enumerate(rows.tolist()):
            self._saving.depart(record[[at]], each, tick, removed=False)
        account = int(self._world.account[row])
        if waits or account in self._offered:  # its player has looked at it, and does not fly it
            kept = np.append(True, self._world.is_kept(children))
            saved = to_saved(self._world, record[kept])
            self._offered[account] = Berth(saved, self._world.uuid[rows[kept]])

    def others(self, tick: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tell where all bodies are, and how large: x, y and radius, float[n] each."""
        present, columns = self._world.present(tick), self._world.columns
        solid = columns.has(present.rows, self._world.schema.numbers[name_of(Body)])
        return present.x[solid], present.y[solid], columns["radius"][present.rows[solid]]


def _stop(record: np.ndarray) -> None:
    """Bring an entity to rest: nobody flies it."""
    record["vx"] = record["vy"] = record["spin"] = 0.0
