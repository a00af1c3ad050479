"""The inputs of a target: seeds made by our encoders, files that fuzzing found, damaged seeds.

A corpus holds only what takes a way through the code that no seed takes, each named by its hash;
`crash-` and a hash is an input that once broke its target, and is kept for good.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from target import Target

CORPUS: Final = Path(__file__).parent / "corpus"
CRASH: Final = "crash-"
_SOURCES: Final = "/src/sidereal/"

Arcs = set[tuple[CodeType, int, int]]


def name_of(body: bytes) -> str:
    """Name an input by what it holds."""
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def folder_of(target: Target) -> Path:
    return CORPUS / target.name


def read_corpus(target: Target) -> dict[str, bytes]:
    """Read the files of a target, by name."""
    files = sorted(folder_of(target).iterdir()) if folder_of(target).is_dir() else []
    return {file.name: file.read_bytes() for file in files}


def write_corpus(target: Target, bodies: Iterable[bytes]) -> int:
    """Replace the files of a target, but for crashes, by those inputs that are worth it.

    Returns:
        how many there are.
    """
    kept = [body for name, body in read_corpus(target).items() if name.startswith(CRASH)]
    fresh = choose(target, bodies)
    for name in read_corpus(target):
        if not name.startswith(CRASH):
            (folder_of(target) / name).unlink()
    for body in fresh:
        folder_of(target).mkdir(parents=True, exist_ok=True)
        (folder_of(target) / name_of(body)).write_bytes(body)
    return len(fresh) + len(kept)


def add_crash(target: Target, body: bytes) -> Path:
    """Keep an input that breaks its target."""
    folder_of(target).mkdir(parents=True, exist_ok=True)
    file = folder_of(target) / (CRASH + name_of(body))
    file.write_bytes(body)
    return file


def choose(target: Target, bodies: Iterable[bytes]) -> list[bytes]:
    """Choose the inputs that go where neither a seed nor a shorter one goes."""
    known: Arcs = set()
    for seed in target.seeds():
        known |= trace(target, seed)
    chosen = []
    for body in sorted(set(bodies), key=lambda body: (len(body), body)):
        arcs = trace(target, body)
        if not arcs <= known:
            known |= arcs
            chosen.append(body)
    return chosen


def trace(target: Target, body: bytes) -> Arcs:
    """Find the ways from line to line that our code takes with an input."""
    arcs: Arcs = set()

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if _SOURCES not in code.co_filename:
            return None
        line = 0

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal line
            if event == "line":
                arcs.add((code, line, frame.f_lineno))
                line = frame.f_lineno
            return step

        return step

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        target.read(body)
    finally:
        sys.settrace(before)
    return arcs


def mutants(seed: bytes, count_max: int) -> Iterator[bytes]:
    """Damage an input: cut short at every length, every byte turned over, and more at the end.

    Args:
        seed: the input.
        count_max: about how many; of a long input only every so many places are damaged.
    """
    stride = max(1, -(-2 * len(seed) // count_max))
    for at in range(0, len(seed), stride):
        yield seed[:at]
        yield seed[:at] + bytes((seed[at] ^ 0xFF,)) + seed[at + 1 :]
    yield seed + b"\0"
    yield seed + seed
