"""Settings that are not flags: variables, the file, secrets."""

from __future__ import annotations

import getpass
import io
import os
import stat
from pathlib import Path

import pytest

from sidereal.protocol.errors import ConfigError, UnavailableError
from sidereal.protocol.links import is_random_key
from sidereal.tools import settings
from sidereal.tools.cli import COMMANDS, main, make_app

NAMES = [name for name, _ in COMMANDS]


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and no variables of ours."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SIDEREAL_")]:
        monkeypatch.delenv(name)
    return tmp_path


def variables_of(command: str) -> dict[str, str]:
    """What variables a command's help names, and the flag of each."""
    found = {}
    for argument in make_app()[command].assemble_argument_collection():
        names = argument.parameter.env_var or ()
        own = f"SIDEREAL_{command.upper()}_{argument.name[2:].upper()}"
        for name in (*names, own.replace("-", "_").replace(".", "_")):
            found[name] = argument.name
    return found


def test_no_variable_means_two_things() -> None:
    meanings: dict[str, set[str]] = {}
    for command in NAMES:
        for variable, flag in variables_of(command).items():
            meaning = flag if variable in settings.SHARED else f"{command} {flag}"
            meanings.setdefault(variable, set()).add(meaning)
    assert len(meanings) > 50
    assert {name for name, meant in meanings.items() if len(meant) > 1} == set()


@pytest.mark.parametrize(
    ("variable", "value", "words", "status", "says"),
    [
        ("SIDEREAL_UP_SHARDS", "0", "up", 2, "(--shards is set by SIDEREAL_UP_SHARDS)"),
        ("SIDEREAL_UP_SHARDS", "x", "up", 2, "Invalid value for SIDEREAL_UP_SHARDS"),
        ("SIDEREAL_UP_SHARDS", "0", "up --shards -1 --for 1", 2, "--shards must be 1 to 64\n"),
        ("SIDEREAL_UP_SHARDS", "", "up --for -1", 2, "up: --for must be above 0 seconds\n"),
        ("SIDEREAL_STATUS_SERVER", "x", "status", 2, "--server is set by SIDEREAL_STATUS_SERVER"),
        ("SIDEREAL_LOG", "loud", "up", 2, "SIDEREAL_LOG is 'loud'; it must be one of: debug, "),
        ("SIDEREAL_GAME", "x", "bots", 2, "--game x: write it as module:name, as in mygame:game"),
        ("SIDEREAL_GAME", "x", "bots", 2, "(--game is set by SIDEREAL_GAME)"),
        ("SIDEREAL_GAME", "x", "monitor", 2, "--game x: write it as module:name"),
    ],
)
def test_a_variable_is_read_by_its_command_and_named_when_it_is_wrong(
    variable: str,
    value: str,
    words: str,
    status: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(words.split()) == status
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("SIDEREAL_SHARDS", "is not read; the name for this command is SIDEREAL_UP_SHARDS"),
        ("SIDEREAL_UP_SHRADS", "is not read: there is no such flag"),
        ("SIDEREAL_BOTS_COUNT", None),
        ("SIDEREAL_SERVER", None),
        ("SIDEREAL_UP_SERVICE_HOST", None),
        ("SIDEREAL_UP_PORT_7070_TCP", None),
        ("SIDEREAL_SHARD_KEY", None),
        ("SIDEREAL_UP_SHARDS", None),
    ],
)
def test_a_variable_that_was_probably_meant_is_named(variable: str, said: str | None) -> None:
    lines = settings.unread_variables({variable: "3"}, "up", ["--shards", "--for"])
    assert lines == ([] if said is None else [f"{variable} {said}"])


def test_a_variable_of_another_meaning_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(
        "SIDEREAL_SHARDS", "3"
    )  # the number of shards for one, an endpoint for another
    monkeypatch.setenv("SIDEREAL_SHARD_KEY", "sesame")
    assert main(["replication", "--world", "nowhere"]) == 2
    note, error = capsys.readouterr().err.splitlines()
    assert note.endswith("the name for this command is SIDEREAL_REPLICATION_SHARDS")
    assert "--world is 'nowhere'" in error


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xef\xbb\xbf[up]\nshards = 0\n", "--shards must be 1 to 64 (--shards is set by {file})"),
        (b"[up\n", "{file} is not TOML: Expected ']'"),
        (b"\xff\xfe[up]", "{file} is not text in UTF-8"),
        (
            b"[botz]\n",
            "{file} may not have 'botz' at its top level; there may be game, and sections, one",
        ),
        (b"shards = 3\n", "{file} may not have 'shards' at its top level"),
        (b"up = 3\n", '[up] in "{file}" must be a mapping'),
        (b"[up]\nshrads = 3\n", '"[shrads]" from {file}. Did you mean --shards?'),
        (b"[up]\nshards = 'x'\n", "for [shards] from {file}: unable to convert"),
    ],
)
def test_the_file_is_read_or_named(
    content: bytes, says: str, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bare / "sidereal.toml").write_bytes(content)
    (bare / "below").mkdir()
    os.chdir(bare / "below")
    assert main(["up"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says.format(file=bare / "sidereal.toml") in line


@pytest.mark.parametrize(
    ("content", "game"),
    [
        ('game = "a"\n', "a"),
        ('game = "a"\n[bots]\ncount = 1\n', "a"),
        ('game = "a"\n[bots]\ngame = "b"\n', "b"),
    ],
)
def test_a_game_at_the_top_of_the_file_is_what_all_commands_play(
    content: str, game: str, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bare / "sidereal.toml").write_text(content)
    assert main(["bots"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--game {game}: write it as module:name" in line
    assert f"(--game is set by {bare / 'sidereal.toml'})" in line
    assert main(["status", "--json", "/nowhere/x"]) == 2  # it plays nothing
    assert "--json is '/nowhere/x'" in capsys.readouterr().err


def test_a_directory_called_like_the_file_is_named(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bare / "sidereal.toml").mkdir()
    assert main(["up"]) == 2
    assert f"{bare / 'sidereal.toml'} can't be read: Is a directory" in capsys.readouterr().err


def test_a_broken_file_does_not_stop_help(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bare / "sidereal.toml").write_text("[up")
    assert main(["up", "--help"]) == 0
    assert "SIDEREAL_UP_SHARDS" in capsys.readouterr().out


# -- secrets ------------------------------------------------------------------------------------


class Keyboard(io.StringIO):
    """A standard input that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("flag", ["--password", "--shard-key"])
@pytest.mark.parametrize("command", ["token", "view", "replication", "shard"])
def test_no_flag_takes_a_secret(
    flag: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, flag, "swordfish"]) == 2
    err = capsys.readouterr().err
    assert f"Unknown option: {flag}." in err
    assert "swordfish" not in err


def test_a_secret_comes_from_a_file_first_and_then_from_its_variable(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDEREAL_TOKEN_PASSWORD", "of the variable")
    monkeypatch.setenv("SIDEREAL_SHARD_KEY", "key of the variable")
    (bare / "secret").write_bytes(b"of the file \r\n")
    assert settings.read_password("TOKEN", "ada", bare / "secret") == "of the file "
    assert settings.read_shard_key(bare / "secret") == "of the file "
    assert settings.read_password("TOKEN", "ada", None) == "of the variable"
    assert settings.read_shard_key(None) == "key of the variable"


def test_a_secret_may_come_through_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("piped\n"))
    assert settings.read_password("TOKEN", "ada", Path("-")) == "piped"


def test_a_person_is_asked_and_twice_for_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["one", "one", "one", "two"]
    monkeypatch.setattr("sys.stdin", Keyboard())
    monkeypatch.setattr(getpass, "getpass", lambda _: typed.pop(0))
    assert settings.read_password("VIEW", "ada", None) == "one"
    typed[:1] = []
    with pytest.raises(ConfigError, match="two different passwords"):
        settings.read_password("VIEW", "ada", None, new=True)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("nothing", b"\n", "which is empty"),
        ("image", b"\x89PNG\xff", "which is not text in UTF-8"),
        ("book", b"x" * 5000, "which is too long for a secret"),
        ("absent", None, "No such file or directory"),
    ],
)
def test_a_file_without_a_secret_is_named(
    name: str, content: bytes | None, says: str, bare: Path
) -> None:
    if content is not None:
        (bare / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        settings.read_shard_key(bare / name)
    assert str(caught.value) == f"--shard-key-file is {str(bare / name)!r}" + (
        f": {says}" if content is None else f", {says}"
    )


def test_without_a_secret_the_ways_to_give_one_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(ConfigError, match="set SIDEREAL_VIEW_PASSWORD, or give --password-file"):
        settings.read_password("VIEW", "ada", None)
    with pytest.raises(ConfigError, match="set SIDEREAL_SHARD_KEY, or give --shard-key-file"):
        settings.read_shard_key(None)


def test_a_server_that_is_given_no_shard_key_makes_a_random_one_and_keeps_it(bare: Path) -> None:
    made = settings.read_or_make_shard_key(None, bare / "world")
    assert is_random_key(made)
    kept = bare / "world" / "shard.key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert settings.read_or_make_shard_key(None, bare / "world") == made
    assert settings.read_shard_key(kept) == made
    assert settings.read_or_make_shard_key(None, bare / "another") != made


def test_a_shard_key_that_is_given_is_taken_and_none_is_made(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDEREAL_SHARD_KEY", "5e" * 16)
    assert settings.read_or_make_shard_key(None, bare / "world") == "5e" * 16
    (bare / "key").write_text("a1" * 16)
    assert settings.read_or_make_shard_key(bare / "key", bare / "world") == "a1" * 16
    assert not (bare / "world").exists()


def test_where_no_shard_key_can_be_kept_the_ways_to_give_one_are_named(bare: Path) -> None:
    (bare / "world").write_text("a file")
    with pytest.raises(UnavailableError, match="File exists; set SIDEREAL_SHARD_KEY, give --shard"):
        settings.read_or_make_shard_key(None, bare / "world")


def test_a_kept_shard_key_that_is_none_is_named_and_not_replaced(bare: Path) -> None:
    (bare / "shard.key").write_text("\n")
    with pytest.raises(ConfigError, match=r"shard.key', which is empty"):
        settings.read_or_make_shard_key(None, bare)
