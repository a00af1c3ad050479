"""Accounts promised to sessions that are on their way."""

from __future__ import annotations

from sidereal.replication.links.reservations import Reservations


def test_of_two_that_ask_at_the_same_instant_the_first_is_promised_the_account() -> None:
    reservations = Reservations(hold_s=15.0, count_max=10)
    assert reservations.take(1, now=0.0)
    assert not reservations.take(1, now=0.0)
    assert reservations.take(2, now=0.0)


def test_a_promise_ends_with_its_time() -> None:
    reservations = Reservations(hold_s=15.0, count_max=10)
    reservations.take(1, now=0.0)
    assert not reservations.take(1, now=14.9)
    assert reservations.take(1, now=15.0)
    assert not reservations.take(1, now=29.9)


def test_promises_have_a_limit_and_old_ones_make_room() -> None:
    reservations = Reservations(hold_s=15.0, count_max=2)
    assert [reservations.take(account, now=account) for account in (1, 2, 3)] == [True, True, False]
    assert reservations.take(3, now=16.0)
