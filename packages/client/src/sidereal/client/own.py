"""The entity that the client flies: what is held, when it is sent, where it is taken to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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


class Confirmed(NamedTuple):
    """The authority's newest state: up to which input all are due, its tick, and when it came."""

    state: OwnState
    due: int
    tick: int
    at: float


class OwnEntity:
    """The inputs of a client and, if it wants that, its entity ahead of the authority.

    Attributes:
        net_id: the entity, 0 without one.
        control_epoch: what its controls carry.
        keys: what is held.
        inputs: None before there was an entity to fly.
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
        self.prediction: Prediction | None = None
        self._predict, self._phase = predict, phase
        self._rules = Rules()
        self._confirmed: Confirmed | None = None
        self._unsent_since: float | None = None
        self._stood_at: float | None = None

    @property
    def confirmed(self) -> OwnState | None:
        """The entity as the newest snapshot has it, None before there was one."""
        return None if self._confirmed is None else self._confirmed.state

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
        self._confirmed = self._unsent_since = None
        if self.prediction is not None:
            self.prediction.restart(message.net_id, message.control_epoch)

    def next_timer(self) -> float | None:
        """When `press` is due, None without an entity."""
        if self.inputs is None or not self.net_id or self._stood_at is not None:
            return None
        return self.inputs.next_at if self._unsent_since is None else self._unsent_since

    def stand_still(self, now: float) -> None:
        """Make no inputs and do not move: nobody simulates the world."""
        if self._stood_at is None:
            self._stood_at = now

    def go_on(self, now: float) -> None:
        """Fly again."""
        if self._stood_at is not None and self.inputs is not None:
            self.inputs.go_on(now)
        self._stood_at = None

    def make(self, now: float) -> None:
        """Make the inputs that are due, and fly them; `press` gives them to be sent.

        What comes later than an input was due may have a guess of it in it: so it is made before.
        """
        if self.inputs is None or not self.net_id or self._stood_at is not None:
            return
        for entry in self.inputs.press(self.keys, now):
            self._unsent_since = now
            if self.prediction is not None:
                self.prediction.press(entry)

    def press(self, now: float) -> Input | None:
        """Make the inputs that are due; returns what is to be sent."""
        self.make(now)
        if self.inputs is None or self._unsent_since is None:
            return None
        self._unsent_since = None
        return self.inputs.message(self.control_epoch)

    def answer_untrusted(self, own: OwnAnswer | None, now: float) -> None:
        """Take the authority's state, if it is of this entity; `reconcile` compares it.

        Args:
            own: the state.
            now: when it came, monotonic seconds.

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
        if self._confirmed is None or own.tick >= self._confirmed.tick:
            due = self.inputs.due(own.tick, input_seq)
            self._confirmed = Confirmed(own.state, due, own.tick, now)

    def reconcile(self, known: Callable[[str], Any]) -> None:
        """Compare the authority's newest state with what was predicted.

        If several have come at once, as this process was late, nobody has seen the others.

        Args:
            known: gives other columns of the entity by their names in the schema, None for those
                that are not known.
        """
        if self.prediction is None or self._confirmed is None:
            return
        values = {name: known(name) for name in self.prediction.used}
        more = {name: value for name, value in values.items() if value is not None}
        state, due, tick, at = self._confirmed
        self.prediction.reconcile(tick, due, state, at, more)

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
