"""What a value is made of: the same answers for dataclasses, structs and named tuples."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec


def parts_of(value: Any) -> dict[str, Any]:
    """Give the parts of a record by name; none for anything else."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    return {}


def with_part(value: Any, name: str, part: Any) -> Any:
    """Give a record in which one part is another; what it checks of itself, it checks again."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **{name: part})
    if isinstance(value, tuple):
        return value._replace(**{name: part})  # type: ignore[attr-defined]
    return dataclasses.replace(value, **{name: part})
