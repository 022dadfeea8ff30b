"""The evaluation report in a real browser: on a phone, in the dark, and without a network."""

from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser

from models.evaluation.judge import judge
from models.evaluation.page import page as report_page
from tests.unit.models.evaluation.seasons import no_references, season


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [season(1, edge=0.3), season(8, edge=0.0, target="total")]
    path = tmp_path_factory.mktemp("report") / "report.html"
    facts = [("Archive", "a/very/long/path/" * 12)]
    path.write_text(report_page(judge(pl.concat(rows), no_references()), facts))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_asks_for_nothing(
    browser: Browser, report: Path, width: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: asked.append(said.text))
    page.goto(report.as_uri())
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert asked == [report.as_uri()]
    verdicts = page.locator("table .badge:visible")
    words = ["Better than the price", "Not told apart from the price"]
    assert verdicts.all_inner_texts() == (["Better", "Unproven"] if width == 360 else words)
    # Charts follow the page: light marks in the dark.
    ink = page.locator("figure svg").first.locator("text").first
    colour = ink.evaluate("node => getComputedStyle(node).fill")
    channels = [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    assert (sum(channels) > 382) is (scheme == "dark")
    context.close()
