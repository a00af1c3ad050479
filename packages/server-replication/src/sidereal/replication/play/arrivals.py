"""Players come and go: the stage of the tick in which a game's hooks are called.

Theory of operation. A player of an account waits until its berth has been read; then, or at once
if it is anonymous, the game's `on_join` decides what it flies. Nothing flown is an answer, too:
such a player watches. If the hook raises, the player is told and its join refused, and the world
goes on; the same failure of another hook is noted, and no more. What a player flies leaves the
world with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.message.player import Notice, Role
from sidereal.replication.keeping.stored import Berth
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.players import Player, PlayerState
from sidereal.replication.notes import Notes
from sidereal.replication.play.berths import Berths
from sidereal.replication.play.entities import Entities
from sidereal.replication.play.hooks import HookFailure, HookPlayer, HookWorld
from sidereal.replication.play.lingering import Lingering
from sidereal.replication.standstill import WorldClock
from sidereal.replication.world import ACCOUNT_NONE, World


class Arrivals:
    """The players of one world, from their join to their leaving.

    Attributes:
        failed: how often which hook raised.
    """

    def __init__(
        self,
        hooks: HookWorld,
        world: World,
        entities: Entities,
        berths: Berths,
        lingering: Lingering,
        clients: PlayerLink,
        clock: WorldClock,
        notes: Notes,
    ) -> None:
        self.failed: Counter[str] = Counter()
        self._hooks = hooks
        self._world = world
        self._entities = entities
        self._berths = berths
        self._lingering = lingering
        self._clients = clients
        self._clock = clock
        self._notes = notes
        self._here: dict[int, HookPlayer] = {}

    def change(self, tick: int, now: float) -> None:
        """Let players come and go; once per tick."""
        attendance = self._clients.attend(tick, now)
        for player, reason in attendance.left:
            self._leave(player, tick, now)
            account, name = player.account, player.name
            self._notes.add(tick, "client_left", account=account, name=name, reason=reason.name)
        for player in attendance.joined:
            if self._clock.stands_still:
                self._clock.tell(player, tick)
            if player.role is Role.PLAYER:
                self._receive(player, tick, now)
            account, name, role = player.account, player.name, player.role.name
            self._notes.add(tick, "client_joined", account=account, name=name, role=role)
        self._let_in(tick, now)
        for name, call, arguments in self._hooks.take_due(tick):
            self._run(name, call, *arguments, tick=tick, now=now)
        self._lingering.leave(tick, {here.client.account for here in self._here.values()})
        self._note_lost(tick, now)

    def close(self, tick: int, now: float) -> None:
        """Let everybody go who is to, and all that lingers."""
        self._lingering.most = 0
        self.change(tick, now)

    # -- coming -------------------------------------------------------------------------------

    def _receive(self, player: Player, tick: int, now: float) -> None:
        """Let a new player in, or ask for its berth first, unless what it left lingers."""
        if player.account > ACCOUNT_NONE and self._lingering.row_of(player.account) < 0:
            player.waits = True
            self._berths.fetch(player.account, tick)
        else:
            self._join(player, None, tick, now)

    def _let_in(self, tick: int, now: float) -> None:
        """Let in whose berths have been read; tell who waits long why it does."""
        arrived = self._berths.take_arrived(self._clients.joins_per_tick)
        late = self._berths.take_late(tick)
        if not arrived and not late:
            return
        players = {p.account: p for p in self._clients.players if _plays(p)}
        for account, berth in arrived:
            self._join(players[account], berth, tick, now)
        for account in late:
            text = "what you fly can't be fetched now: the database does not answer; please wait"
            self._clients.send(players[account], Notice(text))

    def _join(self, player: Player, berth: Berth | None, tick: int, now: float) -> None:
        player.waits = False
        here = self._here[player.peer] = HookPlayer(player, self._hooks)
        self._berths.offer(player.account, berth)
        for hook in self._hooks.hooks["join"]:
            if not self._run("on_join", hook, here, tick=tick, now=now):
                text = "the game can't let you in: its on_join failed; the server's log says why"
                self._clients.refuse(player, CloseReason.GAME_FAILED, text, now)
                self._berths.offer(player.account, None)
                break

    # -- going --------------------------------------------------------------------------------

    def _leave(self, player: Player, tick: int, now: float) -> None:
        """Take out of the world what a player flies, or let it linger; an account's is kept."""
        if player.role is Role.PLAYER:
            self._berths.give_up(player.account)
        here = self._here.pop(player.peer, None)
        if here is not None:
            for hook in self._hooks.hooks["leave"]:
                self._run("on_leave", hook, here, tick=tick, now=now)
        rows = self._world.columns.rows_of(np.array([player.net_id]))
        # A session that was refused is there for a while: it flies nothing, and loses nothing.
        player.net_id = NET_ID_NONE
        if rows[0] < 0:
            return
        if here is not None and here.lingers_ticks:
            self._lingering.stay(player.account, int(rows[0]), tick + here.lingers_ticks)
            return
        if player.account > ACCOUNT_NONE:
            self._berths.leave(int(rows[0]), tick)
        self._entities.withdraw(rows, tick)

    def _note_lost(self, tick: int, now: float) -> None:
        """Let the game know of players whose entity is no more; they look where it was."""
        ended = self._entities.take_ended()
        if not ended:
            return
        for player in self._clients.players:
            if player.net_id in ended:
                player.looks_at = ended[player.net_id]
                player.net_id = NET_ID_NONE
                for hook in self._hooks.hooks["lost"]:
                    self._run("on_lost", hook, self._here[player.peer], tick=tick, now=now)

    # -- hooks --------------------------------------------------------------------------------

    def _run(
        self, name: str, call: Callable[..., Any], *arguments: Any, tick: int, now: float
    ) -> bool:
        """Call a function of the game; false if it raised, which is noted."""
        done = self._hooks.run(call, *arguments, name=name, tick=tick)
        if isinstance(done, HookFailure):
            self.failed[done.hook] += 1
            self._notes.add(tick, "hook_failed", done.trace, hook=done.hook, error=done.error)
            return False
        columns = self._world.columns
        for here, row in done:
            net_id, control_epoch = int(columns.net_id[row]), int(columns["control_epoch"][row])
            self._clients.assign(here.client, net_id, control_epoch, tick, now)
        return True


def _plays(player: Player) -> bool:
    return player.state is PlayerState.JOINED and player.role is Role.PLAYER
