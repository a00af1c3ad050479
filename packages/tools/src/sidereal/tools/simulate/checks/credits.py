"""Credits: what calls of durable actions have moved, against the receipts that were sent for them.

* what the store has is moved, never made or lost, and what an account lacks is the sum of its calls
  that were done; a ship that carries something is there itself;
* a client hears that a call was done when the store has it, and not before; no call has two
  answers;
* in the end everybody who is there has an answer to every call, and the authority has what the
  store has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.game.schema import column_of, name_of
from sidereal.protocol.message.player import Outcome
from sidereal.replication.keeping.posting import account_of
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.bookings import HAIL
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.game import CREDITS, Bank, Hold, Purse

PURSE, BANK, HOLD = map(name_of, (Purse, Bank, Hold))
PURSE_COLUMN: Final = column_of(Purse, Purse.fields["credits"])
BANK_COLUMN: Final = column_of(Bank, Bank.fields["credits"])
HOLD_COLUMN: Final = column_of(Hold, Hold.fields["credits"])


class Credits:
    """Looks at calls, receipts, the store and the authority."""

    def __init__(self) -> None:
        self._judged: Counter[bytes] = Counter()

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Judge what the store has, and what was heard."""
        yield from _judge_store(cluster)
        for key, receipts in cluster.bookings.heard.items():
            if self._judged[key] < len(receipts):
                self._judged[key] = len(receipts)
                yield from _judge_receipt(cluster, key)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare what the authority has with what the store has."""
        for client in cluster.clients:
            if client.calls_waiting:
                yield f"{client.name} has no answer to {client.calls_waiting} calls"
        yield from _compare_placeless(cluster, core)
        yield from _compare_ships(cluster, core)
        cluster.exercised["calls done"] += core.actions.counts["done"]
        cluster.exercised["calls refused"] += core.actions.counts["refused"]
        cluster.exercised["calls repeated"] += core.actions.counts["repeated"]


def _judge_store(cluster: Cluster) -> Iterator[str]:
    """Nothing is made or lost; what an account lacks is what its calls have moved."""
    store = cluster.authority.store
    moved: Counter[int] = Counter()
    for (account, key), receipt in store.receipts.items():
        asked = cluster.bookings.asked.get(key)
        if asked is None and receipt.outcome == Outcome.REFUSED:
            continue  # what liars ask for, too, is refused for good
        if asked is None or asked.account != account:
            yield f"a receipt of account {account} is for a call that it never made"
        elif receipt.outcome == Outcome.DONE:
            moved[account] += asked.amount
    lacking = {
        account_of(holder): CREDITS - int(row.values[PURSE_COLUMN])
        for (component, holder), row in store.ledger.items()
        if component == PURSE
    }
    for account in sorted(lacking.keys() | moved.keys()):
        if lacking.get(account, 0) != moved[account]:
            yield (
                f"account {account} lacks {lacking.get(account, 0)} credits; its calls that were "
                f"done moved {moved[account]}"
            )
    kept = sum(
        int(row.values[HOLD_COLUMN if component == HOLD else BANK_COLUMN])
        for (component, _), row in store.ledger.items()
        if component in (HOLD, BANK)
    )
    for component, holder in store.ledger:
        if component == HOLD and not store.has(holder):
            yield f"the store has what {holder.hex()} carries, and no such ship"
    if kept != sum(lacking.values()):
        yield f"{sum(lacking.values())} credits were moved, and {kept} are where they went"


def _judge_receipt(cluster: Cluster, key: bytes) -> Iterator[str]:
    """What is heard is so in the store by now."""
    receipts = cluster.bookings.heard[key]
    asked = cluster.bookings.asked.get(key)
    if asked is None:
        yield f"a client has an answer to a call that it never made: {receipts[-1].action}"
        return
    last = receipts[-1].outcome
    if len({receipt.outcome for receipt in receipts}) > 1 or len(receipts) > 1:
        yield f"{asked.client} has {len(receipts)} answers to one call of {asked.action}"
    kept = cluster.authority.store.receipts.get((asked.account, key))
    done = kept is not None and kept.outcome == Outcome.DONE
    if asked.action != HAIL and done != (last is Outcome.DONE):
        there = "has it as done" if done else "does not have it as done"
        yield f"{asked.client} hears {last.name} of {asked.action}, and the store {there}"


def _compare_placeless(cluster: Cluster, core: Replicator) -> Iterator[str]:
    kept = {
        (account_of(holder), column): value
        for (component, holder), row in cluster.authority.store.ledger.items()
        if component in (PURSE, BANK)
        for column, value in row.values.items()
    }
    has = {
        (max(0, -cell.entity) if cell.column == PURSE_COLUMN else 0, cell.column): value
        for cell, value in core.actions.books.placeless.items()
    }
    if kept != has:
        yield f"the store has {sorted(kept.items())}, the authority {sorted(has.items())}"


def _compare_ships(cluster: Cluster, core: Replicator) -> Iterator[str]:
    world = core.world
    rows = world.columns.rows()
    for row in rows[world.account[rows] > 0].tolist():
        kept = cluster.authority.store.ledger.get((HOLD, world.uuid[row].tobytes()))
        stored = 0 if kept is None else kept.values[HOLD_COLUMN]
        has = int(np.asarray(world.columns[HOLD_COLUMN])[row])
        if stored != has:
            yield f"{world.uuid[row].tobytes().hex()} carries {has}; in the store {stored}"
