"""Passwords as argon2 hashes, made in threads, one at a time.

A hash costs 20 MB and 25 ms of a processor. One at a time, logins never take the processors away
from the world. Addresses take turns: an address that sends many passwords waits behind its own, and
everybody else waits for one hash of each address that waits too.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, TypeVar

import argon2
import trio

from sidereal.protocol.errors import SiderealError

T = TypeVar("T")

_HASHER: Final = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
HASH_OF_NOBODY: Final = (
    "$argon2id$v=19$m=19456,t=2,p=1"
    "$MonSMtn5wPFgoVCgTAPGdg$9et0Baqs3lJU3cprPEq76NN7nuMUnZTjuwm2fJNoNts"
)
"""Verified in place of an unknown account's, for the time it takes."""


@dataclass(frozen=True, slots=True)
class HashLimits:
    """Numbers that only tuning decides.

    Attributes:
        waiting_max: passwords that may wait for their turn; a connection whose password waits can't
            be ended for another.
        waiting_here_max: of one address.
        waiting_alike_max: of one account at one address.
    """

    waiting_max: int = 64
    waiting_here_max: int = 24
    waiting_alike_max: int = 4

    def __post_init__(self) -> None:
        assert 0 < self.waiting_alike_max <= self.waiting_here_max <= self.waiting_max


class BusyError(SiderealError):
    """No more passwords can be judged now."""


class _Waiting(NamedTuple):
    """Somebody who waits for a turn."""

    account: str
    turn: trio.Event


class Turns:
    """One at a time, and addresses in turn."""

    def __init__(self, limits: HashLimits) -> None:
        self._limits = limits
        self._taken = False
        self._waiting: OrderedDict[str, deque[_Waiting]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, network: str, account: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it while the context is open.

        Args:
            network: where the password comes from.
            account: whose it should be.

        Raises:
            BusyError: too many wait.
        """
        if self._taken:
            await self._wait(network, account)
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, network: str, account: str) -> None:
        limits = self._limits
        here = self._waiting.get(network, deque())
        alike = sum(other.account == account for other in here)
        everywhere = sum(map(len, self._waiting.values()))
        if (
            alike >= limits.waiting_alike_max
            or len(here) >= limits.waiting_here_max
            or everywhere >= limits.waiting_max
        ):
            raise BusyError("too many people are logging in; try again in a moment")
        mine = _Waiting(account, trio.Event())
        here.append(mine)
        self._waiting[network] = here
        try:
            await mine.turn.wait()
        except trio.Cancelled:
            if mine.turn.is_set():
                self._pass_on()
            else:
                here.remove(mine)
                if not here:
                    del self._waiting[network]
            raise

    def _pass_on(self) -> None:
        """Give the turn to the address whose last one is longest ago."""
        self._taken = bool(self._waiting)
        if self._waiting:
            network, here = self._waiting.popitem(last=False)
            here.popleft().turn.set()
            if here:
                self._waiting[network] = here


class Passwords:
    """Hashes and verifies passwords, in turn."""

    def __init__(self, limits: HashLimits) -> None:
        self._turns = Turns(limits)

    async def hash(self, password: str, network: str, account: str) -> str:
        """Make what is kept of a password.

        Args:
            password: of somebody who registers.
            network: where it comes from.
            account: whose it will be.

        Raises:
            BusyError: too many wait, or the machine has no room.
        """
        return await self._in_thread(partial(_HASHER.hash, password), network, account)

    async def verify(self, password_hash: str, password: str, network: str, account: str) -> bool:
        """Tell whether this is the password that the hash was made of.

        Raises:
            BusyError: too many wait, or the machine has no room.
        """
        return await self._in_thread(partial(_verify, password_hash, password), network, account)

    async def _in_thread(self, work: Callable[[], T], network: str, account: str) -> T:
        async with self._turns.turn(network, account):
            try:
                return await trio.to_thread.run_sync(work)
            except (RuntimeError, argon2.exceptions.Argon2Error) as error:
                # The machine has no room for another thread, or for what a hash needs.
                text = "no password can be hashed now; try again in a moment"
                raise BusyError(text) from error


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except argon2.exceptions.VerifyMismatchError:
        return False
