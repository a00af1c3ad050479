"""How often an address and an account may try: guessing is stopped before a password is hashed.

A login takes three tries: one of the account at its address, one of the address, and one of the
account wherever it is used. A right password gives all of them back, so only wrong ones count.
Whoever has proved to own an account at an address (by its password, or by registering it there) is
not held up there by what others do. So nobody can lock a player out by trying an account, or by
trying from the player's address.

Tries come back one by one. Only one number per key is kept: when all of its tries will be there
again. There is a limit to the keys that are kept; beyond it the least recently used are forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tries:
    """How often something may be tried.

    Attributes:
        count: in a row.
        every_s: until another one is there.
    """

    count: int
    every_s: float

    def __post_init__(self) -> None:
        assert self.count > 0
        assert self.every_s > 0


@dataclass(frozen=True, slots=True)
class ThrottleLimits:
    """Numbers that only tuning decides.

    Attributes:
        login_here: wrong passwords of an account from an address.
        login_anywhere: wrong passwords of an account, whatever the address.
        logins: wrong passwords from an address, whatever the account.
        registrations: new accounts from an address; a load of fifty bots makes as many in a row.
        anonymous: sessions without an account for an address.
        requests: of an address, of any kind; one too many waits.
        request_wait_s_max: how long it may have to; else it is answered with 429.
        keys_max: addresses, accounts and pairs kept, each.
    """

    login_here: Tries = Tries(10, 10.0)
    login_anywhere: Tries = Tries(50, 10.0)
    logins: Tries = Tries(10, 5.0)
    registrations: Tries = Tries(64, 2.0)
    anonymous: Tries = Tries(64, 1.0)
    requests: Tries = Tries(200, 0.01)
    request_wait_s_max: float = 5.0
    keys_max: int = 16_384


class Rate:
    """Tries by key."""

    def __init__(self, tries: Tries, keys_max: int) -> None:
        self._tries = tries
        self._keys_max = keys_max
        self._whole_at: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._whole_at)

    def wait_s(self, key: tuple[str, ...], now: float) -> float:
        """Say how long until there is a try; 0 when there is one."""
        whole_at = self._whole_at.get(key, now)
        return max(0.0, whole_at - now - (self._tries.count - 1) * self._tries.every_s)

    def take(self, key: tuple[str, ...], now: float) -> None:
        """Take a try."""
        self._whole_at[key] = max(self._whole_at.get(key, now), now) + self._tries.every_s
        self._whole_at.move_to_end(key)
        if len(self._whole_at) > self._keys_max:
            self._whole_at.popitem(last=False)

    def queue_s(self, key: tuple[str, ...], now: float, wait_s_max: float) -> float | None:
        """Take a try that may come later.

        Returns:
            in how many seconds it is there; None when that is too late, and none was taken.
        """
        wait_s = self.wait_s(key, now)
        if wait_s > wait_s_max:
            return None
        self.take(key, now)
        return wait_s

    def give_back(self, key: tuple[str, ...]) -> None:
        """Give back a try that was taken."""
        if key in self._whole_at:
            self._whole_at[key] -= self._tries.every_s

    def forget(self, key: tuple[str, ...]) -> None:
        """Let a key have all its tries again."""
        self._whole_at.pop(key, None)


class Throttle:
    """Tries of all addresses and accounts."""

    def __init__(self, limits: ThrottleLimits) -> None:
        self._limits = limits
        self._here = Rate(limits.login_here, limits.keys_max)
        self._anywhere = Rate(limits.login_anywhere, limits.keys_max)
        self._logins = Rate(limits.logins, limits.keys_max)
        self._registrations = Rate(limits.registrations, limits.keys_max)
        self._anonymous = Rate(limits.anonymous, limits.keys_max)
        self._proved: OrderedDict[tuple[str, str], None] = OrderedDict()

    def statistics(self) -> dict[str, int]:
        """Count the keys that are kept."""
        return {
            "accounts_here": len(self._here),
            "accounts": len(self._anywhere),
            "addresses": len(self._logins),
            "registering": len(self._registrations),
            "anonymous": len(self._anonymous),
            "proved": len(self._proved),
        }

    def take_login(self, network: str, account: str, now: float) -> float:
        """Take what a login needs.

        Args:
            network: where it comes from, as `network_of` gives it.
            account: the folded name.
            now: monotonic seconds.

        Returns:
            0, or how many seconds to wait; then nothing was taken.
        """
        rates: list[tuple[Rate, tuple[str, ...]]] = [(self._here, (network, account))]
        if (network, account) not in self._proved:
            rates += [(self._logins, (network,)), (self._anywhere, (account,))]
        return _take(rates, now)

    def prove(self, network: str, account: str) -> None:
        """Take in that somebody at an address is an account's owner."""
        if (network, account) not in self._proved:
            self._logins.give_back((network,))
            self._anywhere.give_back((account,))
        self._here.forget((network, account))
        self._proved[network, account] = None
        self._proved.move_to_end((network, account))
        if len(self._proved) > self._limits.keys_max:
            self._proved.popitem(last=False)

    def give_back_login(self, network: str, account: str) -> None:
        """Give back what a login took that could not be judged."""
        self._here.give_back((network, account))
        if (network, account) not in self._proved:
            self._logins.give_back((network,))
            self._anywhere.give_back((account,))

    def take_registration(self, network: str, now: float) -> float:
        """Take what a new account needs; gives the seconds to wait, or 0."""
        return _take([(self._registrations, (network,))], now)

    def take_anonymous(self, network: str, now: float) -> float:
        """Take what a session without an account needs; gives the seconds to wait, or 0."""
        return _take([(self._anonymous, (network,))], now)


def _take(rates: Sequence[tuple[Rate, tuple[str, ...]]], now: float) -> float:
    wait_s = max(rate.wait_s(key, now) for rate, key in rates)
    if not wait_s:
        for rate, key in rates:
            rate.take(key, now)
    return wait_s
