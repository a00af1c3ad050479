"""Clients that read a world without its game, against the real authority in virtual time."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest
from drifters import drifters

from sidereal.client import events
from sidereal.client.limits import LIMITS
from sidereal.client.statistics import SessionState
from sidereal.game import (
    EVERYONE,
    F4,
    I1,
    U2,
    Component,
    Controls,
    Game,
    Held,
    axis,
    field,
    hold,
)
from sidereal.game.declarations import Declarations, declare
from sidereal.game.described import Described
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.message.player import Refused, Role

from .returners import GAME, STEP_S, Pilot, Rig


class Hull(Component, name="tests.hull"):
    plates: F4 = field(40, low=0, high=100, quantum=0.5)
    marks: U2


class Tiller(Controls, name="tests.tiller"):
    lean: I1 = axis("W", "S", steps=2)
    anchor: Held = hold("X")


barges = Game("barges", parts=[drifters])
barges.extend(drifters.kinds[0], Hull())
barges.declare(Tiller)
BARGES: Final = declare(barges)
ANCHOR: Final = 1 << 3
"""A record of these controls that holds the anchor."""
THRUST_AND_LEFT: Final = 0b101
"""A record of the game that ships, and of no other here."""


def entered(rig: Rig, role: Role = Role.PLAYER) -> Pilot:
    """A client without a game that has found its way into the world."""
    pilot = rig.enter(role=role, game=None)
    rig.run(2.0)
    assert pilot.client.state is SessionState.JOINED
    return pilot


def test_a_client_without_a_game_reads_the_world_by_its_second_session() -> None:
    rig = Rig(game=BARGES)
    pilot = entered(rig)
    assert pilot.flies
    assert len(pilot.asked_at) == pilot.client.sessions == 2
    assert not pilot.seen(events.Lost)
    assert pilot.client.absence is None
    assert pilot.seen(events.WorldDescribed) == [events.WorldDescribed("")]
    game = pilot.client.game
    assert isinstance(game, Described)
    assert game.schema.hash == schema_of(BARGES).hash
    view = pilot.client.view(rig.now)
    assert [game.kinds[number - 1].name for number in view.kind.tolist()] == ["drifter"] * 2
    assert set(view.name.tolist()) == {b"wreck", b"pilot 1"}
    (hull,) = [each for each in game.components if each.record_name == "tests_hull"]
    assert view[hull].plates.tolist() == [40.0, 40.0]


def test_it_comes_again_at_once_and_that_is_no_failure() -> None:
    rig = Rig(game=BARGES)
    pilot = rig.enter(game=None)
    rig.run_until(lambda: bool(pilot.seen(events.WorldDescribed)), 2.0)
    described_at = rig.now
    rig.run_until(lambda: len(pilot.asked_at) == 2, 1.0)
    assert rig.now - described_at <= 2 * STEP_S
    assert pilot.client.absence is None


def test_it_steers_and_predicts_nothing() -> None:
    rig = Rig(game=BARGES)
    pilot = entered(rig)
    pilot.client.hold(ANCHOR)
    rig.run(1.0)
    core, client = rig.core, pilot.client.client
    assert core is not None
    assert client is not None
    assert core.clients.dropped["malformed"] == 0
    assert client.statistics().inputs >= 15
    assert client.statistics().position_error_units == 0.0
    assert client.take_position_errors() == []


def test_an_observer_without_a_game_sees_the_world() -> None:
    rig = Rig(game=BARGES)
    observer = entered(rig, Role.OBSERVER)
    assert observer.client.view(rig.now).name.tolist() == [b"wreck"]


def test_a_client_of_another_game_is_told_how_the_world_differs_from_it() -> None:
    rig = Rig(game=BARGES)
    pilot = rig.enter(any_world=True)
    rig.run(2.0)
    assert pilot.flies
    [described] = pilot.seen(events.WorldDescribed)
    assert isinstance(described, events.WorldDescribed)
    assert "the server has a component tests_hull, which is not known here" in described.difference


def test_a_client_of_the_worlds_own_game_plays_that() -> None:
    rig = Rig()
    pilot = rig.enter(any_world=True)
    rig.run(2.0)
    assert pilot.flies
    assert pilot.client.game is GAME
    assert pilot.client.sessions == 1


def test_who_wants_its_own_game_only_is_refused_by_another_world() -> None:
    rig = Rig(game=BARGES)
    pilot = rig.enter()
    rig.run(2.0)
    [ended] = pilot.seen(events.Ended)
    assert isinstance(ended, events.Ended)
    assert ended.reason is CloseReason.SCHEMA_MISMATCH
    assert ended.text.startswith("the game here is not the server's: ")


def flies_in(pilot: Pilot, game: Declarations | None) -> bool:
    """Whether it flies in the world of a game, None for one as described; all is of one world."""
    view, played = pilot.client.view(pilot.rig.now), pilot.client.game
    for component in played.components:
        assert component.audience is not EVERYONE or len(view) == 0 or view[component]
    return pilot.flies and (isinstance(played, Described) if game is None else played is game)


def test_a_restart_with_another_game_is_followed_and_so_is_the_way_back() -> None:
    rig = Rig()
    pilot = rig.enter(any_world=True)
    rig.run(LIMITS.steady_s + 1.0)
    pilot.client.hold(THRUST_AND_LEFT)
    rig.start_server(BARGES)
    rig.run_until(lambda: flies_in(pilot, None), 30.0)
    # What was held would be no record of these controls.
    rig.run(LIMITS.steady_s + 1.0)
    core = rig.core
    assert core is not None
    assert core.clients.dropped["malformed"] == 0
    assert len(pilot.client.view(rig.now)) == 2
    rig.start_server()
    rig.run_until(lambda: flies_in(pilot, GAME), 30.0)
    assert len(pilot.seen(events.WorldDescribed)) == 1
    assert not pilot.seen(events.Ended)


def refuse(rig: Rig, *descriptions: bytes) -> None:
    """Let the server refuse every newcomer, with one description after another."""
    core, left = rig.core, list(descriptions)
    assert core is not None

    def refused(player: object, message: object) -> None:
        if isinstance(message, Refused):
            description = left.pop(0) if len(left) > 1 else left[0]
            message = msgspec.structs.replace(message, description=description)
        send(player, message)  # type: ignore[arg-type]

    send = core.clients.send
    core.clients.send = refused  # type: ignore[method-assign, assignment]


DRIFTERS: Final = schema_of(declare(drifters)).description
HOSTILE: Final = {
    "it does not describe it": b"",
    "no description": b"\xc1",
    "a kind drifter without a place": msgspec.structs.replace(
        DRIFTERS, kinds=(msgspec.structs.replace(DRIFTERS.kinds[0], components=(2, 4)),)
    ).encode(),
}


@pytest.mark.parametrize("said", HOSTILE)
def test_a_description_of_no_world_ends_it_with_a_reason(said: str) -> None:
    rig = Rig(game=BARGES)
    refuse(rig, HOSTILE[said])
    pilot = rig.enter(game=None)
    rig.run(2.0)
    [ended] = pilot.seen(events.Ended)
    assert isinstance(ended, events.Ended)
    assert ended.reason is CloseReason.SCHEMA_MISMATCH
    assert ended.text.startswith(f"the server's world can't be read: {said}")
    assert len(pilot.asked_at) == 1


def test_who_is_refused_by_the_world_that_was_described_goes() -> None:
    rig = Rig(game=BARGES)
    refuse(rig, DRIFTERS.encode())
    pilot = rig.enter(game=None)
    rig.run(10.0)
    [ended] = pilot.seen(events.Ended)
    assert isinstance(ended, events.Ended)
    assert ended.text == (
        "the server's world can't be read: it refuses the world that it describes"
    )
    assert len(pilot.asked_at) == 2


def test_who_is_told_of_another_world_every_time_asks_more_and_more_rarely() -> None:
    rig = Rig(game=BARGES)
    refuse(rig, *[DRIFTERS.encode(), schema_of(GAME).description.encode()] * 500)
    pilot = rig.enter(game=None)
    rig.run(60.0)
    assert pilot.client.state is not SessionState.ENDED
    assert 8 <= len(pilot.asked_at) <= 40
    assert pilot.client.absence is not None
    assert pilot.client.absence.reason == "another world"
