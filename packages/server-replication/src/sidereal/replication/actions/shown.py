"""What clients are told of what has no place: of their accounts, and of the world.

It changes by actions alone, now and then, and every change is told reliably, ahead of the receipts
of those who made it. Nobody is told of another one's account.
"""

from __future__ import annotations

from collections.abc import Iterable

from sidereal.game import Component
from sidereal.game.declarations import Declarations
from sidereal.game.schema import name_of
from sidereal.protocol.message.player import Values
from sidereal.protocol.state.schema import Schema
from sidereal.replication.actions.books import Books
from sidereal.replication.actions.effects import SHARED, Cell
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.players import Player, PlayerState


class Shown:
    """Tells clients what their accounts and the world have."""

    def __init__(
        self, game: Declarations, schema: Schema, books: Books, clients: PlayerLink
    ) -> None:
        self._accounts = tuple(type(component) for component in game.accounts)
        self._shares = tuple(type(component) for component in game.shares)
        self._numbers = {c: schema.numbers[name_of(c)] for c in (*self._accounts, *self._shares)}
        self._books = books
        self._clients = clients

    def greet(self, players: Iterable[Player]) -> None:
        """Tell those who have just joined all that there is."""
        for player in players:
            for component in self._shares:
                self._tell([player], SHARED, component)
            if player.account > 0:
                for component in self._accounts:
                    self._tell([player], -player.account, component)

    def tell(self, written: Iterable[Cell]) -> None:
        """Tell whom it concerns of what was written."""
        changed = {(c.entity, self._books.component_of(c)) for c in written if c.entity < 0}
        for entity, component in sorted(changed, key=lambda each: (each[0], each[1].record_name)):
            everybody = entity == SHARED
            told = [p for p in self._clients.players if everybody or p.account == -entity]
            self._tell(told, entity, component)

    def _tell(self, players: Iterable[Player], entity: int, component: type[Component]) -> None:
        row = self._books.values_of(entity, component)
        message = Values(entity == SHARED, self._numbers[component], row)
        for player in players:
            if player.state is PlayerState.JOINED:
                self._clients.send(player, message)
