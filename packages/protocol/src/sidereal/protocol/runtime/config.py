"""Reading settings that several processes have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.ids import Address

PORT_MAX: Final = 65_535

STOP_IT: Final = "stop what uses it (perhaps a world that runs already)"
"""What to do about a port that is in use, or else choose another one."""


def parse_endpoint(text: str, name: str) -> Address:
    """Read `host:port`, or `[host]:port` for an IPv6 host.

    Args:
        text: what somebody wrote.
        name: of the setting, for the error.

    Raises:
        ConfigError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not bare or (":" in bare and bare == host):
        raise ConfigError(f"{name} is {text!r}; it must be host:port, or [host]:port for IPv6")
    if not is_host(bare):
        raise ConfigError(f"{name} is {text!r}; {bare!r} can't be a host's name")
    if not port.isascii() or not port.isdigit() or int(port) > PORT_MAX:
        raise ConfigError(f"{name} is {text!r}; the port must be 0 to {PORT_MAX}")
    return Address(bare, int(port))


def is_host(text: str) -> bool:
    """Whether this can be asked of a resolver: labels of 1 to 63 bytes, or an address."""
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return True


def say_in_use(protocol: str, address: Address) -> str:
    """Say that somebody else has a port, of TCP or UDP."""
    return f"{protocol} port {address.port} on {address.host} is in use"


def check_output_file(path: Path, name: str) -> None:
    """Check that a file can be written, before a run that would lose its result costs time.

    Args:
        path: what is going to be written; it is left as it is.
        name: of the setting, for the error.

    Raises:
        ConfigError: it can't.
    """
    try:
        new = not path.exists()
        if new or path.is_file():
            # Only trying tells: root may "write" in /proc, and quotas have no flag.
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666))
            if new:
                path.unlink()
        elif path.is_dir() or not os.access(path, os.W_OK):
            raise ConfigError(f"{name} is {str(path)!r}; it must be a file that can be written")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(
            f"{name} is {str(path)!r}; it must be a file that can be written: {why}"
        ) from None


def format_endpoint(address: Address) -> str:
    """Write an address the way `parse_endpoint` reads it."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


def name_this_machine(url: str) -> str:
    """Make a URL that names all addresses of this machine one that can be asked."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
