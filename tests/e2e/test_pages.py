"""The pages in a real browser, over real Kafka, Redis and Postgres that hold something of
everything, hostile strings in every field that takes one among it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from deploy.stack.kafka import KafkaBroker
from deploy.stack.postgres import PostgresServer
from models.features.catalogue import NAMES
from schemas.sections.api import ApiSettings
from tests import samples
from tests.e2e.conftest import Keep
from tests.rest import HOSTILE, LETTER, Rest, filled
from tests.served import Publisher, serving

MINUS, DASH = "\u2212", "\u2013"  # as pages print them
PAGES = {
    "board": "/",
    "game": f"/games/{samples.GAME}",
    "models": "/models",
    "bankrolls": "/bankrolls",
    "backtests": "/backtests?id=a-season",
    "system": "/system",
}


@pytest.fixture(scope="module")
def site(
    kafka: KafkaBroker,
    redis_url: str,
    postgres: PostgresServer,
    _schema: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rest]:
    """Of its own: these tests add to the topics."""
    folder = tmp_path_factory.mktemp("pages")
    with filled(kafka.bootstrap, redis_url, postgres, _schema, folder) as site:
        yield site


def go(page: Page, url: str, name: str) -> None:
    """Until everything on it was loaded."""
    page.goto(url + PAGES[name])
    expect(page.locator("#state")).to_have_text("Live")
    expect(page.locator("[aria-busy=true]:visible")).to_have_count(0)
    if name == "board":
        expect(page.locator("tbody.game").first).to_be_visible()
    if name == "game":
        expect(page.locator("#title")).to_have_text("Boston Red Sox at New York Yankees")
        expect(page.locator(".uplot canvas")).to_have_count(2)


@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_accessible_and_fits_a_phone(
    page: Page, site: Rest, keep: Keep, name: str
) -> None:
    go(page, site.served.url, name)
    keep(page, f"{name}-light")
    if name == "game":  # a hundred rows like the others would only take time
        page.get_by_label("Find a feature").fill("elo")
    for scheme, darkest in (("light", 382), ("dark", 0)):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        body = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(int(one) for one in re.findall(r"\d+", body))
        assert darkest <= brightness < darkest + 384, (scheme, body)
        options: dict[str, Any] = {"iframes": False}
        if scheme == "dark":  # all else is as it was
            options["runOnly"] = ["color-contrast"]
        found = Axe().run(page, options=options)
        assert found.violations_count == 0, (scheme, found.generate_report())
    keep(page, f"{name}-dark")
    page.set_viewport_size({"width": 375, "height": 812})
    # Wide things scroll in themselves: the page does not go sideways, once charts have their size.
    page.wait_for_function("document.documentElement.scrollWidth <= 375", timeout=10_000)
    keep(page, f"{name}-phone")


def test_the_game_page_follows_the_feed(page: Page, site: Rest) -> None:
    """1/0.54, the newest prediction, is 1.85: -117 in American odds."""
    go(page, site.served.url, "game")
    expect(page.locator("#verdicts")).to_contain_text("54.0%")
    keys = page.locator("#lines .keys")
    expect(keys).to_contain_text(f"Model, fair{MINUS}117")
    page.locator("#lines summary").click()
    moves = page.locator("#lines details tbody tr")
    expect(moves.last).to_contain_text(f"{MINUS}111")  # 1.90, the first of Pinnacle
    page.evaluate("window.sameDocument = true")
    publisher = Publisher(site.settings.kafka.bootstrap or "", site.settings.kafka.prefix)
    publisher.send(samples.line(100, 1.25, 4.5), samples.prediction(101, 0.25))
    pinnacle = page.locator("#quotes table", has_text="Moneyline").locator(
        "tr", has_text="Pinnacle"
    )
    expect(pinnacle).to_contain_text("+350")
    expect(keys).to_contain_text("Model, fair+300")
    expect(moves.first).to_contain_text(f"{MINUS}400")
    page.get_by_text("Decimal", exact=True).click()
    expect(pinnacle).to_contain_text("4.50")
    expect(moves.first).to_contain_text("1.25")
    page.get_by_role("group", name="Side").get_by_role("button", name="BOS").click()
    expect(moves.first).to_contain_text("4.50")
    assert page.evaluate("window.sameDocument") is True
    page.reload()
    expect(pinnacle).to_contain_text("4.50")  # the format is remembered


def test_features_are_found_by_name_and_missing_is_said(page: Page, site: Rest) -> None:
    """Every third is missing in this vector."""
    go(page, site.served.url, "game")
    rows = page.locator("#features tbody tr")
    expect(rows).to_have_count(len(NAMES))
    expect(rows.nth(0).locator("td").first).to_have_text("missing")
    expect(rows.nth(1).locator("td").first).to_have_text("0.125")
    page.get_by_label("only missing").check()
    expect(rows).to_have_count(-(-len(NAMES) // 3))
    page.get_by_label("only missing").uncheck()
    page.get_by_label("Find a feature").fill("elo_difference")
    expect(rows).to_have_count(1)
    expect(rows.locator("th")).to_have_text("elo_difference")


def test_splits_and_what_is_not_there(page: Page, site: Rest) -> None:
    go(page, site.served.url, "game")
    # The newest of Circa: 58 % of tickets, and the money of a moment before.
    page.get_by_role("group", name="Book or pool").get_by_role("button", name="Circa").click()
    expect(page.locator("#splits .keys")).to_have_text(re.compile("Tickets58%Money50%"))
    expect(page.locator("#why")).to_contain_text("no model registry is configured")


def test_the_bankroll_page_shows_what_the_ledger_has(page: Page, site: Rest) -> None:
    """1,000 in, nine bets of 10, and staking stopped by somebody."""
    go(page, site.served.url, "bankrolls")
    row = page.locator("#all tbody tr").first
    expect(row).to_contain_text("1,000.00 USD")
    expect(row).to_contain_text("910.00")
    expect(row).to_contain_text(f"stopped: {HOSTILE[1]}")
    expect(page.locator("#bets tbody tr")).to_have_count(3)
    expect(page.locator("#settled tbody tr")).to_have_count(21)
    expect(page.locator("#settled tbody tr", has_text="win")).to_have_count(11)
    expect(page.locator("#bookings tbody tr")).to_have_count(10)
    expect(page.locator("#bookings tbody tr").last).to_contain_text("Deposit")
    expect(page.locator("#refusals .bars")).to_have_text("Edge too small30")
    expect(page.locator("#stakes tbody tr")).to_contain_text("Moneyline: NYY")
    page.get_by_role("button", name="paper").click()
    expect(page.locator("#bookings")).to_contain_text("Nothing booked yet")
    assert page.url.endswith("?name=paper")


def test_the_model_page_shows_how_they_fare(page: Page, site: Rest) -> None:
    answer = site.get("/v1/models/moneyline/quality")
    (one,) = site.get("/v1/experiments")["experiments"]
    go(page, site.served.url, "models")
    expect(page.locator("#versions")).to_contain_text("no model registry is configured")
    page.locator("#rolling summary").click()
    newest = page.locator("#rolling details tbody tr").first
    expect(newest).to_contain_text(f"{answer['rolling'][-1]['model']:.4f}")
    expect(newest).to_contain_text(f"{answer['rolling'][-1]['market']:.4f}")
    expect(page.locator("#rolling details tbody tr")).to_have_count(len(answer["rolling"]))
    expect(page.locator("#calibration .keys")).to_contain_text("As it should be")
    expect(page.locator("#drift tbody tr")).to_contain_text("log_loss: difference 0.02")
    expect(page.locator("#experiments tbody tr")).to_contain_text(one["experiment"])
    page.get_by_role("button", name="Margin").click()
    expect(page.locator("#rolling")).to_contain_text("No decided games yet")
    assert page.url.endswith("?target=margin")


def test_the_backtest_page_opens_a_tear_sheet_that_runs_nothing(page: Page, site: Rest) -> None:
    page.goto(site.served.url + "/backtests")
    rows = page.locator("#all tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text(f"+1.2% ({MINUS}3.0% to +5.0%)")
    expect(rows.last).to_contain_text("unreadable")
    page.get_by_role("link", name="b-month").click()
    expect(page.locator("#warnings li")).to_have_text("<script>alert(1)</script>")
    frame = page.locator("#frame")
    assert frame.get_attribute("sandbox") == ""
    assert (frame.get_attribute("src") or "").endswith("/v1/backtests/b-month/page")
    page.wait_for_load_state("networkidle")


def test_the_system_page_shows_readiness_lag_and_letters(page: Page, site: Rest) -> None:
    go(page, site.served.url, "system")
    expect(page.locator("#ready tbody tr")).to_have_text(
        [re.compile(f"{name}.*ok") for name in ("Kafka", "Redis", "Postgres")]
    )
    expect(page.locator("#lag tbody tr", has_text="curate")).to_be_visible()
    expect(page.locator("#topics tbody tr", has_text="results")).to_contain_text("24")
    expect(page.locator("#letters tbody tr")).to_have_count(3)
    page.locator("#letters").get_by_role("button", name="schema", exact=True).click()
    expect(page.locator("#samples pre")).to_have_text([LETTER.decode().strip()])


def test_what_events_say_is_text(page: Page, site: Rest) -> None:
    """The fixture `page` fails on a dialog, an error, or anything that the policy stops."""
    go(page, site.served.url, "game")
    for text in HOSTILE[:3]:
        expect(page.locator("#alerts")).to_contain_text(text)
    expect(page.locator("#lines .keys")).to_contain_text(HOSTILE[0])  # a book, in Postgres
    assert page.locator("main script, main img").count() == 0
    go(page, site.served.url, "system")
    expect(page.locator("#samples")).to_contain_text(LETTER.decode().strip())
    expect(page.locator("#letters")).to_contain_text(HOSTILE[0])
    assert page.locator("main script, main img").count() == 0


def test_colours_are_chosen_and_remembered(page: Page, site: Rest) -> None:
    go(page, site.served.url, "system")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.get_by_label("Colours").select_option("dark")
    dark = page.evaluate(colour)
    assert dark != light
    page.goto(site.served.url + "/models")
    assert page.evaluate(colour) == dark
    page.get_by_label("Colours").select_option("auto")
    assert page.evaluate(colour) == light


def test_every_page_loses_the_feed_and_finds_it_again(page: Page, site: Rest, keep: Keep) -> None:
    """One server stops and another takes its port, as in an upgrade."""
    pages = {"game": page} | {
        name: page.context.new_page() for name in ("board", "bankrolls", "system")
    }
    with serving(site.settings) as first:
        first.await_ready()
        for name, one in pages.items():
            go(one, first.url, name)
        first.stop()
        for one in pages.values():
            expect(one.locator("#state")).to_have_text("Feed lost")
            expect(one.get_by_role("alert")).to_contain_text("may be old")
        keep(pages["board"], "board-lost")
    again = site.settings.model_copy(update={"api": ApiSettings(port=first.port)})
    with serving(again):
        for one in pages.values():
            expect(one.locator("#state")).to_have_text("Live")
            expect(one.get_by_role("alert")).to_be_hidden()


def test_a_refused_page_asks_to_sign_in_once_and_goes_on(page: Page, site: Rest) -> None:
    """The sign-in itself is stood in for, and so is the refusal."""
    page.route(
        "**/static/signin.js",
        lambda route: route.fulfill(
            content_type="text/javascript",
            body="export async function signedIn() { window.asked = (window.asked ?? 0) + 1; }",
        ),
    )
    signed: list[Any] = []

    def refuse(route: Any) -> None:
        if page.evaluate("window.asked"):
            signed.append(route)
            route.continue_()
        else:
            route.fulfill(status=401, content_type="application/problem+json", body="{}")

    page.route("**/v1/bankrolls", refuse)
    page.goto(site.served.url + "/bankrolls")
    expect(page.locator("#all tbody tr").first).to_contain_text("main")
    assert page.evaluate("window.asked") == 1
