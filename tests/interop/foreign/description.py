"""What a world declares. PROTOCOL.md, "The schema"."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import msgspec

from .octets import Malformed

FORMAT: Final = "sidereal schema 7"
AUDIENCES: Final = ("viewers", "sector", "pilot", "all")
SORTS: Final = ("axis", "hold", "angle", "press")
Names = dict[str, list[str]]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


def schema_hash(description: bytes) -> bytes:
    """Work out the hash that a hello says."""
    return hashlib.blake2b(description, digest_size=16, person=b"sidereal-schema").digest()


def read_description(body: bytes) -> tuple[Names, Names, Names]:
    """Read a description.

    Returns:
        the fields of the components, the components of the kinds, and the fields of the events,
        by their names.
    """
    try:
        found = msgspec.msgpack.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("not MessagePack") from error
    form, components, kinds, controls, events = _items(found, 5)
    if form != FORMAT:
        raise Malformed(f"format {form!r}")
    fields = {}
    for component in _listed(components):
        name, *_, declared = _items(component, 7)
        fields[_named(name)] = [_named(_items(field, 8)[0]) for field in _listed(declared)]
    order = list(fields)
    have = {}
    for kind in _listed(kinds):
        name, numbers = _items(kind, 2)
        have[_named(name)] = [_picked(order, number) for number in _listed(numbers)]
    for control in _listed(controls):
        name, codes, sort = _items(control, 3)
        if type(codes) is not int or sort not in SORTS:
            raise Malformed(f"control {_named(name)}")
    happen = {}
    for event in _listed(events):
        name, to, declared = _items(event, 3)
        if to not in AUDIENCES:
            raise Malformed(f"event {_named(name)}")
        happen[_named(name)] = [_named(_items(field, 8)[0]) for field in _listed(declared)]
    return fields, have, happen


def _listed(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Malformed("no array")
    return value


def _items(value: Any, count: int) -> list[Any]:
    if len(_listed(value)) != count:
        raise Malformed(f"no array of {count}")
    return list(value)


def _named(value: Any) -> str:
    if type(value) is not str or not _NAME.fullmatch(value):
        raise Malformed(f"no name: {value!r}")
    return value


def _picked(order: list[str], number: Any) -> str:
    if type(number) is not int or not 1 <= number <= len(order):
        raise Malformed(f"component {number!r}")
    return order[number - 1]
