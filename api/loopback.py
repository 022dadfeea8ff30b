"""Without keys: programs and pages on this machine, and nobody else."""

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from schemas.errors import ConfigError

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def is_loopback(name: str) -> bool:
    """A host's name or address that stands for this machine."""
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def is_local(request: HTTPConnection) -> bool:
    """May whoever asks be a program or a page on this machine alone?

    A browser on this machine lends its connection to any page: the page's own address is in
    `Origin`, or, where its name was made to point here, in `Host`.
    """
    client = request.client.host if request.client is not None else ""
    try:
        names = [request.url.hostname]
        if (origin := request.headers.get("origin")) is not None:
            names.append(urlsplit(origin).hostname)
    except ValueError:  # no address at all
        return False
    return (
        is_loopback(client)
        and all(is_loopback(name or "") for name in names)
        and not any(name in request.headers for name in _FORWARDED)
    )


def require_loopback(host: str) -> None:
    """Raises ConfigError where others can reach an API that asks for no key."""
    if not is_loopback(host):
        raise ConfigError(
            "STEAMLINE_API_HOST",
            f"{host} can be reached by others, and no key is asked for",
            "Set STEAMLINE_API_AUTH=keys and make a key with `steamline key new`, or listen on "
            "127.0.0.1",
        )
