"""What durable actions have come to, as it is committed to the database in one transaction."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sidereal.replication.keeping.persist import Batch

ACCOUNT_BYTES: Final = 16
ENTITIES_FROM: Final = "00000000-0000-0001-0000-000000000000"
"""No uuid of an entity is below it (one in 2^64 would be), and no account's is above."""


class KeptReceipt(NamedTuple):
    """A receipt as the database keeps it.

    Attributes:
        account: who asked; likewise `key`, of the call.
        digest: of the action and its arguments: another call may not have the same key.
        outcome: an `Outcome`; `text` is for people.
    """

    account: int
    key: bytes
    digest: bytes
    outcome: int
    text: str


class LedgerRow(NamedTuple):
    """A component of one holder, all of it.

    Attributes:
        component: its name in the schema.
        entity: the id that its holder had when it was written.
        holder: uuid of an entity; or an account's number, or 0 for the world, as 16 bytes.
        values: by column; a text is bytes on its way to the database, and a str from there; who is
            led to is the 16 bytes of its uuid. Empty if the holder has it no more.
    """

    component: str
    entity: int
    holder: bytes
    values: dict[str, Any]


class Posting(NamedTuple):
    """What is committed together, or not at all.

    Attributes:
        number: no other of this server has it.
        tick: of the world when it was made.
        receipts: no two with one account and key.
        rows: no two of one component and holder.
        entities: that are spawned or removed; None for none.
    """

    number: int
    tick: int
    receipts: tuple[KeptReceipt, ...]
    rows: tuple[LedgerRow, ...]
    entities: Batch | None = None


class Posted(NamedTuple):
    """What has become of a posting.

    Attributes:
        known: receipts that were there already, of another posting: nothing was committed then.
        declined: why the database does not take it; empty if it does.
    """

    known: tuple[KeptReceipt, ...] = ()
    declined: str = ""


def holder_of(account: int) -> bytes:
    """Give an account as a holder of ledger rows; 0 is the world."""
    return account.to_bytes(ACCOUNT_BYTES, "big")


def account_of(holder: bytes) -> int:
    """Give the account that is a holder; 0 is the world."""
    return int.from_bytes(holder, "big")
