"""Who asks, as one word: what limits are counted by."""

import ipaddress
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from api.keys import Key

STATE = "identity"


@dataclass(frozen=True)
class Identity:
    """A caller whose key was found good."""

    key: Key
    token: str | None = None
    """Of the browser's session that the key was known by."""


def identity_of(request: HTTPConnection) -> Identity | None:
    """None where nobody asks for keys, or the path is open to all."""
    found: Identity | None = request.scope.get("state", {}).get(STATE)
    return found


def client_of(request: HTTPConnection) -> str:
    """`key:<id>`, else `address:<address>`: the same client always by the same word."""
    identity = identity_of(request)
    return address_of(request) if identity is None else f"key:{identity.key.key_id}"


def address_of(request: HTTPConnection) -> str:
    """`address:<address>`; of IPv6 its /64, which one customer has whole."""
    host = request.client.host if request.client is not None else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "address:unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return f"address:{address.ipv4_mapped}"
        return f"address:{ipaddress.IPv6Network((address, 64), strict=False)}"
    return f"address:{address}"
