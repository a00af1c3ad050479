"""What a game's functions are declared as: models, systems, rules, actions and hooks."""

from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from sidereal.game.builtin import Parent
from sidereal.game.column import Storage
from sidereal.game.component import Component, Controls
from sidereal.game.keys import words_problems
from sidereal.game.record import Record

ActionFunction = Callable[..., None]

ARGUMENTS_MAX: Final = 16
"""Of an action, beside its transaction."""
TYPED_LETTERS_MAX: Final = 240
"""Characters of a text that is typed, unless the action says less or more."""


class Asker(enum.Flag):
    """Who may ask for an action."""

    PLAYERS = enum.auto()
    """Whoever plays: any client can ask for it at any time, with any arguments that it takes."""
    SYSTEMS = enum.auto()
    """The game's own systems, on behalf of what their shard simulates."""


PLAYERS: Final = Asker.PLAYERS
SYSTEMS: Final = Asker.SYSTEMS


class Stage(enum.Enum):
    """When in a shard's tick something runs, in this order."""

    STEER = "steer"
    """Once, first, when controls have arrived: systems hold the controls of who nobody flies."""
    TICK = "tick"
    """Once, before anything moves."""
    SUBSTEP = "substep"
    """Before each physics step: the velocities written here move the bodies in it."""
    CONTACT = "contact"
    """Once, after the last physics step: contacts are known."""
    SETTLE = "settle"
    """Once, last: afterwards ranges are clipped and changes are looked for."""


@dataclass(frozen=True, eq=False)
class Model:
    """What shards and pilots' clients compute alike.

    Attributes:
        name: with its part.
        function: takes `Rows`.
        writes: components that it changes, which is what clients predict.
        reads: components and controls that it looks at; it runs on entities that have all of its
            components, and a pilot if it reads controls.
        stage: SUBSTEP or TICK.
    """

    name: str
    function: Callable[[Any], None]
    writes: tuple[type[Component], ...]
    reads: tuple[type[Record], ...]
    stage: Stage

    def problems(self) -> list[str]:
        """What makes this declaration unusable, in words."""
        found = parameter_problems(f"model {self.name}", self.function, 1)
        if not self.writes:
            found.append(f"model {self.name} writes nothing: say @part.model(Component, …)")
        if Parent in self.writes:
            found.append(f"model {self.name} writes Parent: an entity has one for all its life")
        if self.stage not in (Stage.TICK, Stage.SUBSTEP):
            found.append(f"model {self.name}: a model runs in TICK or SUBSTEP")
        for record in self.writes:
            if not _is(record, Component):
                found.append(f"model {self.name} writes {record!r}, which is no component")
        for read in self.reads:
            if not _is(read, Component) and not _is(read, Controls):
                found.append(f"model {self.name} reads {read!r}, which is no component or controls")
        return found


@dataclass(frozen=True, eq=False)
class System:
    """What a shard computes for all entities at once.

    Attributes:
        name: with its part.
        function: takes `Step`.
        stage: when.
        after: functions of systems that run before it; `before` likewise.
        every_s: seconds between two runs; 0 is every time.
    """

    name: str
    function: Callable[[Any], None]
    stage: Stage
    after: tuple[Callable[[Any], None], ...]
    before: tuple[Callable[[Any], None], ...]
    every_s: float

    def problems(self) -> list[str]:
        """What makes this declaration unusable, in words."""
        found = parameter_problems(f"system {self.name}", self.function, 1)
        if self.every_s < 0:
            found.append(f"system {self.name}: every_s must be 0 or more")
        if self.every_s and self.stage is Stage.SUBSTEP:
            found.append(f"system {self.name}: only a system of a whole tick has every_s")
        return found


@dataclass(frozen=True, eq=False)
class Rule:
    """What the authority accepts of a component, all proposed rows at once.

    Attributes:
        name: with its part.
        component: whose rows.
        function: takes the component before, after, and float64[n] seconds; gives bool[n].
    """

    name: str
    component: type[Component]
    function: Callable[[Any, Any, Any], Any]

    def problems(self) -> list[str]:
        """What makes this declaration unusable, in words."""
        return parameter_problems(f"rule {self.name}", self.function, 3)


class Typed(NamedTuple):
    """A text that somebody types.

    Attributes:
        name: of the argument.
        letters_max: characters that it may have.
    """

    name: str
    letters_max: int


@dataclass(frozen=True, eq=False)
class Action:
    """A transaction that players or systems ask for.

    Attributes:
        name: with its part.
        function: takes a `Transaction`, and the arguments by name.
        rate_hz: how often one player may ask; 0 if none does.
        durable: whether it is committed to the database before it is answered.
        asked_by: PLAYERS, SYSTEMS, or PLAYERS | SYSTEMS.
        arguments: a struct with a field for every argument; None while they have problems.
        key: by which faces let a player ask for it; empty for none. A text that it takes is typed
            first.
        does: what the key does, in words for players; empty for the action's name.
    """

    name: str
    function: ActionFunction
    rate_hz: float
    durable: bool
    asked_by: Asker
    arguments: type[msgspec.Struct] | None
    key: str = ""
    does: str = ""

    @property
    def words(self) -> str:
        """What it does, in words for players."""
        return self.does or self.name.rpartition(".")[2].replace("_", " ")

    @property
    def typed(self) -> Typed | None:
        """What is typed before it is asked for by its key; None for nothing."""
        needed = [] if self.arguments is None else _needed(self.arguments)
        return _typed(needed[0]) if len(needed) == 1 else None

    def problems(self) -> list[str]:
        """What makes this declaration unusable, in words."""
        found = []
        if not isinstance(self.asked_by, Asker) or not self.asked_by:
            found.append(f"action {self.name}: asked_by is PLAYERS, SYSTEMS, or PLAYERS | SYSTEMS")
        elif PLAYERS not in self.asked_by:
            if self.rate_hz:
                found.append(f"action {self.name}: only systems ask for it: leave out rate_hz")
        elif not 0 < self.rate_hz <= ACTION_RATE_MAX:
            found.append(
                f"action {self.name}: rate_hz must be above 0, at most {ACTION_RATE_MAX:g}"
            )
        if self.arguments is None:
            found.append(_argument_problem(self.name, self.function))
        elif self.key:
            found += self._key_problems(_needed(self.arguments))
        if self.does:
            found += words_problems({f"action {self.name}": (self.does,)})
        return found

    def _key_problems(self, needed: list[msgspec.structs.FieldInfo]) -> list[str]:
        if PLAYERS not in self.asked_by:
            return [f"action {self.name}: only systems ask for it: leave out key"]
        if len(needed) > 1 or (needed and _typed(needed[0]) is None):
            return [f"action {self.name}: by a key it is given no more than one str"]
        return []


ACTION_RATE_MAX: Final = 20.0


def make_action(
    name: str,
    function: ActionFunction,
    rate_hz: float,
    durable: bool,
    asked_by: Asker = PLAYERS,
    key: str = "",
    does: str = "",
) -> Action:
    """Read the arguments of an action from its function."""
    try:
        arguments = _arguments(name, function)
    except (TypeError, NameError, ValueError):
        arguments = None
    return Action(name, function, rate_hz, durable, asked_by, arguments, key, does)


def _needed(arguments: type[msgspec.Struct]) -> list[msgspec.structs.FieldInfo]:
    """Arguments that have to be given."""
    return [field for field in msgspec.structs.fields(arguments) if field.required]


def _typed(argument: msgspec.structs.FieldInfo) -> Typed | None:
    kind = msgspec.inspect.type_info(argument.type)
    if not isinstance(kind, msgspec.inspect.StrType):
        return None
    return Typed(argument.name, kind.max_length or TYPED_LETTERS_MAX)


def _arguments(name: str, function: ActionFunction) -> type[msgspec.Struct]:
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    if len(parameters) > ARGUMENTS_MAX:
        raise TypeError(f"more than {ARGUMENTS_MAX} arguments")
    fields: list[Any] = []
    for parameter in parameters:
        if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
            raise TypeError(f"{parameter.name} must be an ordinary argument")
        given = parameter.default is not inspect.Parameter.empty
        hint = hints.get(parameter.name)
        if hint is None:
            raise TypeError(f"{parameter.name} has no type")
        if any(isinstance(each, Storage) for each in getattr(hint, "__metadata__", ())):
            raise TypeError(f"{parameter.name} is annotated as a column is: write int, for one id")
        fields.append(
            (parameter.name, hint, parameter.default) if given else (parameter.name, hint)
        )
    struct = msgspec.defstruct(
        name.replace(".", "_"), fields, frozen=True, array_like=True, forbid_unknown_fields=True
    )
    msgspec.json.schema(struct)  # raises for types that cannot be checked
    return struct


def _argument_problem(name: str, function: ActionFunction) -> str:
    try:
        _arguments(name, function)
    except (TypeError, NameError, ValueError) as error:
        return f"action {name}: {error}"
    raise AssertionError(name)


def parameter_problems(what: str, function: Callable[..., Any], count: int) -> list[str]:
    """Say when a function takes another number of arguments than it is given."""
    parameters = inspect.signature(function).parameters
    if len(parameters) != count:
        return [f"{what} takes {len(parameters)} arguments; it is given {count}"]
    return []


def _is(record: object, sort: type[Record]) -> bool:
    return isinstance(record, type) and issubclass(record, sort)
