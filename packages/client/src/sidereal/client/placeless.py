"""What the client's account has, and what the world has: components of what has no place."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sidereal.game.declarations import Declarations
from sidereal.game.record import Record
from sidereal.game.schema import gather, name_of
from sidereal.protocol.errors import WireError
from sidereal.protocol.message.player import Values
from sidereal.protocol.state.schema import Schema

R = TypeVar("R", bound=Record)


class Placeless:
    """The newest values that the server has told."""

    def __init__(self, game: Declarations, schema: Schema) -> None:
        self._schema = schema
        self._numbers = {
            shared: {type(c): schema.numbers[name_of(c)] for c in components}
            for shared, components in ((False, game.accounts), (True, game.shares))
        }
        self._types = {
            number: np.dtype([(f.name, f.memory_dtype) for f in schema.component(number).fields])
            for numbers in self._numbers.values()
            for number in numbers.values()
        }
        self._rows: dict[tuple[bool, int], NDArray[np.void]] = {}

    def apply_untrusted(self, message: Values) -> None:
        """Take values in.

        Raises:
            WireError: there is no such component, or they can't be its values.
        """
        shared, number = message.shared, message.component
        if number not in self._numbers[shared].values():
            raise WireError(f"values of component {number}")
        if len(message.row) != self._types[number].itemsize:
            raise WireError(f"{len(message.row)} bytes of component {number}")
        row = np.frombuffer(message.row, self._types[number])
        if not self._schema.valid_rows(row).all():
            raise WireError(f"values that component {number} can't have")
        self._rows[shared, number] = row

    def get(self, record: type[R], *, shared: bool) -> R | None:
        """Give what the account or the world has of a component, one value for each field.

        Returns:
            None before the server has told.

        Raises:
            KeyError: neither can have it.
        """
        row = self._rows.get((shared, self._numbers[shared][record]))  # type: ignore[index]
        if row is None:
            return None

        def column(name: str) -> NDArray[Any]:
            return np.asarray(row[name][0])

        return gather(record, column)
