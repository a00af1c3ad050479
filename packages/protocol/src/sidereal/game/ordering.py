"""An order that keeps what was said first first, as far as what must come earlier allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


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
