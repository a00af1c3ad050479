"""The standard streams of a process: always open, and never in its way.

Standard error takes a server's log. Whoever should read it may have stopped (a pipe that nobody
empties, a terminal after Ctrl-S) or be gone (`| tee` after Ctrl-C). Neither may stop a tick or end
a run, so writing to standard error neither waits nor fails here. Lines wait in a bounded queue for
a thread that writes them; what finds no room is dropped and counted, and the count is written as
soon as there is room again.

Standard output takes a command's result. Writing it waits, and fails in words.
"""

from __future__ import annotations

import atexit
import io
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sidereal.protocol.errors import UnavailableError

WAITING_SIZE_MAX: Final = 1 << 20
"""Bytes of a log that wait to be written."""

DRAIN_S: Final = 0.5
"""How long a process that ends waits for somebody to read the rest of its log."""


class LossyStream(io.TextIOBase):
    """A text stream whose writes neither wait nor fail; what nobody reads in time is dropped."""

    def __init__(self, descriptor: int, waiting_size_max: int = WAITING_SIZE_MAX) -> None:
        self._descriptor = descriptor
        self._waiting_size_max = waiting_size_max
        self._changed = threading.Condition()
        self._partial = b""
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._unreported = 0
        self._thread: threading.Thread | None = None

    @property
    def lines_dropped(self) -> int:
        """Lines that nobody has read and nobody will."""
        return self._dropped

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the text that is written."""
        return "utf-8"

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def fileno(self) -> int:
        """Descriptor behind the stream."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether a terminal is behind it."""
        return os.isatty(self._descriptor)

    def write(self, text: str) -> int:
        """Queue what has whole lines; the start of a line waits for its end or for `flush`."""
        with self._changed:
            lines, newline, self._partial = (
                self._partial + text.encode(errors="backslashreplace")
            ).rpartition(b"\n")
            self._queue(lines + newline)
        return len(text)

    def flush(self) -> None:
        """Queue the start of a line too."""
        with self._changed:
            partial, self._partial = self._partial, b""
            self._queue(partial)

    def drain(self, within_s: float = DRAIN_S) -> bool:
        """Wait until all is written, for so long at most; returns whether it is."""
        self.flush()
        with self._changed:
            return self._changed.wait_for(lambda: not self._size, within_s)

    def _queue(self, chunk: bytes) -> None:
        if not chunk:
            return
        if self._size + len(chunk) > self._waiting_size_max:
            self._drop(chunk)
            return
        self._lines.append(chunk)
        self._size += len(chunk)
        self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
            self._thread.start()

    def _drop(self, chunk: bytes) -> None:
        lines = chunk.count(b"\n") or 1
        self._dropped += lines
        self._unreported += lines

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._size)
                chunk = self._lines.popleft()
            written = self._write_through(chunk)
            with self._changed:
                self._size -= len(chunk)
                if not written:
                    self._drop(chunk)
                elif self._unreported and not self._size:
                    unreported, self._unreported = self._unreported, 0
                    self._queue(b"%d lines of this log were dropped: nobody read it\n" % unreported)
                self._changed.notify_all()

    def _write_through(self, chunk: bytes) -> bool:
        """Write everything, however long that takes; False where nobody can read it."""
        while chunk:
            try:
                chunk = chunk[os.write(self._descriptor, chunk) :]
            except OSError:
                return False
        return True


class OutputStream(io.TextIOWrapper):
    """Standard output whose troubles have names; after one, the rest goes to the null device."""

    def write(self, text: str) -> int:
        """Write, in the end.

        Raises:
            BrokenPipeError: whoever read it is gone.
            UnavailableError: it can't be written, for another reason.
        """
        with _named_troubles():
            return super().write(text)

    def flush(self) -> None:
        """Write now; raises what `write` does."""
        with _named_troubles():
            super().flush()


@contextmanager
def _named_troubles() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
        if isinstance(error, BrokenPipeError):
            raise
        raise UnavailableError(f"standard output can't be written: {error.strerror}") from None


def open_streams() -> None:
    """Prepare this process's standard streams; called before anything else opens a file.

    A closed one is opened on the null device: else the next socket would get its number, and what
    is printed would go there.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    encoding = sys.stdout.encoding if sys.stdout else None
    out = os.fdopen(1, "wb", closefd=False)
    # A sign that the locale lacks is not worth an error.
    sys.stdout = OutputStream(out, encoding, "replace", line_buffering=os.isatty(1))
    sys.stderr = log = LossyStream(2)
    atexit.register(log.drain)


def redirect_log(descriptor: int) -> None:
    """Send the log to another file from here on."""
    if isinstance(sys.stderr, LossyStream):
        sys.stderr.drain()
    os.dup2(descriptor, 2)


def lines_dropped() -> int:
    """Lines of this process's log that nobody has read and nobody will."""
    return sys.stderr.lines_dropped if isinstance(sys.stderr, LossyStream) else 0
