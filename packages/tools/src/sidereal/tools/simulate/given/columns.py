"""Columns by entity: what a test, or a checker of a game, asks of a world or of a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.game.record import Record, as_columns

R = TypeVar("R", bound=Record)


class ByEntity:
    """One column of all the entities that there are, by their ids."""

    def __init__(self, ids: NDArray[np.uint32], values: NDArray[Any]) -> None:
        """Take a column.

        Args:
            ids: uint32[n], ascending.
            values: [n].
        """
        self._ids = ids
        self._values = values

    def __getitem__(self, entities: ArrayLike) -> Any:
        """Give the value of an entity, or those of several.

        Raises:
            KeyError: one of them is not there.
        """
        wanted = np.asarray(entities)
        at = np.searchsorted(self._ids, wanted)
        found = np.append(self._ids, 0)[at] == wanted
        if not found.all():
            gone = np.atleast_1d(wanted)[~np.atleast_1d(found)].tolist()
            raise KeyError(f"not there, or not any more: {gone}")
        return self._values[at]

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        return f"{dict(zip(self._ids.tolist(), self._values.tolist(), strict=True))}"


def by_entity(record: type[R], ids: NDArray[np.uint32], column: Callable[[str], NDArray[Any]]) -> R:
    """Make a record's columns, by entity.

    Args:
        record: the declaration.
        ids: uint32[n], all different.
        column: gives the values of a field, [n], in the order of `ids`.
    """
    order = np.argsort(ids)
    arrays = {name: ByEntity(ids[order], column(name)[order]) for name in record.fields}
    return as_columns(record, cast(dict[str, NDArray[Any]], arrays))
