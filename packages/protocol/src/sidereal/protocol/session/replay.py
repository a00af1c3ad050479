"""Replay protection: a sliding window over received sequence numbers."""

from __future__ import annotations

from typing import Final

from sidereal.protocol.limits import REPLAY_WINDOW_SIZE

_MASK: Final = (1 << REPLAY_WINDOW_SIZE) - 1


class ReplayWindow:
    """The newest sequence number received, and which of the ones before it.

    Bit `i` of the window says that `newest - i` was received. Everything is written as a
    difference: a sum with the size of the window would leave 64 bits near 2^64.

    Source: netcode 1.02 STANDARD.md, Replay Protection; IMPLEMENTERS.md, 1.
    """

    __slots__ = ("_bits", "newest")

    def __init__(self) -> None:
        self.newest = -1
        """Newest sequence number received; whatever is above it is no replay."""
        self._bits = 0

    def is_replay(self, sequence: int) -> bool:
        """Tell whether a packet was already received, or is too old to tell."""
        age = self.newest - sequence
        if age < 0:
            return False
        return age >= REPLAY_WINDOW_SIZE or bool(self._bits >> age & 1)

    def advance(self, sequence: int) -> None:
        """Note a packet that is authentic and no replay."""
        age = self.newest - sequence
        if age == -1:
            self._bits = (self._bits << 1 | 1) & _MASK
            self.newest = sequence
            return
        if age >= REPLAY_WINDOW_SIZE:
            return
        if age >= 0:
            self._bits |= 1 << age
            return
        # The leap comes off the wire: a shift by it as it stands could ask for 2^60 bytes.
        leap = min(-age, REPLAY_WINDOW_SIZE)
        self._bits = (self._bits << leap | 1) & _MASK
        self.newest = sequence
