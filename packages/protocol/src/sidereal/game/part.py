"""Parts, and the game that is made of them.

A part collects what a module declares; nothing is checked or run meanwhile. `load` checks a whole
game at once (`declarations`), so that somebody sees all that is wrong with it, not the first.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar, overload

from sidereal.game.bots import BotView, Decision
from sidereal.game.component import AUTHORITY, Component, Controls, Event, Writer
from sidereal.game.kind import Kind
from sidereal.game.logic import (
    PLAYERS,
    Action,
    Asker,
    Model,
    Rule,
    Stage,
    System,
    make_action,
)
from sidereal.game.look import Effect, Look
from sidereal.game.panel import Compass, Gauge
from sidereal.game.record import Record
from sidereal.game.step import Authority, Player, Rows, Step, WorldBuilder
from sidereal.protocol.rules import Rules

SPEED_MAX_UNLESS_SAID: Final = 250.0
GHOST_RANGE_UNLESS_SAID: Final = 100.0
GHOST_RANGE_MAX: Final = Rules().sector_size
BOUNCE_UNLESS_SAID: Final = 0.5

F = TypeVar("F", bound=Callable[..., Any])


class Extension(NamedTuple):
    """Components that a part adds to a kind, of its own or of another part."""

    kind: Kind
    components: tuple[Component, ...]


class Timer(NamedTuple):
    """What the authority calls again and again."""

    seconds: float
    function: Callable[[Authority], None]


class Beginning(NamedTuple):
    """What a new world is made by, and the name of what its bots do; None for the game's first."""

    function: Callable[[WorldBuilder], None]
    bots: str | None


class Part:
    """A piece of a game, which others may use in theirs.

    Attributes:
        name: unique in a game.
        kinds: declared here, in order; the other lists likewise.
        hooks: what the authority calls in a player's life, by `join`, `leave` and `lost`.
        bots: behaviours by name.
        worlds: how new ones begin, by name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.kinds: list[Kind] = []
        self.extensions: list[Extension] = []
        self.records: list[type[Record]] = []
        self.models: list[Model] = []
        self.systems: list[System] = []
        self.rules: list[Rule] = []
        self.actions: list[Action] = []
        self.looks: list[Look] = []
        self.effects: list[Effect] = []
        self.gauges: list[Gauge] = []
        self.compasses: list[Compass] = []
        self.accounts: list[Component] = []
        self.shares: list[Component] = []
        self.hooks: dict[str, list[Callable[[Authority, Player], None]]] = {
            "join": [],
            "leave": [],
            "lost": [],
        }
        self.timers: list[Timer] = []
        self.bots: dict[str, Callable[[BotView], Decision]] = {}
        self.worlds: dict[str, Beginning] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    # -- what there is ----------------------------------------------------------------------------

    def kind(
        self,
        name: str,
        *components: Component,
        spawned_by: Writer = AUTHORITY,
        per_s_max: float | None = None,
        touches: Sequence[Kind] | None = None,
        sensor: bool = False,
        bounce: float = BOUNCE_UNLESS_SAID,
        speed_max: float = SPEED_MAX_UNLESS_SAID,
        accel_max: float = 0.0,
        saved: bool = True,
        ends_at_touch: bool = False,
    ) -> Kind:
        """Declare a kind of entity; see `Kind` for what each argument means."""
        what = None if touches is None else tuple(touches)
        kind = Kind(
            *(name, components, spawned_by, per_s_max, what, sensor),
            *(bounce, speed_max, accel_max, saved, ends_at_touch),
        )
        self.kinds.append(kind)
        return kind

    def extend(self, kind: Kind, *components: Component) -> None:
        """Let a kind begin with more components wherever this part is used."""
        self.extensions.append(Extension(kind, components))

    def declare(self, *records: type[Component] | type[Controls] | type[Event]) -> None:
        """Declare records that no kind, model, rule or effect mentions: what is given in play."""
        self.records += records

    def account(self, component: Component) -> None:
        """Give every account a component: written by actions, seen by its player only."""
        self.accounts.append(component)

    def shared(self, component: Component) -> None:
        """Give the world a component: written by actions, seen by all; by none if it is SHARDS'."""
        self.shares.append(component)

    # -- what shards and clients compute ----------------------------------------------------------

    def model(
        self,
        *writes: type[Component],
        reads: Sequence[type[Record]] = (),
        stage: Stage = Stage.SUBSTEP,
    ) -> Callable[[Callable[[Rows], None]], Callable[[Rows], None]]:
        """Declare a model; see `Model` for what each argument means."""
        for written in writes:
            _refuse_bare(written, "model(Motion)")

        def declare(function: Callable[[Rows], None]) -> Callable[[Rows], None]:
            name = f"{self.name}.{_name(function)}"
            self.models.append(Model(name, function, writes, tuple(reads), stage))
            return function

        return declare

    @overload
    def system(self, function: Callable[[Step], None], /) -> Callable[[Step], None]: ...

    @overload
    def system(
        self,
        stage: Stage = Stage.SETTLE,
        /,
        *,
        after: Sequence[Callable[[Step], None]] = (),
        before: Sequence[Callable[[Step], None]] = (),
        every_s: float = 0.0,
    ) -> Callable[[Callable[[Step], None]], Callable[[Step], None]]: ...

    def system(
        self,
        said: Stage | Callable[[Step], None] = Stage.SETTLE,
        /,
        *,
        after: Sequence[Callable[[Step], None]] = (),
        before: Sequence[Callable[[Step], None]] = (),
        every_s: float = 0.0,
    ) -> Any:
        """Declare a system; see `System` for what each argument means."""
        stage = said if isinstance(said, Stage) else Stage.SETTLE

        def declare(function: Callable[[Step], None]) -> Callable[[Step], None]:
            name = f"{self.name}.{_name(function)}"
            made = System(name, function, stage, tuple(after), tuple(before), every_s)
            self.systems.append(made)
            return function

        return declare if isinstance(said, Stage) else declare(said)

    # -- what the authority decides ---------------------------------------------------------------

    def rule(self, component: type[Component]) -> Callable[[F], F]:
        """Declare what the authority accepts of a component; see `Rule`."""
        _refuse_bare(component, "rule(Health)")

        def declare(function: F) -> F:
            self.rules.append(Rule(f"{self.name}.{_name(function)}", component, function))
            return function

        return declare

    def action(
        self,
        bare: None = None,
        /,
        *,
        rate_hz: float = 0.0,
        durable: bool = True,
        asked_by: Asker = PLAYERS,
        key: str = "",
        does: str = "",
    ) -> Callable[[F], F]:
        """Declare an action; see `Action` for what each argument means."""
        _refuse_bare(bare, "action(rate_hz=2)")

        def declare(function: F) -> F:
            name = f"{self.name}.{_name(function)}"
            self.actions.append(make_action(name, function, rate_hz, durable, asked_by, key, does))
            return function

        return declare

    def on_join(self, function: F) -> F:
        """Let the authority call this when a player comes."""
        self.hooks["join"].append(function)
        return function

    def on_leave(self, function: F) -> F:
        """Let the authority call this when a player goes."""
        self.hooks["leave"].append(function)
        return function

    def on_lost(self, function: F) -> F:
        """Let the authority call this when what a player flew is no more."""
        self.hooks["lost"].append(function)
        return function

    def every(self, seconds: float) -> Callable[[F], F]:
        """Let the authority call this again and again, at ticks that are multiples of so long.

        It hears of no tick twice, and of none while the world stands still.
        """
        _refuse_bare(seconds, "every(1.0)")

        def declare(function: F) -> F:
            self.timers.append(Timer(seconds, function))
            return function

        return declare

    def world(self, name: str, *, bots: str | None = None) -> Callable[[F], F]:
        """Declare what makes a new world of this name.

        Args:
            name: by which `sidereal up --world` chooses it.
            bots: what bots of `sidereal up` do in it, by its name; None for the game's first
                behaviour.
        """
        _refuse_bare(name, 'world("name")')

        def declare(function: F) -> F:
            self.worlds[name] = Beginning(function, bots)
            return function

        return declare

    # -- faces and load generators ----------------------------------------------------------------

    def look(
        self,
        kind: Kind,
        *,
        symbol: str,
        colour: str | None = None,
        size: Any = None,
        label: Any = None,
        rank: int | None = None,
    ) -> None:
        """Say how faces draw a kind; see `Look` for what each argument means.

        A game may look at a part's kinds its own way: the last look of a kind counts.
        """
        self.looks.append(Look(kind, symbol, colour, size, label, rank))

    def effect(
        self,
        event: type[Event],
        *,
        kind: str,
        size: Any,
        colour: str = "#fff",
        seconds: float = 0.5,
        sound: str | None = None,
    ) -> None:
        """Say what faces show when an event happens; see `Effect`."""
        self.effects.append(Effect(event, kind, colour, size, seconds, sound))

    def gauge(self, field: Any, *, label: str = "", colour: str = "#fff") -> None:
        """Let faces show whoever flies a number; see `Gauge`. Unlabelled it has its own name."""
        self.gauges.append(Gauge(field, label or getattr(field, "name", ""), colour))

    def compass(
        self,
        kind: Kind,
        *,
        label: str = "",
        colour: str | None = None,
        course: tuple[Any, Any] | None = None,
    ) -> None:
        """Let faces show the way to the nearest of a kind, or to the next mark; see `Compass`."""
        self.compasses.append(Compass(kind, label or kind.name, colour, course))

    def bot(self, name: str) -> Callable[[F], F]:
        """Declare a behaviour of bots: a function of a `BotView` that decides what to hold.

        It gives controls, and is asked again at the next tick; or controls and the seconds for
        which it holds them. The first behaviour of a game is what its bots do unless told.
        """
        _refuse_bare(name, 'bot("name")')

        def declare(function: F) -> F:
            self.bots[name] = function
            return function

        return declare


class Game(Part):
    """A whole game: a part that brings others in.

    Attributes:
        parts: used by it, in order, those that they use included.
        ghost_range: how far beyond its sectors a shard sees along each axis, world units; at most a
            sector.
    """

    def __init__(
        self, name: str, *, parts: Sequence[Part] = (), ghost_range: float = GHOST_RANGE_UNLESS_SAID
    ) -> None:
        super().__init__(name)
        self.parts = tuple(parts)
        self.ghost_range = ghost_range


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", repr(function))


def _refuse_bare(said: object, how: str) -> None:
    """Refuse a decorator without its brackets: it was given the function, and would lose it.

    Raises:
        TypeError: it was.
    """
    if inspect.isfunction(said):
        raise TypeError(f"write @game.{how}: this decorator has brackets")
