"""From an archive to a backtest's files: which games, which models, and what is said of them."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from flows.backtest import Backtest, Period
from flows.bet_table import bet_table, ledger_table
from flows.connectors.manifest import read_manifest
from flows.connectors.parquet import PLAYED, ArchiveRecord, read_archive, scan
from flows.parity import batches
from models.evaluation.rows import game_day
from models.evaluation.tear_page import Setting, document, image, page
from models.evaluation.tear_sheet import TearSheet, tear_sheet
from models.staking.ledger import Account
from schemas.errors import DataMissing
from schemas.settings import Settings
from schemas.time import from_us


@dataclass(frozen=True)
class Stretch:
    """The games of some days, with all that is said of them before and after."""

    games: frozenset[str]
    events: int
    first_us: int
    last_us: int
    first_start_us: int
    """First of all first pitches, as last announced."""


def stretch_of(root: Path, first: date | None, last: date | None) -> Stretch:
    """Games by the date in their id, both days included.

    Raises DataMissing where there is no archive, or no game in it of those days.
    """
    day = game_day()
    wanted = day.is_not_null()
    if first is not None:
        wanted &= day >= first
    if last is not None:
        wanted &= day <= last
    us = pl.col("occurred_at_us").cast(pl.Int64)
    found = pl.concat(
        scan(root, topic)
        .filter(wanted)
        .group_by("game_id")
        .agg(
            pl.len().alias("events"),
            us.min().alias("first"),
            us.max().alias("last"),
            (
                pl.col("start_time_us").cast(pl.Int64).last()
                if topic.value == "games"
                else pl.lit(None, pl.Int64)
            ).alias("start"),
        )
        for topic in PLAYED
    ).collect()
    if found.is_empty():
        raise DataMissing(f"{root}: no game from {first or 'its start'} to {last or 'its end'}")
    total, first_us, last_us, start_us = found.select(
        pl.col("events").sum(), pl.col("first").min(), pl.col("last").max(), pl.col("start").min()
    ).row(0)
    return Stretch(frozenset(found["game_id"]), total, first_us, last_us, start_us or 0)


def replayed(
    root: Path,
    settings: Settings,
    stretch: Stretch,
    periods: Sequence[Period],
    watch: Callable[[Iterable[ArchiveRecord]], Iterable[ArchiveRecord]] = iter,
) -> Backtest:
    """The whole stretch. settings: as `flows.backtest.settings_of` makes them.

    Raises DataMissing, ModelRefused, ConfigError.
    """
    backtest = Backtest(settings, periods)
    end_us = stretch.last_us + 1
    records = read_archive(root, PLAYED, stretch.first_us, end_us, set(stretch.games))
    for batch in batches(watch(records)):
        backtest.take(batch)
    backtest.end()
    return backtest


def doubts(stretch: Stretch, periods: Sequence[Period], walked: bool, simulated: bool) -> list[str]:
    """What a reader must know of the models before any number."""
    said = []
    models = [model for period in periods for model in period.models]
    if not walked:
        late = max(model.card.trained_until_us for model in models)
        if late >= stretch.first_start_us:
            said.append(
                f"The models had learned from games up to {from_us(late).date()}, and the first "
                f"game here began on {from_us(stretch.first_start_us).date()}: they may have seen "
                "these results, so the sheet shows nothing of an edge. Use --walk-forward."
            )
    if any(model.card.simulated for model in models) and not simulated:
        said.append("Models from simulated games: what they do on real ones says nothing.")
    if simulated:
        said.append("Simulated games: no market like this one exists.")
    if any(model.paper for model in models):
        said.append(
            "The models have not passed the gate: live, their stakes would be on paper only."
        )
    return said


def sheet_of(backtest: Backtest, warnings: Sequence[str]) -> tuple[pl.DataFrame, TearSheet]:
    """The bets, and the tear sheet of them."""
    bets = bet_table(backtest.bets.values())
    rows, open_ = [], 0.0
    for booked, balance in backtest.ledger:
        open_ += float(booked.entries.get(Account.OPEN, 0))
        rows.append((booked.at_us, open_, float(balance)))
    return bets, tear_sheet(bets, rows, warnings)


def summary(
    root: Path,
    backtest: Backtest,
    sheet: TearSheet,
    bets: pl.DataFrame,
    periods: Sequence[Period],
    settings: Settings,
) -> dict[str, Any]:
    """Everything in numbers; the same for the same input."""
    manifest = read_manifest(root)
    counts = backtest.counts
    return {
        "source": manifest.source,
        "simulated": manifest.simulated,
        "fingerprint": manifest.fingerprint,
        "bankroll": settings.staking.model_dump(mode="json"),
        "delay_seconds": settings.paper.delay_seconds,
        "settlement_default": settings.settlement.default,
        "close": settings.settlement.close,
        "models": [
            {
                "target": model.card.target.value,
                "version": model.version,
                "paper": model.paper,
                "from": from_us(max(period.from_us, 0)).isoformat() if period.from_us else None,
                "trained_until": from_us(model.card.trained_until_us).isoformat(),
            }
            for period in periods
            for model in period.models
        ],
        "counts": {
            name: _sorted(value) if isinstance(value, Counter) else value
            for name, value in vars(counts).items()
        },
        "unstaked": _sorted(unstaked(backtest)),
        "open_bets": [
            {"game_id": game, "market": market, "because": why}
            for game, market, why in open_bets(bets)
        ],
        "balance_exact": str(backtest.balance),
        "sheet": document(sheet),
    }


def _sorted(counted: Counter[str]) -> dict[str, int]:
    return dict(sorted(counted.items()))


def unstaked(backtest: Backtest) -> Counter[str]:
    """Markets of games that were never staked, by the last reasons while betting was open."""
    found: Counter[str] = Counter()
    for reasons in backtest.said.values():
        found.update(one.value for one in reasons)
    return found


def open_bets(bets: pl.DataFrame) -> list[tuple[str, str, str]]:
    """Those that nothing has graded: game, market, why."""
    rows = bets.filter(pl.col("outcome").is_null())
    return list(rows.select("game_id", "market", "open_because").iter_rows())


def write(
    out: Path,
    backtest: Backtest,
    sheet: TearSheet,
    bets: pl.DataFrame,
    numbers: dict[str, Any],
) -> None:
    """bets.parquet, ledger.parquet, summary.json, tear-sheet.html and .png."""
    out.mkdir(parents=True, exist_ok=True)
    bets.write_parquet(out / "bets.parquet")
    ledger_table(backtest.ledger).write_parquet(out / "ledger.parquet")
    text = json.dumps(numbers, indent=2, allow_nan=False)
    (out / "summary.json").write_text(text + "\n", encoding="utf-8")
    setting = Setting(
        facts=_facts(numbers),
        refused=backtest.counts.refused,
        unstaked=unstaked(backtest),
        unfilled=backtest.counts.unfilled,
        open_bets=open_bets(bets),
    )
    (out / "tear-sheet.html").write_text(page(sheet, setting), encoding="utf-8")
    title = f"Backtest, {sheet.first_day} to {sheet.last_day}, {sheet.bets:,} bets"
    (out / "tear-sheet.png").write_bytes(image(sheet, title))


def _facts(numbers: dict[str, Any]) -> list[tuple[str, str]]:
    counts, staking = numbers["counts"], numbers["bankroll"]
    versions = dict.fromkeys(one["version"].partition("-")[0] for one in numbers["models"])
    trained = max(one["trained_until"] for one in numbers["models"])[:10]
    return [
        ("Archive", f"{numbers['source']}, {numbers['fingerprint'][:16]}"),
        ("Replayed", f"{counts['events']:,} events of {counts['games']:,} games"),
        ("Models", f"{', '.join(versions)}; the newest had learned from games up to {trained}"),
        ("Bankroll", f"{staking['name']}: {staking['fraction']:g} of Kelly, edge from "
                     f"{staking['min_edge']:.1%}, at most {staking['max_fraction']:.1%} a bet"),
        ("Fills", f"{numbers['delay_seconds']:g} s after the stake, at the price that then stood"),
        ("Settled by", f"each book's rules, else {numbers['settlement_default'] or 'a person'}"),
    ]  # fmt: skip
