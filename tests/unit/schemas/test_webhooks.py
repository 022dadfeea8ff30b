import base64
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.sections.webhooks import Endpoint, WebhooksSettings
from schemas.settings import Settings

GOOD = "whsec_" + base64.b64encode(b"x" * 24).decode()


def endpoint(**over: Any) -> Endpoint:
    fields: dict[str, Any] = {
        "name": "bot",
        "url": "https://bot.example/hook?token=hidden",
        "secrets": [GOOD],
        "topics": ["stakes"],
    }
    return Endpoint(**fields | over)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "http://[::1]:9", "http://localhost", "https://10.0.0.1/x"]
)
def test_addresses_that_may_be_told(url: str) -> None:
    assert endpoint(url=url).url.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "http://bot.example/hook",
        "http://localhost.bot.example/",
        "http://10.0.0.1/",
        "http://127.0.0.1.bot.example/",
        "ftp://127.0.0.1/",
        "https://",
        "https://user:word@bot.example/",
        "https://bot.example:port/",
        "bot.example",
        "",
    ],
)
def test_addresses_that_may_not(url: str) -> None:
    with pytest.raises(ValidationError):
        endpoint(url=url)


@pytest.mark.parametrize(
    "secret",
    ["", "word", "whsec_", "whsec_???", "whsec_" + base64.b64encode(b"x" * 23).decode(), GOOD[6:]],
)
def test_a_weak_secret_is_refused_and_not_repeated(secret: str, monkeypatch: Any) -> None:
    with pytest.raises(ValidationError):
        endpoint(secrets=[secret])


def test_nothing_secret_is_shown() -> None:
    shown = repr(WebhooksSettings(endpoints=(endpoint(),)))
    assert "hidden" not in shown
    assert GOOD not in shown


def test_names_are_unique_and_the_list_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = f'{{"name":"bot","url":"https://b.example","secrets":["{GOOD}"],"topics":["alerts"]}}'
    monkeypatch.setenv("STEAMLINE_WEBHOOKS_ENDPOINTS", f"[{one}]")
    assert Settings.read().webhooks.endpoints[0].topics == ("alerts",)
    with pytest.raises(ValidationError, match="a name stands twice"):
        WebhooksSettings(endpoints=(endpoint(), endpoint()))
