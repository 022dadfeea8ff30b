"""The page where the API asks for a key: a reader signs in, with a keyboard alone."""

import asyncio
import re
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from api.keys import Scope, written
from api.keystore import KeyStore
from schemas.sections.servers import PostgresSettings
from tests import samples
from tests.served import Publisher, Served, api_settings, serving


@pytest.fixture(scope="module")
def served(mock_kafka: str, shared_database: str) -> Iterator[Served]:
    prefix = f"t{uuid.uuid4().hex[:8]}."
    Publisher(mock_kafka, prefix).send(samples.game(), samples.line(1, 1.90, 2.00))
    settings = api_settings(mock_kafka, prefix, auth="keys")
    postgres = PostgresSettings(dsn=SecretStr(shared_database))
    with serving(settings.model_copy(update={"postgres": postgres})) as served:
        yield served


def with_store(dsn: str, revoke: bool) -> str:
    """Makes the key, or revokes it."""

    async def asked() -> str:
        store = KeyStore(PostgresSettings(dsn=SecretStr(dsn)))
        now_us = time.time_ns() // 1_000
        try:
            if revoke:
                return await store.revoke("board", now_us)
            return (await store.add("board", [Scope.READ], now_us, None))[1]
        finally:
            await store.close()

    # Playwright has a loop of its own in this thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asked()).result(30)


def test_the_board_opens_with_a_key_and_closes_with_it(
    browser: Browser, served: Served, shared_database: str
) -> None:
    key = with_store(shared_database, revoke=False)
    context = browser.new_context(viewport={"width": 360, "height": 640}, color_scheme="dark")
    page = context.new_page()
    policy: list[str] = []
    page.on(
        "console",
        lambda said: policy.append(said.text) if "Content Security" in said.text else None,
    )
    page.goto(served.url)
    dialog = page.get_by_role("dialog", name="Sign in")
    expect(dialog).to_be_visible(timeout=15_000)
    expect(page.get_by_label("API key")).to_be_focused()
    assert Axe().run(page, "#signin").violations_count == 0
    width = page.evaluate("document.querySelector('#signin').getBoundingClientRect().right")
    assert width <= 360, "it fits a phone"

    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    page.keyboard.insert_text(written("zzzzzzzzzzzz", "x" * 43))
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("not valid")
    page.keyboard.insert_text(key)
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    row = page.locator(f'tbody[data-game="{samples.GAME}"]')
    expect(row).to_be_visible(timeout=15_000)
    expect(page.locator("#state")).to_have_text("Live", timeout=15_000)
    assert key.split("_")[2] not in page.content()
    assert page.evaluate("[document.cookie, localStorage.length, location.search].join()") == ",0,"

    # Another tab, or the page loaded anew, need not be asked again.
    page.reload()
    expect(row).to_be_visible(timeout=15_000)
    expect(dialog).to_have_count(0)

    with_store(shared_database, revoke=True)
    expect(dialog).to_be_visible(timeout=20_000)
    expect(page.locator("#state")).to_have_text(re.compile("lost", re.IGNORECASE))
    assert policy == []
    context.close()


def test_without_keys_nobody_is_asked(browser: Browser, mock_kafka: str) -> None:
    prefix = f"t{uuid.uuid4().hex[:8]}."
    Publisher(mock_kafka, prefix).send(samples.game())
    context = browser.new_context()
    page: Page = context.new_page()
    with serving(api_settings(mock_kafka, prefix)) as open_api:
        page.goto(open_api.url)
        expect(page.locator("#state")).to_have_text("Live", timeout=15_000)
        expect(page.get_by_role("dialog", name="Sign in")).to_have_count(0)
    context.close()
