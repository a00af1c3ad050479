"""Tests of attacks, and the lines of code that defeat them.

That an attack fails in a test says little as long as nobody knows what it failed of. So each names
the line that it runs into, and can be run without that line: then the attack must succeed.
"""

from __future__ import annotations
import __future__

import dataclasses
import inspect
import textwrap
from collections.abc import Callable
from types import CodeType
from typing import Any

Attack = Callable[[], None]
"""A test: returns if the attack is defeated, and raises if it succeeds."""


@dataclasses.dataclass(frozen=True, slots=True)
class Defence:
    """A part of a function that defeats an attack.

    Attributes:
        function: that it is a part of.
        line: its text, which occurs once.
        instead: what the function says in its place when it is taken out.
    """

    function: Any
    line: str
    instead: str

    def taken_out(self) -> CodeType:
        """Compile the function without it.

        Raises:
            LookupError: the function does not say so, or not just once.
        """
        source = textwrap.dedent(inspect.getsource(self.function))
        if source.count(self.line) != 1:
            raise LookupError(f"{self.function.__qualname__} says not once: {self.line}")
        module = compile(
            source.replace(self.line, self.instead),
            inspect.getfile(self.function),
            "exec",
            __future__.annotations.compiler_flag,
            dont_inherit=True,
        )
        code: CodeType = next(part for part in module.co_consts if isinstance(part, CodeType))
        return code

    def __str__(self) -> str:
        return f"{self.function.__qualname__}: {self.line}"


class AttackList:
    """Attacks, each with one of its defences.

    Attributes:
        cases: in the order they were listed.
    """

    def __init__(self) -> None:
        self.cases: list[tuple[Attack, Defence]] = []

    def defended_by(
        self, function: Any, line: str, instead: str = "False"
    ) -> Callable[[Attack], Attack]:
        """List an attack with the line that defeats it; see `Defence`."""

        def list_attack(attack: Attack) -> Attack:
            self.cases.append((attack, Defence(function, line, instead)))
            return attack

        return list_attack
