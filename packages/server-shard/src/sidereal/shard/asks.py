"""What systems ask the authority for: actions, on behalf of the shard's own entities.

What is asked for in a tick leaves together, when the whole tick has been simulated. It travels once
and nobody answers: an action shows in what it has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.game.logic import SYSTEMS, Action
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.limits import ARGUMENTS_SIZE_MAX, ASKED_TOGETHER
from sidereal.protocol.message.codec import ASKED_ROW
from sidereal.protocol.message.shard import Asked


class Asks:
    """What is asked for in this tick.

    Attributes:
        dropped: calls beyond the most that may be made in a tick.
    """

    def __init__(self, actions: Iterable[Action], per_tick_max: int) -> None:
        self.dropped = 0
        self._actions = {action.function: action for action in actions}
        self._per_tick_max = per_tick_max
        self._count = 0
        self._waiting: dict[str, list[tuple[int, int, Any]]] = {}

    def add(
        self,
        function: Callable[..., None],
        ids: NDArray[np.uint32],
        epochs: NDArray[np.uint32],
        arguments: Mapping[str, ArrayLike],
    ) -> None:
        """Ask for an action.

        Args:
            function: of the action.
            ids: uint32[n], on whose behalf.
            epochs: uint32[n], under which they are simulated.
            arguments: by name, one for all or [n].

        Raises:
            LocalProtocolError: systems may not ask for it, or it takes other arguments.
        """
        action = self._actions.get(function)
        name = getattr(function, "__name__", repr(function))
        if action is None or action.arguments is None:
            raise LocalProtocolError(
                f"ask: {name} is no action: say @part.action(asked_by=SYSTEMS)"
            )
        if SYSTEMS not in action.asked_by:
            raise LocalProtocolError(f"ask: {name} is for players: say asked_by=SYSTEMS")
        values = {key: _listed(name, key, value, len(ids)) for key, value in arguments.items()}
        room = self._per_tick_max - self._count
        self.dropped += max(0, len(ids) - room)
        waiting = self._waiting.setdefault(action.name, [])
        # Those who ask, not all that there are: 2 µs each.
        for at, (net_id, epoch) in enumerate(
            islice(zip(ids.tolist(), epochs.tolist(), strict=True), max(0, room))
        ):
            try:
                call = action.arguments(**{key: listed[at] for key, listed in values.items()})
            except TypeError as error:
                raise LocalProtocolError(f"ask({name}): {error}") from None
            if len(msgspec.msgpack.encode(call)) > ARGUMENTS_SIZE_MAX:
                raise LocalProtocolError(
                    f"ask({name}): arguments have {ARGUMENTS_SIZE_MAX} bytes at most"
                )
            waiting.append((net_id, epoch, call))
            self._count += 1

    def take(self) -> list[Asked]:
        """Give up what was asked for in this tick, as messages."""
        waiting, self._waiting, self._count = self._waiting, {}, 0
        return [
            Asked(
                name,
                np.array([call[:2] for call in piece], ASKED_ROW).tobytes(),
                msgspec.msgpack.encode([call[2] for call in piece]),
            )
            for name, calls in waiting.items()
            for piece in (
                calls[at : at + ASKED_TOGETHER] for at in range(0, len(calls), ASKED_TOGETHER)
            )
        ]


def _listed(action: str, name: str, value: ArrayLike, count: int) -> list[Any]:
    """Give an argument for each of n calls, as plain Python values."""
    array = np.asarray(value)
    if array.ndim == 0:
        return [array.item()] * count
    if array.shape != (count,):
        raise LocalProtocolError(
            f"ask({action}): {name} has shape {array.shape}, and {count} rows ask"
        )
    listed: list[Any] = array.tolist()
    return listed
