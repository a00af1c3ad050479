"""Passwords as argon2 hashes, made in threads.

Few at a time: a hash costs 20 MB and 25 ms of a processor, and logins never take the processors
away from the world.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import argon2
import trio

from sidereal.protocol.errors import SiderealError

T = TypeVar("T")

HASHES_MAX: Final = 1
"""Passwords hashed at once: one processor stays with the world."""
HASHES_WAITING_MAX: Final = 64
"""Logins that may wait for their turn; one more is told to come back."""

_HASHER: Final = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
HASH_OF_NOBODY: Final = (
    "$argon2id$v=19$m=19456,t=2,p=1"
    "$MonSMtn5wPFgoVCgTAPGdg$9et0Baqs3lJU3cprPEq76NN7nuMUnZTjuwm2fJNoNts"
)
"""Verified in place of an unknown account's, for the time it takes."""


class BusyError(SiderealError):
    """Too many people are logging in."""


class Passwords:
    """Hashes and verifies passwords, in turn."""

    def __init__(self) -> None:
        self._turns = trio.CapacityLimiter(HASHES_MAX)

    async def hash(self, password: str) -> str:
        """Make what is kept of a password.

        Raises:
            BusyError: too many wait.
        """
        return await self._in_thread(partial(_HASHER.hash, password))

    async def verify(self, password_hash: str, password: str) -> bool:
        """Tell whether this is the password that the hash was made of.

        Raises:
            BusyError: too many wait.
        """
        return await self._in_thread(partial(_verify, password_hash, password))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._turns.statistics().tasks_waiting >= HASHES_WAITING_MAX:
            raise BusyError("too many people are logging in; try again in a moment")
        return await trio.to_thread.run_sync(work, limiter=self._turns)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except argon2.exceptions.VerifyMismatchError:
        return False
