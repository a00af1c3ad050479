"""A plan as text: JSON without what is as in the simplest plan, short enough to be pasted."""

from __future__ import annotations

import enum
import shlex
from typing import Any, Final

import msgspec

from sidereal.protocol.errors import ConfigError
from sidereal.tools.simulate.faults import Plan, check_plan
from sidereal.tools.simulate.plans.parts import parts_of

COMMAND: Final = "uv run python -m sidereal.tools.simulate"

SIMPLEST: Final = Plan()


def write_plan(plan: Plan) -> str:
    """Write a plan as one line of JSON."""
    return msgspec.json.encode(_written(plan, SIMPLEST)).decode()


def read_plan(text: str) -> Plan:
    """Read a plan.

    Raises:
        ConfigError: it is not one, or can't be played.
    """
    try:
        plan = msgspec.json.decode(text, type=Plan)
    except msgspec.DecodeError as error:
        raise ConfigError(f"not a plan: {error}") from None
    check_plan(plan)
    return plan


def replay_command(plan: Plan, flags: str = "") -> str:
    """Give the command that plays a plan, to be pasted into a shell.

    Args:
        plan: to play.
        flags: of the game that is given, with a space after them.
    """
    return f"{COMMAND} {flags}--plan {shlex.quote(write_plan(plan))}"


def _written(value: Any, simplest: Any) -> Any:
    """Turn a value into what JSON knows; of a record only what differs from the simplest one."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return [_written(item, None) for item in value]
    if isinstance(value, msgspec.Struct) and value.__struct_config__.array_like:
        return msgspec.to_builtins(value)
    parts = parts_of(value)
    if not parts:
        return value
    return {
        name: _written(part, getattr(simplest, name, None))
        for name, part in parts.items()
        if simplest is None or part != getattr(simplest, name)
    }
