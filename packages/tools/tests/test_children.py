"""How children are kept, with processes that only seem to run, in virtual time."""

from __future__ import annotations

import errno
import logging
import os
import signal
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
import trio
import trio.testing

from sidereal.tools.up import children
from sidereal.tools.up.children import FOR_PREPARED, SETTLE_S, START_AGAIN_S, Child, Prepared
from sidereal.tools.up.restarts import FOR_SHARDS, STEADY_S, Restarts

TRACEBACK = b"Traceback (most recent call last):\nImportError: no module named shard\n"


class Seeming:
    """A process that says a line, lives for a while, and ends with a status."""

    def __init__(
        self, lives_s: float, status: int, *, says: bytes = b"", logs: bytes = b""
    ) -> None:
        self.stdin = None
        self.stdout = _pipe_with(says)
        self.stderr = _pipe_with(logs)
        self.pid = 1
        self.returncode: int | None = None
        self._lives_s, self._status = lives_s, status

    async def wait(self) -> int:
        if self.returncode is None:
            await trio.sleep(self._lives_s)
            self.returncode = self._status
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            self.returncode = -number

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _pipe_with(data: bytes) -> trio.abc.ReceiveStream:
    stream = trio.testing.MemoryReceiveStream()
    stream.put_data(data)
    stream.put_eof()
    return stream


def start_as(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Seeming]) -> list[float]:
    """Let every start make such a process; returns the times of the starts."""
    starts: list[float] = []

    async def start(_words: Sequence[str], _environment: object, **_options: Any) -> Seeming:
        await trio.lowlevel.checkpoint()
        starts.append(trio.current_time())
        return make()

    monkeypatch.setattr(children, "_open", start)
    return starts


def lengths(times: list[float]) -> list[float]:
    return [round(after - before, 3) for before, after in pairwise(times)]


async def test_a_process_that_cannot_be_prepared_is_tried_ever_more_rarely_and_says_why(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "sidereal.up")
    starts = start_as(monkeypatch, lambda: Seeming(0.25, 1, logs=TRACEBACK))
    began_at = trio.current_time()
    with trio.move_on_after(600):
        await Prepared({}).keep_ready()
    pauses_s = FOR_PREPARED.pauses_s
    assert starts[0] - began_at == pytest.approx(SETTLE_S + pauses_s[0])
    assert lengths(starts)[:5] == [pause + 0.25 for pause in (*pauses_s[1:], 60.0, 60.0)]
    assert len(caplog.messages) == len(starts)
    for message in caplog.messages:
        assert "ImportError: no module named shard" in message
        assert "Traceback" not in message


async def test_a_prepared_process_that_others_end_is_followed_by_another_one(
    autojump_clock: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starts = start_as(monkeypatch, lambda: Seeming(1.0, -signal.SIGKILL))
    with trio.move_on_after(60):
        await Prepared({}).keep_ready()
    assert set(lengths(starts)) == {1.0 + FOR_PREPARED.pauses_s[0]}


@pytest.mark.parametrize(
    ("lives_s", "pauses_s"),
    [
        (STEADY_S - 0.5, FOR_SHARDS.pauses_s[1:4]),
        (STEADY_S + 0.5, 3 * FOR_SHARDS.pauses_s[:1]),
    ],
)
async def test_a_child_that_crashes_is_steady_by_how_long_it_served(
    autojump_clock: object,
    monkeypatch: pytest.MonkeyPatch,
    lives_s: float,
    pauses_s: Sequence[float],
) -> None:
    starts = start_as(monkeypatch, lambda: Seeming(lives_s, 1, says=b"I serve\n"))
    with trio.move_on_after(60):
        await Child("shard-1", ["shard"]).keep_running(Restarts(FOR_SHARDS), lambda _: None)
    assert lengths(starts)[:3] == [pytest.approx(lives_s + pause_s) for pause_s in pauses_s]


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE])
async def test_a_machine_without_room_for_a_process_is_waited_for_and_that_is_said_once(
    autojump_clock: object,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    caplog.set_level(logging.WARNING, "sidereal.up")
    tries: list[float] = []

    async def open_process(*_: object, **__: object) -> Seeming:
        await trio.lowlevel.checkpoint()
        tries.append(trio.current_time())
        if len(tries) < 7:
            raise OSError(number, "no room")
        return Seeming(1.0, 0, says=b"I serve\n")

    monkeypatch.setattr(trio.lowlevel, "open_process", open_process)
    assert await Child("shard-1", ["shard"]).run() == 0
    assert lengths(tries) == [*START_AGAIN_S, *(2 * START_AGAIN_S[-1:])]
    assert caplog.messages == [
        'not started child=shard-1 why="no room"',
        "started child=shard-1 tries=7",
    ]


async def test_a_program_that_is_not_there_is_not_waited_for(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def open_process(*_: object, **__: object) -> Seeming:
        raise FileNotFoundError(errno.ENOENT, "no such file")

    monkeypatch.setattr(trio.lowlevel, "open_process", open_process)
    with pytest.raises(FileNotFoundError):
        await Child("shard-1", ["shard"]).run()


async def test_whoever_wants_to_know_is_told_of_a_death_before_the_next_start(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = start_as(monkeypatch, lambda: Seeming(2.0, -signal.SIGKILL, says=b"ready\n"))
    ended: list[tuple[int, float]] = []
    child = Child("shard-1", [], ended=lambda pid: ended.append((pid, trio.current_time())))
    with trio.move_on_after(7):
        await child.keep_running(Restarts(FOR_SHARDS), lambda _: None)
    assert [pid for pid, _ in ended] == [1] * len(ended)
    assert [round(at - start, 3) for (_, at), start in zip(ended, starts, strict=False)][:3] == [
        2.0
    ] * 3


async def test_a_child_hears_what_is_written_on_its_leash() -> None:
    reads, writes = os.pipe()
    process = Seeming(1.0, 0)
    child = Child("replication", [])
    child.tell("nobody is there yet")
    child.process = process  # type: ignore[assignment]
    child.tell("it has no leash")
    async with trio.lowlevel.FdStream(writes) as leash:
        process.stdin = leash  # type: ignore[assignment]
        child.tell("one")
        child.tell("two")
        for _ in range(20_000):
            child.tell("more than a pipe holds")
    child.tell("it is closed")
    assert os.read(reads, 8) == b"one\ntwo\n"
    os.close(reads)


async def test_each_line_that_it_prints_is_heard_as_it_comes(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_as(monkeypatch, lambda: Seeming(1.0, 0, says=b"ready\nrested\nhalf a li"))
    heard: list[str] = []
    child = Child("shard-1", ["shard"], spoke=heard.append)
    await child.run()
    assert heard == ["ready", "rested"]
    assert child.served


async def test_what_is_to_begin_anew_is_started_at_once_and_nobody_hears_of_a_death(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = start_as(monkeypatch, lambda: Seeming(9.0, 0, says=b"ready\n"))
    heard: list[str] = []
    child = Child("shard-1", ["shard"])
    child.begin_anew()  # nothing runs yet
    with trio.move_on_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child.keep_running, Restarts(FOR_SHARDS), heard.append)
            await trio.sleep(8.9)
            child.begin_anew()
    assert lengths(starts)[:1] == [9.0]
    assert len(heard) == 1
