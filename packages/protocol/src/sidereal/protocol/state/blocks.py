"""Columns of one type in one block: what is done to all fields of few rows is done type by type."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints, Rows, bytes_of
from sidereal.protocol.state.component import Field

_TOGETHER: Final = 4
"""From so many fields of one type on it takes less time to write them together."""


class _Group(NamedTuple):
    """Fields of one type that rows have: their places in a block, and of their bytes in a row."""

    dtype: np.dtype[Any]
    at: Ints
    places: Ints


class Blocks:
    """Columns by the names of their fields.

    Attributes:
        arrays: `Field.memory_dtype`[capacity] each, in the order of the fields; growing replaces
            them.
    """

    def __init__(self, fields: Iterable[Field], capacity: int) -> None:
        self._dtypes = {field.name: field.memory_dtype for field in fields}
        self._names: dict[np.dtype[Any], list[str]] = {}
        for name, dtype in self._dtypes.items():
            self._names.setdefault(dtype, []).append(name)
        self._blocks = {d: np.zeros((len(names), capacity), d) for d, names in self._names.items()}
        self._groups: dict[np.dtype[Any], tuple[list[_Group], list[str]]] = {}
        self.arrays = self._by_name()

    def grow(self, capacity: int) -> None:
        """Make room for rows, which are 0."""
        for dtype, block in self._blocks.items():
            grown = np.zeros((len(block), capacity), dtype)
            grown[:, : block.shape[1]] = block
            self._blocks[dtype] = grown
        self.arrays = self._by_name()

    def clear(self, rows: Ints) -> None:
        """Let rows be 0."""
        for dtype, block in self._blocks.items():
            block[:, rows] = np.zeros((), dtype)

    def copy(self, other: Blocks, rows: Ints) -> None:
        """Take rows over from columns of the same fields."""
        for dtype, block in self._blocks.items():
            block[:, rows] = other._blocks[dtype][:, rows]

    def together(self, names: Collection[str]) -> list[NDArray[Any]]:
        """Give columns that follow each other, those of each type as one array, [k, capacity]."""
        found = []
        for dtype, there in self._names.items():
            at = [place for place, name in enumerate(there) if name in names]
            if at:
                found.append(self._blocks[dtype][at[0] : at[-1] + 1])
        return found

    def put(self, rows: Ints, records: Rows) -> None:
        """Overwrite rows by records, as far as these have fields of the same names.

        Args:
            rows: int64[n], each once.
            records: structured[n].
        """
        together, apart = self._groups_of(records.dtype)
        raw = bytes_of(records)
        for dtype, at, places in together:
            self._blocks[dtype][at[:, None], rows] = raw.take(places, axis=1).view(dtype).T
        for name in apart:
            self.arrays[name][rows] = records[name]

    def _by_name(self) -> dict[str, NDArray[Any]]:
        found = {
            name: block
            for dtype, names in self._names.items()
            for name, block in zip(names, self._blocks[dtype], strict=True)
        }
        return {name: found[name] for name in self._dtypes}

    def _groups_of(self, row: np.dtype[Any]) -> tuple[list[_Group], list[str]]:
        """Find what rows of a type have: groups of fields, and the names of all others."""
        if row not in self._groups:
            fields: Mapping[str, Any] = row.fields or {}
            together: list[_Group] = []
            apart = [name for name in row.names or () if name in self._dtypes]
            for dtype, names in self._names.items():
                alike = [name for name in apart if name in names and fields[name][0] == dtype]
                if len(alike) >= _TOGETHER:
                    at = np.array([names.index(name) for name in alike], np.int64)
                    size = np.arange(dtype.itemsize)
                    places = np.concatenate([fields[name][1] + size for name in alike])
                    together.append(_Group(dtype, at, places))
                    apart = [name for name in apart if name not in alike]
            self._groups[row] = together, apart
        return self._groups[row]
