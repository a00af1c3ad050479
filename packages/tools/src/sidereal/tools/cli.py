"""The `sidereal` command: finds the command meant and turns its end into an exit status.

Settings come from flags, over `SIDEREAL_*` variables, over `sidereal.toml`, over defaults. Exit
status: 0 done, 1 it ran and failed, 2 a wrong flag, file or URL, 3 a `--require` was not met, 69
something it needs is not there, 130 a one-shot command was interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from cyclopts import App
from cyclopts.config import Env, Toml
from cyclopts.exceptions import CycloptsError

from sidereal.protocol.errors import ConfigError, SiderealError, UnavailableError
from sidereal.protocol.runtime.process import release_signals
from sidereal.protocol.runtime.streams import open_streams

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNAVAILABLE: Final = 69
EXIT_INTERRUPTED: Final = 130

SERVERS: Final = ("up", "replication", "shard", "bots", "netsim")
"""Commands that go on until they are told to end, and then end well."""

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
    ("doctor", "What on this machine would stop any of these, and the remedy."),
)


def make_app(chosen: str = "") -> App:
    """Build the command line; no command's module is imported yet.

    Args:
        chosen: command that is going to be called: it tells itself what it does.
    """
    app = App(
        name="sidereal",
        help="One seamless multiplayer world across many server processes.",
        version=version("sidereal-tools"),
        config=[Env("SIDEREAL_", command=False), Toml("sidereal.toml", search_parents=True)],
        backend="trio",
        result_action="return_value",
        print_error=False,
        exit_on_error=False,
    )
    for name, words in COMMANDS:
        told = None if name == chosen else words
        app.command(f"sidereal.tools.commands.{name}:{name}", name=name, help=told)
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
    prefix = " ".join(["sidereal", *words[:1]]) if words[:1] != ["--help"] else "sidereal"
    try:
        status = make_app(words[0] if words else "")(words)
        sys.stdout.flush()
    except (CycloptsError, SiderealError, OSError, KeyboardInterrupt, BaseExceptionGroup) as error:
        return _end_with(prefix, error)
    return status if isinstance(status, int) else 0


def _end_with(prefix: str, error: BaseException) -> int:
    """Turn what a command raised into words and a status; raise it again if it is a bug."""
    causes = list(_leaves(error))
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
        return EXIT_INTERRUPTED
    if any(isinstance(cause, BrokenPipeError) for cause in causes):
        return EXIT_FAILED  # whoever read our output has enough
    if len({str(cause) for cause in causes}) == 1:
        cause = causes[0]
        if isinstance(cause, (CycloptsError, ConfigError)):
            return _say(prefix, cause, EXIT_USAGE)
        if isinstance(cause, (UnavailableError, ConnectionError)):
            return _say(prefix, cause, EXIT_UNAVAILABLE)
        if isinstance(cause, SiderealError):
            return _say(prefix, cause, EXIT_FAILED)
    raise error


def _say(prefix: str, error: BaseException, status: int) -> int:
    text = " ".join(str(error).split())
    print(f"{prefix}: {text}", file=sys.stderr)
    return status


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
