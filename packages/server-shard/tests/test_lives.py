"""Who comes and who goes: what systems spawn and despawn, on one shard and in its proposals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sidereal.game import (
    AUTHORITY,
    F4,
    SHARD,
    U4,
    Body,
    Component,
    Controls,
    Game,
    Held,
    Label,
    Motion,
    Parent,
    Pilot,
    Press,
    Rows,
    Stage,
    Step,
    field,
    hold,
    press,
)
from sidereal.game.bits import pack
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.errors import GameFailedError, WireError
from sidereal.protocol.message.codec import INPUT_ROW
from sidereal.protocol.message.inputs import Input, RoutedInput
from sidereal.protocol.message.shard import Adopt, Amend, AskIds, GrantIds, Release
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.proposals import decode_proposal_untrusted
from sidereal.protocol.state.schema import PREDICTED, WHOLE
from sidereal.protocol.state.spawnkeys import KEY_FIELDS, write_keys
from sidereal.protocol.state.stream import GONE
from sidereal.shard.limits import Limits
from sidereal.shard.simulation import Simulation

RULES = Rules()
TICK = 100
FIRST = 5000
PUSH = 40.0
SHOT_SPEED = 60.0


class Fuse(Component):
    left: F4 = field(9, low=0, high=10)
    by: U4


class Tag(Component, writer=AUTHORITY):
    number: U4


class Glow(Component):
    level: F4 = field(2, low=1, high=8, quantum=0.5)


class Stray(Component):
    number: U4


class Stick(Controls):
    ahead: Held = hold("W")
    toss: Press = press("SPACE")


LEFT = column_of(Fuse, Fuse.fields["left"])
LEVEL = column_of(Glow, Glow.fields["level"])
NUMBER = column_of(Tag, Tag.fields["number"])
BY = column_of(Fuse, Fuse.fields["by"])
TOSS = pack(Stick(toss=1))
TWICE = pack(Stick(toss=2))
AHEAD = pack(Stick(ahead=1))
INPUT_SIZE = INPUT_ROW.itemsize

Do = Callable[[Step], object]


def do_nothing(step: Step) -> None:
    """What a system does that a test says nothing about."""


class Shard:
    """One shard, and systems that do what a test says in the next tick, by their stage."""

    def __init__(
        self, *, ids: int = 1000, limits: Limits | None = None, per_s_max: float | None = None
    ) -> None:
        game = Game("lives")
        self.stone = game.kind("stone", Motion(), Body(radius=5), Label(), Fuse())
        self.shot = game.kind(
            "shot", Motion(), Body(radius=1), Fuse(), Tag(), spawned_by=SHARD, per_s_max=per_s_max
        )
        self.drone = game.kind("drone", Motion(), Pilot(), spawned_by=SHARD)
        self.mast = game.kind("mast", Motion(), Parent(), spawned_by=SHARD)
        game.declare(Glow)
        self.do: dict[Stage, Do] = {}
        self.tick = TICK
        for stage in Stage:
            game.system(stage)(self._system(stage))

        @game.model(Motion, reads=(Tag,))
        def speed_up(own: Rows) -> None:
            own[Motion].vx += PUSH * own.dt

        @game.model(Motion, reads=(Stick,))
        def steer(own: Rows) -> None:
            own[Motion].vy += PUSH * own.dt * own[Stick].ahead

        @game.model(Motion, reads=(Stick,), stage=Stage.TICK)
        def toss(own: Rows) -> None:
            motion, pressed = own[Motion], own[Stick].toss
            for nth in range(2):
                place = Motion(x=motion.x + 10 * nth, y=motion.y, vx=SHOT_SPEED)
                own.spawn(self.shot, pressed > nth, place, Fuse(by=own.id))

        declared = declare(game)
        self.schema = schema_of(declared)
        rng = np.random.default_rng(1)
        self.simulation = Simulation(
            declared, self.schema, RULES, rng, limits or Limits(), strict=True
        )
        if ids:
            self.simulation.apply(GrantIds(FIRST, ids), TICK)

    def _system(self, stage: Stage) -> Callable[[Step], None]:
        def act(step: Step) -> None:
            self.do.pop(stage, do_nothing)(step)

        act.__name__ = f"act_{stage.value}"
        return act

    def put(self, net_id: int = 1, *, epoch: int = 1, **values: float) -> None:
        row = self.schema.first[[1]].copy()
        row["id"], row["epoch"], row["tick"] = net_id, epoch, self.tick
        for name, value in values.items():
            row[name] = value
        self.simulation.apply(Adopt(self.tick, row.tobytes(), b""), self.tick)

    def put_drone(
        self,
        net_id: int = 9,
        *,
        epoch: int = 1,
        inputs: bytes = b"",
        flown: int = 40,
        ticks: int | None = None,
    ) -> None:
        """Put a drone there as it was some ticks ago; its pilot has the control epoch 3."""
        row = self.schema.first[[3]].copy()
        ticks = len(inputs) // INPUT_SIZE if ticks is None else ticks
        row["id"], row["epoch"], row["tick"] = net_id, epoch, self.tick - ticks
        row["control_epoch"], row["input_seq"] = 3, flown
        self.simulation.apply(Adopt(self.tick, row.tobytes(), inputs), self.tick)

    def hold(self, first: int, *records: int) -> None:
        """Let the pilot of the drone hold records of controls."""
        self.simulation.take_input(RoutedInput(9, Input(3, first, records)))

    def run(self, ticks: int = 1) -> dict[int, list[np.void]]:
        """Let ticks pass: what the last of them proposes, by what it is."""
        proposed: dict[int, list[np.void]] = {}
        for _ in range(ticks):
            self.tick += 1
            self.simulation.step(self.tick)
            self.messages = self.simulation.collect_proposals(self.tick)
            runs = [decode_proposal_untrusted(self.schema, m)[1] for m, _ in self.messages]
            proposed = {}
            for what, rows in (run for runs_of_one in runs for run in runs_of_one):
                proposed.setdefault(what, []).extend(rows)
        return proposed

    def spawn(self, stage: Stage = Stage.TICK, **motion: float) -> dict[int, list[np.void]]:
        """Let a tick pass in which a shot is spawned."""
        self.do[stage] = lambda step: step.spawn(self.shot, Motion(**motion))
        return self.run()

    def ack(self) -> None:
        self.simulation.proposals_acked([tag for _, tag in self.messages if tag is not None])

    def ids(self) -> list[int]:
        bodies = self.simulation.bodies
        return sorted(bodies.columns.net_id[bodies.rows()].tolist())

    def value(self, net_id: int, name: str) -> float:
        columns = self.simulation.bodies.columns
        return float(columns[name][columns.rows_of([net_id])[0]])


def of(rows: list[np.void], name: str = "id") -> list[int]:
    return [int(row[name]) for row in rows]


# -- on the shard ---------------------------------------------------------------------------------


def test_what_is_spawned_comes_after_its_stage_under_the_ids_that_were_given() -> None:
    shard, seen = Shard(), []
    given: list[int] = []

    def spawn(step: Step) -> None:
        given.extend(step.spawn(shard.shot, Motion(x=[10.0, 30.0]), Fuse(left=4)).tolist())
        seen.append(len(step.rows(shard.shot)))

    shard.do[Stage.TICK] = spawn
    shard.do[Stage.SETTLE] = lambda step: seen.append(len(step.rows(shard.shot)))
    shard.run()
    assert given == shard.ids() == [FIRST, FIRST + 1]
    assert seen == [0, 2]
    assert [shard.value(net_id, "x") for net_id in given] == [10.0, 30.0]
    assert shard.value(FIRST, LEFT) == 4.0


@pytest.mark.parametrize("stage", [Stage.TICK, Stage.CONTACT, Stage.SETTLE])
def test_a_newborn_neither_moves_nor_touches_before_the_next_tick(stage: Stage) -> None:
    shard = Shard()
    shard.put()
    (whole,) = shard.spawn(stage, x=3.0, vx=60.0)[WHOLE]
    assert (whole["x"], whole["vx"], whole["tick"]) == (3.0, 60.0, shard.tick)
    assert shard.value(1, "x") == 0.0
    shard.run(2)
    assert shard.value(FIRST, "vx") > 60.0
    assert shard.value(1, "x") != 0.0


def test_systems_of_later_stages_may_write_what_was_spawned() -> None:
    shard = Shard()

    def burn(step: Step) -> None:
        step[Fuse].left[step.rows(shard.shot)] = 2.5

    shard.do[Stage.SETTLE] = burn
    (whole,) = shard.spawn()[WHOLE]
    assert whole[LEFT] == 2.5


def test_what_is_despawned_goes_after_its_stage() -> None:
    shard, seen = Shard(), []
    shard.put(1)
    shard.put(2, x=100.0)

    def end(step: Step) -> None:
        rows = step.find([1])
        step.despawn(np.repeat(rows, 2))
        seen.append(len(step.rows(shard.stone)))

    shard.do[Stage.CONTACT] = end
    shard.do[Stage.SETTLE] = lambda step: seen.append(len(step.rows(shard.stone)))
    assert of(shard.run()[GONE]) == [1]
    assert (seen, shard.ids()) == ([2, 1], [2])


def test_who_gets_the_row_of_one_that_ended_has_nothing_of_it() -> None:
    shard, contacts = Shard(), []
    shard.put(1)
    shard.put(2, x=8.0, vx=-5.0)

    def count(step: Step) -> None:
        contacts.append(len(step.contacts(shard.stone, Motion)))

    def replace(step: Step) -> None:
        step.despawn(step.find([1]))
        step.spawn(shard.drone, Motion(x=50.0))

    def wait(step: Step) -> None:
        shard.do[Stage.SUBSTEP] = replace

    shard.do[Stage.CONTACT] = count
    shard.run()
    # In the second step of the tick: they touched in the first, which is not settled yet.
    shard.do[Stage.SUBSTEP], shard.do[Stage.CONTACT] = wait, count
    shard.run()
    assert contacts == [2, 0]
    assert shard.ids() == [2, FIRST]


def test_nobody_holds_what_the_pilot_of_one_that_ended_has_held() -> None:
    shard, held = Shard(), []
    row = shard.schema.first[[3]].copy()
    row["id"], row["epoch"], row["tick"], row["control_epoch"] = 9, 1, TICK, 1
    shard.simulation.apply(Adopt(TICK, row.tobytes(), b""), TICK)
    shard.simulation.take_input(RoutedInput(9, Input(1, 1, (1, 1))))

    def replace(step: Step) -> None:
        held.append(step[Stick].ahead[step.rows(shard.drone)].tolist())
        step.despawn(step.rows(shard.drone))
        step.spawn(shard.drone)

    def look(step: Step) -> None:
        held.append(step[Stick].ahead[step.rows(shard.drone)].tolist())

    shard.do[Stage.TICK], shard.do[Stage.SETTLE] = replace, look
    shard.run()
    assert held == [[1], [0]]


def test_what_is_spawned_is_put_into_its_range_and_no_faster_than_anything_may_be() -> None:
    shard = Shard()
    shard.do[Stage.TICK] = lambda step: step.spawn(
        shard.shot, Motion(vx=240.0, vy=240.0, heading=4.0), Fuse(left=99)
    )
    (whole,) = shard.run()[WHOLE]
    assert np.hypot(whole["vx"], whole["vy"]) == pytest.approx(RULES.speed_max)
    assert (whole["heading"], whole[LEFT]) == (pytest.approx(4.0 - 2 * np.pi), 10.0)


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (
            lambda shard, step: step.spawn(shard.stone),
            "kind stone may not be spawned by shards: say spawned_by=SHARD",
        ),
        (
            lambda shard, step: step.spawn(shard.shot, Tag(number=1)),
            r"spawn\(shot\): the writer of Tag is the authority: it begins as the kind has it",
        ),
        (lambda shard, step: step.spawn(shard.shot, Motion(x=np.nan)), r"motion\.x is nan"),
        (lambda shard, step: step.spawn(shard.shot, Label()), r"it has no Label; it has Motion"),
        (
            lambda shard, step: step.despawn(step.find([1, 77])),
            r"despawn: 1 of 2 rows are none of this shard's: take them from step\.rows",
        ),
    ],
)
def test_what_may_not_be_asked_for_ends_the_shard_in_words(
    do: Callable[[Shard, Step], object], words: str
) -> None:
    shard = Shard()
    shard.put()
    shard.do[Stage.TICK] = lambda step: do(shard, step)
    with pytest.raises(GameFailedError, match=words) as caught:
        shard.run()
    assert caught.value.what == "system lives.act_tick"


# -- what models spawn ----------------------------------------------------------------------------


def keys_of(shard: Shard, rows: list[np.void]) -> list[tuple[int, ...]]:
    """Which inputs have spawned entities, of those that say so."""
    bit = 1 << shard.schema.numbers[PREDICTED.name]
    return [
        tuple(int(row[name]) for name in KEY_FIELDS[1:])
        for row in rows
        if int(row["differs"]) & bit
    ]


def log_of(first: int, *records: int) -> bytes:
    """What the pilot of the drone has held, for whoever adopts it."""
    rows = np.array([(9, first + at, record) for at, record in enumerate(records)], INPUT_ROW)
    return rows.tobytes()


def test_what_a_model_spawns_says_which_input_it_comes_from() -> None:
    shard = Shard()
    shard.put_drone()
    shard.hold(41, 0, TWICE, TOSS)
    assert WHOLE not in shard.run()
    first, second = shard.run()[WHOLE]
    assert keys_of(shard, [first, second]) == [(3, 42, 0), (3, 42, 1)]
    assert (second["x"] - first["x"], first["tick"], first[BY]) == (10.0, shard.tick, 9)
    assert first["by_id"] == 9
    shard.ack()
    assert keys_of(shard, shard.run()[WHOLE]) == [(3, 43, 0)]


def test_what_a_system_spawns_says_nothing_of_inputs() -> None:
    shard = Shard()
    assert keys_of(shard, shard.spawn()[WHOLE]) == []


def test_who_adopts_a_pilot_spawns_again_what_its_inputs_spawn() -> None:
    shard = Shard()
    shard.put_drone(inputs=log_of(41, TOSS, 0, 0))
    (whole,) = shard.run()[WHOLE]
    assert keys_of(shard, [whole]) == [(3, 41, 0)]
    # In the first of three ticks gone by; then it has flown straight on.
    assert whole["x"] == pytest.approx(3 * SHOT_SPEED * RULES.tick_s)
    assert whole["tick"] == shard.tick


def test_the_newest_of_the_first_inputs_of_a_pilot_is_not_late_for_who_adopts_it() -> None:
    shard = Shard()
    shard.put_drone(inputs=log_of(1, TOSS, 0), flown=0, ticks=5)
    (whole,) = shard.run()[WHOLE]
    # In the last of five ticks gone by, since the second input is for the next one.
    assert whole["x"] == pytest.approx(SHOT_SPEED * RULES.tick_s)
    shard.ack()
    shard.hold(3, TOSS)
    assert keys_of(shard, shard.run()[WHOLE]) == [(3, 3, 0)]


def test_what_is_spawned_in_a_tick_gone_by_hits_who_was_in_its_way() -> None:
    shard = Shard()
    shard.put(x=10.0)
    shard.run(8)
    # It has flown through all of the stone by now.
    shard.put_drone(inputs=log_of(41, TOSS, 0, 0, 0, 0, 0, 0, 0))
    (whole,) = shard.run()[WHOLE]
    assert whole["x"] > 10.0 + 5.0 + 1.0
    shard.run()
    # Of one mass, and half of the speed is kept.
    assert shard.value(1, "vx") == pytest.approx(0.75 * SHOT_SPEED, rel=0.1)
    assert shard.value(int(whole["id"]), "x") < shard.value(1, "x") - 5.9


def test_children_are_where_their_parents_are_when_a_tick_begins() -> None:
    shard, seen = Shard(), list[np.ndarray]()
    shard.put_drone(inputs=log_of(41, AHEAD, AHEAD, AHEAD))
    mast = shard.schema.first[[4]].copy()
    mast["id"], mast["epoch"], mast["tick"], mast["of"] = 10, 1, shard.tick - 3, 9
    shard.simulation.apply(Adopt(shard.tick, mast.tobytes(), b""), shard.tick)
    shard.do[Stage.TICK] = lambda step: seen.append(step[Motion].y[step.find([9, 10])])
    shard.run()
    ((of_drone, of_mast),) = seen
    assert of_mast == of_drone > 0


def test_who_adopts_a_pilot_spawns_nothing_that_is_there_already() -> None:
    shard = Shard()
    shot = shard.schema.first[[2]].copy()
    shot["id"], shot["epoch"], shot["tick"] = 77, 1, TICK
    write_keys(shot, 9, 3, 41, 0)
    shot["differs"] = 1 << shard.schema.numbers[PREDICTED.name]
    shard.simulation.show_ghosts([(TICK, shot)], TICK)
    shard.put_drone(inputs=log_of(41, TWICE))
    assert keys_of(shard, shard.run()[WHOLE]) == [(3, 41, 1)]


def test_an_entity_that_comes_back_begins_to_count_anew() -> None:
    shard = Shard()
    shard.put_drone()
    shard.hold(41, TOSS)
    shard.run()
    shard.do[Stage.TICK] = lambda step: step.despawn(step.rows(shard.shot))
    shard.run()
    released = np.array([(9, 2)], [("id", "<u4"), ("epoch", "<u4")])
    shard.simulation.apply(Release(shard.tick, released.tobytes()), shard.tick)
    shard.put_drone(epoch=3, inputs=log_of(41, TOSS))
    assert keys_of(shard, shard.run()[WHOLE]) == [(3, 41, 0)]


def test_a_model_that_spawns_what_it_may_not_is_named() -> None:
    shard = Shard()
    shard.shot = shard.stone
    shard.put_drone()
    shard.hold(41, TOSS)
    with pytest.raises(GameFailedError, match="kind stone may not be spawned by shards") as caught:
        shard.run()
    assert caught.value.what == "model lives.toss"


# -- how many, and their ids ----------------------------------------------------------------------


def test_a_system_that_spawns_ten_thousand_a_tick_gets_what_it_may() -> None:
    shard = Shard(ids=60_000, limits=Limits(spawns_per_s=200.0))
    came = []
    for _ in range(3):
        shard.do[Stage.TICK] = lambda step: came.append(
            int((step.spawn(shard.shot, count=10_000) > 0).sum())
        )
        shard.run()
    assert came == [200, 10, 10]
    assert len(shard.ids()) == 220
    assert shard.simulation.statistics().spawns_refused == 30_000 - 220


def test_a_kind_has_a_bound_of_its_own() -> None:
    shard, came = Shard(per_s_max=20.0), []

    def spawn(step: Step) -> None:
        came.append((step.spawn(shard.shot, count=30) > 0).tolist())
        came.append((step.spawn(shard.drone, count=30) > 0).tolist())

    shard.do[Stage.TICK] = spawn
    shard.run()
    assert came == [[True] * 20 + [False] * 10, [True] * 30]


def test_without_ids_nobody_comes_and_half_of_them_given_it_asks_for_more() -> None:
    shard, came = Shard(ids=0), []

    def spawn(count: int) -> None:
        shard.do[Stage.TICK] = lambda step: came.append(
            step.spawn(shard.shot, count=count).tolist()
        )
        shard.run()

    spawn(2)
    assert (came.pop(), shard.simulation.collect_answers()) == ([0, 0], [])
    shard.simulation.apply(GrantIds(10, 4), shard.tick)
    spawn(1)
    assert (came.pop(), shard.simulation.collect_answers()) == ([10], [])
    spawn(1)
    assert (came.pop(), shard.simulation.collect_answers()) == ([11], [AskIds()])
    assert shard.simulation.collect_answers() == []
    shard.simulation.apply(GrantIds(40, 4), shard.tick)
    spawn(5)
    assert (came.pop(), shard.simulation.collect_answers()) == (
        [12, 13, 40, 41, 42],
        [AskIds()],
    )
    spawn(3)
    assert came.pop() == [43, 0, 0]


@pytest.mark.parametrize(("first", "count"), [(0, 5), (7, 0), (2**31 - 2, 3), (2**31, 1)])
def test_ids_that_are_none_are_malformed(first: int, count: int) -> None:
    shard = Shard(ids=0)
    with pytest.raises(WireError, match=f"{count} ids from {first}"):
        shard.simulation.apply(GrantIds(first, count), TICK)


# -- what is proposed -----------------------------------------------------------------------------


def test_a_spawn_is_proposed_whole_until_it_is_acked_and_as_it_is_by_then() -> None:
    shard = Shard()
    first, later = shard.spawn(vx=60.0), shard.run()
    assert (of(first[WHOLE]), of(later[WHOLE])) == ([FIRST], [FIRST])
    assert (of(first[WHOLE], "tick"), of(later[WHOLE], "tick")) == ([TICK + 1], [TICK + 2])
    assert later[WHOLE][0]["vx"] > 60.0
    assert set(later) == {WHOLE}, "rows of its components wait for the ack"
    shard.ack()
    assert WHOLE not in shard.run()


def test_what_has_changed_since_the_whole_that_was_acked_follows_it() -> None:
    shard = Shard()
    number = shard.schema.numbers["test_lives_fuse"]
    shard.spawn()
    acked = [tag for _, tag in shard.messages if tag is not None]

    def burn(step: Step) -> None:
        step[Fuse].left[step.rows(shard.shot)] -= 1

    shard.do[Stage.SETTLE] = burn
    assert set(shard.run()) == {WHOLE}
    shard.simulation.proposals_acked(acked)
    proposed = shard.run()
    assert [float(row[LEFT]) for row in proposed[number]] == [8.0]
    shard.ack()
    assert number not in shard.run()


def test_no_more_wholes_leave_in_a_tick_than_may_and_all_do_in_turn() -> None:
    shard = Shard(limits=Limits(wholes_per_tick=4))
    shard.do[Stage.TICK] = lambda step: step.spawn(shard.drone, count=10)
    sent = [of(shard.run()[WHOLE]) for _ in range(5)]
    assert [len(some) for some in sent] == [4] * 5
    assert {net_id for some in sent[:3] for net_id in some} == set(range(FIRST, FIRST + 10))


def test_a_whole_that_was_lost_is_sent_again_however_much_is_spawned() -> None:
    shard = Shard(limits=Limits(wholes_per_tick=4))
    shard.put(1)
    shard.do[Stage.TICK] = lambda step: step.give(step.find([1]), Glow())
    assert of(shard.run()[WHOLE]) == [1]
    sent = []
    for _ in range(RULES.streams.reorder_ticks + 2):
        shard.do[Stage.TICK] = lambda step: step.spawn(shard.drone, count=4)
        sent += of(shard.run()[WHOLE])
    assert 1 in sent


def test_an_end_is_proposed_with_its_epoch_until_it_is_acked() -> None:
    shard = Shard()
    shard.put(7, epoch=3)
    shard.do[Stage.TICK] = lambda step: step.despawn(step.rows())
    first, later = shard.run(), shard.run()
    assert [tuple(row.tolist()) for row in first[GONE]] == [(7, 3, TICK + 1)]
    assert of(later[GONE]) == [7]
    shard.ack()
    assert shard.run() == {}


def test_who_ends_before_anybody_has_heard_of_it_is_proposed_to_nobody() -> None:
    shard = Shard()
    shard.do[Stage.TICK] = lambda step: step.spawn(shard.shot)
    shard.do[Stage.SETTLE] = lambda step: step.despawn(step.rows(shard.shot))
    assert shard.run() == {}
    assert shard.ids() == []


def test_who_ends_before_its_spawn_was_acked_is_proposed_as_gone_alone() -> None:
    shard = Shard()
    shard.spawn()
    shard.do[Stage.SETTLE] = lambda step: step.despawn(step.rows(shard.shot))
    assert set(shard.run()) == {GONE}


def test_one_that_is_given_back_after_it_ended_is_simulated_again() -> None:
    shard = Shard()
    shard.put(7, epoch=3)
    shard.do[Stage.TICK] = lambda step: step.despawn(step.rows())
    shard.run()
    shard.put(7, epoch=4)
    shard.do[Stage.TICK] = lambda step: step.despawn(step.rows())
    proposed = shard.run()
    assert sorted(of(proposed[GONE], "epoch")) == [3, 4]


def test_a_refused_spawn_is_released() -> None:
    shard = Shard()
    shard.spawn()
    gone = np.array([[FIRST, 2]], "<u4")
    shard.simulation.apply(Release(shard.tick, gone.tobytes()), shard.tick)
    assert shard.ids() == []
    assert shard.run() == {}


# -- what entities have ---------------------------------------------------------------------------


def test_what_is_given_is_there_after_the_stage_and_proposed_with_the_whole() -> None:
    shard, seen = Shard(), []
    shard.put(1)
    shard.put(2, x=100.0)

    def give(step: Step) -> None:
        step.give(step.find([2, 1]), Glow(level=[3.0, 4.0]))
        seen.append(len(step.rows(Glow)))

    shard.do[Stage.TICK] = give
    shard.do[Stage.SETTLE] = lambda step: seen.append(len(step.rows(Glow)))
    proposed = shard.run()
    assert seen == [0, 2]
    assert set(proposed) == {WHOLE}
    assert {int(row["id"]): float(row[LEVEL]) for row in proposed[WHOLE]} == {1: 4.0, 2: 3.0}
    number = shard.schema.numbers["test_lives_glow"]
    assert of(proposed[WHOLE], "differs") == [1 << number] * 2
    shard.ack()
    assert shard.run() == {}


def test_rows_of_what_was_taken_are_proposed_no_more() -> None:
    shard = Shard()
    shard.put(1)
    shard.do[Stage.TICK] = lambda step: step.give(step.find([1]), Glow(level=3))
    shard.run()
    shard.ack()

    def shine(step: Step) -> None:
        step[Glow].level[step.rows(Glow)] = 5.0

    shard.do[Stage.TICK] = shine
    assert set(shard.run()) == {shard.schema.numbers["test_lives_glow"]}
    shard.do[Stage.TICK] = lambda step: step.take(step.find([1]), Glow)
    (whole,) = shard.run()[WHOLE]
    assert (whole["differs"], whole[LEVEL]) == (0, 2.0)
    shard.ack()
    assert shard.run() == {}


def test_a_component_of_the_kind_may_be_taken_and_given_back() -> None:
    shard = Shard()
    shard.put(1)
    fuse = 1 << shard.schema.numbers["test_lives_fuse"]
    for do, differs in (
        (lambda step: step.take(step.rows(), Fuse), fuse),
        (lambda step: step.give(step.rows(), Fuse(left=1)), 0),
    ):
        shard.do[Stage.TICK] = do
        (whole,) = shard.run()[WHOLE]
        assert whole["differs"] == differs
    assert shard.value(1, LEFT) == 1.0


def test_a_gift_to_one_whose_spawn_was_sent_does_not_hide_its_end() -> None:
    shard = Shard()
    shard.spawn()
    shard.do[Stage.TICK] = lambda step: step.give(step.rows(shard.shot), Glow())
    shard.do[Stage.SETTLE] = lambda step: step.despawn(step.rows(shard.shot))
    assert of(shard.run()[GONE]) == [FIRST]


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (lambda step: step.give(step.rows(), Tag()), "give: the writer of Tag is the authority"),
        (lambda step: step.take(step.rows(), Tag), "take: the writer of Tag is the authority"),
        (lambda step: step.take(step.rows(), Motion), "an entity has a Motion or has none for"),
        (lambda step: step.give(step.rows(), Body()), "an entity has a Body or has none for all"),
        (lambda step: step.give(step.rows(), Stray()), r"stray is not declared: say part\.declare"),
        (lambda step: step.give(step.rows(), Glow(level=99)), "level is outside of its range"),
        (lambda step: step.give([0], Glow(level=[1.0, 2.0])), "has 2 values for 1 rows"),
        (lambda step: step.give([5], Glow()), "give: 1 of 1 rows are none of this shard's"),
    ],
)
def test_what_can_not_be_given_or_taken_ends_the_shard_in_words(do: Do, words: str) -> None:
    shard = Shard()
    shard.put(1)
    shard.do[Stage.TICK] = do
    with pytest.raises(GameFailedError, match=words):
        shard.run()


def test_what_the_authority_decides_changes_what_it_writes_and_nothing_else() -> None:
    shard = Shard()
    shard.put(1, epoch=3)
    amended = shard.schema.first[[1]].copy()
    amended["id"], amended["epoch"], amended["x"], amended[LEFT] = 1, 3, 900.0, 1.0
    amended[NUMBER], amended["name"] = 7, b"rock"
    tag, fuse = (1 << shard.schema.numbers[f"test_lives_{name}"] for name in ("tag", "fuse"))
    amended["differs"] = tag | fuse
    shard.simulation.apply(Amend(TICK, amended.tobytes()), TICK)
    tags: list[list[int]] = []
    shard.do[Stage.TICK] = lambda step: tags.append(step[Tag].number[step.rows(Tag, Fuse)].tolist())
    assert set(shard.run()) == {1}, "who has a tag is pushed, and nothing else is news"
    assert tags == [[7]]
    assert (abs(shard.value(1, "x")) < 1.0, shard.value(1, LEFT)) == (True, 9.0)
    later = amended.copy()
    later["epoch"], later[NUMBER] = 2, 8
    shard.simulation.apply(Amend(TICK, later.tobytes()), TICK)
    assert shard.value(1, NUMBER) == 7


def test_one_group_never_touches_itself_and_a_group_is_the_own_id_if_none_is_given() -> None:
    shard = Shard()
    shard.put(1)
    touched: list[list[int]] = []

    def look(step: Step) -> None:
        found = step.contacts(shard.shot, shard.stone)
        touched.append(step.id[found.a].tolist())

    shard.do[Stage.TICK] = lambda step: step.spawn(
        shard.shot, Motion(x=[2.0, -2.0]), Body(group=[1, 0])
    )
    shard.run()
    shard.do[Stage.CONTACT] = look
    shard.run()
    assert touched == [[FIRST + 1]]

    def regroup(step: Step) -> None:
        step[Body].group[step.rows(shard.shot)] = 0

    shard.do[Stage.SETTLE] = regroup
    shard.run()
    shard.do[Stage.CONTACT] = look
    shard.run()
    assert sorted(touched[1]) == [FIRST, FIRST + 1]
