"""What the player asks for: calls that have no receipt yet, over all sessions.

A call that was sent may have been done, although no receipt came: its session ended, or the server
did. So every call that has no receipt is sent again in the next session, under the same key; the
server does it once all the same. `NOT_NOW` is an answer to a call that was sent once: nothing was
done. To one that was sent before it says nothing about what became of it then, so that one is sent
again after a while, until there is another answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from sidereal.client.limits import LIMITS, Limits
from sidereal.game.logic import PLAYERS, Action
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.limits import ARGUMENTS_SIZE_MAX, CALL_KEY_SIZE
from sidereal.protocol.message.player import Call, Outcome, Receipt


@dataclass(slots=True)
class _Open:
    """A call that has no receipt yet.

    Attributes:
        sessions: in how many it was sent.
        again_at: when it is sent again, monotonic seconds; None while an answer is awaited.
    """

    call: Call
    sessions: int = 0
    again_at: float | None = None


class Calls:
    """The calls of one player."""

    def __init__(
        self,
        actions: Iterable[Action],
        entropy: Callable[[int], bytes],
        limits: Limits = LIMITS,
    ) -> None:
        self._actions = {action.name: action for action in actions if PLAYERS in action.asked_by}
        self._entropy = entropy
        self._limits = limits
        self._open: dict[bytes, _Open] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, name: str, arguments: dict[str, Any]) -> Call:
        """Make a call, which waits for its receipt from now on.

        Raises:
            LocalProtocolError: the game has no such action, it takes other arguments, they are too
                large, or too many calls wait.
        """
        action = self._actions.get(name)
        if action is None or action.arguments is None:
            known = ", ".join(self._actions) or "none"
            raise LocalProtocolError(f"there is no action {name}; there are: {known}")
        try:
            packed = msgspec.msgpack.encode(action.arguments(**arguments))
        except TypeError as error:
            raise LocalProtocolError(f"{name}: {error}") from None
        if len(packed) > ARGUMENTS_SIZE_MAX:
            raise LocalProtocolError(
                f"{name}: {len(packed)} bytes of arguments; there is room for {ARGUMENTS_SIZE_MAX}"
            )
        if len(self._open) >= self._limits.calls:
            raise LocalProtocolError(f"{name}: {len(self._open)} calls wait for their receipts")
        call = Call(self._entropy(CALL_KEY_SIZE), name, packed)
        self._open[call.key] = _Open(call)
        return call

    def begin_session(self) -> list[Call]:
        """Give the calls that are to be sent at the beginning of a session, in their order."""
        for waiting in self._open.values():
            waiting.sessions += 1
            waiting.again_at = None
        return [waiting.call for waiting in self._open.values()]

    def sent(self, call: Call) -> None:
        """Note that a new call has been sent."""
        self._open[call.key].sessions += 1

    def answer(self, receipt: Receipt, now: float) -> Call | None:
        """Take a receipt.

        Returns:
            the call, which waits no longer; None if it does, or nobody asked.
        """
        waiting = self._open.get(receipt.key)
        if waiting is None:
            return None
        if receipt.outcome is Outcome.NOT_NOW and waiting.sessions > 1:
            waiting.again_at = now + self._limits.call_again_s
            return None
        del self._open[receipt.key]
        return waiting.call

    def take_due(self, now: float) -> list[Call]:
        """Give the calls that are to be sent again by now."""
        due = [w for w in self._open.values() if w.again_at is not None and w.again_at <= now]
        for waiting in due:
            waiting.again_at = None
        return [waiting.call for waiting in due]

    def next_timer(self) -> float | None:
        """When a call is to be sent again; None: there is none."""
        times = (waiting.again_at for waiting in self._open.values())
        return min((at for at in times if at is not None), default=None)
