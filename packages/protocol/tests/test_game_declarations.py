"""A whole game: what is numbered, in which order, and all that is said about mistakes at once."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from sidereal.game import (
    AUTHORITY,
    F4,
    I1,
    PILOT,
    PLAYERS,
    SHARD,
    SYSTEMS,
    U4,
    Body,
    Component,
    Controls,
    Entity,
    Event,
    Game,
    Label,
    Motion,
    Parent,
    Part,
    Pilot,
    Rows,
    Stage,
    Step,
    Transaction,
    WorldBuilder,
    axis,
    field,
)
from sidereal.game.builtin import BUILTIN, Predicted
from sidereal.game.declarations import Declarations, declare
from sidereal.game.part import Beginning
from sidereal.protocol.errors import ConfigError


class Health(Component):
    hp: F4 = field(100, low=0, high=100)


class Launcher(Component, audience=PILOT):
    ready: U4


class Hold(Component, writer=AUTHORITY, audience=PILOT):
    ore: U4 = field(0, low=0, high=500)


class Docked(Component, writer=AUTHORITY):
    pass


class Stick(Controls):
    thrust: I1 = axis("W", "S")


class Burst(Event):
    size: F4


def tiny(*parts: Part, name: str = "tiny") -> Game:
    game = Game(name, parts=parts)
    game.kind("rock", Motion(), Body())
    return game


def problems_of(game: Game) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        declare(game)
    return str(caught.value).split("\n")


def test_the_engines_components_come_first() -> None:
    engines = (Motion, Body, Pilot, Label, Predicted, Parent)
    assert declare(tiny()).components == BUILTIN == engines


def test_components_follow_in_the_order_of_their_mention() -> None:
    part = Part("part")
    ship = part.kind("ship", Motion(), Health())
    game = tiny(part)
    game.extend(ship, Launcher(), Health())
    game.declare(Docked, Burst)
    declared = declare(game)
    assert declared.components[6:] == (Health, Launcher, Docked)
    assert declared.events == (Burst,)
    assert [kind.name for kind in declared.kinds] == ["ship", "rock"]
    assert [type(c) for c in declared.kind("ship").components] == [Motion, Health, Launcher]
    assert declared.modules == (__name__,)


def test_an_extension_leaves_alone_what_is_not_used() -> None:
    elsewhere = Part("elsewhere").kind("ghost", Motion())
    game = tiny()
    game.extend(elsewhere, Health())
    game.look(elsewhere, symbol="dot")
    declared = declare(game)
    assert [kind.name for kind in declared.kinds] == ["rock"]
    assert declared.looks == ()


def test_a_part_that_two_others_use_is_there_once() -> None:
    deep = Part("deep")
    deep.kind("ship", Motion())
    left, right = Game("left", parts=[deep]), Game("right", parts=[deep])
    declared = declare(tiny(left, right))
    assert [kind.name for kind in declared.kinds] == ["ship", "rock"]


def test_kinds_touch_what_the_game_has() -> None:
    part, other = Part("part"), Part("other")
    rock = part.kind("stone", Motion(), Body())
    missing = other.kind("missing", Motion(), Body())
    part.kind("shot", Motion(), Body(), touches=[rock, missing])
    part.extend(rock, Health())
    touched = declare(tiny(part)).kind("shot").touches
    assert touched is not None
    assert [kind.name for kind in touched] == ["stone"]
    assert [type(c) for c in touched[0].components] == [Motion, Body, Health]


def test_what_models_write_is_predicted() -> None:
    game = tiny()

    @game.model(Motion, Launcher, reads=(Stick,))
    def fly(own: Rows) -> None: ...

    declared = declare(game)
    assert declared.predicted() == (Motion, Launcher)
    assert declared.controls == (Stick,)
    assert declared.models[0].name == "tiny.fly"
    assert declared.models[0].stage is Stage.SUBSTEP


def test_systems_run_stage_by_stage_and_as_they_said() -> None:
    game = tiny()

    @game.system
    def last(step: Step) -> None: ...

    @game.system(Stage.TICK)
    def second(step: Step) -> None: ...

    @game.system(Stage.TICK, before=[second])
    def first(step: Step) -> None: ...

    @game.system(Stage.TICK, after=[second])
    def third(step: Step) -> None: ...

    @game.system(Stage.CONTACT, every_s=2.0)
    def fourth(step: Step) -> None: ...

    names = [system.name for system in declare(game).systems]
    assert names == ["tiny.first", "tiny.second", "tiny.third", "tiny.fourth", "tiny.last"]


def test_an_actions_arguments_are_checked_by_their_types() -> None:
    game = tiny()

    @game.action(rate_hz=2)
    def sell(
        tx: Transaction, station: int, ore: Annotated[int, msgspec.Meta(ge=1, le=500)]
    ) -> None: ...

    action = declare(game).actions[0]
    assert (action.name, action.rate_hz, action.durable) == ("tiny.sell", 2, True)
    assert action.arguments is not None
    assert msgspec.convert([7, 500], action.arguments) == action.arguments(7, 500)
    for wrong in ([7, 501], [7], [7, 1, 1], ["x", 1]):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, action.arguments)


def test_an_action_is_for_players_unless_it_says_for_whom() -> None:
    game = tiny()

    @game.action(rate_hz=2)
    def sell(tx: Transaction) -> None: ...

    @game.action(asked_by=SYSTEMS)
    def mine(tx: Transaction) -> None: ...

    @game.action(rate_hz=1, asked_by=PLAYERS | SYSTEMS)
    def say(tx: Transaction) -> None: ...

    both = PLAYERS | SYSTEMS
    assert [action.asked_by for action in declare(game).actions] == [PLAYERS, SYSTEMS, both]

    @game.action(rate_hz=1, asked_by=SYSTEMS)
    def hourly(tx: Transaction) -> None: ...

    @game.action(rate_hz=1, asked_by=PLAYERS & SYSTEMS)
    def nobody(tx: Transaction) -> None: ...

    @game.action(asked_by=both)
    def endless(tx: Transaction) -> None: ...

    assert problems_of(game) == [
        "action tiny.hourly: only systems ask for it: leave out rate_hz",
        "action tiny.nobody: asked_by is PLAYERS, SYSTEMS, or PLAYERS | SYSTEMS",
        "action tiny.endless: rate_hz must be above 0, at most 20",
    ]


def test_hooks_timers_bots_and_worlds_are_collected() -> None:
    part = Part("part")
    game = tiny(part)

    @part.on_join
    def come(world: Any, player: Any) -> None: ...

    @game.on_join
    def welcome(world: Any, player: Any) -> None: ...

    @game.every(5.0)
    def tick(world: Any) -> None: ...

    @game.bot("idle")
    def idle(view: Any) -> Stick:
        return Stick()

    game.declare(Stick)

    @game.world("ring", bots="idle")
    def ring(make: WorldBuilder) -> None: ...

    declared = declare(game)
    assert declared.hooks["join"] == (come, welcome)
    assert declared.timers[0].seconds == 5.0
    assert declared.bots == {"idle": idle}
    assert declared.worlds == {"ring": Beginning(ring, "idle")}


# -- what is said about mistakes ------------------------------------------------------------------


def test_all_problems_are_said_at_once() -> None:
    class Wrong(Component):
        reach: F4 = field(1, quantum=1)

    game = Game("bad", parts=[Part("same"), Part("same")])
    game.kind("thing", Wrong())
    game.kind("Thing 2", Motion(), Motion())
    assert problems_of(game) == [
        "2 parts are named same; each needs a name of its own",
        "kind 'Thing 2': a name is like [a-z][a-z0-9_]{0,30}",
        "kind thing has no Motion: everything in the world has a place",
        "kind Thing 2 has Motion twice",
        "test_game_declarations.wrong.reach: quantum needs low and high",
    ]


def test_a_class_is_no_component() -> None:
    game = tiny()
    game.kind("thing", Motion)  # type: ignore[arg-type]
    assert any("write Motion(), not Motion" in problem for problem in problems_of(game))


def test_values_of_a_kind_lie_in_their_ranges() -> None:
    game = tiny()
    game.kind("ship", Motion(vx=[1.0, 2.0]), Health(hp=101))
    assert problems_of(game) == [
        "kind ship: motion.vx needs one value, not an array",
        "kind ship: test_game_declarations.health.hp = 101 is outside 0 to 100",
    ]


def test_two_parts_begin_a_component_with_the_same_values() -> None:
    part = Part("part")
    ship = part.kind("ship", Motion(), Health())
    game = tiny(part)
    game.extend(ship, Health(hp=50))
    assert problems_of(game) == ["kind ship: two parts begin Health with different values"]


def test_names_are_used_once() -> None:
    class Again(Component, name="test_game_declarations.health"):
        pass

    part = Part("part")
    part.kind("rock", Motion(), Health(), Again())
    assert problems_of(tiny(part)) == [
        "2 kinds are named rock; each needs a name of its own",
        f"{__name__} and {__name__} both declare "
        "test_game_declarations.health; give one another name, "
        'as in class Health(Component, name="…")',
    ]


def test_a_game_has_62_components_at_most() -> None:
    made = [type(f"C{n}", (Component,), {"__module__": __name__}) for n in range(57)]
    game = tiny()
    game.declare(*made[:56])
    assert len(declare(game).components) == 62
    game.declare(made[56])
    assert problems_of(game) == ["63 components; a game has at most 62, the engine's included"]


def test_saved_columns_fit_the_database() -> None:
    class Fits(Component, name="a_part_with_a_name_as_long_as_i.t"):
        a_field_with_a_long_name_inde: U4

    class Unsaved(Component, name="a_part_with_a_name_as_long_as_i.u", saved=False):
        a_field_with_a_long_name_indee: U4

    class Longer(Component, name="a_part_with_a_name_as_long_as_i.v"):
        a_field_with_a_long_name_indee: U4

    game = tiny()
    game.declare(Fits, Unsaved)
    assert declare(game).components[-2:] == (Fits, Unsaved)
    game.declare(Longer)
    assert problems_of(game) == [
        "a_part_with_a_name_as_long_as_i.v.a_field_with_a_long_name_indee: 64 bytes; "
        "the database's columns have at most 63"
    ]


def test_logic_that_cannot_run_is_named() -> None:
    game = tiny()

    @game.model()
    def nothing(own: Rows) -> None: ...

    @game.model(Hold, stage=Stage.SETTLE)
    def fill(own: Rows) -> None: ...

    @game.system(Stage.SUBSTEP, every_s=1.0)
    def often(step: Step) -> None: ...

    @game.system  # type: ignore[arg-type]
    def bare() -> None: ...

    @game.rule(Hold)
    def believable(before: Hold, after: Hold, dt: Any) -> Any: ...

    @game.action(rate_hz=0)
    def buy(tx: Transaction, what: list[Any], **more: int) -> None: ...

    @game.action(rate_hz=1)
    def greet(tx: Transaction, whom: Entity) -> None: ...

    game.account(Health())
    found = problems_of(game)
    assert [problem.split(":")[0] for problem in found] == [
        "model tiny.nothing writes nothing",
        "model tiny.fill",
        "system tiny.often",
        "system tiny.bare takes 0 arguments; it is given 1",
        "action tiny.buy",
        "action tiny.buy",
        "action tiny.greet",
        "model tiny.fill writes Hold",
        "rule tiny.believable",
        "test_game_declarations.health is no entity's",
    ]
    assert found[6] == (
        "action tiny.greet: whom is annotated as a column is: write int, for one id"
    )
    assert "its writer is the authority; step.ask(an action) instead" in found[7]


@pytest.mark.parametrize("name", ["action", "model", "rule", "every", "world", "bot"])
def test_a_decorator_without_its_brackets_is_refused_and_shown(name: str) -> None:
    def bare(step: Step) -> None: ...

    with pytest.raises(TypeError, match=rf"write @game\.{name}\(.+\): this decorator has brackets"):
        getattr(tiny(), name)(bare)


def test_systems_that_wait_for_each_other_are_named() -> None:
    game = tiny()

    @game.system
    def one(step: Step) -> None: ...

    @game.system(after=[one])
    def two(step: Step) -> None: ...

    game.systems[0] = type(game.systems[0])("tiny.one", one, Stage.SETTLE, (two,), (), 0.0)

    @game.system(Stage.TICK, after=[one])
    def three(step: Step) -> None: ...

    assert problems_of(game) == [
        "system tiny.three: one is no system of TICK, as it is",
        "systems wait for each other: tiny.one, tiny.two",
    ]


def test_looks_use_what_the_kind_has() -> None:
    game = tiny()
    game.look(game.kinds[0], symbol="hat", colour="blue", size=Health.hp, label=Body.mass)
    game.effect(Burst, kind="burst", size=0, seconds=100)
    game.effect(Burst, kind="ring", size=Health.hp)
    assert problems_of(game) == [
        "look of rock: 'hat' is not among "
        "arrow, circle, cross, diamond, dot, ring, rock, square, star",
        "look of rock: colour 'blue' is not of the form #8cf or #88ccff",
        "look of rock: label must be a Text field",
        "look of rock: it has no test_game_declarations.health",
        "effect of test_game_declarations.burst: size must be a field or a number above 0, "
        "at most 10000",
        "effect of test_game_declarations.burst: seconds must be above 0, at most 60",
        "effect of test_game_declarations.burst: test_game_declarations.health.hp is no field of "
        "it",
    ]


def test_a_look_is_seen_by_everyone_and_the_last_one_counts() -> None:
    part = Part("part")
    ship = part.kind("ship", Motion(), Launcher(), Label())
    part.look(ship, symbol="hat")
    game = tiny(part)
    game.look(ship, symbol="ring", size=Launcher.ready, label=Label.name)
    assert problems_of(game) == [
        "look of ship: test_game_declarations.launcher.ready goes to pilot; "
        "a look is seen by everyone"
    ]
    game.look(ship, symbol="ring", size=Label.name)
    assert problems_of(game) == ["look of ship: size must be a number, and label.name is a text"]
    game.look(ship, symbol="arrow", colour="#0f8")
    (look,) = declare(game).looks
    assert (look.symbol, look.rgb) == ("arrow", (0, 255, 136))
    game.look(ship, symbol="arrow", colour="#0102ff")
    assert declare(game).looks[0].rgb == (1, 2, 255)
    game.look(ship, symbol="arrow")
    assert declare(game).looks[0].rgb is None


def test_bots_have_something_to_hold() -> None:
    game = tiny()
    game.bot("lame")(lambda: Stick())
    assert problems_of(game) == [
        "bot lame takes 0 arguments; it is given 1",
        "bot lame has nothing to hold: the game declares no controls",
    ]


def test_hooks_and_worlds_take_what_they_are_given() -> None:
    game = tiny()

    @game.on_lost
    def mourn(world: Any) -> None: ...

    @game.world("ring")
    def ring() -> None: ...

    assert problems_of(game) == [
        "on_lost mourn takes 1 arguments; it is given 2",
        "world ring takes 0 arguments; it is given 1",
    ]


def test_a_world_names_bots_that_there_are() -> None:
    game = tiny()

    @game.world("ring", bots="idel")
    def ring(make: WorldBuilder) -> None: ...

    assert problems_of(game) == ["world ring: no bot is named idel"]


def test_kinds_are_found_by_what_they_are_and_have() -> None:
    part = Part("part")
    ship = part.kind("ship", Motion(), Health())
    declared = declare(tiny(part))
    assert declared.numbers(ship) == declared.numbers(Health) == (1,)
    assert declared.numbers(Motion) == (1, 2)
    assert declared.numbers(Body) == (2,)
    assert declared.numbers(Launcher) == ()


def test_a_game_without_kinds_is_no_game() -> None:
    assert problems_of(Game("empty")) == ["empty has no kinds: nothing can be in its world"]


def test_kinds_that_spawn_have_bounds() -> None:
    game = tiny()
    game.kind(
        "shot",
        Motion(),
        spawned_by=SHARD,
        per_s_max=0,
        sensor=True,
        bounce=1.5,
        speed_max=251,
        accel_max=-1,
    )
    assert [problem.split(": ")[-1] for problem in problems_of(game)] == [
        "kind shot touches others, but has no Body",
        "bounce must be 0 to 1",
        "per_s_max must be above 0",
        "speed_max must be 0 to 250",
        "accel_max must be 0 or more",
    ]


def test_declarations_answer_by_name() -> None:
    declared: Declarations = declare(tiny())
    with pytest.raises(ConfigError, match="tiny has no kind ship; it has rock"):
        declared.kind("ship")


def test_a_kind_has_the_number_of_its_place() -> None:
    part = Part("part")
    part.kind("first", Motion())
    part.kind("second", Motion())
    declared = declare(Game("whole", parts=[part]))
    assert [declared.kind_number(name) for name in ("first", "second")] == [1, 2]
    with pytest.raises(ConfigError, match="whole has no kind third; it has first, second"):
        declared.kind_number("third")


def test_kinds_of_children_are_checked_in_words() -> None:
    game = tiny()
    game.kind("turret", Motion(), Parent(of=7))
    drone = game.kind("drone", Motion(), Parent())
    game.extend(drone, Pilot())

    @game.model(Parent, reads=(Motion,))
    def steal(own: Rows) -> None: ...

    assert problems_of(game) == [
        "model tiny.steal writes Parent: an entity has one for all its life",
        "kind turret: Parent(of=…) is said when one is spawned",
        "kind drone has a Parent and a Pilot: nobody flies a child of another",
    ]
