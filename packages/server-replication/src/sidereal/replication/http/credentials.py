"""What people send to register and to log in, checked field by field."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from sidereal.game.words import JOINERS, MARKS_MAX, is_line
from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import NAME_SIZE_MAX
from sidereal.protocol.message.player import Role
from sidereal.replication.keeping.names import (
    is_name_letter,
    is_readable,
    joins,
    lookalikes,
    shows,
)

PASSWORD_LENGTH_MIN: Final = 8
PASSWORD_SIZE_MAX: Final = 256
"""Bytes in UTF-8."""
ANONYMOUS_PREFIX: Final = "anon-"
"""Names that begin so, or look so, are given, never registered."""


class FormError(WireError):
    """What was sent can't be used.

    Attributes:
        fields: what is wrong, by field; empty when it is no form at all.
    """

    def __init__(self, text: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.fields = dict(fields or {})


@dataclass(frozen=True, slots=True)
class RegisterForm:
    """A new account."""

    name: str
    password: str


@dataclass(frozen=True, slots=True)
class LoginForm:
    """A session that is asked for; an anonymous player has neither name nor password.

    Attributes:
        displace: whether it may end the one with which the account is in the world.
    """

    anonymous: bool
    name: str
    password: str
    role: Role
    displace: bool = True


def read_register_untrusted(body: bytes) -> RegisterForm:
    """Read the form that registers an account.

    Raises:
        FormError: naming every field that is wrong.
    """
    reader = _Reader(body, {"name", "password"})
    form = RegisterForm(
        reader.take("name", _check_new_name), reader.take("password", _check_new_password)
    )
    reader.finish()
    return form


def read_login_untrusted(body: bytes) -> LoginForm:
    """Read the form that asks for a session.

    Raises:
        FormError: naming every field that is wrong.
    """
    reader = _Reader(body, {"anonymous", "name", "password", "role", "displace"})
    role = reader.take("role", _check_role, optional=True)
    anonymous, displace = reader.values.get("anonymous", False), reader.values.get("displace", True)
    for flag, value in (("anonymous", anonymous), ("displace", displace)):
        if not isinstance(value, bool):
            reader.wrong[flag] = "must be true or false"
    name = password = ""
    if anonymous is True:
        for other in ("name", "password"):
            if other in reader.values:
                reader.wrong[other] = "an anonymous player has none"
    else:
        name = reader.take("name", _check_name)
        password = reader.take("password", _check_password)
    reader.finish()
    wanted = Role[role.upper()] if role else Role.PLAYER
    return LoginForm(anonymous is True, name, password, wanted, displace)


class _Reader:
    """A JSON object of texts, and what is found wrong with it."""

    def __init__(self, body: bytes, known: set[str]) -> None:
        try:
            values = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise FormError("the body is not JSON") from None
        if not isinstance(values, dict):
            raise FormError("the body must be a JSON object")
        self.values: dict[str, Any] = values
        self.wrong = {name: "is not known here" for name in values if name not in known}

    def take(self, name: str, check: Callable[[str], str | None], *, optional: bool = False) -> str:
        if name not in self.values:
            if not optional:
                self.wrong[name] = "is missing"
            return ""
        value = self.values[name]
        if not isinstance(value, str):
            self.wrong[name] = "must be a text"
            return ""
        value = unicodedata.normalize("NFC", value)
        problem = check(value)
        if problem:
            self.wrong[name] = problem
        return value

    def finish(self) -> None:
        if self.wrong:
            words = "; ".join(f"{name} {text}" for name, text in self.wrong.items())
            raise FormError(words, self.wrong)


def _check_name(value: str) -> str | None:
    # Half a surrogate pair is no text, and not printable either: look before encoding.
    if not is_readable(value):
        return "must be printable"
    if not 1 <= len(value.encode()) <= NAME_SIZE_MAX:
        return f"must have 1 to {NAME_SIZE_MAX} bytes in UTF-8"
    return None


def _check_new_name(value: str) -> str | None:
    if value != value.strip():
        return "must not begin or end with a space"
    problem = _check_name(value)
    if problem:
        return problem
    if "  " in value:
        return "must not have two spaces in a row"
    folded = unicodedata.normalize("NFKC", value)
    if not all(letter in JOINERS or is_name_letter(letter) for letter in folded):
        return "must have letters, digits, symbols, spaces and ASCII punctuation only"
    if not joins(folded):
        return "must have joiners only between two letters that are not of ASCII, one at a time"
    if not shows(folded):
        return "must have something that shows"
    if not is_line(value):
        return f"must have at most {MARKS_MAX} marks on a letter"
    if any(skeleton.startswith(ANONYMOUS_PREFIX) for skeleton in lookalikes(value)):
        return f"must not begin with {ANONYMOUS_PREFIX}"
    return None


def _check_password(value: str) -> str | None:
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in value):
        return "must be a text"
    if len(value.encode()) > PASSWORD_SIZE_MAX:
        return f"must have at most {PASSWORD_SIZE_MAX} bytes in UTF-8"
    return None


def _check_new_password(value: str) -> str | None:
    if len(value) < PASSWORD_LENGTH_MIN:
        return f"must have at least {PASSWORD_LENGTH_MIN} characters"
    return _check_password(value)


def _check_role(value: str) -> str | None:
    roles = [role.name.lower() for role in Role]
    return None if value in roles else f"must be one of {', '.join(roles)}"
