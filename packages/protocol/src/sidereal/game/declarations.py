"""A game's declarations, numbered: what every process of a world goes by.

`declare` takes a game as its modules left it, checks everything that was said, and gives it the
numbers which the wire and the database go by. Engine's components come first, then those of each
part, in the order in which parts mention them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from sidereal.game.bits import layout_problems
from sidereal.game.bots import BotView, Decision
from sidereal.game.builtin import BUILTIN
from sidereal.game.component import AUTHORITY, SHARD, Component, Controls, Event
from sidereal.game.keys import key_problems
from sidereal.game.kind import Kind, component_problems, parent_problems
from sidereal.game.logic import Action, Model, Rule, System, parameter_problems
from sidereal.game.look import Effect, Look, look_problems
from sidereal.game.ordering import order_systems
from sidereal.game.panel import Compass, Gauge, gauges_in, panel_problems
from sidereal.game.part import GHOST_RANGE_MAX, Beginning, Game, Part, Timer
from sidereal.game.record import Record
from sidereal.game.step import Query
from sidereal.game.touching import WAYS_MAX, ways_to_touch
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.state.schema import EVENTS_MAX

COMPONENTS_MAX: Final = 62
"""Of a game, the engine's included: an entity's set of them is 64 bits, of which 0 means presence,
and one says who simulates it."""
KINDS_MAX: Final = 255
ACTIONS_MAX: Final = 255
DATABASE_NAME_SIZE_MAX: Final = 63
"""Bytes of a column's name in PostgreSQL."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")

T = TypeVar("T")
Hook = Callable[[Any, Any], None]


@dataclass(frozen=True, eq=False)
class Declarations:
    """A game, checked.

    Attributes:
        name: of the game.
        ghost_range: how far beyond its sectors a shard sees, world units.
        components: the engine's first; a component's number is its place, from 1.
        kinds: with the components that parts added; a kind's number is its place, from 1.
        controls: what one input holds, in order.
        events: their numbers are their places, from 0; likewise of actions.
        models: in the order in which they run in their stages; systems likewise.
        hooks: what the authority calls on `join`, `leave` and `lost`, in order.
        modules: names of the modules that declared anything, in order.
    """

    name: str
    ghost_range: float
    components: tuple[type[Component], ...]
    kinds: tuple[Kind, ...]
    controls: tuple[type[Controls], ...]
    events: tuple[type[Event], ...]
    actions: tuple[Action, ...]
    models: tuple[Model, ...]
    systems: tuple[System, ...]
    rules: tuple[Rule, ...]
    looks: tuple[Look, ...]
    effects: tuple[Effect, ...]
    gauges: tuple[Gauge, ...]
    compasses: tuple[Compass, ...]
    accounts: tuple[Component, ...]
    shares: tuple[Component, ...]
    hooks: dict[str, tuple[Hook, ...]]
    timers: tuple[Timer, ...]
    bots: dict[str, Callable[[BotView], Decision]]
    worlds: dict[str, Beginning]
    modules: tuple[str, ...]

    def kind(self, name: str) -> Kind:
        """Find a kind by its name.

        Raises:
            ConfigError: there is none.
        """
        for kind in self.kinds:
            if kind.name == name:
                return kind
        raise ConfigError(
            f"{self.name} has no kind {name}; it has {', '.join(map(str, self.kinds))}"
        )

    def kind_number(self, name: str) -> int:
        """Give the number of a kind by its name.

        Raises:
            ConfigError: there is none.
        """
        return self.kinds.index(self.kind(name)) + 1

    def numbers(self, query: Query) -> tuple[int, ...]:
        """Numbers of the kinds that match a query: that kind, or all that have a component."""
        return tuple(
            number
            for number, kind in enumerate(self.kinds, 1)
            if (kind.name == query.name if isinstance(query, Kind) else kind.has(query))
        )

    def predicted(self) -> tuple[type[Component], ...]:
        """Components which a model writes: what a client computes ahead of what it flies."""
        written = {component for model in self.models for component in model.writes}
        return tuple(component for component in self.components if component in written)


def declare(game: Game) -> Declarations:
    """Check a game and number what it declares.

    Raises:
        ConfigError: naming every problem at once.
    """
    parts = tuple(_parts_of(game))
    problems = list(_part_problems(parts))
    kinds = _extended_kinds(parts, problems)
    records = _records(parts, kinds)
    problems += [problem for record in records for problem in record.problems]
    problems += _record_name_problems(records)
    components = tuple(r for r in records if issubclass(r, Component))
    names = {kind.name for kind in kinds}
    events = tuple(r for r in records if issubclass(r, Event))
    systems, unordered = order_systems(_all(parts, "systems"))
    problems += unordered
    declared = Declarations(
        name=game.name,
        ghost_range=game.ghost_range,
        components=components,
        kinds=kinds,
        controls=tuple(r for r in records if issubclass(r, Controls)),
        events=events,
        actions=_all(parts, "actions"),
        models=_all(parts, "models"),
        systems=systems,
        rules=_all(parts, "rules"),
        looks=_looks(parts, kinds),
        effects=_all(parts, "effects"),
        gauges=tuple(gauges_in(_all(parts, "gauges"), components)),
        compasses=tuple(c for c in _all(parts, "compasses") if c.kind.name in names),
        accounts=_all(parts, "accounts"),
        shares=_all(parts, "shares"),
        hooks={
            name: tuple(hook for part in parts for hook in part.hooks[name]) for name in game.hooks
        },
        timers=_all(parts, "timers"),
        bots=_by_name(parts, "bots", problems),
        worlds=_by_name(parts, "worlds", problems),
        modules=_modules(parts, records),
    )
    problems += [*_count_problems(declared), *_logic_problems(declared)]
    problems += look_problems(declared.looks, declared.kinds)
    problems += [problem for effect in declared.effects for problem in effect.problems()]
    problems += panel_problems(
        declared.gauges, declared.compasses, kinds, (*declared.accounts, *declared.shares)
    )
    problems += [*_key_problems(declared), *_bot_problems(declared), *_hook_problems(declared)]
    problems += [*layout_problems(declared.controls), *parent_problems(kinds)]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    return declared


# -- parts ----------------------------------------------------------------------------------------


def _parts_of(game: Game) -> Iterator[Part]:
    """A game's parts, each once, what is used before who uses it."""
    seen: set[int] = set()

    def walk(part: Part) -> Iterator[Part]:
        if id(part) in seen:
            return
        seen.add(id(part))
        for used in part.parts if isinstance(part, Game) else ():
            yield from walk(used)
        yield part

    yield from walk(game)


def _part_problems(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        if not _NAME.fullmatch(part.name):
            yield f"part {part.name!r}: a name is like {_NAME.pattern}"
    for name, count in Counter(part.name for part in parts).items():
        if count > 1:
            yield f"{count} parts are named {name}; each needs a name of its own"


def _all(parts: Iterable[Part], what: str) -> tuple[Any, ...]:
    return tuple(one for part in parts for one in getattr(part, what))


def _by_name(parts: Iterable[Part], what: str, problems: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in parts:
        for name, function in getattr(part, what).items():
            if name in found:
                problems.append(f"two {what} are named {name}")
            found[name] = function
    return found


def _modules(parts: Iterable[Part], records: Iterable[type[Record]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for part in parts:
        functions: list[Callable[..., Any]] = []
        for declared in (part.models, part.systems, part.rules, part.actions, part.timers):
            functions += [one.function for one in declared]
        functions += [*part.bots.values(), *(world.function for world in part.worlds.values())]
        functions += [hook for hooks in part.hooks.values() for hook in hooks]
        found |= dict.fromkeys(function.__module__ for function in functions)
    found |= dict.fromkeys(record.__module__ for record in records if record not in BUILTIN)
    return tuple(found)


# -- kinds and records ----------------------------------------------------------------------------


def _looks(parts: Sequence[Part], kinds: Sequence[Kind]) -> tuple[Look, ...]:
    """Looks of the kinds that this game has, the last of each."""
    by_kind = {look.kind.name: look for look in _all(parts, "looks")}
    return tuple(by_kind[kind.name] for kind in kinds if kind.name in by_kind)


def _extended_kinds(parts: Sequence[Part], problems: list[str]) -> tuple[Kind, ...]:
    """Kinds with what parts add to them, and without those that no part of this game has."""
    kinds: tuple[Kind, ...] = _all(parts, "kinds")
    for name, count in Counter(kind.name for kind in kinds).items():
        if not _NAME.fullmatch(name):
            problems.append(f"kind {name!r}: a name is like {_NAME.pattern}")
        if count > 1:
            problems.append(f"{count} kinds are named {name}; each needs a name of its own")
    made = {}
    for kind in kinds:
        problems += kind.problems()
        components = list(kind.components)
        for added, more in _all(parts, "extensions"):
            if added is kind:
                components = _joined(kind, components, more, problems)
        touches = kind.touches and tuple(other for other in kind.touches if other in kinds)
        made[kind] = replace(kind, components=tuple(components), touches=touches)
    return tuple(
        replace(kind, touches=kind.touches and tuple(made[other] for other in kind.touches))
        for kind in made.values()
    )


def _joined(
    kind: Kind, components: list[Component], more: Sequence[Component], problems: list[str]
) -> list[Component]:
    """Add components to a kind; two parts may add the same one, if they agree."""
    problems += component_problems(kind.name, tuple(more))
    joined = list(components)
    for component in more:
        same = [there for there in joined if type(there) is type(component)]
        if not same:
            joined.append(component)
        elif repr(same[0]) != repr(component):
            name = type(component).__name__
            problems.append(f"kind {kind}: two parts begin {name} with different values")
    return joined


def _records(parts: Sequence[Part], kinds: Sequence[Kind]) -> tuple[type[Record], ...]:
    """All records of a game, each once, the engine's first, then in the order of their mention."""
    found: dict[type[Record], None] = dict.fromkeys(BUILTIN)
    for part in parts:
        own = [kind for kind in kinds if kind.name in [k.name for k in part.kinds]]
        found |= dict.fromkeys(type(c) for kind in own for c in kind.components)
        found |= dict.fromkeys(type(c) for c in (*part.accounts, *part.shares))
        for model in part.models:
            found |= dict.fromkeys((*model.writes, *model.reads))
        found |= dict.fromkeys(rule.component for rule in part.rules)
        found |= dict.fromkeys(effect.event for effect in part.effects)
        found |= dict.fromkeys(part.records)
    return tuple(r for r in found if isinstance(r, type) and issubclass(r, Record))


def _record_name_problems(records: Sequence[type[Record]]) -> Iterator[str]:
    by_name: dict[str, type[Record]] = {}
    for record in records:
        name = record.record_name
        first = by_name.setdefault(name, record)
        if first is not record:
            yield (
                f"{first.__module__} and {record.__module__} both declare {name}; "
                'give one another name, as in class Health(Component, name="…")'
            )
        for word in name.split("."):
            if not _NAME.fullmatch(word):
                yield f"{name}: a name is like {_NAME.pattern}"
        if issubclass(record, Component) and record.saved:
            for field in record.fields.values():
                size = len(str(field).encode())
                if size > DATABASE_NAME_SIZE_MAX:
                    yield f"{field}: {size} bytes; the database's columns have at most 63"


# -- the whole ------------------------------------------------------------------------------------


def _count_problems(declared: Declarations) -> Iterator[str]:
    for what, count, most in (
        ("components", len(declared.components), COMPONENTS_MAX),
        ("kinds", len(declared.kinds), KINDS_MAX),
        ("events", len(declared.events), EVENTS_MAX),
        ("actions", len(declared.actions), ACTIONS_MAX),
    ):
        if count > most:
            yield f"{count} {what}; a game has at most {most}, the engine's included"
    if not declared.kinds:
        yield f"{declared.name} has no kinds: nothing can be in its world"
    ways = len(ways_to_touch(declared.kinds))
    if ways > WAYS_MAX:
        yield (
            f"kinds touch in {ways} different ways, and physics tells {WAYS_MAX} apart: "
            "give more of them the same touches="
        )
    if not 0 < declared.ghost_range <= GHOST_RANGE_MAX:
        yield f"ghost_range must be above 0 and at most {GHOST_RANGE_MAX:g}, a sector"


def _logic_problems(declared: Declarations) -> Iterator[str]:
    logic: list[Model | System | Rule | Action] = [*declared.models, *declared.systems]
    logic += [*declared.rules, *declared.actions]
    for one in logic:
        yield from one.problems()
    for name, count in Counter(one.name for one in logic).items():
        if count > 1:
            yield f"{count} functions are named {name}; each needs a name of its own"
    for model in declared.models:
        for component in model.writes:
            if component in declared.components and component.writer is AUTHORITY:
                yield (
                    f"model {model.name} writes {component.__name__}: its writer is the authority; "
                    "step.ask(an action) instead"
                )
    for rule in declared.rules:
        if rule.component in declared.components and rule.component.writer is not SHARD:
            yield f"rule {rule.name}: shards do not write {rule.component.__name__}"
    for placeless in (*declared.accounts, *declared.shares):
        if not isinstance(placeless, Component):
            yield f"{placeless!r} is no component; write Score(), not Score"
        elif placeless.writer is not AUTHORITY:
            what = type(placeless).record_name
            yield f"{what} is no entity's: say writer=AUTHORITY"
    for timer in declared.timers:
        what = f"every({timer.seconds:g})"
        if not 0 < timer.seconds < float("inf"):
            yield f"{what}: seconds must be above 0"
        yield from parameter_problems(what, timer.function, 1)


def _hook_problems(declared: Declarations) -> Iterator[str]:
    for name, hooks in declared.hooks.items():
        for hook in hooks:
            yield from parameter_problems(f"on_{name} {getattr(hook, '__name__', hook)}", hook, 2)
    for name, world in declared.worlds.items():
        yield from parameter_problems(f"world {name}", world.function, 1)
        if world.bots is not None and world.bots not in declared.bots:
            yield f"world {name}: no bot is named {world.bots}"


def _key_problems(declared: Declarations) -> Iterator[str]:
    """Say which keys actions can't have: what controls have among themselves, they say."""
    bound: dict[str, tuple[str, ...]] = {}
    for controls in declared.controls:
        for field in () if controls.problems else controls.fields.values():
            bound[str(field)] = field.options.binding.keys if field.options.binding else ()
    bound |= {action.name: (action.key,) for action in declared.actions if action.key}
    yield from key_problems(bound)


def _bot_problems(declared: Declarations) -> Iterator[str]:
    for name, function in declared.bots.items():
        yield from parameter_problems(f"bot {name}", function, 1)
        if not declared.controls:
            yield f"bot {name} has nothing to hold: the game declares no controls"
