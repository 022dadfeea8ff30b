"""The board page in a real browser: what a reader sees, as the feed moves, dies and returns."""

import random
import re
import uuid

import pytest
from playwright.sync_api import Page, expect

from api.board import Message
from schemas.decisions import AlertKind, Refusal
from schemas.events import QuoteStatus
from schemas.markets import Market, Target
from tests import samples
from tests.served import Publisher, api_settings, serving

MINUS, DASH = "\u2212", "\u2013"  # as the page prints them


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:8]}."


def test_a_game_and_its_changes_without_reload(page: Page, mock_kafka: str, prefix: str) -> None:
    publisher = Publisher(mock_kafka, prefix)
    publisher.send(
        samples.game(),
        samples.line(1, 1.90, 2.00),
        samples.line(1, 1.85, 2.05, book="circa"),
        samples.line(1, 1.95, 1.91, market=Market.TOTAL, line=8.5),
        samples.prediction(1, 0.55),
        samples.stake(1, 0.0),
        samples.prediction(1, 0.5, target=Target.TOTAL, line=8.5),
    )
    with serving(api_settings(mock_kafka, prefix)) as served:
        served.await_ready()
        page.goto(served.url)
        game = page.locator(f'tbody[data-game="{samples.GAME}"]')
        expect(game.locator(".teams")).to_have_text(re.compile("Boston Red Sox.*New York Yankees"))
        # 23:05 UTC is 19:05 in New York; five hours to the cutoff, less the second that passed.
        expect(game.locator("time")).to_contain_text("07:05 PM")
        expect(game.locator("time")).to_have_attribute("title", "2026-07-20 23:05:00 UTC")
        expect(game.locator(".cutoff")).to_have_text("Cutoff in 4h 59m")
        home = game.locator('tr:has(.c-side:text-is("NYY"))')
        away = game.locator('tr:has(.c-side:text-is("BOS"))')
        # Decimal 1.90 is -111 American, 2.05 is +105.
        expect(home.locator(".c-best")).to_have_text(f"{MINUS}111Pinnacle")
        expect(away.locator(".c-best")).to_have_text("+105Circa")
        expect(home.locator(".c-book.best")).to_have_text(f"{MINUS}111")
        expect(home.locator(".model")).to_have_text("55.0%")
        expect(away.locator(".model")).to_have_text("45.0%")
        expect(home.locator(".market")).to_have_text("52.0%")
        expect(home.locator(".edge")).to_have_text("+4.5%")
        expect(game.locator(".moneyline .c-stake")).to_contain_text("Edge too small")
        expect(game.locator("tr.total .c-side").first).to_have_text("Over 8.5")
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.locator("#simulated")).to_be_hidden()

        page.evaluate("window.sameDocument = true")
        publisher.send(samples.line(60, 1.97, 1.93, book="circa"))
        expect(home.locator(".c-best")).to_have_text(f"{MINUS}103Circa")
        expect(home.locator(".c-best b")).to_have_class("up")
        publisher.send(samples.prediction(61, 0.60), samples.stake(61, 0.0141))
        expect(home.locator(".model")).to_have_text("60.0%")
        expect(game.locator(".moneyline .c-stake .verdict")).to_have_text("141.00")
        publisher.send(samples.alert(62), samples.stake(62, 0.0, refusals=[Refusal.LOCKED]))
        expect(game.locator(".tag.lock")).to_have_text("Locked")
        expect(game.locator(".moneyline .c-stake")).to_contain_text("No stakeLocked")
        # Half an hour of event time after it, the first quote is out of the reckoning.
        publisher.send(samples.game(1_802))
        expect(home.locator(".c-book.stale").first).to_have_text(f"{MINUS}111")
        assert page.evaluate("window.sameDocument") is True

        page.get_by_text("Decimal").click()
        expect(home.locator(".c-best b")).to_have_text("1.97")


def test_the_feed_dies_and_comes_back_by_itself(page: Page, mock_kafka: str, prefix: str) -> None:
    publisher = Publisher(mock_kafka, prefix)
    publisher.send(samples.game(), samples.line(1, 1.90))
    with serving(api_settings(mock_kafka, prefix)) as served:
        served.await_ready()
        page.goto(served.url)
        best = page.locator('tr:has(.c-side:text-is("NYY")) .c-best b')
        expect(best).to_have_text(f"{MINUS}111")
        page.evaluate("window.sameDocument = true")
        served.stop()
        expect(page.locator("#state")).to_have_text("Feed lost")
        expect(page.get_by_role("alert")).to_contain_text("may be old")
    publisher.send(samples.line(2, 2.10, 1.80))
    with serving(api_settings(mock_kafka, prefix, port=served.port)):
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.get_by_role("alert")).to_be_hidden()
        expect(best).to_have_text("+110")
        assert page.evaluate("window.sameDocument") is True


def test_names_are_text_and_simulated_data_says_so(
    page: Page, mock_kafka: str, prefix: str
) -> None:
    nasty = "<script>window.hacked=1</script><img src=x onerror=hacked=1>"
    publisher = Publisher(mock_kafka, prefix)
    publisher.send(samples.game(home=nasty, home_starter=nasty, simulated=True))
    with serving(api_settings(mock_kafka, prefix)) as served:
        served.await_ready()
        page.goto(served.url)
        expect(page.locator(".teams")).to_contain_text(nasty)
        expect(page.locator(".tag.sim")).to_be_visible()
        expect(page.locator("#simulated")).to_contain_text("Simulated data")
        assert page.evaluate("window.hacked") is None
        page.locator(".teams").click()
        expect(page.locator("#title")).to_have_text(f"Boston Red Sox at {nasty}")
        expect(page.locator("#about")).to_contain_text(f"TBD v {nasty}")
        expect(page.locator("#about")).to_contain_text("SIMULATED")
        assert page.evaluate("window.hacked") is None


def test_a_signal_marks_its_game_for_a_while_and_stays_on_the_page(
    page: Page, mock_kafka: str, prefix: str
) -> None:
    publisher = Publisher(mock_kafka, prefix)
    publisher.send(samples.game(), samples.line(1), samples.signal(2, detail="net 3 books"))
    with serving(api_settings(mock_kafka, prefix)) as served:
        served.await_ready()
        page.goto(served.url)
        tags = page.locator(".c-game .tag")
        expect(tags).to_have_text(["Steam"])
        expect(tags).to_have_attribute("title", "Moneyline: net 3 books")
        publisher.send(
            samples.signal(9, AlertKind.ARBITRAGE, side=None, market=Market.TOTAL, detail="sure")
        )
        expect(tags).to_have_text(["Steam", "Arbitrage"])
        expect(page.locator(".cutoff")).to_contain_text("Cutoff in")  # no lock
        publisher.send(samples.game(30 * 60 + 5))
        expect(tags).to_have_text(["Arbitrage"])
        page.locator(".teams").click()
        expect(page.locator("#alerts li")).to_have_text(
            [
                re.compile(r"01:05 PM\s?ArbitrageTotal runs: sure"),
                re.compile(r"01:05 PM\s?SteamMoneyline: net 3 books"),
            ]
        )


def test_a_game_opens_by_keyboard_and_shows_quotes_and_history(
    page: Page, mock_kafka: str, prefix: str
) -> None:
    publisher = Publisher(mock_kafka, prefix)
    publisher.send(
        samples.game(),
        samples.line(1, 1.90, 2.00),
        samples.line(31, 1.80, 2.10, book="circa"),
        samples.line(31, 2.60, 1.55, book="circa", market=Market.RUN_LINE, line=-1.5),
        samples.prediction(1, 0.55),
        samples.prediction(2, 0.56),
    )
    with serving(api_settings(mock_kafka, prefix)) as served:
        served.await_ready()
        page.set_viewport_size({"width": 375, "height": 812})
        page.goto(served.url)
        page.locator(".teams").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/games/{samples.GAME}")
        moneyline = page.locator("#quotes table", has_text="Moneyline")
        expect(moneyline.locator("tbody tr")).to_have_text(
            [f"Circa+110{MINUS}1250s ago", f"Pinnacle+100{MINUS}11130s ago"]
        )
        expect(moneyline.locator("td.best")).to_have_text(["+110", f"{MINUS}111"])
        expect(page.locator("#quotes table", has_text="Run line")).to_contain_text(f"{MINUS}1.5")
        # 1/0.56 is 1.7857, in American -127; 1/0.52 is 1.923, -108.
        keys = page.locator("#lines .keys")
        expect(keys).to_contain_text(f"Model, fair{MINUS}127")
        expect(keys).to_contain_text(f"Consensus, fair{MINUS}108")
        page.get_by_text("The same as a table").first.click()
        rows = page.locator("#lines details tbody tr")
        expect(rows.last).to_contain_text(f"{MINUS}122")  # 1/0.55, the first prediction
        expect(page.locator("#lines")).to_contain_text("no Postgres is configured")
        # Nothing makes a phone scroll sideways.
        assert page.evaluate("document.documentElement.scrollWidth") <= 375


OURS = """async () => {
  const { state } = await import("/static/shell.js");
  const { MARKETS, market } = await import("/static/state.js");
  const found = {};
  for (const game of state.games.values()) {
    for (const name of MARKETS) {
      const one = market(state, game, name);
      if (!one) continue;
      const best = {};
      for (const [side, { book, price }] of Object.entries(one.best)) best[side] = [book, price];
      found[`${game.id} ${name}`] = {
        line: one.line, books: one.fresh.size, best,
        age: one.age == null ? null : Math.floor(one.age / 1000),
      };
    }
  }
  return found;
}"""


def test_the_page_and_the_api_agree_on_what_is_best(
    page: Page, mock_kafka: str, prefix: str
) -> None:
    """The rules of freshness, main line and best price are told in two languages. Prices of few
    values, so that there are ties."""
    dice = random.Random(7)
    publisher = Publisher(mock_kafka, prefix)
    said: list[Message] = []
    for game in (samples.GAME, samples.OTHER):
        said.append(samples.game(game_id=game))
        said.append(samples.prediction(1, game_id=game, target=Target.TOTAL, line=9.0))
    books = ("pinnacle", "circa", "draftkings", "fanduel", "betmgm", "bovada")
    for number in range(300):
        market = dice.choice(list(Market))
        away = dice.random() < 0.1
        said.append(
            samples.line(
                dice.randrange(5_400),
                None if away else dice.choice((1.8, 1.9, 2.0)),
                None if away else dice.choice((1.8, 1.9, 2.0)),
                dice.choice(books),
                event_id=f"l{number}",
                game_id=dice.choice((samples.GAME, samples.OTHER)),
                source=dice.choice(("odds", "other")),
                market=market,
                line={Market.MONEYLINE: None, Market.RUN_LINE: dice.choice((-1.5, 1.5))}.get(
                    market, dice.choice((8.5, 9.0, 9.5))
                ),
                status=QuoteStatus.WITHDRAWN if away else QuoteStatus.OPEN,
            )
        )
    said.append(samples.game(5_000, game_id=samples.OTHER, source="odds", quotes_stand=True))
    with serving(api_settings(mock_kafka, prefix)) as served:
        served.await_ready()
        page.goto(served.url)
        publisher.send(*said[:200])  # what is there before, and what comes live
        expect(page.locator("tbody.game")).to_have_count(2)
        publisher.send(*said[200:], samples.game(7_000, event_id="last"))
        moment = "import('/static/shell.js').then((shell) => shell.state.newest)"
        page.wait_for_function(f"async () => await {moment} === {samples.at(7_000)}")
        theirs = {
            f"{row['game_id']} {name}": {
                "line": one["line"],
                "books": one["books"],
                "best": {best["side"]: [best["book"], best["price"]] for best in one["best"]},
                "age": one["odds_age_ms"],
            }
            for row in served.get("/v1/games").json()["games"]
            for name, one in row["markets"].items()
        }
        assert len(theirs) == 6
        assert {one["books"] for one in theirs.values()} != {6}  # some are stale
        assert page.evaluate(OURS) == theirs
