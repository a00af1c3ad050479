"""Settings that are not flags: variables, `sidereal.toml` and secrets.

A variable is called `SIDEREAL_<COMMAND>_<FLAG>`, so no variable means two things. `SHARED` names
the few that mean the same for every command. What is wrong in a variable or in the file is said
with the name of it.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import shutil
import sys
import tomllib
from collections.abc import Collection, Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, ArgumentCollection, Parameter
from cyclopts.config import Dict

from sidereal.protocol.errors import ConfigError, UnavailableError

PREFIX: Final = "SIDEREAL_"
FILE_NAME: Final = "sidereal.toml"

DATABASE: Final = "SIDEREAL_DATABASE"
SHARD_KEY: Final = "SIDEREAL_SHARD_KEY"
STATUS_TOKEN: Final = "SIDEREAL_STATUS_TOKEN"
GAME: Final = "SIDEREAL_GAME"
SHARED: Final = (DATABASE, GAME, SHARD_KEY, STATUS_TOKEN, "SIDEREAL_LOG", "SIDEREAL_SUPERVISED")
"""Variables without a command in their name; each has one meaning everywhere."""
SUPERVISOR: Final = "SIDEREAL_REPLICATION_SUPERVISOR"
"""By which a supervisor's server takes over from its own predecessor at once."""
PASSWORDS: Final = (
    "SIDEREAL_MONITOR_PASSWORD",
    "SIDEREAL_STATUS_PASSWORD",
    "SIDEREAL_TOKEN_PASSWORD",
    "SIDEREAL_VIEW_PASSWORD",
)
"""Variables for secrets that no flag takes, because a flag stands in the list of processes."""

Database = Annotated[str, Parameter(env_var=DATABASE)]
"""Type of a `--database` flag."""

GameName = Annotated[str, Parameter(env_var=GAME)]
"""Type of a `--game` flag."""

Names = Annotated[list[str] | None, Parameter(negative=())]
"""Type of a flag that may be given again."""

FileOrInput = Annotated[Path | None, Parameter(allow_leading_hyphen=True)]
"""Type of a flag that names a file to read, or `-` for standard input."""

HELP_COLUMNS_MIN: Final = 40
"""Narrower help is a column of letters, and then an error of the library that wraps it."""

FOR_ALL_COMMANDS: Final = ("game",)
"""What `sidereal.toml` may say at its top level, for all commands that have such a flag."""

SHARD_KEY_NAME: Final = "shard.key"
"""File in the data directory of a replication server that was given no shard key."""
SHARD_KEY_SIZE: Final = 16
"""Bytes of randomness in it."""

STANDARD_INPUT: Final = "-"
SECRET_SIZE_MAX: Final = 4096
"""Characters of a file that holds a secret; a longer one is not meant."""

_ORCHESTRATED: Final = re.compile(r"(SERVICE_HOST|SERVICE_PORT|PORT)(_.*)?")
"""Kubernetes gives every container such variables for a service that is called like a command."""


class SettingsFile:
    """Reads the `sidereal.toml` of the working directory, or the nearest one above it."""

    def __init__(self, commands: Collection[str]) -> None:
        self._commands = commands

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Fill in what neither a flag nor a variable says.

        Raises:
            ConfigError: the file cannot be read, or has a section that is no command.
        """
        for directory in (Path.cwd(), *Path.cwd().parents):
            path = directory / FILE_NAME
            settings = read_file(path)
            if settings is None:
                continue
            for_all = {name: settings.pop(name) for name in FOR_ALL_COMMANDS if name in settings}
            unknown = [name for name in settings if name not in self._commands]
            if unknown:
                raise ConfigError(
                    f"{path} may not have {unknown[0]!r} at its top level; there may be "
                    f"{', '.join(FOR_ALL_COMMANDS)}, and sections, one for each command: "
                    f"{', '.join(self._commands)}"
                )
            flags = {argument.name for argument in arguments}
            for name in [name for name in for_all if f"--{name}" in flags]:
                section = settings.setdefault(commands[0], {})
                if isinstance(section, dict):
                    section.setdefault(name, for_all[name])
            Dict(settings, source=str(path))(app, commands, arguments)
            return


def read_file(path: Path) -> dict[str, Any] | None:
    """Read a file of settings; None when there is none.

    Raises:
        ConfigError: naming the file and what is wrong with it.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


class Origins:
    """Remembers which variable or file a setting came from.

    Goes last among the sources of settings, when all of them have filled in what they have.
    """

    def __init__(self) -> None:
        self._found: dict[str, str] = {}

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Look at where each argument's value came from."""
        for argument in arguments:
            for token in argument.tokens:
                if token.source != "cli":
                    place = token.keyword if token.source == "env" else token.source
                    self._found[argument.name] = str(place)

    def name_in(self, text: str) -> str:
        """Add to an error the places of the flags that it names."""
        places = [
            f"{flag} is set by {place}"
            for flag, place in self._found.items()
            if re.search(rf"{re.escape(flag)}(?![\w-])", text) and place not in text
        ]
        return f"{text} ({'; '.join(places)})" if places else text


def forget_empty_variables(environment: MutableMapping[str, str]) -> None:
    """Take a variable that is set to nothing for one that is not set, as compose files mean it."""
    for name in [name for name in environment if name.startswith(PREFIX)]:
        if not environment[name]:
            del environment[name]


def mend_size(environment: MutableMapping[str, str], *, for_help: bool) -> None:
    """Take out of the environment the sizes of a terminal that no terminal has.

    Args:
        environment: as `os.environ`.
        for_help: help is about to be printed, which needs some width wherever it goes.
    """
    for name in ("COLUMNS", "LINES"):
        said = environment.get(name)
        if said is not None and not (said.isascii() and said.isdigit() and 0 < int(said) < 10_000):
            del environment[name]
    if for_help and shutil.get_terminal_size().columns < HELP_COLUMNS_MIN:
        environment["COLUMNS"] = str(HELP_COLUMNS_MIN)


def unread_variables(
    environment: Mapping[str, str], command: str, flags: Collection[str]
) -> list[str]:
    """Say which variables were probably meant for a command that does not read them.

    Args:
        environment: as `os.environ`.
        command: that runs.
        flags: names of its flags, with hyphens.
    """
    own = f"{PREFIX}{command.upper()}_"
    known = {own + _as_variable(flag): flag for flag in flags}
    short = {PREFIX + _as_variable(flag): name for name, flag in known.items()}
    said = []
    for name in sorted(environment):
        if name in known or name in SHARED or name in PASSWORDS:
            continue
        if name in short:
            said.append(f"{name} is not read; the name for this command is {short[name]}")
        elif name.startswith(own) and not _ORCHESTRATED.fullmatch(name.removeprefix(own)):
            said.append(f"{name} is not read: there is no such flag")
    return said


def _as_variable(flag: str) -> str:
    return flag.lstrip("-").upper().replace("-", "_").replace(".", "_")


def read_shard_key(file: Path | None) -> str:
    """Read the key that replication server and shards share: from a file, or the variable.

    Raises:
        ConfigError: there is none, or none that can be read.
    """
    key = _given_shard_key(file)
    if key is None:
        raise ConfigError(
            f"the shard key is missing: set {SHARD_KEY}, or give --shard-key-file FILE (a server "
            f"that was given none keeps its own as {SHARD_KEY_NAME} in its data directory)"
        )
    return key


def read_or_make_shard_key(file: Path | None, directory: Path) -> str:
    """Read the shard key; where none is given, the one that is kept in a directory.

    The first time it is made there, of 128 random bits, for this user's eyes only.

    Args:
        file: that holds it, `-` for standard input; None without one.
        directory: of the world's data.

    Raises:
        ConfigError: there is none that can be read.
        UnavailableError: none can be kept there.
    """
    if (key := _given_shard_key(file)) is not None:
        return key
    path = directory / SHARD_KEY_NAME
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), open(path, "x", opener=_open_private) as stream:
            stream.write(f"{secrets.token_hex(SHARD_KEY_SIZE)}\n")
    except OSError as error:
        raise UnavailableError(
            f"no shard key can be kept in {directory}: {error.strerror}; set {SHARD_KEY}, give "
            "--shard-key-file FILE, or choose another directory with --data-dir"
        ) from None
    return _secret_of(path, "the file of the shard key")


def _given_shard_key(file: Path | None) -> str | None:
    if file is not None:
        return _secret_of(file, "--shard-key-file")
    return os.environ.get(SHARD_KEY) or None


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def read_status_token(file: Path | None) -> str | None:
    """Read the bearer token that reads a server's state; None where there is none.

    Raises:
        ConfigError: the file can't be read.
    """
    if file is not None:
        return _secret_of(file, "--status-token-file")
    return os.environ.get(STATUS_TOKEN)


def read_password(command: str, name: str, file: Path | None, *, new: bool = False) -> str:
    """Read the password of an account: from a file, the variable, or a person at a terminal.

    Args:
        command: in capitals; its variable is meant.
        name: of the account.
        file: that holds the password, `-` for standard input; None without one.
        new: nobody knows this password yet, so a person is asked twice.

    Raises:
        ConfigError: there is none, or none that can be read.
    """
    if file is not None:
        return _secret_of(file, "--password-file")
    variable = f"{PREFIX}{command}_PASSWORD"
    if password := os.environ.get(variable):
        return password
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigError(
            f"the password of {name!r} is missing: set {variable}, or give --password-file FILE "
            f"({STANDARD_INPUT} is standard input)"
        )
    try:
        password = getpass.getpass(f"Password of {name}: ")
        if new and getpass.getpass("Again: ") != password:
            raise ConfigError("those were two different passwords")
    except EOFError:
        password = ""
    if not password:
        raise ConfigError("no password was given")
    return password


def _secret_of(file: Path, flag: str) -> str:
    try:
        if str(file) == STANDARD_INPUT:
            text = "" if sys.stdin is None else sys.stdin.read(SECRET_SIZE_MAX + 1)
        else:
            with file.open(encoding="utf-8-sig") as stream:
                text = stream.read(SECRET_SIZE_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{flag} is {str(file)!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{flag} is {str(file)!r}, which is not text in UTF-8") from None
    if len(text) > SECRET_SIZE_MAX:
        raise ConfigError(f"{flag} is {str(file)!r}, which is too long for a secret")
    secret = text.rstrip("\r\n")
    if not secret:
        raise ConfigError(f"{flag} is {str(file)!r}, which is empty")
    return secret
