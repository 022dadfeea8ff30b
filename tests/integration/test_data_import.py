"""The real files as an archive, against counts and marks that others worked out.

Sources of the expected values: the raw files themselves, read here by other means, and the
README of the data folder (numbers of games, log-loss of Pinnacle's no-vig price).
"""

from itertools import groupby
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.connectors.manifest import Manifest, seal
from flows.connectors.parquet import read_archive, scan, write_events
from flows.sources import oddsapi_archive, pinnacle_archive
from flows.sources.tally import Tally
from schemas.topics import CONTRACTS, Topic

Imported = tuple[Path, Manifest]
UTC = pl.Datetime("us", "UTC")


@pytest.fixture(scope="module")
def oddsapi(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    root, tally = tmp_path_factory.mktemp("oddsapi"), Tally()
    write_events(root, oddsapi_archive.events(data_dir, tally))
    return root, seal(root, "oddsapi", False, tally.rejected, tally.left_out)


@pytest.fixture(scope="module")
def pinnacle(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    root, tally = tmp_path_factory.mktemp("pinnacle"), Tally()
    write_events(root, pinnacle_archive.events(data_dir, tally))
    return root, seal(root, "pinnacle", False, tally.rejected, tally.left_out)


@pytest.fixture(scope="module")
def moves(data_dir: Path) -> pl.DataFrame:
    return pl.read_parquet(data_dir / "mlb_2026_oddsapi_moves.parquet").with_columns(
        pl.col("seen_at", "commence_time").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    )


@pytest.fixture(scope="module")
def listed(data_dir: Path) -> pl.DataFrame:
    """The events file of the odds."""
    return pl.read_parquet(data_dir / "mlb_2026_oddsapi_events.parquet").with_columns(
        pl.col(pl.Datetime).dt.replace_time_zone("UTC")
    )


def of_source(rows: pl.LazyFrame) -> pl.DataFrame:
    """Rows with `source_id`, the id that the odds source itself gives the game."""
    return rows.with_columns(
        pl.col("event_id").str.extract(r"^oddsapi-([0-9a-f]{32})-").alias("source_id")
    ).collect()


def assert_payloads_settle(root: Path) -> None:
    """In the order of replay, only the last event of a game's payload settles."""
    topics = (Topic.GAMES, Topic.SPLITS, Topic.LINES)
    rows = [
        scan(root, topic).select("game_id", "occurred_at_us", "settles", topic=pl.lit(topic.value))
        for topic in topics
    ]
    payloads = (
        pl.concat(rows)
        .group_by("game_id", "occurred_at_us", maintain_order=True)
        .agg(
            pl.col("settles").last().alias("closed"),
            pl.col("settles").sum().alias("settling"),
            (pl.col("topic") == "games").sum().alias("updates"),
        )
        .collect()
    )
    assert payloads.height > 0
    wrong = ~pl.col("closed") | (pl.col("settling") != 1) | (pl.col("updates") > 1)
    assert payloads.filter(wrong).is_empty()


def assert_canonical(root: Path) -> None:
    for number, record in enumerate(read_archive(root)):
        if number % 40 == 0:
            model = CONTRACTS[record.topic].model.model_validate_json(record.value)
            assert record.value == model.model_dump_json().encode()


def assert_replay_order(root: Path) -> None:
    times = [record.occurred_at_us for record in read_archive(root)]
    assert times == sorted(times)


def assert_ids_unique(root: Path) -> None:
    ids = [record.event_id for record in read_archive(root)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("source", ["oddsapi", "pinnacle"])
@pytest.mark.parametrize(
    "check", [assert_payloads_settle, assert_canonical, assert_replay_order, assert_ids_unique]
)
def test_archive_keeps_its_promises(
    check: object, source: str, request: pytest.FixtureRequest
) -> None:
    root, _ = request.getfixturevalue(source)
    assert callable(check)
    check(root)


def test_every_move_is_an_event_or_counted(oddsapi: Imported, moves: pl.DataFrame) -> None:
    _, manifest = oddsapi
    left_out = {k: n for k, n in manifest.left_out.items() if k.startswith("moves_")}
    rejected = sum(manifest.rejected.values())
    assert manifest.events["lines"] + rejected + sum(left_out.values()) == moves.height


def test_the_only_refused_move_is_the_impossible_one(
    oddsapi: Imported, moves: pl.DataFrame
) -> None:
    """-10000 on both sides: an overround of 1.98."""
    both = moves.filter(
        (pl.col("price_home_over") == -10_000) & (pl.col("price_away_under") < -9e3)
    )
    assert both.height == 1
    assert oddsapi[1].rejected == {"overround": 1}


def test_the_first_move_by_hand(oddsapi: Imported) -> None:
    """+135/-160 at BetMGM, first row of the file: decimal 2.35 and 1 + 100/160."""
    root, _ = oddsapi
    row = of_source(scan(root, Topic.LINES)).filter(
        (pl.col("source_id") == "0351ac13f45c028104c1b860422817ef")
        & (pl.col("book") == "betmgm")
        & (pl.col("market") == "moneyline")
    )
    assert row["occurred_at_us"][0].isoformat() == "2026-07-05T06:15:27+00:00"
    assert row["price_home_over"][0] == pytest.approx(2.35)
    assert row["price_away_under"][0] == pytest.approx(1.625)


def test_gone_becomes_withdrawn(oddsapi: Imported, moves: pl.DataFrame) -> None:
    lines = of_source(scan(oddsapi[0], Topic.LINES))
    kept = moves.filter(pl.col("event_id").is_in(lines["source_id"].unique().to_list()))
    gone = lines.filter(pl.col("status") == "withdrawn")
    assert gone.height == kept.filter(pl.col("kind") == "gone").height
    assert gone["price_home_over"].null_count() == gone.height


def test_no_line_before_its_game_was_first_seen(oddsapi: Imported, listed: pl.DataFrame) -> None:
    lines = of_source(scan(oddsapi[0], Topic.LINES))
    seen = lines.join(listed, left_on="source_id", right_on="event_id")
    assert seen.height == lines.height
    assert seen.filter(pl.col("occurred_at_us") < pl.col("first_seen")).is_empty()


def test_one_sighting_a_snapshot(
    oddsapi: Imported, listed: pl.DataFrame, moves: pl.DataFrame
) -> None:
    """The events file counts the snapshots that held a game; so do the updates."""
    sighted = of_source(scan(oddsapi[0], Topic.GAMES)).group_by("source_id").len()
    over = listed.filter(pl.col("last_seen") <= moves["seen_at"].max())
    both = sighted.join(over, left_on="source_id", right_on="event_id")
    assert both.height > 250
    assert both.filter(pl.col("len") != pl.col("n_snapshots")).is_empty()


def test_sightings_are_snapshots_and_end_with_the_moves(
    oddsapi: Imported, data_dir: Path, moves: pl.DataFrame
) -> None:
    taken = pl.read_parquet(data_dir / "mlb_2026_oddsapi_snapshots.parquet")["seen_at"]
    known = set(taken.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").to_list())
    updates = scan(oddsapi[0], Topic.GAMES).collect()["occurred_at_us"]
    assert set(updates.to_list()) <= known
    assert updates.max() == moves["seen_at"].max()


def test_no_update_knows_a_later_start(oddsapi: Imported, moves: pl.DataFrame) -> None:
    """The start is that of the newest move of the game so far."""
    updates = of_source(scan(oddsapi[0], Topic.GAMES)).sort("occurred_at_us")
    starts = moves.drop_nulls("commence_time").sort("seen_at")
    known = updates.join_asof(
        starts,
        left_on="occurred_at_us",
        right_on="seen_at",
        by_left="source_id",
        by_right="event_id",
        check_sortedness=False,
    )
    assert known["commence_time"].null_count() == 0
    assert known.filter(pl.col("start_time_us") != pl.col("commence_time")).is_empty()
    live = pl.col("occurred_at_us") >= pl.col("start_time_us")
    assert known.filter((pl.col("status") == "live") != live).is_empty()


def test_doubleheaders_stay_apart_and_placeholders_stay_out(oddsapi: Imported) -> None:
    """Milwaukee at Pittsburgh, 11 July: four ids, two games, at 16:06 and 20:06 UTC."""
    games = scan(oddsapi[0], Topic.GAMES).collect()
    first = {
        game_id: rows["start_time_us"][0].strftime("%H:%M")
        for (game_id,), rows in games.group_by("game_id", maintain_order=True)
        if str(game_id).startswith("mlb-2026-07-11-MIL-PIT")
    }
    assert first == {"mlb-2026-07-11-MIL-PIT-1": "16:06", "mlb-2026-07-11-MIL-PIT-2": "20:06"}
    per_game = (
        of_source(scan(oddsapi[0], Topic.GAMES))
        .group_by("game_id")
        .agg(pl.col("source_id").n_unique())
    )
    assert per_game["source_id"].max() == 1
    assert games.filter(pl.col("home").str.contains("League")).is_empty()


def test_results_come_last_and_only_with_a_score(oddsapi: Imported, listed: pl.DataFrame) -> None:
    root, manifest = oddsapi
    assert manifest.events["results"] == listed["home_score"].count()
    winner_only = listed.filter(pl.col("home_win").is_not_null() & pl.col("home_score").is_null())
    assert manifest.left_out["games_with_winner_only"] == winner_only.height
    results = of_source(scan(root, Topic.RESULTS))
    ends = (
        of_source(scan(root, Topic.LINES))
        .group_by("source_id")
        .agg(pl.col("occurred_at_us").max().alias("last_line"))
    )
    both = results.join(ends, on="source_id").join(
        listed, left_on="source_id", right_on="event_id", suffix="_listed"
    )
    assert both.height == results.height
    assert both.filter(pl.col("occurred_at_us") <= pl.col("last_line")).is_empty()
    assert both.filter(pl.col("occurred_at_us") <= pl.col("last_seen")).is_empty()
    assert both.filter(pl.col("home_score") != pl.col("home_score_listed")).is_empty()
    assert both.filter(pl.col("away_score") != pl.col("away_score_listed")).is_empty()


def test_every_pinnacle_quote_is_an_event_or_counted(pinnacle: Imported, data_dir: Path) -> None:
    """A row holds three markets."""
    rows = pl.read_parquet(data_dir / "pinnacle_mlb_2016_lines.parquet").height
    _, manifest = pinnacle
    quotes = sum(n for reason, n in manifest.left_out.items() if reason.startswith("quotes_"))
    all_star = 3 * manifest.left_out["rows_all_star_game"]
    rejected = sum(manifest.rejected.values())
    assert manifest.events["lines"] + rejected + quotes + all_star == 3 * rows


def test_pinnacle_games(pinnacle: Imported) -> None:
    """README: 2,462 games, one of them with equal scores; one more is the All-Star game."""
    _, manifest = pinnacle
    assert manifest.games == 2_462 - 1
    assert manifest.events["results"] == 2_462 - 2
    assert manifest.left_out["games_tied"] == 1
    assert manifest.rejected == {}


def novig_log_loss(root: Path, minutes: int) -> tuple[int, float]:
    """Multiplicative no-vig log-loss of games that had a price 12 h ahead, at start - minutes."""
    starts = scan(root, Topic.GAMES).group_by("game_id").agg(pl.col("start_time_us").last())
    quotes = (
        scan(root, Topic.LINES)
        .filter((pl.col("market") == "moneyline") & (pl.col("status") == "open"))
        .join(starts, on="game_id")
        .with_columns((pl.col("start_time_us") - pl.col("occurred_at_us")).alias("lead"))
        .sort("occurred_at_us")
    )
    early = quotes.filter(pl.col("lead") >= pl.duration(hours=12)).select("game_id").unique()
    priced = (
        quotes.join(early, on="game_id", how="semi")
        .filter(pl.col("lead") >= pl.duration(minutes=minutes))
        .sort("occurred_at_us")
        .group_by("game_id")
        .agg(pl.col("price_home_over", "price_away_under").last())
        .join(scan(root, Topic.RESULTS), on="game_id")
        .collect()
    )
    home, away = 1.0 / priced["price_home_over"], 1.0 / priced["price_away_under"]
    chance = (home / (home + away)).to_numpy()
    won = (priced["home_score"] > priced["away_score"]).to_numpy()
    return priced.height, float(-np.mean(np.log(np.where(won, chance, 1.0 - chance))))


@pytest.mark.parametrize(
    ("minutes", "mark"), [(720, 0.67719), (360, 0.67553), (180, 0.67611), (60, 0.67428)]
)
def test_pinnacle_reproduces_the_known_log_loss(
    pinnacle: Imported, minutes: int, mark: float
) -> None:
    """README: 2,231 games priced 12 h ahead. The All-Star game is one of them, and not here."""
    games, log_loss = novig_log_loss(pinnacle[0], minutes)
    assert games == 2_231 - 1
    # One game more or less moves a mean of 2,231 by at most |its loss - mean| / 2,231 < 0.0002.
    assert log_loss == pytest.approx(mark, abs=0.0002)


def test_run_line_is_the_home_handicap(pinnacle: Imported) -> None:
    """Home -1.5 asks for more than a win, home +1.5 for less: prices must say so."""
    lines = scan(pinnacle[0], Topic.LINES).filter(pl.col("status") == "open").collect()
    first, second = 1.0 / pl.col("price_home_over"), 1.0 / pl.col("price_away_under")
    last = lines.with_columns((first / (first + second)).alias("chance")).group_by(
        "game_id", "market", maintain_order=True
    ).last()  # fmt: skip
    win = last.filter(pl.col("market") == "moneyline").select("game_id", win="chance")
    cover = last.filter(pl.col("market") == "run_line").join(win, on="game_id")
    assert cover.height > 2_000
    assert set(cover["line"].unique()) == {-1.5, 1.5}
    wrong = (pl.col("line") < 0) == (pl.col("chance") > pl.col("win"))
    assert cover.filter(wrong).height <= 2


def test_pinnacle_confirms_every_quarter_of_an_hour_until_the_start(pinnacle: Imported) -> None:
    updates = scan(pinnacle[0], Topic.GAMES).collect()
    lead = (pl.col("start_time_us") - pl.col("occurred_at_us")).dt.total_seconds()
    stands = updates.filter("quotes_stand").with_columns(lead.alias("lead"))
    assert stands.filter((pl.col("lead") <= 0) | (pl.col("lead") > 12 * 3_600)).is_empty()
    assert stands.filter(pl.col("lead") % 900 != 0).is_empty()
    fully_open = stands.group_by("game_id").len().filter(pl.col("len") == 48)
    assert fully_open.height > 2_000  # priced for the whole 12 h


def test_doubleheaders_of_2016(pinnacle: Imported, data_dir: Path) -> None:
    raw = pl.read_parquet(data_dir / "pinnacle_mlb_2016_games.parquet")
    seconds = raw.filter(pl.col("dh_game") == 2).height
    ids = scan(pinnacle[0], Topic.GAMES).select(pl.col("game_id").unique()).collect()["game_id"]
    assert seconds == 14
    assert sum(game_id.endswith("-2") for game_id in ids) == seconds
    for game_id in ids:
        if game_id.endswith("-2"):
            assert game_id[:-1] + "1" in set(ids)


def test_events_of_one_game_and_market_differ(pinnacle: Imported) -> None:
    """Only changes are events."""
    lines = (
        scan(pinnacle[0], Topic.LINES)
        .collect()
        .sort("game_id", "market", "occurred_at_us", maintain_order=True)
    )
    columns = ("game_id", "market", "price_home_over", "price_away_under", "line")
    quotes = zip(*(lines[name].to_list() for name in columns), strict=True)
    assert all(len(list(same)) == 1 for _, same in groupby(quotes))
