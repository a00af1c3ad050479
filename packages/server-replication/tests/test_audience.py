"""Who hears a line, and how many."""

from __future__ import annotations

import pytest

from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.replication.limits import LIMITS
from sidereal.replication.links.audience import Audience, Listeners
from sidereal.replication.links.players import Player, PlayerState

RULES = Rules()
NEAR = RULES.view_radius_cells
BURST, PER_S = LIMITS.players.heard_burst, LIMITS.players.heard_per_s


def listener(row: int, *centre: int, state: PlayerState = PlayerState.JOINED) -> Player:
    player = Player(row + 1, -1, Role.PLAYER, f"pilot {row}", since=0.0, deadline=5.0)
    player.row, player.state = row, state
    player.centre = (centre[0], centre[1]) if centre else None
    return player


def audience(*players: Player) -> Audience:
    audience = Audience(RULES, 8)
    for player in players:
        audience.join(player.row, 0.0)
    audience.begin(players, 0.0)
    return audience


def heard_by(audience: Audience, speaker: Player) -> list[int]:
    return [player.row for player in audience.hear(speaker, Listeners.NEAR).listeners]


@pytest.mark.parametrize("place", [(NEAR, 0), (-NEAR, 0), (0, NEAR), (0, -NEAR), (NEAR, NEAR)])
def test_a_line_is_heard_by_who_has_the_speaker_in_view(place: tuple[int, int]) -> None:
    speaker, near = listener(0, 7, -3), listener(1, 7 + place[0], -3 + place[1])
    x, y = (step + (step > 0) - (step < 0) for step in place)
    far = listener(2, 7 + x, -3 + y)
    assert heard_by(audience(speaker, near, far), speaker) == [0, 1]


def test_who_has_no_window_yet_hears_nothing_and_says_it_to_itself() -> None:
    speaker, fresh = listener(0, 0, 0), listener(1)
    everybody = audience(speaker, fresh, listener(2, 0, 0, state=PlayerState.LEAVING))
    assert heard_by(everybody, speaker) == [0]
    assert heard_by(everybody, fresh) == [1]


def test_a_listener_hears_a_burst_and_then_as_many_as_time_allows() -> None:
    speaker, other = listener(0, 0, 0), listener(1, 0, 0)
    everybody = audience(speaker, other)
    lines = [everybody.hear(speaker, Listeners.NEAR) for _ in range(int(BURST) + 2)]
    assert [len(line.listeners) for line in lines] == [2] * int(BURST) + [1, 1]
    assert [line.dropped for line in lines] == [0] * int(BURST) + [1, 1]
    everybody.begin([speaker, other], 1.5 / PER_S)
    assert [len(everybody.hear(speaker, Listeners.NEAR).listeners) for _ in range(2)] == [2, 1]
    everybody.begin([speaker, other], 1e6)
    heard = [len(everybody.hear(speaker, Listeners.NEAR).listeners) for _ in range(int(BURST) + 1)]
    assert heard == [2] * int(BURST) + [1]


def test_a_line_for_all_is_heard_wherever_one_looks_and_one_for_nobody_by_who_says_it() -> None:
    speaker, far, fresh = listener(0, 0, 0), listener(1, 900, 900), listener(2)
    everybody = audience(speaker, far, fresh)
    assert [p.row for p in everybody.hear(speaker, Listeners.ALL).listeners] == [0, 1]
    assert [p.row for p in everybody.hear(speaker, Listeners.NOBODY).listeners] == [0]


def test_who_has_left_hears_nothing_and_is_heard_all_the_same() -> None:
    speaker, other = listener(0, 0, 0, state=PlayerState.LEAVING), listener(1, 0, 0)
    everybody = audience(speaker, other)
    assert heard_by(everybody, speaker) == [1]
