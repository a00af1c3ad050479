"""Shards whose doings are written down, and whose game can be made to fail."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sidereal.game import Part
from sidereal.game.declarations import Declarations
from sidereal.protocol.errors import GameFailedError
from sidereal.shard.shard import ShardCore
from sidereal.tools.simulate.ledger import Ledger
from sidereal.tools.simulate.mishap import Mishap
from sidereal.tools.simulate.network import Delivery
from sidereal.tools.simulate.processes import Arrival, ShardHost


class Recorder(Protocol):
    """A part of a shard's game that writes down what the shard does.

    Attributes:
        core: name of the core it belongs to.
        since: when what welcomed that was sent, virtual seconds; kept by the process, as is
        at: the time, and
        shard: the core itself.
        part: what the game has of it.
    """

    core: str
    since: float
    at: float
    shard: ShardCore | None
    part: Part


class ShardProcess(ShardHost):
    """A shard whose doings are recorded, and whose game can be made to fail.

    Attributes:
        welcomed_at: when what welcomed its core was sent, virtual seconds; infinity before.
    """

    def __init__(
        self,
        *arguments: Any,
        declare: Callable[[Sequence[Part]], Declarations],
        record: Callable[[str], Recorder],
        ledger: Ledger,
        **more: Any,
    ) -> None:
        """Make one; what is not named here is of `ShardHost`.

        Args:
            arguments: of that.
            declare: makes the game, with some parts more.
            record: makes what writes down what a core of this name does.
            ledger: of inputs.
            more: of that.
        """
        self.welcomed_at = math.inf
        self._told_at = -math.inf
        self._ledger = ledger
        self._record = record
        self._recorder = record("")
        self._mishap = Mishap()
        self._declare = declare
        super().__init__(*arguments, make_game=self._make_recorded_game, **more)

    @property
    def core_name(self) -> str:
        """Name of its core in the ledger and among what is recorded."""
        return self._recorder.core

    def kill(self) -> None:
        """End without a word."""
        self._mishap = Mishap()
        super().kill()

    def fail(self, now: float, again_at: float) -> None:
        """Let the game's code go wrong in the next tick, and start again at a time to come."""
        if self.core is not None and self.core.serving:
            self._mishap.again_at = again_at
        else:
            self.leave(now)
            self.start(again_at)

    def receive(self, delivery: Delivery, now: float) -> None:
        """Take a datagram, and note which inputs came with it."""
        if self.core is not None and delivery.mark is not None:
            # A turn of this very moment has not had it.
            at = math.nextafter(now, math.inf) if self._recorder.at == now else now
            self._ledger.note_heard(at, self.core_name, delivery.mark)
        self._told_at = max(self._told_at, delivery.sent_at)
        super().receive(delivery, now)

    def _take_in(self, arrivals: list[Arrival], local: float) -> None:
        super()._take_in(arrivals, local)
        if self.core is not None and self.core.serving:
            self.welcomed_at = min(self.welcomed_at, self._told_at)
            self._recorder.since = self.welcomed_at

    def _turn(self, core: ShardCore, now: float, local: float) -> None:
        self._recorder.at = now
        try:
            super()._turn(core, now, local)
        except GameFailedError as error:
            if not self._mishap.is_due:
                raise
            again_at = max(now, self._mishap.again_at)
            self._send(core.close(local, error), now)
            self.kill()
            self.start(again_at)

    def _begin(self, local: float) -> None:
        self.welcomed_at = math.inf
        super()._begin(local)
        self._recorder.shard = self.core

    def _make_recorded_game(self) -> Declarations:
        self._recorder = self._record(f"{self.host}.{self._session}")
        return self._declare([self._recorder.part, self._mishap.part])
