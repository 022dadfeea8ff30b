"""Who a client is."""

import pytest
from starlette.requests import Request

from api.clients import STATE, Identity, address_of, client_of, identity_of
from api.keys import Key, Scope


def request(host: str | None, identity: Identity | None = None) -> Request:
    state = {} if identity is None else {STATE: identity}
    client = None if host is None else (host, 1)
    return Request({"type": "http", "headers": [], "client": client, "state": state})


@pytest.mark.parametrize(
    ("host", "word"),
    [
        ("192.0.2.7", "address:192.0.2.7"),
        ("::ffff:192.0.2.7", "address:192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "address:2001:db8:1:2::/64"),
        ("fe80::1%eth0", "address:fe80::/64"),
        ("testclient", "address:unknown"),
        (None, "address:unknown"),
    ],
)
def test_an_address(host: str | None, word: str) -> None:
    assert address_of(request(host)) == client_of(request(host)) == word


def test_a_key_is_one_client_from_everywhere() -> None:
    key = Key("abcdefghijk1", "bot", frozenset({Scope.READ}), 0, ())
    for host in ("192.0.2.7", "192.0.2.8"):
        known = request(host, Identity(key))
        assert client_of(known) == "key:abcdefghijk1"
        assert identity_of(known) == Identity(key)
    assert identity_of(request("192.0.2.7")) is None
