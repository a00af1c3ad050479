"""Standard streams that are never in the way."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from sidereal.protocol.runtime.streams import LossyStream

PIPE_SIZE = 4096
LINE = "x" * 99 + "\n"
SOON_S = 10.0


class Log(NamedTuple):
    stream: LossyStream
    source: int


@pytest.fixture
def log() -> Iterator[Log]:
    """A stream into a small pipe that is only read by hand."""
    source, sink = os.pipe()
    fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    yield Log(LossyStream(sink, waiting_size_max=10 * len(LINE)), source)
    os.close(sink)


def read_all(log: Log) -> str:
    """Read until the stream has written everything, and close the reading end."""
    os.set_blocking(log.source, False)
    text = b""
    with os.fdopen(log.source, "rb", buffering=0) as reader:
        while not log.stream.drain(0.01):
            text += reader.read() or b""
        return (text + (reader.read() or b"")).decode()


def test_what_is_written_comes_out_in_order(log: Log) -> None:
    print("one", file=log.stream)
    log.stream.write("tw")
    print("o", file=log.stream)
    print("three", end="", flush=True, file=log.stream)
    log.stream.drain(SOON_S)
    assert os.read(log.source, 100) == b"one\ntwo\nthree"
    assert log.stream.lines_dropped == 0
    os.close(log.source)


def test_lines_that_nobody_reads_are_dropped_counted_and_owned_up_to(log: Log) -> None:
    written = 200
    for _ in range(written):  # far more than the pipe and the queue hold
        log.stream.write(LINE)
    dropped = log.stream.lines_dropped
    assert dropped > written - (PIPE_SIZE // len(LINE) + 10 + 1)
    text = read_all(log)
    assert text.count(LINE) == written - dropped
    assert text.endswith(f"{dropped} lines of this log were dropped: nobody read it\n")


def test_a_reader_that_is_gone_costs_lines_and_nothing_else(log: Log) -> None:
    os.close(log.source)
    log.stream.write(LINE)
    log.stream.drain(SOON_S)
    log.stream.write(LINE)
    log.stream.drain(SOON_S)
    assert log.stream.lines_dropped == 2


def test_what_cannot_be_encoded_is_escaped(log: Log) -> None:
    print("half of a pair: \ud800", file=log.stream)
    log.stream.drain(SOON_S)
    assert os.read(log.source, 100) == b"half of a pair: \\ud800\n"
    os.close(log.source)
