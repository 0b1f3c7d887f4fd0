"""The base URL of the API, and the check that a key may be sent to it."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from dagster_dune.errors import DuneConfigurationError

DEFAULT_BASE_URL = "https://api.dune.com"
API_PATH = "/api"
VARIABLE = "DUNE_API_BASE_URL"


def checked_base_url(base_url: str) -> str:
    """Return the base URL without a slash at its end, if a key may be sent to it.

    Raises:
        DuneConfigurationError: It is not a URL, contains a user name or a query, or is http to another machine.
    """
    parts = urlsplit(base_url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DuneConfigurationError(
            f"The base URL {base_url!r} is not an http(s) address.", hint=f"Dune's own is {DEFAULT_BASE_URL}."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise DuneConfigurationError(
            f"The base URL of {parts.hostname} must be scheme, host, port and path alone.",
            hint="The API key is passed as api_key, never in the address.",
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise DuneConfigurationError(
            f"The base URL {base_url!r} would send the API key unencrypted.",
            hint="Use https; http is allowed on this machine's loopback alone.",
        )
    return base_url.strip().rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address_of_environment() -> str | None:
    """Return the base URL in DUNE_API_BASE_URL; None if it is not set, or blank."""
    return os.environ.get(VARIABLE, "").strip() or None


def address_in_force(base_url: str | None) -> str:
    """Return the base URL that requests go to: the given one, else that of DUNE_API_BASE_URL, else Dune's own.

    A blank URL, as a variable may hold it, counts as not given.
    """
    return (base_url or "").strip() or address_of_environment() or DEFAULT_BASE_URL
