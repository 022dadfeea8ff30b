"""The Odds API: one poll, one snapshot, and 43 hours of real polls."""

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.sources import oddsapi, oddsapi_archive
from flows.sources.payload import Fact, Payload
from flows.sources.tally import Tally
from schemas.events import GameUpdate, LineMovement, QuoteStatus
from schemas.markets import GameStatus, Market
from schemas.odds import OddsFormat
from tests.unit.flows.sources.payloads import (
    AMERICAN,
    ODDS,
    SNAPSHOT,
    facts_of,
    reasons,
    refusals_of,
    said,
    us,
)

COMMON: dict[str, object] = {
    "event_id": "e",
    "game_id": "mlb-2026-08-07-BOS-NYY-1",
    "source": "s",
    "occurred_at_us": us("2026-08-07T12:00:00Z"),
}
RAW = "samples/oddsapi_mlb_raw_20260807_20260808.jsonl.xz"


def test_a_games_lines() -> None:
    made = ODDS.read()
    assert said(made, "pinnacle", Market.MONEYLINE) == {
        "book": "pinnacle",
        "market": Market.MONEYLINE,
        "odds_format": OddsFormat.AMERICAN,
        "price_home_over": -140.0,
        "price_away_under": 130.0,
        "line": None,
    }
    run_line = said(made, "pinnacle", Market.RUN_LINE)
    assert (run_line["line"], run_line["price_home_over"]) == (-1.5, 145.0)
    total = said(made, "pinnacle", Market.TOTAL)
    assert (total["line"], total["price_home_over"], total["price_away_under"]) == (8.5, -118, -102)
    times = {one.about: one.said_at_us for one in facts_of(made)}
    assert times["pinnacle", Market.TOTAL] == us("2026-07-20T18:00:32Z")
    assert times["draftkings", Market.MONEYLINE] == us("2026-07-20T18:00:09Z")


def test_the_schedule_stands_only_where_there_are_quotes() -> None:
    made = ODDS.read()
    game = said(made, "game")
    assert (game["home"], game["away"]) == ("New York Yankees", "Boston Red Sox")
    assert game["start_time_us"] == us("2026-07-20T23:05:00Z")
    assert (game["status"], game["quotes_stand"]) == (GameStatus.SCHEDULED, True)
    begun = said(made, "game", home="ATH")
    assert (begun["status"], begun["quotes_stand"]) == (GameStatus.LIVE, False)


def test_a_snapshot_is_of_its_own_time() -> None:
    """Fetched an hour after first pitch, it was taken five minutes before it."""
    made = SNAPSHOT.read()
    assert said(made, "game", home="ATH")["status"] == GameStatus.SCHEDULED
    line = said(made, "fanduel", Market.MONEYLINE, home="ATH")
    assert line["odds_format"] == OddsFormat.DECIMAL
    assert (line["price_home_over"], line["price_away_under"]) == (1.91, 1.95)
    times = [one.said_at_us for one in facts_of(made)]
    assert times == [us("2026-07-20T17:00:38Z"), us("2026-07-20T17:00:21Z")]


def outcomes(document: Any, market: int = 0) -> Any:
    return document[0]["bookmakers"][0]["markets"][market]["outcomes"]


def test_american_prices_in_an_answer_of_decimal_ones_are_refused() -> None:
    """A request without oddsFormat, that is."""
    made = ODDS._replace(url="https://example.test/odds").read()
    assert {one.model for one in facts_of(made)} == {GameUpdate}
    assert len(refusals_of(made)) == 4


@pytest.mark.parametrize(
    ("price", "reason"), [(50, "price_home_over"), (0, "price_home_over"), (400, "overround")]
)
def test_an_impossible_price_takes_no_other_along(price: int, reason: str) -> None:
    made = ODDS.changed(lambda document: outcomes(document)[1].update(price=price))
    assert reasons(made) == [reason]
    assert len(facts_of(made)) == 5


def test_one_side_alone_is_no_quote() -> None:
    assert reasons(ODDS.changed(lambda document: outcomes(document).pop())) == ["incomplete_market"]


def test_points_that_contradict_are_no_line() -> None:
    made = ODDS.changed(lambda document: outcomes(document, 1)[0].update(point=2.5))
    assert reasons(made) == ["sides_disagree"]


def test_teams_that_are_no_clubs() -> None:
    def all_star(document: Any) -> None:
        document[1].update(home_team="National League", away_team="American League")

    made = ODDS.changed(all_star)
    assert reasons(made) == ["unknown_team"]
    assert len(facts_of(made)) == 5


def test_another_league_and_another_market() -> None:
    def change(document: Any) -> None:
        document[1]["sport_key"] = "baseball_npb"
        document[0]["bookmakers"][1]["markets"][0]["key"] = "h2h_lay"
        document[0]["bookmakers"][0]["markets"][0]["key"] = "h2h_3_way"

    made = ODDS.changed(change)
    assert reasons(made) == ["unknown_market", "unknown_league"]


def test_a_book_that_stands_twice() -> None:
    def twice(document: Any) -> None:
        document[0]["bookmakers"].append(document[0]["bookmakers"][1])

    assert reasons(ODDS.changed(twice)) == ["said_twice"]


def test_an_empty_slate_is_no_change() -> None:
    assert ODDS.read(b"[]") == []


def polls(data: Path) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    with lzma.open(data / RAW) as lines:
        for text in lines:
            row = json.loads(text)
            yield us(row["seen_at"]), row["payload"]


def parsed(at_us: int, document: object) -> list[Fact]:
    body = json.dumps(document).encode()
    made = oddsapi.parse(Payload("oddsapi", "odds", AMERICAN, at_us, None, body))
    assert not refusals_of(made)
    return facts_of(made)


def test_real_polls_are_read_whole(data_dir: Path) -> None:
    """Games, quoted markets and the newest time of each poll, as another reader counted them."""
    counted = pl.read_parquet(data_dir / "mlb_2026_oddsapi_snapshots.parquet").with_columns(
        pl.col(pl.Datetime).cast(pl.Datetime("us")).cast(pl.Int64)
    )
    wanted = {row["seen_at"]: row for row in counted.iter_rows(named=True)}
    seen = 0
    for number, (at_us, document) in enumerate(polls(data_dir)):
        if number % 5:
            continue
        seen += 1
        made = parsed(at_us, document)
        lines = [one for one in made if one.model is LineMovement]
        assert sum(one.model is GameUpdate for one in made) == wanted[at_us]["n_events"]
        assert len(lines) == wanted[at_us]["n_book_markets"]
        assert max(one.said_at_us or 0 for one in lines) == wanted[at_us]["max_book_update"]
    assert seen == 104


def test_a_real_quote_by_hand(data_dir: Path) -> None:
    """The first poll's first game: FanDuel has the Phillies -2.5 at -152."""
    at_us, document = next(polls(data_dir))
    made = parsed(at_us, document[:1])
    line = said(made, "fanduel", Market.RUN_LINE, home="PHI")
    assert (line["line"], line["price_home_over"], line["price_away_under"]) == (-2.5, -152, 114)
    assert said(made, "game", home="PHI")["status"] == GameStatus.LIVE


def _moves(taken: list[tuple[int, list[dict[str, Any]]]]) -> pl.DataFrame:
    """What changed from poll to poll, in the shape of the file of moves, read by hand."""
    rows: list[tuple[object, ...]] = []
    held: dict[tuple[str, str, str], tuple[object, ...]] = {}
    for at_us, document in taken:
        now: dict[tuple[str, str, str], tuple[object, ...]] = {}
        for event in document:
            start = us(event["commence_time"])
            for book in event["bookmakers"]:
                for market in book["markets"]:
                    sides = {one["name"]: one for one in market["outcomes"]}
                    first = sides.get("Over") or sides[event["home_team"]]
                    second = sides.get("Under") or sides[event["away_team"]]
                    key = (event["id"], book["key"], market["key"])
                    now[key] = (first["price"], second["price"], first.get("point"))
                    if held.get(key) != now[key]:
                        rows.append((event["id"], at_us, *key[1:], *now[key], start))
        rows += [(key[0], at_us, *key[1:], None, None, None, None) for key in held.keys() - now]
        held = now
    columns = ("event_id", "seen_at", "book", "market", "price_home_over", "price_away_under")
    frame = pl.DataFrame(rows, (*columns, "point", "commence_time"), orient="row")
    return frame.with_columns(pl.col("seen_at", "commence_time").cast(pl.Datetime("us")))


def _archive(folder: Path, taken: list[tuple[int, list[dict[str, Any]]]]) -> None:
    """The three files of `oddsapi_archive`, made of these polls."""
    moves = _moves(taken)
    moves.write_parquet(folder / "mlb_2026_oddsapi_moves.parquet")
    times = pl.Series("seen_at", [at for at, _ in taken]).cast(pl.Datetime("us"))
    times.to_frame().write_parquet(folder / "mlb_2026_oddsapi_snapshots.parquet")
    games = {one["id"]: (one, at) for at, document in taken for one in document}
    starts = [us(one["commence_time"]) for one, _ in games.values()]
    pl.DataFrame(
        {
            "event_id": list(games),
            "home_team": [one["home_team"] for one, _ in games.values()],
            "away_team": [one["away_team"] for one, _ in games.values()],
            "n_same_day": 1,
            "date_et": pl.Series(starts).cast(pl.Datetime("us")).dt.offset_by("-4h").dt.date(),
            "commence_first": pl.Series(starts).cast(pl.Datetime("us")),
            "last_seen": pl.Series([at for _, at in games.values()]).cast(pl.Datetime("us")),
            "mlb_game_pk": pl.Series([None] * len(games), dtype=pl.Int64),
            "home_score": pl.Series([None] * len(games), dtype=pl.Int64),
            "away_score": pl.Series([None] * len(games), dtype=pl.Int64),
            "home_win": pl.Series([None] * len(games), dtype=pl.Boolean),
        }
    ).write_parquet(folder / "mlb_2026_oddsapi_events.parquet")


def test_real_polls_say_what_the_archive_of_their_changes_says(
    data_dir: Path, tmp_path: Path
) -> None:
    """Both ways from three hours of polls to events: the parser and the change-only file."""
    taken = [one for one, _ in zip(polls(data_dir), range(36), strict=False)]
    _archive(tmp_path, taken)
    tally = Tally()
    wanted: set[tuple[object, ...]] = set()
    for event in oddsapi_archive.events(tmp_path, tally):
        if isinstance(event, LineMovement):
            place = (event.game_id[-9:-2], event.occurred_at_us, event.book, event.market)
            prices = (event.price_home_over, event.price_away_under, event.line)
            wanted.add((*place, event.status, prices))
    assert not tally.rejected

    found: set[tuple[object, ...]] = set()
    held: dict[tuple[str, str, str, Market], tuple[object, ...]] = {}
    for at_us, document in taken:
        now: dict[tuple[str, str, str, Market], tuple[object, ...]] = {}
        for meeting in document:  # one by one: starts move, only the source's id stays
            for fact in parsed(at_us, [meeting]):
                if fact.model is LineMovement:
                    clubs = f"{fact.meeting.away}-{fact.meeting.home}"
                    line = LineMovement.model_validate(COMMON | fact.fields)
                    key = (meeting["id"], clubs, line.book, line.market)
                    now[key] = (line.price_home_over, line.price_away_under, line.line)
        for key in held.keys() | now.keys():
            if key not in now:
                gone = (None, None, None)
                found.add((key[1], at_us, *key[2:], QuoteStatus.WITHDRAWN, gone))
            elif held.get(key) != now[key]:
                found.add((key[1], at_us, *key[2:], QuoteStatus.OPEN, now[key]))
        held = now
    assert len(wanted) > 3_000
    assert found == wanted
