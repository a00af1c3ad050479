"""`sidereal new`."""

from __future__ import annotations

from pathlib import Path

from sidereal.tools.project.make import locate, make_project


async def new(name: str, /, *, directory: Path = Path()) -> int:
    """Write a project for a game of your own: a game in one module, and a test of it.

    Example: sidereal new mygame

    Parameters
    ----------
    name
        Of the game, its module and its directory: small letters, digits and _.
    directory
        In which the project's directory is made.
    """
    sources = list(locate())
    made = make_project(name, directory, sources)
    print(f"{made} is there: cd {made} && uv run sidereal up")
    if not sources:
        print(f"If uv finds no sidereal-tools: {made / 'README.md'} says more.")
    return 0
