"""What reads peer bytes, replayed: seeds, damaged seeds, and whatever fuzzing ever found.

`run.py` looks for more.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import corpus
import pytest
from table import REACHED, TARGETS
from target import Message, Target, join, split

from sidereal.protocol.errors import WireError

ROOT: Final = Path(__file__).parents[2]
CORPUS_SIZE_MAX: Final = 1 << 19
"""Bytes of all corpora: they are in the repository for good."""


def untrusted_functions(tree: ast.AST, scope: str) -> Iterator[str]:
    """Yield the qualified name of every function that reads peer bytes, however deep inside."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{scope}.{node.name}"
            if node.name.endswith("_untrusted"):
                yield name
            yield from untrusted_functions(node, f"{name}.<locals>")
        elif isinstance(node, ast.ClassDef):
            yield from untrusted_functions(node, f"{scope}.{node.name}")
        else:
            yield from untrusted_functions(node, scope)


def module_name(file: Path) -> str:
    """Name a module from below `sidereal` on."""
    parts = file.with_suffix("").parts
    return ".".join(parts[parts.index("sidereal", parts.index("src")) + 1 :])


def functions_called(target: Target) -> set[str]:
    """Find the qualified names of our functions that a target's seeds get to."""
    called: set[str] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and "/src/sidereal/" in frame.f_code.co_filename:
            module = module_name(Path(frame.f_code.co_filename))
            called.add(f"{module}.{frame.f_code.co_qualname}")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for seed in target.seeds():
            target.run(seed)
    finally:
        sys.setprofile(before)
    return called


def test_every_function_that_reads_peer_bytes_has_a_target() -> None:
    found = {
        name
        for file in ROOT.glob("packages/*/src/**/*.py")
        for name in untrusted_functions(ast.parse(file.read_text()), module_name(file))
    }
    covered = [name for name in (*TARGETS, *REACHED) if name.endswith("_untrusted")]
    assert sorted(covered) == sorted(found)


def test_functions_are_found_wherever_they_hide() -> None:
    text = "if x:\n class A:\n  async def b_untrusted(self):\n   def c_untrusted(): pass"
    names = ["m.A.b_untrusted", "m.A.b_untrusted.<locals>.c_untrusted"]
    assert list(untrusted_functions(ast.parse(text), "m")) == names


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_valid_and_get_to_what_they_are_for(name: str) -> None:
    called = functions_called(TARGETS[name])
    wanted = {reached for reached, through in REACHED.items() if through == name}
    wanted |= {name} if name.endswith("_untrusted") else set()
    assert wanted <= called


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_breaks_on_what_was_found_or_is_damaged(name: str) -> None:
    target = TARGETS[name]
    for body in corpus.read_corpus(target).values():
        target.read(body)
    for seed in target.seeds():
        for body in corpus.mutants(seed, target.mutants_max):
            target.read(body)


@pytest.mark.parametrize("name", TARGETS)
def test_every_file_goes_where_no_seed_and_no_shorter_one_goes(name: str) -> None:
    files = corpus.read_corpus(TARGETS[name]).items()
    found = [body for file, body in files if not file.startswith(corpus.CRASH)]
    idle = len(found) - len(corpus.choose(TARGETS[name], found))
    assert not idle, f"{idle} of {len(found)}; take them out: tests/fuzz/run.py {name} --for 0"


def test_corpora_are_small_and_named_by_what_they_hold() -> None:
    files = [file for file in sorted(corpus.CORPUS.rglob("*")) if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= CORPUS_SIZE_MAX
    assert {file.parent.name for file in files} <= set(TARGETS)
    assert all(file.parents[1] == corpus.CORPUS for file in files)
    names = [file.name.removeprefix(corpus.CRASH) for file in files]
    assert names == [corpus.name_of(file.read_bytes()) for file in files]


# -- the tools themselves -----------------------------------------------------------------------


def read_one(body: bytes) -> None:
    if not body:
        raise WireError("nothing")
    if body[0] > 9:
        raise KeyError(body)


def test_only_refusals_are_let_pass() -> None:
    target = Target("one", read_one, lambda: [b"\1"])
    target.read(b"")
    target.read(b"\1")
    with pytest.raises(KeyError):
        target.read(b"\x0a")
    with pytest.raises(WireError):
        Target("one", read_one, lambda: [b"\1"], refusals=()).read(b"")


def test_damage_reaches_every_byte_and_length() -> None:
    seed = bytes(range(10))
    damaged = set(corpus.mutants(seed, 100))
    assert {len(body) for body in damaged if len(body) < 10} == set(range(10))
    turned = [body for body in damaged if len(body) == 10]
    assert sorted(at for body in turned for at in range(10) if body[at] != seed[at]) == [*range(10)]
    assert len(list(corpus.mutants(bytes(5000), 100))) <= 102


def test_messages_come_out_as_they_were_put_in() -> None:
    assert list(split(join((1, b"one"), (2, b"")))) == [Message(1, b"one"), Message(2, b"")]
    assert list(split(join((1, b"one"))[:-1])) == [Message(1, b"on")]
    assert list(split(b"\1\0")) == []


def test_only_inputs_that_go_somewhere_new_are_chosen() -> None:
    user_data = TARGETS["protocol.links.decode_user_data_untrusted"]
    (seed, *_) = user_data.seeds()
    assert corpus.choose(user_data, [seed, b"", b"xx", b"x"]) == [b""]
