"""Loading a game: from `module:name` to its declarations, with everything wrong said in words."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Final

from sidereal.game.declarations import Declarations, declare
from sidereal.game.part import Game
from sidereal.protocol.errors import ConfigError

DEFAULT_GAME: Final = "sidereal.games.frontier:game"
"""What is played unless something else is said."""


def load(text: str, otherwise: str = "") -> Declarations:
    """Import a game and check it.

    The working directory becomes the last entry of the import path.

    Args:
        text: `module:name`, as of `--game`.
        otherwise: what to do when there is no such module, in words.

    Raises:
        ConfigError: naming every problem at once, in words.
    """
    module_name, colon, name = text.partition(":")
    words = module_name.split(".")
    if not colon or not name.isidentifier() or not all(word.isidentifier() for word in words):
        raise ConfigError(f"--game {text}: write it as module:name, as in mygame:game")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    _refuse_hidden(text, words[0], Path(here))
    module = _import(text, module_name, otherwise)
    game = getattr(module, name, None)
    if not isinstance(game, Game):
        raise ConfigError(f"--game {text}: {_what_there_is(module, name)}")
    try:
        return declare(game)
    except ConfigError as error:
        raise ConfigError(f"--game {text}:\n{error}") from error


def load_to_show(text: str) -> Declarations:
    """Import a game for a client that shows any world, as `load` does.

    Raises:
        ConfigError: naming every problem at once, in words.
    """
    return load(text, "; without --game the world is shown as its server describes it")


def source_files(text: str, declared: Declarations) -> dict[str, Path]:
    """Find the source of a game: the files of all loaded modules of the packages that declare.

    Of `mygame.weapons` it is all of `mygame`, of a module without a package that one alone.

    Args:
        text: `module:name`, which was loaded.
        declared: what it declares.

    Returns:
        files by the names of their modules, in the order of these.
    """
    declaring = (text.partition(":")[0], *declared.modules)
    packages = {name.rpartition(".")[0] or name for name in declaring}
    files = {}
    for name in sorted(sys.modules):
        inside = any(f"{name}.".startswith(f"{package}.") for package in packages)
        file = getattr(sys.modules[name], "__file__", None) if inside else None
        if file is not None and Path(file).is_file():
            files[name] = Path(file)
    return files


def digest_of_code(text: str, declared: Declarations) -> bytes:
    """Tell one version of a game's source from another.

    Args:
        text: `module:name`, which was loaded.
        declared: what it declares.

    Returns:
        16 bytes, made of all its `source_files`.
    """
    digest = hashlib.blake2b(digest_size=16, person=b"sidereal-code")
    for name, file in source_files(text, declared).items():
        source = file.read_bytes()
        digest.update(f"{name} {len(source)}\n".encode() + source)
    return digest.digest()


def _import(text: str, name: str, otherwise: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise ConfigError(
                f"--game {text}: there is no module {error.name}, neither installed "
                f"nor in {os.getcwd()}{otherwise}"
            ) from error
        raise ConfigError(f"--game {text}: {_raised(error)}") from error
    except Exception as error:  # the game's module is somebody else's code: it may raise anything
        raise ConfigError(f"--game {text}: {_raised(error)}") from error


def _raised(error: Exception) -> str:
    """Say where a module raised, as Python does, without the importing in between."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not frame.filename.startswith("<frozen importlib")]
    where = f"{outside[-1].filename}:{outside[-1].lineno}: " if len(outside) > 2 else ""
    return f"{where}{''.join(traceback.format_exception_only(error)).strip()}"


def _what_there_is(module: ModuleType, name: str) -> str:
    there = vars(module)
    if name in there:
        return f"{name} is of type {type(there[name]).__name__}, not a Game"
    games = [known for known, value in there.items() if isinstance(value, Game)]
    has = f"; it has {', '.join(games)}" if games else ", and no other game"
    return f"module {module.__name__} has no {name}{has}"


def _refuse_hidden(text: str, name: str, here: Path) -> None:
    """Refuse a module of the working directory that an installed one of its name hides.

    Raises:
        ConfigError: it does.
    """
    mine = next((p for p in (here / f"{name}.py", here / name / "__init__.py") if p.exists()), None)
    if mine is None:
        return
    spec = importlib.util.find_spec(name)
    origin = spec.origin if spec else None
    if origin is None or not Path(origin).exists():
        found = "one of Python's own" if origin in ("built-in", "frozen") else None
    else:
        found = None if Path(origin).resolve() == mine.resolve() else origin
    if found is not None:
        raise ConfigError(f"--game {text}: {mine} is hidden by {found}; give it another name")
