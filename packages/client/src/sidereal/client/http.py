"""The HTTP client of every face: which server is asked, and whether a proxy may stand between.

A server on this machine is never asked through a proxy: proxies are meant for what is far away,
and one of them cannot reach our loopback. For other servers the variables of the environment count
as everywhere; what is wrong with them is said in a line.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import urllib.request
from collections.abc import Mapping
from typing import Final

import httpx

from sidereal.protocol.errors import UnavailableError

HTTP_TIMEOUT_S: Final = 5.0
"""For each step of a request."""
SIGN_IN_TIMEOUT_S: Final = 10.0
"""The same for a request with a password: it waits for its turn to be hashed."""

_NAMES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
PROXIES: Final = (*_NAMES, *(name.lower() for name in _NAMES))
CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def open_http(
    url: str,
    *,
    timeout_s: float = HTTP_TIMEOUT_S,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """Make the client for one server; use it as a context.

    Args:
        url: of the server, checked.
        timeout_s: for each step of a request.
        transport: to use instead of the network.

    Raises:
        UnavailableError: the environment's proxies or certificates can't be used.
    """
    parts = httpx.URL(url)
    try:
        if transport is None and is_this_machine(parts.host):
            # A transport of our own is what keeps the environment's proxies out.
            transport = httpx.AsyncHTTPTransport(trust_env=parts.scheme == "https")
        return httpx.AsyncClient(base_url=url, timeout=timeout_s, transport=transport)
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise _bad_environment(url, error, PROXIES) from None
    except OSError as error:
        raise _bad_environment(url, error, CERTIFICATES) from None


def _bad_environment(url: str, error: Exception, names: tuple[str, ...]) -> UnavailableError:
    found = ", ".join(name for name in names if os.environ.get(name))
    return UnavailableError(f"{url} can't be asked, because of {found} in the environment: {error}")


def is_this_machine(host: str) -> bool:
    """Whether a host of a URL is this machine: a loopback name, or an address that it has."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))  # the kernel gives us no address of others
    except OSError:
        return False
    return True


def name_proxy(url: httpx.URL, proxies: Mapping[str, str] | None = None) -> str:
    """Say which proxy stands between us and a server; empty without one.

    Args:
        url: of the server.
        proxies: by scheme; those of the environment by default.
    """
    if is_this_machine(url.host):
        return ""
    found = urllib.request.getproxies() if proxies is None else proxies
    scheme = next((name for name in (url.scheme, "all") if name in found), None)
    if scheme is None or urllib.request.proxy_bypass(url.host):
        return ""
    return f"it was asked through the proxy that {scheme.upper()}_PROXY names; "
