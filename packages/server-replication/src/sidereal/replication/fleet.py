"""Ships of accounts: in the world while their pilot is, in the database while not.

Theory of operation. When a pilot comes, its ship is in one of two places. It may be among the ships
that have left the world and are not saved yet. Then it is launched at once; if it is gone for good,
a new one is. Otherwise it is in the database, as it was when it left. The fleet asks for it, and
launches it when it has come. Every request has a number, and only the answer to the newest request
of an account counts: an older answer may have been read before the ship flew and was saved again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from sidereal.replication.genesis import find_room, make_ship
from sidereal.replication.keeping.persist import WriteBehind
from sidereal.replication.keeping.stored import Berth
from sidereal.replication.limits import LIMITS
from sidereal.replication.spots import nearest_free_spot
from sidereal.replication.world import UUID, World


class ShipRequest(NamedTuple):
    """A question to the database: the ship of an account."""

    account: int
    number: int


@dataclass(slots=True)
class _Wanted:
    """A ship that is asked for.

    Attributes:
        number: of the request that counts.
        since: tick of the request.
        late: whether its pilot has been told that it has to wait.
    """

    number: int
    since: int
    late: bool = False


class Fleet:
    """The ships of accounts, one each."""

    def __init__(
        self,
        world: World,
        saving: WriteBehind,
        entropy: Callable[[int], bytes],
        rng: np.random.Generator,
        late_ticks: int = LIMITS.keeping.ship_late_ticks,
    ) -> None:
        self._world = world
        self._saving = saving
        self._entropy = entropy
        self._rng = rng
        self._late_ticks = late_ticks
        self._number = 0
        self._wanted: dict[int, _Wanted] = {}
        self._requests: list[ShipRequest] = []
        self._arrived: dict[int, Berth | None] = {}

    # -- ships that are fetched -----------------------------------------------------------------

    def fetch(self, account: int, tick: int) -> None:
        """Ask for the ship of an account, unless it is here or known to be gone for good."""
        self.give_up(account)
        departed = self._saving.ship_of(account)
        if departed is None:
            self._number += 1
            self._wanted[account] = _Wanted(self._number, tick)
            self._requests.append(ShipRequest(account, self._number))
        elif departed.removed:
            self._arrived[account] = None
        else:
            self._arrived[account] = Berth(departed.record, departed.uuid)

    def give_up(self, account: int) -> None:
        """Forget that a ship was asked for: its pilot has gone."""
        if self._wanted.pop(account, None) is not None:
            self._requests = [entry for entry in self._requests if entry.account != account]
        self._arrived.pop(account, None)

    @property
    def has_requests(self) -> bool:
        """Whether something is to be asked of the database."""
        return bool(self._requests)

    def take_requests(self) -> list[ShipRequest]:
        """Give up what is to be asked of the database."""
        requests, self._requests = self._requests, []
        return requests

    def wants(self, request: ShipRequest) -> bool:
        """Tell whether the answer to a request still counts."""
        wanted = self._wanted.get(request.account)
        return wanted is not None and wanted.number == request.number

    def deliver(self, request: ShipRequest, berth: Berth | None) -> None:
        """Take the answer to a request, None for an account that has no ship yet."""
        if self.wants(request):
            del self._wanted[request.account]
            self._arrived[request.account] = berth

    def take_arrived(self, most: int) -> list[tuple[int, Berth | None]]:
        """Give up so many of the ships that have come, each with its account: the oldest first."""
        accounts = list(islice(self._arrived, most))
        return [(account, self._arrived.pop(account)) for account in accounts]

    def take_late(self, tick: int) -> list[int]:
        """Give the accounts whose pilots have begun to wait long; each is given once."""
        late = [
            account
            for account, wanted in self._wanted.items()
            if not wanted.late and tick - wanted.since >= self._late_ticks
        ]
        for account in late:
            self._wanted[account].late = True
        return late

    # -- into the world and out of it -----------------------------------------------------------

    def launch(self, account: int, name: str, tick: int, berth: Berth | None) -> int:
        """Put a ship into the world, at rest: near where it was, or new in a free spot.

        What has drifted to where it was meanwhile stays; the ship gets the nearest spot beside it.
        A crash has left it with the velocity that it had; nobody has flown it since.

        Returns:
            its row; its `control_epoch` is new and its `input_seq` 0.
        """
        present = self._world.present(tick)
        radius = self._world.columns["radius"][present.rows]
        others = present.x, present.y, radius
        known = berth is not None
        record, uuid = berth if berth is not None else self._build(name, others, tick)
        record = record.copy()
        x, y, size = (float(record[name][0]) for name in ("x", "y", "radius"))
        record["x"], record["y"] = nearest_free_spot(x, y, size, others)
        record["tick"] = tick
        _stop(record)
        record["epoch"] += np.uint32(1)
        record["control_epoch"], record["input_seq"] = record["epoch"], 0
        departed = self._saving.ship_of(account)
        if departed is not None and not departed.removed:
            self._saving.come_back(departed)
        rows = self._world.enter(record, uuid, np.array([account]), tick)
        self._world.stored[rows] = known
        return int(rows[0])

    def dock(self, row: int, tick: int) -> None:
        """Keep a ship that is about to leave the world, as it is now, and standing still."""
        rows = np.array([row])
        record = self._world.columns.store(rows, self._world.schema.full_record)
        record["x"], record["y"], record["heading"] = self._world.locate(rows, tick)
        _stop(record)
        record["tick"] = tick
        self._saving.depart(record, row, tick, removed=False)

    def _build(
        self, name: str, others: tuple[np.ndarray, np.ndarray, np.ndarray], tick: int
    ) -> Berth:
        x, y = find_room(*others, self._world.rules, self._rng)
        heading = float(self._rng.uniform(-np.pi, np.pi))
        record = make_ship(self._world.schema, name, x, y, heading, tick)
        return Berth(record, np.frombuffer(self._entropy(16), UUID, 1))


def _stop(record: np.ndarray) -> None:
    """Bring a ship to rest: nobody flies it."""
    record["vx"] = record["vy"] = record["spin"] = 0.0
