"""Writing a project: a game in one module, a test of it, and what uv needs to run both."""

from __future__ import annotations

import importlib.util
import json
import keyword
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from sidereal.protocol.errors import ConfigError, UnavailableError

FILES: Final = {
    "game.py.in": "$name.py",
    "test_game.py.in": "test_$name.py",
    "pyproject.toml.in": "pyproject.toml",
    "sidereal.toml.in": "sidereal.toml",
    "README.md.in": "README.md",
    "gitignore.in": ".gitignore",
}
"""Name of a template, and of the file that is made of it."""

PACKAGES: Final = (
    "sidereal-protocol",
    "sidereal-replication",
    "sidereal-shard",
    "sidereal-client",
    "sidereal-tools",
)

WANTED: Final = ("sidereal-tools", "sidereal-client[view]")
"""What a project needs, by name."""

UNKNOWN: Final = (
    "If uv finds no `sidereal-tools` or `sidereal-client`, say where their wheels are: under "
    '`[tool.uv]`\nin `pyproject.toml`, write `find-links = ["/path/of/wheels"]`.\n'
)
"""What a project's README says when nothing tells where the packages came from."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")


class Source(NamedTuple):
    """Where a package lies that comes from no index.

    Attributes:
        path: of its directory, or of its wheel.
        editable: whether it is used from its directory as it is.
    """

    package: str
    path: str
    editable: bool


def make_project(name: str, parent: Path, sources: Sequence[Source]) -> Path:
    """Write a project.

    Args:
        name: of the game, its module and its directory.
        parent: directory that it is made in.
        sources: where packages lie that come from no index.

    Returns:
        the project's directory.

    Raises:
        ConfigError: the name can't be a module's, or is another one's.
        UnavailableError: the directory is not empty, or can't be written.
    """
    _check_name(name)
    directory = parent / name
    # uv takes the source of a package only where the package is asked for outright.
    named = {package.partition("[")[0] for package in WANTED}
    wanted = [*WANTED, *(each.package for each in sources if each.package not in named)]
    words = {
        "name": name,
        "dependencies": "\n".join(f'    "{package}",' for package in wanted),
        "sources": "\n".join(map(_source_line, sources)),
        "links": _links_line(sources),
        "wheels": "" if sources else UNKNOWN,
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UnavailableError(f"{directory} is there already, and not empty")
        for template, file in FILES.items():
            text = files(__package__).joinpath(template).read_text("utf-8")
            written = Template(text).substitute(words)
            (directory / Template(file).substitute(words)).write_text(written, "utf-8")
    except OSError as error:
        raise UnavailableError(f"can't write {directory}: {error.strerror}") from None
    return directory


def locate() -> Iterator[Source]:
    """Tell where those of our packages lie that come from no index."""
    for package in PACKAGES:
        try:
            text = Distribution.from_name(package).read_text("direct_url.json")
        except PackageNotFoundError:
            continue
        origin = json.loads(text or "{}")
        url = urlsplit(origin.get("url", ""))
        if url.scheme == "file":
            editable = bool(origin.get("dir_info", {}).get("editable"))
            yield Source(package, unquote(url.path), editable)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigError(
            f"{name!r} can't be the name of a module: small letters, digits and _, a letter first"
        )
    if importlib.util.find_spec(name) is not None:
        raise ConfigError(f"{name} is the name of a module that is installed; choose another")


def _links_line(sources: Sequence[Source]) -> str:
    """Let uv look for the other packages beside a wheel."""
    beside = {str(Path(s.path).parent) for s in sources if s.path.endswith(".whl")}
    return f"find-links = {json.dumps(sorted(beside))}\n" if beside else ""


def _source_line(source: Source) -> str:
    editable = ", editable = true" if source.editable else ""
    return f"{source.package} = {{ path = {json.dumps(source.path)}{editable} }}"
