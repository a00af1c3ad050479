"""A store in memory that keeps rows by the same rules as the database, and forgets nothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sidereal.protocol.state.schema import BASE_COMPONENTS, Schema
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.posting import KeptReceipt, LedgerRow, Posted, Posting
from sidereal.replication.keeping.references import (
    saved_alone,
    saved_record,
    write_saved,
)
from sidereal.replication.keeping.stored import Berth, Recovered, berth_of
from sidereal.replication.keeping.tables import FencedError
from sidereal.replication.world import ACCOUNT_NONE, UUID


class _Row(NamedTuple):
    """A saved record; `version` is its epoch and the tick it was saved at."""

    record: bytes
    account: int
    active: bool
    removed: bool
    version: tuple[int, int]


class MemoryStore:
    """Rows by uuid: an older row never overwrites a newer one, an older authority never writes.

    Attributes:
        tick: the saved clock.
        written_under: terms under which something was written, each with the newest one then.
        ledger: what actions have written, by component and holder.
        receipts: of all calls that were committed, by account and key.
    """

    def __init__(self, schema: Schema) -> None:
        self.tick = 0
        self.written_under: set[tuple[int, int]] = set()
        self._schema = schema
        self._record = saved_record(schema)
        base = {component.name for component in BASE_COMPONENTS}
        self._ledgers = [
            number
            for number, component in enumerate(schema.components, 1)
            if component.persisted and number not in schema.proposed and component.name not in base
        ]
        self._term = 0
        self._rows: dict[bytes, _Row] = {}
        self.ledger: dict[tuple[str, bytes], LedgerRow] = {}
        self.receipts: dict[tuple[int, bytes], KeptReceipt] = {}
        self._postings: dict[tuple[int, bytes], tuple[int, int]] = {}

    def begin(self) -> int:
        """Become the one that writes, whoever did so before.

        Returns:
            the term, which writes must show.
        """
        self._term += 1
        self._rows = {
            key: row._replace(active=row.active and row.account <= ACCOUNT_NONE)
            for key, row in self._rows.items()
        }
        return self._term

    def write(self, term: int, tick: int, batch: Batch) -> None:
        """Save a batch and the clock.

        Raises:
            FencedError: there is a newer term.
        """
        self.save_tick(term, tick)
        # One row per turn: what is written is a few dozen rows a few times a second.
        for at, key in enumerate(uuid.tobytes() for uuid in batch.uuid):
            row = _Row(
                batch.rows[at].tobytes(),
                int(batch.account[at]),
                bool(batch.active[at]),
                bool(batch.removed[at]),
                (int(batch.rows["epoch"][at]), int(batch.saved_tick[at])),
            )
            before = self._rows.get(key)
            if before is None:
                self._begin_in_ledgers(key, batch.rows[at])
            if before is None or (not before.removed and before.version <= row.version):
                self._rows[key] = row

    def _begin_in_ledgers(self, key: bytes, record: np.void) -> None:
        """Let an entity that is new into the ledgers of its kind, unless an action was faster."""
        for number in self._ledgers:
            component = self._schema.component(number)
            if int(self._schema.masks[record["kind"]]) >> number & 1:
                values = {
                    field.name: record[field.name].tobytes()
                    if field.reference
                    else record[field.name].item()
                    for field in component.fields
                }
                row = LedgerRow(component.name, 0, key, values)
                self.ledger.setdefault((component.name, key), row)

    def save_tick(self, term: int, tick: int) -> None:
        """Save the clock, which never goes back.

        Raises:
            FencedError: there is a newer term.
        """
        self.check(term)
        self.written_under.add((term, self._term))
        self.tick = max(self.tick, tick)

    def post(self, term: int, tick: int, posting: Posting) -> Posted:
        """Commit what actions have come to: all of it, or nothing if a receipt is there already.

        Raises:
            FencedError: there is a newer term.
        """
        self.save_tick(term, tick)
        keys = [(receipt.account, receipt.key) for receipt in posting.receipts]
        known = [key for key in keys if key in self.receipts]
        if known:
            mine = all(self._postings[key] == (term, posting.number) for key in known)
            return Posted() if mine else Posted(tuple(self.receipts[key] for key in known))
        self._postings |= dict.fromkeys(keys, (term, posting.number))
        self.receipts |= dict(zip(keys, posting.receipts, strict=True))
        if posting.entities is not None:
            self.write(term, tick, posting.entities)
        for row in posting.rows:
            if row.values:
                self.ledger[row.component, row.holder] = row
            else:
                self.ledger.pop((row.component, row.holder), None)
        return Posted()

    def load_placeless(self) -> list[LedgerRow]:
        """Give back what accounts and the world have of what only actions write."""
        return [row for row in self.ledger.values() if row.entity < 0]

    def has(self, uuid: bytes) -> bool:
        """Whether an entity was ever saved."""
        return uuid in self._rows

    def check(self, term: int) -> None:
        """Check that it is the newest.

        Raises:
            FencedError: it is not.
        """
        if term != self._term:
            raise FencedError("another server has taken over this database")

    def found(self, records: np.ndarray, uuid: np.ndarray) -> None:
        """Begin with entities that nobody flies and that lead nowhere.

        Args:
            records: `Schema.full_record[n]`.
            uuid: `UUID[n]`.
        """
        saved = saved_alone(self._schema, records)
        for record, key in zip(saved, uuid, strict=True):
            self._rows[key.tobytes()] = _Row(record.tobytes(), ACCOUNT_NONE, True, False, (0, 0))
            self._begin_in_ledgers(key.tobytes(), record)

    def ships(self) -> dict[int, bytes]:
        """Give the uuid of every account's ship."""
        return {
            row.account: key
            for key, row in self._rows.items()
            if row.account > ACCOUNT_NONE and not row.removed
        }

    def load_world(self, *, berths: bool = False) -> Recovered:
        """Give the world back, with what accounts left or without."""
        return self._load(
            [key for key, row in self._rows.items() if berths or row.account == ACCOUNT_NONE]
        )

    def load_berth(self, account: int) -> Berth | None:
        """Give back what an account left, None when it left nothing."""
        accounts = (account, -account)
        return berth_of(
            self._load([key for key, row in self._rows.items() if row.account in accounts])
        )

    def _load(self, keys: list[bytes]) -> Recovered:
        kept = {key: self._rows[key] for key in keys if not self._rows[key].removed}
        schema = self._schema
        rows = np.frombuffer(b"".join(row.record for row in kept.values()), self._record).copy()
        durable = {field.name for field in schema.persisted_fields}
        for name in schema.fields.keys() - durable:
            leads = name in schema.references
            rows[name] = np.zeros((), UUID) if leads else schema.first[name][rows["kind"]]
        for at, key in enumerate(kept):
            self._read_ledgers(rows[at : at + 1], key)
        saved = sum(1 << n for n, c in enumerate(schema.components, 1) if c.persisted)
        rows["differs"] &= np.uint64(saved)
        return Recovered(
            self.tick,
            rows,
            np.frombuffer(b"".join(kept), UUID),
            np.array([row.account for row in kept.values()], np.int64),
            np.array([row.active for row in kept.values()], np.bool_),
        )

    def _read_ledgers(self, row: np.ndarray, key: bytes) -> None:
        """Give an entity what the ledgers have of it; they say who was given a component, too."""
        schema, kind = self._schema, row["kind"]
        for number in self._ledgers:
            component, bit = schema.component(number), np.uint64(1 << number)
            kept = self.ledger.get((component.name, key))
            for field in component.fields:
                if kept is not None:
                    write_saved(row, {field.name: kept.values[field.name]})
                elif not field.reference:
                    row[field.name] = schema.first[field.name][kind]
            if not (schema.masks[kind] & bit).any():
                row["differs"] &= ~bit
                row["differs"] |= bit if kept is not None else np.uint64(0)
