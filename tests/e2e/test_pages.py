"""The pages in a real browser, over a stack with two days of games: scored, staked, booked, bet."""

import re
from collections.abc import Iterator

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from deploy.stack.kafka import KafkaBroker
from deploy.stack.postgres import PostgresServer
from schemas.settings import Settings
from tests.e2e.conftest import Keep
from tests.samples import line
from tests.served import serving
from tests.shown import NASTY, Shown, environment, shown
from tests.system import Trained

MINUS, DASH = "\u2212", "\u2013"  # as pages print them
PAGES = {
    "board": "/",
    "game": "/games/{game}",
    "models": "/models",
    "bankrolls": "/bankrolls",
    "backtests": "/backtests?id=last-day",
    "system": "/system",
}
PHONE = {"width": 375, "height": 812}


@pytest.fixture(scope="module")
def stack(
    trained: Trained,
    kafka: KafkaBroker,
    redis_url: str,
    postgres: PostgresServer,
    _schema: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shown]:
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE shown TEMPLATE {_schema}")
    folder = tmp_path_factory.mktemp("shown")
    with shown(trained, kafka.bootstrap, redis_url, postgres.dsn("shown"), folder) as stack:
        yield stack


def go(page: Page, stack: Shown, name: str) -> None:
    """Until everything on it was loaded."""
    page.goto(stack.served.url + PAGES[name].format(game=stack.today))
    expect(page.locator("#state")).to_have_text("Live")
    expect(page.locator("[aria-busy=true]:visible")).to_have_count(0)
    if name == "board":
        expect(page.locator("tbody.game")).to_have_count(len(stack.starts))
    if name == "game":
        expect(page.locator("#title")).to_contain_text(" at ")
        expect(page.locator(".uplot canvas")).to_have_count(2)


def ask(stack: Shown, path: str) -> dict[str, object]:
    answer = stack.served.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def fits(page: Page) -> None:
    """Wide things scroll in themselves: the page never goes sideways."""
    width = page.evaluate("innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_accessible_and_fits_a_phone(
    page: Page, stack: Shown, keep: Keep, name: str, scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    go(page, stack, name)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    body = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(one) for one in re.findall(r"\d+", body)) < 382) is (scheme == "dark")
    keep(page, f"{name}-{scheme}")
    page.set_viewport_size({"width": 375, "height": 812})
    fits(page)
    keep(page, f"{name}-{scheme}-phone")


def test_the_board_says_what_the_api_says(page: Page, stack: Shown) -> None:
    """Best price, line, age and freshness are told in two languages: they must agree."""
    go(page, stack, "board")
    rows = ask(stack, "/v1/games")["games"]
    assert isinstance(rows, list)
    theirs = {
        f"{row['game_id']} {name}": {
            "line": one["line"],
            "books": one["books"],
            "age": one["odds_age_ms"],
            "best": {best["side"]: [best["book"], best["price"]] for best in one["best"]},
        }
        for row in rows
        for name, one in row["markets"].items()
    }
    ours = page.evaluate(
        """async () => {
          const { state } = await import("/static/shell.js");
          const { MARKETS, market } = await import("/static/state.js");
          const found = {};
          for (const game of state.games.values()) for (const name of MARKETS) {
            const one = market(state, game, name);
            if (!one) continue;
            const best = {};
            for (const [side, { book, price }] of Object.entries(one.best)) {
              best[side] = [book, price];
            }
            found[`${game.id} ${name}`] = {
              line: one.line, books: one.fresh.size, best,
              age: one.age == null ? null : Math.floor(one.age / 1000),
            };
          }
          return found;
        }"""
    )
    assert len(theirs) > 20
    assert ours == theirs


def test_the_game_page_follows_the_feed(page: Page, stack: Shown) -> None:
    go(page, stack, "game")
    expect(page.locator("#verdicts")).to_contain_text("Moneyline")
    expect(page.locator("#lines .keys")).to_contain_text("Consensus, fair")
    # Every price that Postgres has of the book, and the cursor of the newest.
    page.evaluate("window.sameDocument = true")
    stack.tell(
        line(0, 1.25, 4.5, game_id=stack.today, occurred_at_us=stack.now_us + 1, event_id="n1")
    )
    pinnacle = page.locator("#quotes table", has_text="Moneyline").locator(
        "tr", has_text="Pinnacle"
    )
    expect(pinnacle).to_contain_text("+350")  # 4.5 decimal
    page.get_by_text("Decimal", exact=True).click()
    expect(pinnacle).to_contain_text("4.50")
    page.get_by_role("group", name="Side").get_by_role("button").nth(1).click()
    page.locator("#lines summary").click()
    newest = page.locator("#lines details tbody tr").first
    expect(newest).to_contain_text("4.50")
    assert page.evaluate("window.sameDocument") is True
    page.reload()
    expect(pinnacle).to_contain_text("4.50")  # remembered


def test_features_are_found_by_name_and_missing_is_said(page: Page, stack: Shown) -> None:
    vector = ask(stack, f"/v1/games/{stack.today}/features")["features"]
    assert isinstance(vector, list)
    missing = [one["name"] for one in vector if one["value"] is None]
    assert 0 < len(missing) < len(vector)
    go(page, stack, "game")
    rows = page.locator("#features tbody tr")
    expect(rows).to_have_count(len(vector))
    page.get_by_label("only missing").check()
    expect(rows).to_have_count(len(missing))
    expect(rows.first.locator("td").first).to_have_text("missing")
    page.get_by_label("only missing").uncheck()
    page.get_by_label("Find a feature").fill("elo difference")
    expect(rows).to_have_count(1)
    expect(rows.locator("th")).to_have_text("elo_difference")


def test_the_bankroll_page_shows_what_the_ledger_has(page: Page, stack: Shown) -> None:
    """10,000 paid in, 150 at 1.90 won: 10,135; of these 80 are on an open bet."""
    go(page, stack, "bankrolls")
    row = page.locator("#all tbody tr")
    expect(row).to_contain_text("10,135.00 USD")
    expect(row).to_contain_text("10,055.00")
    expect(row).to_contain_text("80.00 in 1")
    expect(row).to_contain_text("staking")
    expect(page.locator("#bets tbody tr")).to_have_count(1)
    expect(page.locator("#settled tbody tr")).to_contain_text("win")
    expect(page.locator("#bookings tbody tr").last).to_contain_text("Deposit")
    expect(page.locator("#refusals")).to_contain_text("Edge too small")
    page.locator("#balance summary").click()
    expect(page.locator("#balance details tbody tr").first).to_contain_text("10,135.00")


def test_the_model_page_shows_champions_and_how_they_fare(page: Page, stack: Shown) -> None:
    models = ask(stack, "/v1/models")["models"]
    assert isinstance(models, list)
    version = {one["target"]: one["champion"]["version"] for one in models}
    go(page, stack, "models")
    expect(page.locator("#versions tbody tr")).to_contain_text(version["moneyline"])
    expect(page.locator("#rolling .uplot canvas")).to_be_visible()
    expect(page.locator("#calibration .keys")).to_contain_text("As it should be")
    page.get_by_role("button", name="Margin").click()
    expect(page.locator("#versions tbody tr")).to_contain_text(version["margin"])
    assert page.url.endswith("?target=margin")


def test_the_backtest_page_opens_a_tear_sheet_that_runs_nothing(page: Page, stack: Shown) -> None:
    page.goto(stack.served.url + "/backtests")
    page.get_by_role("link", name="last-day").click()
    sheet = page.frame_locator("#frame")
    expect(sheet.locator("h1")).to_have_text("Backtest")
    assert page.locator("#frame").get_attribute("sandbox") == ""
    expect(page.locator("#warnings")).to_contain_text("Simulated games")


def test_the_system_page_shows_readiness_lag_and_letters(page: Page, stack: Shown) -> None:
    go(page, stack, "system")
    expect(page.locator("#ready tbody tr")).to_have_text(
        [re.compile(f"{name}.*ok") for name in ("Kafka", "Redis", "Postgres")]
    )
    expect(page.locator("#lag")).to_contain_text("steamline-curate")
    expect(page.locator("#topics tbody tr", has_text="results")).to_contain_text("8")
    expect(page.locator("#letters tbody tr")).to_have_count(1)
    expect(page.locator("#samples pre")).to_have_text(NASTY)
    assert page.evaluate("window.hacked") is None


def test_colours_are_chosen_and_remembered(page: Page, stack: Shown) -> None:
    page.emulate_media(color_scheme="light")
    go(page, stack, "system")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.get_by_label("Colours").select_option("dark")
    dark = page.evaluate(colour)
    assert dark != light
    page.goto(stack.served.url + "/models")
    assert page.evaluate(colour) == dark
    page.get_by_label("Colours").select_option("auto")
    assert page.evaluate(colour) == light


def test_every_page_loses_the_feed_and_finds_it_again(page: Page, stack: Shown, keep: Keep) -> None:
    """One server stops and another takes its port, as in an upgrade."""
    pages = [page, *(page.context.new_page() for _ in range(3))]
    for one, name in zip(pages, ("game", "board", "bankrolls", "system"), strict=True):
        go(one, stack, name)
    port = stack.served.port
    stack.served.stop()
    for one in pages:
        expect(one.locator("#state")).to_have_text("Feed lost")
        expect(one.get_by_role("alert")).to_contain_text("may be old")
    keep(pages[1], "board-lost")
    with environment(stack.site.env | {"STEAMLINE_API_PORT": str(port)}), serving(Settings.read()):
        for one in pages:
            expect(one.locator("#state")).to_have_text("Live")
            expect(one.get_by_role("alert")).to_be_hidden()
