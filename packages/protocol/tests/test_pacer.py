from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from sidereal.protocol import limits
from sidereal.protocol.runtime.pacer import Pacer

TICK_S = 0.05


async def test_ticks_come_at_their_rate(autojump_clock: MockClock) -> None:
    pacer = Pacer(TICK_S)
    for number in range(1, 101):
        due_at = await pacer.wait_tick()
        assert due_at == pytest.approx(number * TICK_S)
        assert trio.current_time() == pytest.approx(number * TICK_S)
    assert pacer.dropped == 0


async def test_a_late_tick_does_not_move_the_next(autojump_clock: MockClock) -> None:
    pacer = Pacer(TICK_S)
    await pacer.wait_tick()
    await trio.sleep(0.7 * TICK_S)
    await pacer.wait_tick()
    assert trio.current_time() == pytest.approx(2 * TICK_S)
    await trio.sleep(1.3 * TICK_S)
    await pacer.wait_tick()
    assert trio.current_time() == pytest.approx(3.3 * TICK_S)
    await pacer.wait_tick()
    assert trio.current_time() == pytest.approx(4 * TICK_S)


async def test_missed_ticks_follow_back_to_back(autojump_clock: MockClock) -> None:
    pacer = Pacer(TICK_S)
    await trio.sleep((limits.TICKS_CATCH_UP_MAX + 0.5) * TICK_S)
    for _ in range(limits.TICKS_CATCH_UP_MAX):
        await pacer.wait_tick()
    assert trio.current_time() == pytest.approx((limits.TICKS_CATCH_UP_MAX + 0.5) * TICK_S)
    assert pacer.dropped == 0
    await pacer.wait_tick()
    assert trio.current_time() == pytest.approx((limits.TICKS_CATCH_UP_MAX + 1) * TICK_S)


async def test_after_a_long_stall_old_ticks_are_dropped_and_counted(
    autojump_clock: MockClock,
) -> None:
    pacer = Pacer(TICK_S)
    await trio.sleep(100.5 * TICK_S)
    ran = 0
    while trio.current_time() < 100.6 * TICK_S:
        await pacer.wait_tick()
        ran += 1
    assert trio.current_time() == pytest.approx(101 * TICK_S)
    assert ran + pacer.dropped == 101
    assert ran == limits.TICKS_CATCH_UP_MAX + 2


async def test_the_phase_can_be_shifted(autojump_clock: MockClock) -> None:
    pacer = Pacer(TICK_S)
    await pacer.wait_tick()
    pacer.shift(0.01)
    await pacer.wait_tick()
    assert trio.current_time() == pytest.approx(2 * TICK_S + 0.01)
    pacer.shift(-0.02)
    await pacer.wait_tick()
    assert trio.current_time() == pytest.approx(3 * TICK_S - 0.01)


async def test_ticks_can_be_iterated(autojump_clock: MockClock) -> None:
    times = []
    async for due_at in Pacer(TICK_S):
        times.append(due_at)
        if len(times) == 3:
            break
    assert times == pytest.approx([TICK_S, 2 * TICK_S, 3 * TICK_S])


async def test_a_late_tick_still_lets_others_run(autojump_clock: MockClock) -> None:
    pacer = Pacer(TICK_S)
    ran = []
    await trio.sleep(3.5 * TICK_S)
    async with trio.open_nursery() as nursery:

        async def other() -> None:
            ran.append(trio.current_time())

        nursery.start_soon(other)
        await pacer.wait_tick()
        await pacer.wait_tick()
        assert ran


async def test_any_clock_will_do(autojump_clock: MockClock) -> None:
    pacer = Pacer(TICK_S, clock=lambda: 1000.0 + trio.current_time())
    assert await pacer.wait_tick() == pytest.approx(1000.0 + TICK_S)
    assert trio.current_time() == pytest.approx(TICK_S)
