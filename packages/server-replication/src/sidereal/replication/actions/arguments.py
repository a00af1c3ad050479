"""From the bytes of a call to an action and its arguments, checked by the action's signature."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from sidereal.game.logic import Action, Asker
from sidereal.protocol.errors import WireError
from sidereal.protocol.message.codec import UNREADABLE

_PLACE: Final = re.compile(r"\$\[(\d+)\]")
"""How msgspec names an element of an array."""


class UnknownActionError(WireError):
    """The game has no such action for who asks."""


class ArgumentsError(WireError):
    """The arguments are not those of the action."""


class Signatures:
    """The actions of one game, and what they take."""

    def __init__(self, actions: Sequence[Action]) -> None:
        self._actions = {action.name: action for action in actions}
        self._calls = msgspec.msgpack.Decoder(list[msgspec.Raw])
        self._decoders = {
            action.name: msgspec.msgpack.Decoder(action.arguments) for action in actions
        }

    def find_untrusted(self, name: str, by: Asker) -> Action:
        """Find an action.

        Args:
            name: of the action.
            by: who asks for it.

        Raises:
            UnknownActionError: there is none that may be asked for like that.
        """
        action = self._actions.get(name)
        if action is None or by not in action.asked_by:
            raise UnknownActionError("there is no such action")
        return action

    def split_untrusted(self, arguments: bytes) -> list[bytes]:
        """Take the arguments of several calls apart.

        Raises:
            ArgumentsError: they are no list.
        """
        try:
            return [bytes(call) for call in self._calls.decode(arguments)]
        except UNREADABLE as error:
            raise ArgumentsError(str(error)) from None

    def read_untrusted(self, action: Action, arguments: bytes) -> tuple[Any, ...]:
        """Read the arguments of an action, in their order.

        Raises:
            ArgumentsError: they are not what its signature says, or a number is none.
        """
        names = () if action.arguments is None else action.arguments.__struct_fields__
        try:
            read = self._decoders[action.name].decode(arguments)
            finite = _is_finite(msgspec.to_builtins(read))
        except UNREADABLE as error:
            text = _PLACE.sub(lambda found: _name_of(names, int(found[1])), str(error))
            raise ArgumentsError(text) from None
        if not finite:
            raise ArgumentsError("a number is not finite")
        return tuple(getattr(read, name) for name in names)


def _name_of(names: Sequence[str], place: int) -> str:
    return names[place] if place < len(names) else f"argument {place + 1}"


def _is_finite(value: Any) -> bool:
    """Tell whether all numbers in something are finite; it was a kilobyte at most."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, (*value.keys(), *value.values())))
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return True
