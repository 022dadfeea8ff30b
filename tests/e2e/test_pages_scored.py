"""The pages over two days of games that a real worker has scored: what only models can tell."""

from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Page, expect

from deploy.stack.kafka import KafkaBroker
from deploy.stack.postgres import PostgresServer
from tests.e2e.conftest import Keep
from tests.shown import Shown, shown
from tests.system import Trained

pytestmark = pytest.mark.long


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


def test_the_board_has_every_game_of_the_day(page: Page, stack: Shown, keep: Keep) -> None:
    page.goto(stack.served.url)
    for game in stack.starts:
        expect(page.locator(f'tbody[data-game="{game}"]')).to_be_visible()
    expect(page.locator("#simulated")).to_be_visible()
    keep(page, "scored-board")


def test_a_game_is_explained_as_the_api_explains_it(page: Page, stack: Shown, keep: Keep) -> None:
    page.goto(f"{stack.served.url}/games/{stack.today}")
    for name, target in (("Moneyline", "moneyline"), ("Runs", "runs")):
        path = f"/v1/games/{stack.today}/explanation?target={target}&top=12"
        answer = stack.served.get(path).json()
        page.get_by_role("group", name="Target").get_by_role("button", name=name).click()
        expect(page.locator("#why")).to_contain_text(answer["model_version"])
        names = page.locator("#why .bars > span:nth-child(3n+1)")
        expect(names).to_have_text([one["feature"] for one in answer["contributions"]])
        expect(page.locator("#why .facts")).to_contain_text(f"{answer['probability']:.1%}")
    expect(page.locator("#features tbody tr").first).to_be_visible()
    keep(page, "scored-game")


def test_champions_and_a_real_tear_sheet(page: Page, stack: Shown, keep: Keep) -> None:
    models = stack.served.get("/v1/models").json()["models"]
    version = {one["target"]: one["champion"]["version"] for one in models}
    page.goto(stack.served.url + "/models")
    expect(page.locator("#versions tbody tr")).to_contain_text(version["moneyline"])
    page.get_by_role("button", name="Margin").click()
    expect(page.locator("#versions tbody tr")).to_contain_text(version["margin"])
    keep(page, "scored-models")
    page.goto(stack.served.url + "/backtests")
    page.get_by_role("link", name="last-day").click()
    expect(page.frame_locator("#frame").locator("h1")).to_have_text("Backtest")
    expect(page.locator("#warnings")).to_contain_text("Simulated games")
    keep(page, "scored-backtests")


def test_money_of_the_ledger(page: Page, stack: Shown, keep: Keep) -> None:
    """10,000 paid in, 150 at 1.90 won: 10,135, of which 80 are on an open bet."""
    page.goto(stack.served.url + "/bankrolls")
    row = page.locator("#all tbody tr")
    for text in ("10,135.00 USD", "10,055.00", "80.00 in 1", "staking"):
        expect(row).to_contain_text(text)
    page.locator("#balance summary").click()
    expect(page.locator("#balance details tbody tr").first).to_contain_text("10,135.00")
    assert page.evaluate("window.hacked") is None
    keep(page, "scored-bankrolls")
