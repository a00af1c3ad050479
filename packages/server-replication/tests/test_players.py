"""Players' inputs are checked for epoch, rate and sequence."""

from __future__ import annotations

from sidereal.protocol.limits import INPUT_SEQ_MAX
from sidereal.protocol.message.inputs import Input
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.replication.limits import LIMITS
from sidereal.replication.links.players import (
    ROW_NONE,
    InputVerdict,
    Player,
    Players,
)

RULES = Rules()


def pilot(now: float = 0.0) -> Player:
    player = Player(1, 5, Role.PLAYER, "ada", since=now, deadline=now + 5.0)
    player.fly(42, control_epoch=9, now=now)
    return player


def pressed(first_seq: int, *records: int, control_epoch: int = 9) -> Input:
    return Input(control_epoch, first_seq, records or (0,))


def test_inputs_of_the_right_epoch_are_routed_once() -> None:
    player = pilot()
    assert player.judge_input(pressed(1, 1, 1), RULES, 0.0) is InputVerdict.ROUTED
    assert player.judge_input(pressed(1, 1, 1), RULES, 0.0) is InputVerdict.REPEATED
    assert player.judge_input(pressed(1, 1, 1, 1), RULES, 0.1) is InputVerdict.ROUTED


def test_inputs_for_a_former_ship_are_refused() -> None:
    player = pilot()
    verdict = player.judge_input(pressed(1, control_epoch=8), RULES, 0.0)
    assert verdict is InputVerdict.OLD_EPOCH


def test_inputs_without_a_ship_are_refused() -> None:
    player = Player(1, 5, Role.OBSERVER, "eve", since=0.0, deadline=5.0)
    assert player.judge_input(pressed(1), RULES, 0.0) is InputVerdict.NOT_FLYING


def test_a_clock_that_runs_too_fast_is_stopped() -> None:
    player = pilot(10.0)
    assert player.judge_input(pressed(100), RULES, 10.0) is InputVerdict.ROUTED
    burst = 100 + LIMITS.players.controls_burst_ticks
    assert player.judge_input(pressed(burst + 2), RULES, 10.0) is InputVerdict.TOO_FAST
    assert player.judge_input(pressed(burst), RULES, 10.0) is InputVerdict.ROUTED
    assert player.judge_input(pressed(burst + 21), RULES, 11.0) is InputVerdict.ROUTED


def test_inputs_that_all_come_late_are_not_too_fast() -> None:
    player = pilot(10.0)
    # Its clock is fast by 1 %; nothing was taken in for two seconds after it had got its ship.
    for seq in range(1, 10 * RULES.tick_hz):
        now = max(12.0, 10.0 + seq / (1.01 * RULES.tick_hz))
        assert player.judge_input(pressed(seq), RULES, now) is InputVerdict.ROUTED


def test_inputs_beyond_the_last_number_are_refused() -> None:
    player = pilot()
    beyond = pressed(INPUT_SEQ_MAX, 0, 0)
    assert player.judge_input(beyond, RULES, 0.0) is InputVerdict.BEYOND_LAST
    assert player.judge_input(pressed(INPUT_SEQ_MAX), RULES, 0.0) is InputVerdict.ROUTED


def test_seats_in_the_world_are_used_again() -> None:
    players = Players(clients_max=1)
    ada, eve = (Player(peer, 0, Role.PLAYER, "ada", 0.0, 5.0) for peer in (1, 2))
    assert players.seat(ada) is None
    assert ada.row == 0
    assert players.seat(eve) == "the world is full: all 1 seats are taken"
    ada.centre = 1, 1
    players.unseat(ada)
    assert players.seat(eve) is None
    assert eve.row == 0
    assert ada.row == ROW_NONE
    assert ada.centre is None


def crowd(players: Players, count: int, network: str, account: int = -1) -> list[str | None]:
    """So many clients of an address ask for a seat."""
    answers = []
    for _ in range(count):
        peer = len(players) + 1
        player = Player(peer, account, Role.PLAYER, "x", 0.0, 5.0, network)
        players.add(player)
        answers.append(players.seat(player))
    return answers


def test_anonymous_players_of_one_address_get_a_share_and_accounts_have_seats_left() -> None:
    players = Players(clients_max=40)
    answers = crowd(players, 40, "home")
    assert answers.count(None) == 10
    assert answers[-1] == "10 play from this address without an account: log in with an account"
    answers = [answer for n in range(30) for answer in crowd(players, 1, f"address {n}")]
    assert answers.count(None) == 20
    assert answers[-1] == "all seats without an account are taken: log in with an account"
    assert crowd(players, 11, "home", account=7) == [None] * 10 + [
        "the world is full: all 40 seats are taken"
    ]


def test_an_anonymous_player_who_leaves_makes_room_for_another() -> None:
    players = Players(clients_max=40)
    crowd(players, 11, "home")
    seated = next(player for player in players if player.row != ROW_NONE)
    players.unseat(seated)
    players.remove(seated.peer)
    assert crowd(players, 2, "home")[0] is None


def test_a_small_world_has_seats_for_a_few_anonymous_players_of_one_address() -> None:
    for clients_max, anonymous in ((1, 1), (3, 3), (5, 4), (8, 4), (16, 4), (20, 5)):
        assert crowd(Players(clients_max), 20, "home").count(None) == anonymous
