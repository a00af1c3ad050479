"""What clients are told of what has no place, of their accounts and of the world; and receipts.

What has no place changes by actions alone, now and then. Every change is told reliably: once per
tick, as it is then, ahead of the receipts of those who made it. So what is told to all grows with
those who listen, not with those who ask. Nobody is told of another one's account.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sidereal.game import SHARDS, Component
from sidereal.game.declarations import Declarations
from sidereal.game.schema import name_of
from sidereal.protocol.message.player import Receipt, Values
from sidereal.protocol.state.schema import Schema
from sidereal.replication.actions.books import Books
from sidereal.replication.actions.effects import SHARED, Cell
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.players import Player, PlayerState


class Shown:
    """Tells clients what their accounts and the world have, and answers their calls."""

    def __init__(
        self, game: Declarations, schema: Schema, books: Books, clients: PlayerLink
    ) -> None:
        self._accounts = _told(game.accounts)
        self._shares = _told(game.shares)
        self._numbers = {c: schema.numbers[name_of(c)] for c in (*self._accounts, *self._shares)}
        self._books = books
        self._clients = clients
        self._changed: set[tuple[int, type[Component]]] = set()
        self._receipts: list[tuple[Player, Receipt]] = []

    def greet(self, players: Sequence[Player]) -> None:
        """Tell those who have just joined all that there is."""
        for component in self._shares:
            self._tell(players, SHARED, component)
        for player in players:
            for component in self._accounts if player.account > 0 else ():
                self._tell([player], -player.account, component)

    def note(self, written: Iterable[Cell]) -> None:
        """Note what was written."""
        placeless = {(c.entity, self._books.component_of(c)) for c in written if c.entity < 0}
        self._changed |= {each for each in placeless if each[1] in self._numbers}

    def answer(self, player: Player, receipt: Receipt) -> None:
        """Answer a call, when what has changed is told."""
        self._receipts.append((player, receipt))

    def tell(self) -> None:
        """Tell whom it concerns of what was written, and answer calls; once per tick."""
        changed, self._changed = self._changed, set()
        receipts, self._receipts = self._receipts, []
        if changed:
            of_account: defaultdict[int, list[Player]] = defaultdict(list)
            for player in self._clients.players:
                of_account[player.account].append(player)
            everybody = list(self._clients.players)
            for entity, component in sorted(changed, key=lambda e: (e[0], e[1].record_name)):
                told = everybody if entity == SHARED else of_account[-entity]
                self._tell(told, entity, component)
        for player, receipt in receipts:
            if player.state is PlayerState.JOINED:
                self._clients.send(player, receipt)

    def _tell(self, players: Iterable[Player], entity: int, component: type[Component]) -> None:
        told = [player for player in players if player.state is PlayerState.JOINED]
        if told:
            row = self._books.values_of(entity, component)
            values = Values(entity == SHARED, self._numbers[component], row)
            self._clients.send_to_all(told, values)


def _told(components: Iterable[Component]) -> tuple[type[Component], ...]:
    """Give the types of those that clients are told of."""
    return tuple(type(each) for each in components if type(each).audience is not SHARDS)
