"""What a supervisor writes on the leash of a server, which is its standard input."""

from __future__ import annotations

import os
import sys

import pytest
import trio

from sidereal.protocol.runtime.process import LINE_SIZE_MAX, SUPERVISED, run_until_told


async def test_lines_are_heard_and_its_end_ends_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads, writes = os.pipe()
    monkeypatch.setenv(SUPERVISED, "1")
    heard: list[str] = []
    with os.fdopen(reads) as leash, trio.fail_after(10):
        monkeypatch.setattr(sys, "stdin", leash)

        async def serve() -> None:
            for part in (b"one\ntw", b"o\n", b"x" * (3 * LINE_SIZE_MAX), b"\nthree\n", b"half"):
                os.write(writes, part)
                await trio.sleep(0.02)
            os.close(writes)
            await trio.sleep_forever()

        await run_until_told(serve, heard.append)
    assert [line for line in heard if len(line) < 10] == ["one", "two", "three"]
    assert len(heard) == 4
    assert len(heard[2]) <= 2 * LINE_SIZE_MAX
