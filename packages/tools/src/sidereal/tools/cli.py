"""The `sidereal` command: finds the command meant and turns its end into an exit status.

Settings come from flags, over variables, over `sidereal.toml`, over defaults (`settings`). Exit
status: 0 done, 1 it ran and failed, 2 a wrong flag, file or URL, 3 a `--require` was not met, 69
something it needs is not there, 130 a one-shot command was interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from cyclopts import App
from cyclopts.config import Env
from cyclopts.exceptions import CycloptsError

from sidereal.protocol.errors import ConfigError, SiderealError, UnavailableError
from sidereal.protocol.runtime.process import SUPERVISED, release_signals
from sidereal.protocol.runtime.streams import open_streams
from sidereal.tools.settings import (
    PREFIX,
    Origins,
    SettingsFile,
    forget_empty_variables,
    mend_size,
    unread_variables,
)

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNAVAILABLE: Final = 69
EXIT_INTERRUPTED: Final = 130

SERVERS: Final = ("up", "replication", "shard", "bots", "netsim")
"""Commands that go on until they are told to end, and then end well."""

HELP: Final = frozenset({"--help", "-h"})

COMMANDS: Final = (
    ("up", "A whole world on this machine: database, server, shards, bots."),
    ("replication", "The replication server alone."),
    ("shard", "One shard server alone."),
    ("view", "The arcade debug client: see the world and fly in it."),
    ("monitor", "The terminal monitor."),
    ("bots", "The load generator."),
    ("status", "The state of a running world, once."),
    ("token", "Log in, or register, and print a connect token."),
    ("netsim", "A UDP proxy that is a bad network: delay, jitter, loss, bursts, rate."),
    ("new", "A project for a game of your own, with a test."),
    ("doctor", "What on this machine would stop any of these, and the remedy."),
)


def make_app(chosen: str = "", origins: Origins | None = None) -> App:
    """Build the command line; no command's module is imported yet.

    Args:
        chosen: command that is going to be called: it tells itself what it does.
        origins: learns where the settings of that command come from.
    """
    file = SettingsFile([name for name, _ in COMMANDS])
    app = App(
        name="sidereal",
        help="One seamless multiplayer world across many server processes.",
        version=version("sidereal-tools"),
        config=[Env(PREFIX), file, origins or Origins()],
        backend="trio",
        result_action="return_value",
        print_error=False,
        exit_on_error=False,
    )
    for name, words in COMMANDS:
        summary = None if name == chosen else words
        app.command(f"sidereal.tools.commands.{name}:{name}", name=name, help=summary)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `sidereal`; those of the process by default.

    Returns:
        the exit status.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        open_streams()
        if not words or words[0] not in SERVERS:
            release_signals()
    chosen = words[0] if words else ""
    prefix = f"sidereal {chosen}" if chosen[:1].isalpha() else "sidereal"
    origins = Origins()
    forget_empty_variables(os.environ)
    mend_size(os.environ, for_help=not words or bool(HELP & set(words)))
    try:
        _check_working_directory()
        app = make_app(chosen, origins)
        _name_unread_variables(app, chosen, prefix)
        status = app(words)
        sys.stdout.flush()
    except (CycloptsError, SiderealError, OSError, KeyboardInterrupt, BaseExceptionGroup) as error:
        return _end_with(prefix, error, origins)
    return status if isinstance(status, int) else 0


def _check_working_directory() -> None:
    try:
        os.getcwd()
    except OSError:
        raise UnavailableError("the working directory is gone: change to one that exists") from None


def _name_unread_variables(app: App, chosen: str, prefix: str) -> None:
    if os.environ.get(SUPERVISED) or not any(name.startswith(PREFIX) for name in os.environ):
        return  # the supervisor has named them already
    if any(chosen == name for name, _ in COMMANDS):
        flags = [argument.name for argument in app[chosen].assemble_argument_collection()]
        for line in unread_variables(os.environ, chosen, flags):
            print(f"{prefix}: {line}", file=sys.stderr)


def _end_with(prefix: str, error: BaseException, origins: Origins) -> int:
    """Turn what a command raised into words and a status; raise it again if it is a bug."""
    causes = list(_leaves(error))
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
        return EXIT_INTERRUPTED
    if any(isinstance(cause, BrokenPipeError) for cause in causes):
        return EXIT_FAILED  # whoever read our output has enough
    if len({str(cause) for cause in causes}) == 1:
        cause = causes[0]
        text = _in_a_line(str(cause))
        if isinstance(cause, ConfigError):
            return _say(prefix, origins.name_in(text), EXIT_USAGE)
        if isinstance(cause, CycloptsError):
            return _say(prefix, text, EXIT_USAGE)
        if isinstance(cause, (UnavailableError, ConnectionError)):
            return _say(prefix, text, EXIT_UNAVAILABLE)
        if isinstance(cause, SiderealError):
            return _say(prefix, text, EXIT_FAILED)
        if isinstance(cause, OSError) and cause.filename is not None:
            file = os.fsdecode(cause.filename) if not isinstance(cause.filename, int) else "a file"
            return _say(prefix, f"{file}: {cause.strerror}", EXIT_UNAVAILABLE)
        if isinstance(cause, FileNotFoundError):  # no place for temporary ones
            return _say(prefix, text, EXIT_UNAVAILABLE)
    raise error


def _in_a_line(text: str) -> str:
    """Make one line of several, so that each can still be told from the next."""
    parts = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    ended = [part if part[-1] in ".:;,!?" else f"{part};" for part in parts[:-1]]
    return " ".join([*ended, *parts[-1:]])


def _say(prefix: str, text: str, status: int) -> int:
    print(f"{prefix}: {text}", file=sys.stderr)
    return status


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
