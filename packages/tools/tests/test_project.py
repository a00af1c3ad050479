"""A project of one's own: where it takes the packages from."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sidereal.tools.project.make import Source, make_project

COMMAND = import_module("sidereal.tools.commands.new")


def uv_of(project: Path) -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((project / "pyproject.toml").read_text())
    found: dict[str, Any] = settings["tool"]["uv"]
    return found


def test_a_project_of_wheels_looks_for_the_others_beside_them(tmp_path: Path) -> None:
    wheel = "/wheels/sidereal_tools-0.1.0-py3-none-any.whl"
    made = make_project("dunes", tmp_path, [Source("sidereal-tools", wheel, editable=False)])
    assert uv_of(made)["find-links"] == ["/wheels"]
    assert uv_of(made)["sources"] == {"sidereal-tools": {"path": wheel}}
    assert "find-links" not in (made / "README.md").read_text()


def test_a_project_of_a_checkout_needs_no_wheels(tmp_path: Path) -> None:
    sources = [Source("sidereal-tools", "/checkout/packages/tools", editable=True)]
    made = make_project("dunes", tmp_path, sources)
    assert "find-links" not in uv_of(made)
    assert "find-links" not in (made / "README.md").read_text()


def test_a_project_that_knows_no_source_says_what_to_do(tmp_path: Path) -> None:
    made = make_project("dunes", tmp_path, [])
    assert uv_of(made)["sources"] == {}
    assert 'find-links = ["/path/of/wheels"]' in (made / "README.md").read_text()


@pytest.mark.parametrize(
    "sources", [[], [Source("sidereal-tools", "/checkout/packages/tools", editable=True)]]
)
async def test_who_may_have_to_say_where_wheels_are_is_told(
    sources: list[Source],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(COMMAND, "locate", lambda: iter(sources))
    assert await COMMAND.new("dunes", directory=tmp_path) == 0
    first, *more = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{tmp_path / 'dunes'} is there")
    readme = tmp_path / "dunes" / "README.md"
    assert more == ([] if sources else [f"If uv finds no sidereal-tools: {readme} says more."])
