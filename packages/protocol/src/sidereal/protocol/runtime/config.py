"""Reading settings that several processes have."""

from __future__ import annotations

from typing import Final

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.ids import Address

PORT_MAX: Final = 65_535


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
    if not port.isascii() or not port.isdigit() or int(port) > PORT_MAX:
        raise ConfigError(f"{name} is {text!r}; the port must be 0 to {PORT_MAX}")
    return Address(bare, int(port))


def format_endpoint(address: Address) -> str:
    """Write an address the way `parse_endpoint` reads it."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"
