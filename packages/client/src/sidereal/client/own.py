"""The entity that the client flies: what is held, when it is sent, where it is taken to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from sidereal.client.inputs import Inputs, Keys
from sidereal.client.limits import LIMITS, Limits
from sidereal.client.prediction import OwnState, Prediction
from sidereal.client.private import OwnAnswer
from sidereal.client.spawns import Ahead
from sidereal.game.bits import layout_of_all
from sidereal.game.declarations import Declarations
from sidereal.protocol.message.inputs import Input
from sidereal.protocol.message.player import Assigned
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.earliness import decode_early


class OwnEntity:
    """The inputs of a client and, if it wants that, its entity ahead of the authority.

    Attributes:
        net_id: the entity, 0 without one.
        control_epoch: what its controls carry.
        keys: what is held.
        inputs: None before there was an entity to fly.
        confirmed: the entity as the newest snapshot has it, None before there was one.
        prediction: None for a client that does not predict, and before the rules are known.
    """

    def __init__(
        self, game: Declarations, *, predict: bool, phase: float, limits: Limits = LIMITS
    ) -> None:
        self._game = game
        self._limits = limits
        self.net_id = 0
        self.control_epoch = 0
        self.keys = Keys(layout_of_all(game.controls))
        self.inputs: Inputs | None = None
        self.confirmed: OwnState | None = None
        self.prediction: Prediction | None = None
        self._predict, self._phase = predict, phase
        self._rules = Rules()
        self._confirmed_tick = -1
        self._stood_at: float | None = None

    def join(self, rules: Rules) -> None:
        """Take over the rules of the world."""
        self._rules = rules
        self.prediction = Prediction(self._game, rules, self._limits) if self._predict else None

    def assign(self, message: Assigned, now: float) -> None:
        """Fly this entity from now on; what was pressed before was not meant for it."""
        self.net_id = message.net_id
        self.control_epoch = message.control_epoch
        if self.inputs is None:
            phase_s = self._phase * self._rules.tick_s
            self.inputs = Inputs(self._rules.tick_s, now + phase_s, self._limits)
        self.inputs.abandon(now)
        self.keys.forget()
        self.confirmed, self._confirmed_tick = None, -1
        if self.prediction is not None:
            self.prediction.restart(message.net_id, message.control_epoch)

    def next_timer(self) -> float | None:
        """When `press` is due, None without an entity."""
        if self.inputs is None or not self.net_id or self._stood_at is not None:
            return None
        return self.inputs.next_at

    def stand_still(self, now: float) -> None:
        """Make no inputs and do not move: nobody simulates the world."""
        if self._stood_at is None:
            self._stood_at = now

    def go_on(self, now: float) -> None:
        """Fly again."""
        if self._stood_at is not None and self.inputs is not None:
            self.inputs.go_on(now)
        self._stood_at = None

    def press(self, now: float) -> Input | None:
        """Make the inputs that are due; returns what is to be sent."""
        if self.inputs is None or not self.net_id or self._stood_at is not None:
            return None
        pressed = self.inputs.press(self.keys, now)
        if not pressed:
            return None
        if self.prediction is not None:
            for entry in pressed:
                self.prediction.press(entry)
        return self.inputs.message(self.control_epoch)

    def answer_untrusted(
        self, own: OwnAnswer | None, known: Callable[[str], Any], now: float
    ) -> None:
        """Take the authority's state, if it is of this entity.

        Args:
            own: the state.
            known: gives other columns of the entity by their names in the schema, None for those
                that are not known.
            now: monotonic seconds.

        Raises:
            WireError: it answers an input that was never made.
        """
        if own is None or self.inputs is None:
            return
        if (own.net_id, own.control_epoch) != (self.net_id, self.control_epoch):
            return
        input_seq = self.inputs.restore(own.input)
        self.inputs.answer_untrusted(input_seq, now)
        self.inputs.keep_pace(own.input_tick, input_seq, decode_early(own.early))
        if own.tick >= self._confirmed_tick:
            self.confirmed, self._confirmed_tick = own.state, own.tick
        if self.prediction is not None:
            values = {name: known(name) for name in self.prediction.used}
            more = {name: value for name, value in values.items() if value is not None}
            self.prediction.reconcile(own.tick, input_seq, own.state, now, more)

    def foresee(self, now: float) -> None:
        """Fly what is held now: before each picture."""
        if self.prediction is not None and self._stood_at is None:
            self.prediction.foresee(self.keys.peek(), now)

    def ahead(self) -> Mapping[str, NDArray[Any]]:
        """Give what models make of it by what is held, by names of the schema, [1]."""
        return {} if self.prediction is None else self.prediction.columns()

    def spawns_ahead(self, columns: Columns, rows: Ints, now: float) -> Ahead | None:
        """What its inputs have spawned; None to draw all of it like any other.

        Args:
            columns: of the entities that are known.
            rows: int64[n], of these.
            now: monotonic seconds.
        """
        if self.prediction is None:
            return None
        spawns = self.prediction.spawns
        spawns.expire(now)
        tick = self.prediction.tick(now if self._stood_at is None else self._stood_at)
        return None if tick is None else spawns.ahead(tick, columns, rows)

    def pose(self, now: float) -> OwnState | None:
        """Where it is to be drawn, None to draw it like any other."""
        if self.prediction is None:
            return None
        return self.prediction.pose(now if self._stood_at is None else self._stood_at)
