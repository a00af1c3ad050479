"""What bots hold."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.message.player import BUTTONS_ALL, Button
from sidereal.tools.bots.behaviour import BEHAVIOURS, Wander, make_behaviour


def decisions(seed: int, count: int) -> list[tuple[int, float]]:
    wander = Wander(np.random.default_rng(seed))
    return [wander.decide() for _ in range(count)]


def test_the_same_seed_wanders_alike() -> None:
    assert decisions(7, 100) == decisions(7, 100)
    assert decisions(7, 100) != decisions(8, 100)


def test_a_wanderer_uses_every_control_it_should_and_never_fires() -> None:
    seen = Button(0)
    for buttons, hold_s in decisions(1, 500):
        assert 0 <= buttons <= BUTTONS_ALL
        assert 0.1 < hold_s < 5.0
        seen |= Button(buttons)
    assert seen == Button.THRUST | Button.LEFT | Button.RIGHT | Button.BRAKE


def test_a_wanderer_gets_somewhere() -> None:
    thrust_s = sum(hold_s for buttons, hold_s in decisions(3, 400) if buttons & Button.THRUST)
    whole_s = sum(hold_s for _, hold_s in decisions(3, 400))
    assert 0.2 < thrust_s / whole_s < 0.7


def test_an_idle_bot_holds_nothing() -> None:
    assert make_behaviour("idle", np.random.default_rng(0)).decide()[0] == 0


def test_an_unknown_behaviour_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="wander"):
        make_behaviour("dance", np.random.default_rng(0))
    assert {"wander", "idle"} <= set(BEHAVIOURS)
