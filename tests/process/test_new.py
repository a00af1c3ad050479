"""`sidereal new`: a project that runs, and passes its own test, as it is written."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.process.conftest import ANY_PORTS, Toolbox, ships

FILES = {
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "sidereal.toml",
    "test_wells.py",
    "wells.py",
}


@pytest.fixture(scope="module")
def project(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp("projects")
    made = toolbox.run("new", "wells", "--directory", parent)
    assert made.wait() == 0
    assert f"{parent / 'wells'} is there" in made.out
    return parent / "wells"


def test_it_has_all_that_a_game_needs(project: Path) -> None:
    assert {path.name for path in project.iterdir()} == FILES
    settings = tomllib.loads((project / "pyproject.toml").read_text())
    wanted = {word.partition("[")[0] for word in settings["project"]["dependencies"]}
    sources = settings["tool"]["uv"]["sources"]
    assert {"sidereal-tools", "sidereal-client", *sources} == wanted
    assert all(Path(source["path"]).exists() for source in sources.values())


def test_its_tests_pass(project: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_its_world_comes_up_with_nothing_said(
    toolbox: Toolbox, project: Path, tmp_path: Path
) -> None:
    files = {name: (project / name).read_text() for name in ("wells.py", "sidereal.toml")}
    words = ("up", *ANY_PORTS, "--data-dir", tmp_path / "data", "--bots", 1)
    command = toolbox.start(*words, files=files)
    world = toolbox.watch(command.wait_output(r"The world is ready at (\S+)"), command)
    status = world.wait_flying(1)
    assert status["replication"]["entities"] == 6 + len(ships(status))
    command.tell(2)
    assert command.wait() == 0


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("Wells", 2, "can't be the name of a module"),
        ("class", 2, "can't be the name of a module"),
        ("json", 2, "is the name of a module that is installed"),
    ],
)
def test_a_name_that_can_t_be_is_refused_in_a_line(
    toolbox: Toolbox, name: str, status: int, says: str
) -> None:
    command = toolbox.run("new", name)
    assert command.wait() == status
    (line,) = command.said
    assert says in line


def test_nothing_that_is_there_is_written_over(toolbox: Toolbox, project: Path) -> None:
    before = (project / "wells.py").read_bytes()
    command = toolbox.run("new", "wells", "--directory", project.parent)
    assert command.wait() == 69
    (line,) = command.said
    assert "is there already, and not empty" in line
    assert (project / "wells.py").read_bytes() == before
