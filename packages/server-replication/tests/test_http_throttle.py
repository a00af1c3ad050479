"""Who tries passwords is stopped before the hash, and nobody else is."""

from __future__ import annotations

import pytest
import trio

from sidereal.replication.http.passwords import BusyError, HashLimits, Passwords, Turns
from sidereal.replication.http.throttle import Rate, Throttle, ThrottleLimits, Tries
from sidereal.replication.links.networks import network_of

LIMITS = ThrottleLimits(
    login_here=Tries(10, 10.0), login_anywhere=Tries(30, 10.0), logins=Tries(20, 5.0)
)


def try_often(
    throttle: Throttle, network: str, account: str, count: int, now: float
) -> list[float]:
    return [throttle.take_login(network, account, now) for _ in range(count)]


# -- tries -----------------------------------------------------------------------------------


def test_the_eleventh_wrong_password_in_a_row_waits_for_the_first_to_be_forgotten() -> None:
    throttle = Throttle(LIMITS)
    assert try_often(throttle, "a", "ann", 12, 100.0) == [0.0] * 10 + [10.0] * 2
    assert throttle.take_login("a", "ann", 109.9) == pytest.approx(0.1)
    assert throttle.take_login("a", "ann", 110.0) == 0.0
    assert throttle.take_login("a", "ann", 110.0) == 10.0


def test_a_right_password_gives_all_tries_back() -> None:
    throttle = Throttle(LIMITS)
    for _ in range(5):
        try_often(throttle, "a", "ann", 9, 0.0)
        assert throttle.take_login("a", "ann", 0.0) == 0.0
        throttle.prove("a", "ann")
    assert try_often(throttle, "a", "ann", 11, 0.0)[-1] == 10.0


def test_wrong_passwords_of_many_accounts_use_up_an_address() -> None:
    throttle = Throttle(LIMITS)
    waits = [throttle.take_login("a", f"pilot {n}", 0.0) for n in range(21)]
    assert waits == [0.0] * 20 + [5.0]
    assert throttle.take_login("b", "pilot 21", 0.0) == 0.0


def test_wrong_passwords_from_many_addresses_use_up_an_account() -> None:
    throttle = Throttle(LIMITS)
    waits = [throttle.take_login(f"address {n}", "ann", 0.0) for n in range(31)]
    assert waits == [0.0] * 30 + [10.0]
    assert throttle.take_login("address 0", "ben", 0.0) == 0.0


def test_who_has_proved_to_own_an_account_here_is_not_held_up_by_others() -> None:
    throttle = Throttle(LIMITS)
    assert throttle.take_login("home", "ann", 0.0) == 0.0
    throttle.prove("home", "ann")
    for n in range(100):
        throttle.take_login(f"address {n}", "ann", 0.0)
        throttle.take_login("home", f"pilot {n}", 0.0)
    assert throttle.take_login("elsewhere", "ann", 0.0) > 0.0
    assert throttle.take_login("home", "ben", 0.0) > 0.0
    assert try_often(throttle, "home", "ann", 11, 0.0) == [0.0] * 10 + [10.0]


def test_a_login_that_could_not_be_judged_costs_nothing() -> None:
    throttle = Throttle(LIMITS)
    for _ in range(50):
        assert throttle.take_login("a", "ann", 0.0) == 0.0
        throttle.give_back_login("a", "ann")


def test_what_is_refused_takes_nothing() -> None:
    throttle = Throttle(LIMITS)
    try_often(throttle, "a", "ann", 1000, 0.0)
    assert throttle.take_login("a", "ann", 10.0) == 0.0
    assert throttle.take_login("a", "ben", 10.0) == 0.0


def test_a_load_of_fifty_new_bots_registers_in_a_row() -> None:
    throttle = Throttle(ThrottleLimits())
    waits = [throttle.take_registration("a", 0.0) for _ in range(65)]
    assert waits == [0.0] * 64 + [2.0]


def test_keys_are_forgotten_beyond_a_limit() -> None:
    throttle = Throttle(ThrottleLimits(keys_max=100))
    for n in range(1000):
        throttle.take_login(f"address {n}", f"pilot {n}", 0.0)
        throttle.prove(f"address {n}", f"pilot {n}")
        throttle.take_anonymous(f"address {n}", 0.0)
        throttle.take_registration(f"address {n}", 0.0)
    assert set(throttle.statistics().values()) <= {0, 100}


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("192.0.2.7:5000", "192.0.2.7"),
        ("[2001:DB8:1:2::9]:5000", "2001:db8:1:2::/64"),
        ("[2001:db8::1", "[2001:db8::1"),
        ("", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_addresses_of_one_household_count_as_one(host: str, network: str) -> None:
    assert network_of(host) == network


def test_requests_beyond_the_pace_wait_and_then_are_too_many() -> None:
    rate = Rate(Tries(3, 0.5), 10)
    waits = [rate.queue_s(("a",), 0.0, 1.2) for _ in range(8)]
    assert waits == [0.0, 0.0, 0.0, 0.5, 1.0, None, None, None]
    assert rate.queue_s(("b",), 0.0, 1.2) == 0.0
    assert rate.queue_s(("a",), 1.0, 1.2) == 0.5


# -- turns -----------------------------------------------------------------------------------


class Line:
    """People who wait for turns of a second each."""

    def __init__(self, limits: HashLimits | None = None) -> None:
        self.turns = Turns(limits or HashLimits())
        self.had: list[str] = []
        self.busy: list[str] = []

    async def wait(self, network: str, account: str, patience_s: float = 99.0) -> None:
        try:
            with trio.move_on_after(patience_s):
                async with self.turns.turn(network, account):
                    self.had.append(network)
                    await trio.sleep(1)
        except BusyError:
            self.busy.append(network)

    async def wait_all(self, people: list[tuple[str, str, float]]) -> None:
        async with trio.open_nursery() as nursery:
            for person in people:
                nursery.start_soon(self.wait, *person)
                await trio.lowlevel.checkpoint()  # they come one after the other


async def test_addresses_take_turns(autojump_clock: object) -> None:
    line = Line()
    await line.wait_all([(network, str(n), 99.0) for n, network in enumerate("aaaaaabbc")])
    assert "".join(line.had) == "aabcabaaa"
    assert trio.current_time() == 9.0


async def test_who_waits_no_longer_leaves_the_line(autojump_clock: object) -> None:
    line = Line()
    people = [("a", 9.0), ("b", 0.5), ("c", 1.5), ("d", 9.0), ("b", 9.0)]
    await line.wait_all([(network, network, patience_s) for network, patience_s in people])
    assert line.had == ["a", "b", "d"]
    async with line.turns.turn("e", "e"):
        pass


async def test_who_leaves_as_the_turn_comes_passes_it_on(autojump_clock: object) -> None:
    line = Line()
    await line.wait_all([("a", "a", 9.0), ("b", "b", 1.0), ("c", "c", 9.0)])
    assert [network for network in line.had if network != "b"] == ["a", "c"]


async def test_more_than_may_wait_are_told_to_come_back(autojump_clock: object) -> None:
    line = Line(HashLimits(waiting_max=5, waiting_here_max=3, waiting_alike_max=2))
    people = [("a", "1"), *[("a", "2")] * 3, ("a", "3"), ("a", "4"), *[("b", n) for n in "123"]]
    await line.wait_all([(network, account, 99.0) for network, account in people])
    assert "".join(line.busy) == "aab"


async def test_a_machine_without_room_for_a_thread_is_busy_and_no_turn_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run_sync(*_: object) -> str:
        raise RuntimeError("can't start new thread")

    passwords = Passwords(HashLimits())
    with monkeypatch.context() as patch:
        patch.setattr(trio.to_thread, "run_sync", run_sync)
        with pytest.raises(BusyError, match="try again in a moment"):
            await passwords.hash("correct horse", "here", "ann")
    kept = await passwords.hash("correct horse", "here", "ann")
    assert await passwords.verify(kept, "correct horse", "here", "ann")
