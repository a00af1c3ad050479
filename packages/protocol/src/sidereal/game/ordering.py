"""An order that keeps what was said first first, as far as what must come earlier allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sidereal.game.logic import Stage, System


def in_order(names: Sequence[str], earlier: Mapping[str, set[str]]) -> tuple[list[str], list[str]]:
    """Order names.

    Args:
        names: as they were declared.
        earlier: for each name, those that come before it.

    Returns:
        All names in order, and those among them that wait for each other in a circle, if any.
    """
    done: list[str] = []
    left = list(names)
    while left:
        ready = next((name for name in left if earlier[name] <= set(done)), None)
        if ready is None:
            return done + left, left
        done.append(ready)
        left.remove(ready)
    return done, []


def order_systems(systems: Sequence[System]) -> tuple[tuple[System, ...], list[str]]:
    """Put systems in the order in which they run; tells what is wrong with it, too."""
    found: list[System] = []
    problems: list[str] = []
    by_function = {system.function: system for system in systems}
    for stage in Stage:
        here = [system for system in systems if system.stage is stage]
        earlier: dict[str, set[str]] = {system.name: set() for system in here}
        for system in here:
            for function, after in (
                *((f, True) for f in system.after),
                *((f, False) for f in system.before),
            ):
                other = by_function.get(function)
                if other is None or other.stage is not stage:
                    name = getattr(function, "__name__", repr(function))
                    why = f"{name} is no system of {stage.name}, as it is"
                    problems.append(f"system {system.name}: {why}")
                elif after:
                    earlier[system.name].add(other.name)
                else:
                    earlier[other.name].add(system.name)
        names, circle = in_order([system.name for system in here], earlier)
        if circle:
            problems.append(f"systems wait for each other: {', '.join(circle)}")
        found += sorted(here, key=lambda system: names.index(system.name))
    return tuple(found), problems
