"""A browser, and pages that fail their test on any error."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A server that is meant to stop cuts streams and refuses connections: told, and no fault.
_STOPPED = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED", "ERR_CONNECTION_RESET")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(
        locale="en-US",
        timezone_id="America/New_York",
        color_scheme="light",
        viewport={"width": 1280, "height": 900},
    )
    context.set_default_timeout(15_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Fails the test on any script error, refused resource, blocked policy or opened dialog."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if _wrong(said) else None)
    page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
    yield page
    page.close()
    assert [error for error in errors if not any(one in error for one in _STOPPED)] == []


def _wrong(said: ConsoleMessage) -> bool:
    """Chromium reports as errors too what the API refuses, which pages say in place, and that a
    tear sheet's frame runs no script."""
    about = said.location["url"]
    refused = said.text.startswith("Failed to load resource") and "/v1/" in about
    kept_still = said.text.startswith("Blocked script execution") and "/v1/backtests/" in said.text
    return said.type == "error" and not refused and not kept_still


@pytest.fixture
def keep(tmp_path: Path) -> "Keep":
    """Screenshots, under STEAMLINE_SCREENSHOTS where that names a folder."""
    return Keep(Path(os.environ.get("STEAMLINE_SCREENSHOTS", tmp_path)))


class Keep:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def __call__(self, page: Page, name: str) -> None:
        page.screenshot(
            path=self.folder / f"{re.sub('[^a-z0-9-]+', '-', name)}.png", full_page=True
        )
