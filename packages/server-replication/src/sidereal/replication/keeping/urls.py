"""URLs of databases: whether one can be meant, and how it is shown."""

from __future__ import annotations

from urllib.parse import urlsplit

from sidereal.protocol.errors import ConfigError


def check_url(url: str) -> str:
    """Check that this can be a database's URL, and return it.

    Raises:
        ConfigError: it can't; the message does not repeat a password.
    """
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("postgres", "postgresql") and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError(
            "--database takes embedded, or a URL like postgresql://user:password@host:5432/name"
        )
    return url


def without_password(url: str) -> str:
    """Say where a database is, for people: its URL without user, password and options."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2] or 'a local socket'}{parts.path}"
