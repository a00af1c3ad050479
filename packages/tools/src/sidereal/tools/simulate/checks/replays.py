"""Ships that are handed over, flown on by their inputs to where a new owner begins.

After the last input that had come a ship flies on by its buttons for a few ticks, and then by
none. If none is in its row yet, it is not known which tick the first was for: the newest that had
come has the new owner's first tick, those before it the ticks before that, and until then the ship
flies by none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from sidereal.tools.simulate.checks import physics
from sidereal.tools.simulate.checks.physics import State
from sidereal.tools.simulate.game import Laws
from sidereal.tools.simulate.ledger import Mark


class Given(NamedTuple):
    """The row with which a body is handed over, or with which the authority began with it."""

    tick: int
    state: np.ndarray
    control_epoch: int
    input_seq: int


def replay(
    held: Mapping[Mark, int],
    net_id: int,
    given: Given,
    ticks: int,
    laws: Laws,
    guesses_max: int,
    first: int = 0,
) -> Iterator[tuple[State, int]]:
    """Fly a ship on by its inputs, as far as they may have come.

    Args:
        held: what was held, by mark.
        net_id: of the ship.
        given: with which it was handed over.
        ticks: how many.
        laws: how everything moves.
        guesses_max: ticks that it flies on by the last buttons.
        first: input that is known; none before it is.

    Returns:
        states, and the newest input in each.
    """
    begun, seq = physics.state_of(given.state), given.input_seq
    pilot = Mark(net_id, given.control_epoch, seq)
    # Without the input in the row there is nothing to go on by, but what that was guessed by.
    yield _fly_on(begun, 0, ticks, laws), seq
    if seq == 0:
        yield from _replay_first(held, pilot, begun, ticks, laws, max(first, 1))
        return
    state, buttons = begun, 0
    for came in range(1 - guesses_max, ticks + 1):
        newest = held.get(pilot._replace(input_seq=seq + came))
        if newest is None:
            if came > 0:
                return
            continue
        buttons = newest if seq + came >= first else buttons
        state = physics.fly(state, buttons, laws) if came > 0 else state
        left = ticks - max(came, 0)
        guesses = min(left, guesses_max + min(came, 0))
        end = _fly_on(_fly_on(state, buttons, guesses, laws), 0, left - guesses, laws)
        yield end, seq + max(came, 0) + guesses


def _replay_first(
    held: Mapping[Mark, int], pilot: Mark, begun: State, ticks: int, laws: Laws, first: int
) -> Iterator[tuple[State, int]]:
    """Fly a ship on likewise by the first inputs of its pilot."""
    flown: list[int] = []
    while len(flown) <= ticks:
        buttons = held.get(pilot._replace(input_seq=first + len(flown)))
        if buttons is None:
            return
        state = _fly_on(begun, 0, ticks - len(flown), laws)
        for one in flown:
            state = physics.fly(state, one, laws)
        yield state, first + len(flown) - 1
        flown.append(buttons)


def _fly_on(state: State, buttons: int, ticks: int, laws: Laws) -> State:
    for _ in range(ticks):
        state = physics.fly(state, buttons, laws)
    return state
