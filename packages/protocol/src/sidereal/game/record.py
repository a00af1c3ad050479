"""Records: classes whose annotations are columns.

`class Health(Component)` with `hp: F4 = field(100)` declares a record. The class is its own struct
of arrays: an instance holds one array per column, which `step[Health].hp` gives, or the values for
a spawn, as in `Health(hp=50)`. On the class, `Health.hp` is the declaration itself.

A record is named after the module that it is written in and after its class, `hunters.seeker`, so
that its name does not depend on who uses it: the database's columns follow from it.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.game.column import COLUMN_TYPES, Bools, Field, Options, Storage

_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

R = TypeVar("R", bound="Record")


class Record:
    """What components, controls and events have in common: named columns.

    Subclasses of those three declare; nobody derives from a declared one.
    """

    record_name: ClassVar[str] = ""
    """With its part, as in `hunters.seeker`."""
    fields: ClassVar[Mapping[str, Field]] = MappingProxyType({})
    """By name, in order."""
    problems: ClassVar[tuple[str, ...]] = ()
    """What makes the declaration unusable, in words; `load` reports those of a whole game."""
    _given: tuple[str, ...] = ()

    def __init__(self, **values: ArrayLike) -> None:
        """Give values; what is left out has its default.

        Args:
            values: by column: one for all, or one for each of n entities, [n].

        Raises:
            TypeError: there is no such column, or it can't hold such values.
        """
        cls = type(self)
        for name in values:
            if name not in cls.fields:
                raise TypeError(_no_field(cls, name))
        for name, field in cls.fields.items():
            value = _checked(field, values.get(name, field.options.default))
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_given", tuple(values))

    if not TYPE_CHECKING:  # mypy knows the columns, and no others

        def __getattr__(self, name: str) -> NDArray[Any]:
            raise AttributeError(_no_field(type(self), name))

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse to put another array in a column's place, which would change no entity."""
        if name not in type(self).fields:
            raise AttributeError(_no_field(type(self), name))
        if value is not getattr(self, name):  # `columns.x += 1` ends here with the same array
            raise AttributeError(f"write {name}[rows] = …, not {name} = …: it is a whole column")

    def __repr__(self) -> str:
        cls = type(self)
        return f"{cls.__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in cls.fields)})"

    @classmethod
    def declare_fields(cls, name: str, reserved: frozenset[str] = frozenset()) -> None:
        """Read the annotations of a new class.

        Args:
            name: of the record; if empty, the module's and the class's.
            reserved: what no column may be called.
        """
        module = cls.__module__.rpartition(".")[2].strip("_")
        cls.record_name = name or f"{module}.{_snake(cls.__name__)}"
        problems = []
        if any(parent.fields for parent in cls.__mro__[1:] if issubclass(parent, Record)):
            problems.append(f"{cls.__name__} derives from another record; declare it on its own")
        fields: dict[str, Field] = {}
        annotations = inspect.get_annotations(cls)
        for column in annotations:
            if str(annotations[column]).startswith(("ClassVar", "typing.ClassVar")):
                continue
            found = _read_field(cls, column)
            if isinstance(found, str):
                problems.append(found)
                continue
            fields[column] = found
            problems += found.problems()
            if column in reserved or hasattr(Record, column):
                problems.append(f"{found}: the engine has that name itself; choose another")
        for column, value in list(cls.__dict__.items()):
            if isinstance(value, Options) and column not in annotations:
                problems.append(
                    f"{cls.__name__}.{column} has no type; write {column}: {COLUMN_TYPES}"
                )
        for column, declared in fields.items():
            setattr(cls, column, declared)
        cls.fields = MappingProxyType(fields)
        cls.problems = tuple(problems)


def as_columns(record: type[R], arrays: Mapping[str, NDArray[Any]]) -> R:
    """Make a record's struct of arrays, without copying.

    Args:
        record: the declaration.
        arrays: one for each of its columns, by name.
    """
    made = record.__new__(record)
    for name in record.fields:
        object.__setattr__(made, name, arrays[name])
    return made


def no_rows(record: type[R]) -> R:
    """Make a record's struct of arrays for no entities."""
    return as_columns(record, {f.name: np.zeros(0, f.dtype) for f in record.fields.values()})


def given(values: Record) -> tuple[str, ...]:
    """Name the columns that were said outright, where the others have their defaults."""
    said: tuple[str, ...] = values._given
    return said


def outside(values: Record) -> dict[str, Bools]:
    """Tell which values their declaration does not allow, for each column that has any."""
    found = {}
    for name, field in type(values).fields.items():
        wrong = field.outside(getattr(values, name))
        if wrong.any():
            found[name] = wrong
    return found


def _read_field(cls: type[Record], name: str) -> Field | str:
    """Make a column of an annotation and of what stands behind it, or say what is wrong with it."""
    said = cls.__dict__.get(name, Options())
    here = f"{cls.__name__}.{name}"
    try:
        hints = typing.get_type_hints(_only(cls, name), include_extras=True)
    except NameError as error:
        return f"{here} is annotated {cls.__annotations__[name]!r}: {error}"
    storage = next(
        (m for m in getattr(hints[name], "__metadata__", ()) if isinstance(m, Storage)), None
    )
    if storage is None:
        said_type = getattr(hints[name], "__name__", str(hints[name]))
        return f"{here} is annotated {said_type}: a component holds columns, write {COLUMN_TYPES}"
    if not isinstance(said, Options):
        said = Options(default=said)
    return Field(cls.record_name, name, storage, said)


def _only(cls: type[Record], name: str) -> type:
    """A class with one of the annotations, so that one which is wrong does not hide the others."""
    namespace = {"__annotations__": {name: cls.__annotations__[name]}, "__module__": cls.__module__}
    return type(cls.__name__, (), namespace)


def _checked(field: Field, value: ArrayLike | bytes | str) -> NDArray[Any]:
    if isinstance(value, str):
        value = value.encode()
    array = np.asarray(value)
    text = field.storage.dtype == "S"
    if text and array.dtype.kind == "U":
        array = np.char.encode(array, "utf-8")
    if array.ndim > 1:
        raise TypeError(f"{field}: one value, or one for each entity, not {array.ndim} dimensions")
    fits = array.dtype.kind in ("S" if text else "fiub")
    if field.storage.dtype[0] in "iu" and array.dtype.kind == "f":
        fits = bool((array == np.rint(array)).all())
    if not fits:
        raise TypeError(f"{field}: {value!r} is nothing that {field.storage.dtype} can hold")
    return array


def _no_field(cls: type[Record], name: str) -> str:
    there = ", ".join(cls.fields) or "none"
    return f"{cls.__name__} has no field {name!r}; it has {there}"


def _snake(name: str) -> str:
    return _WORD.sub("_", name).lower()
