"""The books: what has become of all that rocks were made of.

Rocks are made and ended by actions alone, and lumps as well. Each of these actions writes here what
it has done, in the same transaction. So at any time, and after any failure, in tonnes:

    rocks + mined + dust = rocks at the start + grown        count of rocks = at the start + rocks
    lumps = mined + spilt - collected - crumbled             holds = collected - spilt - sold

What a ship has that is not in the world right now, because its player is away, is in `holds` all
the same. So it stays if such a ship never comes back: nobody is there to say so.
"""

from __future__ import annotations

from typing import NamedTuple

from sidereal.game import AUTHORITY, F8, I4, SHARDS, U4, Component, Part, Transaction, field

books = Part("books")


class Books(Component, writer=AUTHORITY, audience=SHARDS):
    """What actions have done to rocks and ore, ever; masses are exact sums of float32."""

    grown: F8 = field(unit="t")
    dust: F8 = field(unit="t")
    rocks: I4
    mined: U4 = field(unit="t")
    collected: U4 = field(unit="t")
    spilt: U4 = field(unit="t")
    sold: U4 = field(unit="t")
    crumbled: U4 = field(unit="t")


books.shared(Books())


class Balance(NamedTuple):
    """How far the world is off its books; all is 0 if nothing was lost or made.

    Attributes:
        mass: of rocks, t.
        rocks: their count.
        lumps: ore in them, t.
        holds: ore in them, t; below 0 while ships are away with it.
    """

    mass: float
    rocks: int
    lumps: int
    holds: int


class Stock(NamedTuple):
    """What there is of rocks and ore; attributes as of `Balance`."""

    mass: float
    rocks: int
    lumps: int
    holds: int


def balance(wrote: Books, begun: Stock, there: Stock) -> Balance:
    """Compare what there is with the books.

    Args:
        wrote: the books, one value each, which began with `begun`.
        begun: what there was then.
        there: what there is now.
    """
    mined, spilt, collected = int(wrote.mined), int(wrote.spilt), int(wrote.collected)
    return Balance(
        there.mass + mined + float(wrote.dust) - begun.mass - float(wrote.grown),
        there.rocks - begun.rocks - int(wrote.rocks),
        there.lumps - begun.lumps - (mined + spilt - collected - int(wrote.crumbled)),
        there.holds - begun.holds - (collected - spilt - int(wrote.sold)),
    )


def missing(tx: Transaction) -> float:
    """Tell how much less the rocks weigh than at the start, t."""
    wrote = tx.shared
    gone = tx.get(wrote, Books.dust) + tx.get(wrote, Books.mined)
    return gone - tx.get(wrote, Books.grown)
