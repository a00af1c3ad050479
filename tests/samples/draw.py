"""Drawing single-point mutants: cosmic-ray changes one token, a seed says which.

A mutant's rank is a hash of the seed and of the place in words: path, function, text of the line,
operator. So the same seed draws the same mutants after a change elsewhere.

Of cosmic-ray's operators those are used that a tired colleague could have written: the neighbour
of a comparison, of a sign or of a constant, not an operator that only raises `TypeError`. Left out
are annotations, assertions, decorators, texts, and the defaults of `Limits` and `Rules`, which only
tuning decides.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import parso
from cores import ROOT, core_files
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator

COMPARISONS: Final = (
    *("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt"),
    *("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is"),
)
BINARIES: Final = (
    *("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_FloorDiv", "Pow_Mul"),
    *("LShift_RShift", "RShift_LShift", "BitOr_BitAnd", "BitAnd_BitOr", "BitXor_BitOr"),
)
UNARIES: Final = ("Delete_USub", "Delete_Invert", "Delete_Not")
OTHERS: Final = (
    *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue"),
    *("ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak"),
    *("ExceptionReplacer", "NumberReplacer", "ZeroIterationForLoop"),
)


DULL: Final = ("name", "newline", "string", "endmarker")
"""Half of all nodes, and no operator changes them."""


class DropCall(Operator):
    """Replaces a statement that is only a call by `pass`, which cosmic-ray does not do."""

    def mutation_positions(
        self, node: parso.tree.NodeOrLeaf
    ) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Where such a statement begins and ends."""
        is_statement = node.parent is not None and node.parent.type == "simple_stmt"
        if is_statement and node.type == "atom_expr" and node.children[-1].children[0] == "(":
            yield node.start_pos, node.end_pos

    def mutate(self, node: parso.tree.NodeOrLeaf, index: int) -> parso.tree.NodeOrLeaf:
        """Give what stands there instead."""
        prefix = node.get_first_leaf().prefix
        return parso.python.tree.Name("pass", node.start_pos, prefix=prefix)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Show one."""
        return (Example("x.clear()", "pass"),)


def _operators() -> dict[str, Operator]:
    names = [
        *(f"ReplaceComparisonOperator_{name}" for name in COMPARISONS),
        *(f"ReplaceBinaryOperator_{name}" for name in BINARIES),
        *(f"ReplaceUnaryOperator_{name}" for name in UNARIES),
        *OTHERS,
    ]
    return {name: get_operator(f"core/{name}")() for name in names} | {"DropCall": DropCall()}


class Mutant(NamedTuple):
    """One change of one token.

    Attributes:
        file: from the root of the repository.
        line: on which it stands.
        function: name of the innermost function or class around it, or nothing.
        operator: of cosmic-ray.
        before: the lines that are changed, without indentation.
        after: what becomes of them.
        source: the whole module, mutated.
    """

    file: Path
    line: int
    function: str
    operator: str
    before: str
    after: str
    source: str

    @property
    def key(self) -> str:
        """What it is, whatever changes elsewhere."""
        return "\n".join([self.file.as_posix(), self.function, self.before, self.after])


class _Place(NamedTuple):
    rank: bytes
    file: Path
    operator: str
    occurrence: int
    line: int
    function: str


def draw(seed: int, count: int) -> list[Mutant]:
    """Draw mutants of all cores."""
    operators = _operators()
    places = sorted(place for file in core_files() for place in _places(file, operators, seed))
    print(f"{len(places)} places in {len({place.file for place in places})} modules")
    drawn: dict[str, Mutant] = {}
    for place in places:
        if len(drawn) == count:
            break
        mutant = _make(place, operators[place.operator])
        if mutant is not None:
            drawn.setdefault(mutant.key, mutant)
    return list(drawn.values())


def _places(file: Path, operators: dict[str, Operator], seed: int) -> Iterator[_Place]:
    source = (ROOT / file).read_text()
    lines = source.splitlines()
    nodes = [node for node in ast_nodes(get_ast(source)) if node.type not in DULL]
    for name, operator in operators.items():
        occurrence = 0
        same: Counter[str] = Counter()
        for node in nodes:
            for (line, _), _ in operator.mutation_positions(node):
                if not _is_left_out(node, file):
                    words = f"{file}\n{_function(node)}\n{lines[line - 1].strip()}\n{name}"
                    same[words] += 1
                    text = f"{seed}\n{words}\n{same[words]}"
                    rank = hashlib.blake2b(text.encode(), digest_size=16).digest()
                    yield _Place(rank, file, name, occurrence, line, _function(node))
                occurrence += 1


def _is_left_out(node: parso.tree.NodeOrLeaf, file: Path) -> bool:
    if node.type == "atom_expr" and node.get_code().strip().startswith("assert_never("):
        return True
    child = node
    while child.type not in ("assert_stmt", "decorator", "fstring", "tfpdef"):
        parent = child.parent
        if parent is None:
            return False
        if parent.type == "annassign" and child is parent.children[1]:
            return True
        if parent.type == "funcdef":
            return child is parent.annotation
        if parent.type == "classdef" and file.name in ("limits.py", "rules.py"):
            return True
        child = parent
    return True


def _function(node: parso.tree.NodeOrLeaf) -> str:
    around = node
    while around is not None and around.type not in ("funcdef", "classdef"):
        around = around.parent
    return "" if around is None else around.name.value


def _make(place: _Place, operator: Operator) -> Mutant | None:
    source = (ROOT / place.file).read_text()
    mutated = mutate_code(source, operator, place.occurrence)
    if mutated is None or mutated == source:
        return None
    try:
        compile(mutated, str(place.file), "exec")
    except SyntaxError:
        return None
    old, new = source.splitlines(), mutated.splitlines()
    first = next(at for at, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1])
    last = next(
        at
        for at, pair in enumerate(zip(reversed(old), reversed(new), strict=False))
        if pair[0] != pair[1]
    )
    before, after = (
        "\n".join(line.strip() for line in lines[first : max(first + 1, len(lines) - last)])
        for lines in (old, new)
    )
    return Mutant(place.file, place.line, place.function, place.operator, before, after, mutated)
