"""The numbers of a tear sheet: what bets brought, what they should have, and what that shows.

Pure arithmetic on `models.evaluation.bets.BETS` and the balances after each booking. Intervals draw
whole days, as everywhere (`models/evaluation/intervals.py`): bets of a day share their luck.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from models.evaluation.bets import parts_won, unit_returns, won_or_lost
from models.evaluation.intervals import DaySums, Interval, block_bootstrap
from models.evaluation.metrics import Reliability, reliability
from models.evaluation.power import games_needed, spread_of
from models.features.arrays import Array

EDGE_BANDS = (0.0, 0.02, 0.04, 0.06, 0.10, math.inf)
"""Of the edge at the price taken, by the model."""
CALIBRATION_BINS = 8


class Yield(NamedTuple):
    """Profit per unit staked, of some bets."""

    name: str
    bets: int
    days: int
    staked: float
    profit: float
    value: float
    interval: Interval


class Equity(NamedTuple):
    """The balance, open bets at cost, after each booking that moved it."""

    at_us: Array
    balance: Array
    drawdown: float
    """Largest fall from a peak before it, share of that peak."""
    peak_us: int
    trough_us: int
    largest_open: float
    """Most that lay on open bets at once, share of the balance."""


class Expected(NamedTuple):
    """What one view of the chances says that the bets would bring, beside what they brought."""

    name: str
    bets: int
    expected: float
    actual: float
    deviation: float
    """Standard deviation of the actual profit if that view is right, games independent."""

    @property
    def z(self) -> float:
        return (self.actual - self.expected) / self.deviation if self.deviation else math.nan


class Growth(NamedTuple):
    """Log of the bankroll, bet after bet."""

    settled_us: Array
    actual: Array
    """Cumulative, by how the bets ended."""
    expected: Array
    """Cumulative, by the model's chances."""
    deviation: Array
    """Standard deviation of the actual if these are right."""
    balance: float
    """Log of the balance at the end over that at the start."""


class Clv(NamedTuple):
    bets: int
    """All that were graded and not void: the denominator of the coverage."""
    known: int
    missing: dict[str, int]
    value: Yield | None
    """Expected return per unit staked if the close is right, each bet the same; none without."""
    beat: float
    """Share of the known whose price was better than the fair close."""
    quantiles: dict[str, float]
    values: Array
    seconds: float
    """Median from the newest closing quote to first pitch."""

    @property
    def coverage(self) -> float:
        return self.known / self.bets if self.bets else math.nan


class Needed(NamedTuple):
    """How many bets a claim needs, at the power of `models.evaluation.power`."""

    bets: int
    """There are."""
    deviation: float
    """Of one bet's return, the ties between bets of a day and unequal stakes included."""
    found: int | None
    """To tell the yield that was found from 0."""
    claimed: int | None
    """To tell the yield that the model claims."""


@dataclass(frozen=True)
class TearSheet:
    bets: int
    graded: int
    void: int
    open: int
    first_day: str | None
    last_day: str | None
    equity: Equity
    total: Yield | None
    flat: list[Yield]
    """One unit on the same bets, and what needs no model, at the same books and moments."""
    ahead: list[Yield]
    """The same bets less each of those, one unit each."""
    parts: dict[str, list[Yield]]
    """By market, book, month and edge."""
    luck: list[Expected]
    growth: Growth | None
    calibration: Reliability | None
    market_calibration: Reliability | None
    clv: Clv
    needed: Needed | None
    warnings: list[str]


def tear_sheet(
    bets: pl.DataFrame, ledger: Sequence[tuple[int, float, float]], warnings: Sequence[str] = ()
) -> TearSheet:
    """bets: `BETS`. ledger: (time, open, balance) after each booking, the deposit first.

    warnings: what else must be said first.
    """
    graded = bets.filter(pl.col("outcome").is_not_null())
    rows = won_or_lost(bets)
    total = _total(rows)
    flat, ahead = _baselines(rows)
    needed = _needed(rows)
    clv = _clv(rows)
    return TearSheet(
        bets=bets.height,
        graded=graded.height,
        void=graded.height - rows.height,
        open=bets.height - graded.height,
        first_day=None if bets.is_empty() else str(bets["day"].min()),
        last_day=None if bets.is_empty() else str(bets["day"].max()),
        equity=_equity(ledger),
        total=total,
        flat=flat,
        ahead=ahead,
        parts={} if total is None else _parts(rows),
        luck=_luck(rows),
        growth=_growth(rows, ledger),
        calibration=_calibration(rows, "probability"),
        market_calibration=_calibration(rows, "market_probability"),
        clv=clv,
        needed=needed,
        warnings=[*warnings, *_warnings(bets, total, needed, clv)],
    )


def _profit(rows: pl.DataFrame) -> Array:
    found: Array = (rows["payout"] - rows["amount"]).to_numpy()
    return found


def _yield(name: str, rows: pl.DataFrame, profit: Array, staked: Array) -> Yield:
    sums = DaySums.of(rows["day"].to_physical().to_numpy(), profit / staked, staked)
    interval = block_bootstrap(sums)
    total, all = float(staked.sum()), float(profit.sum())
    return Yield(name, rows.height, len(sums), total, all, all / total, interval)


def _total(rows: pl.DataFrame) -> Yield | None:
    if rows.is_empty():
        return None
    return _yield("all", rows, _profit(rows), rows["amount"].to_numpy())


def _parts(rows: pl.DataFrame) -> dict[str, list[Yield]]:
    edge = rows["probability"] * rows["price"] - 1.0
    names = [_band(low, high) for low, high in pairwise(EDGE_BANDS)]
    bands = np.clip(np.searchsorted(EDGE_BANDS, edge.to_numpy(), "right") - 1, 0, len(names) - 1)
    columns = {
        "market": rows["market"].to_list(),
        "book": rows["book"].to_list(),
        "month": rows["day"].dt.strftime("%Y-%m").to_list(),
        "edge": [names[band] for band in bands.tolist()],
    }
    found: dict[str, list[Yield]] = {}
    for kind, labels in columns.items():
        order = names if kind == "edge" else sorted(set(labels))
        labelled = rows.with_columns(label=pl.Series(labels, dtype=pl.String()))
        parts = [(name, labelled.filter(pl.col("label") == name)) for name in order]
        found[kind] = [
            _yield(name, part, _profit(part), part["amount"].to_numpy())
            for name, part in parts
            if part.height
        ]
    return found


def _band(low: float, high: float) -> str:
    return f"{low:.0%} and more" if high == math.inf else f"{low:.0%} to {high:.0%}"


def _baselines(rows: pl.DataFrame) -> tuple[list[Yield], list[Yield]]:
    """Flat stakes: the bets themselves, and either side of the same bets by rules of no model."""
    rows = rows.filter(pl.col("other_price").is_not_null())
    if rows.is_empty():
        return [], []
    won, price, other = parts_won(rows), rows["price"].to_numpy(), rows["other_price"].to_numpy()
    ours, theirs = unit_returns(won, price), unit_returns(-won, other)
    first = rows["first_side"].to_numpy()
    found = {
        "same bets": ours,
        "home or over": np.where(first, ours, theirs),
        "away or under": np.where(first, theirs, ours),
        "favourite": np.where(price <= other, ours, theirs),
        "underdog": np.where(price <= other, theirs, ours),
    }
    one = np.ones(rows.height)
    flat = [_yield(name, rows, returns, one) for name, returns in found.items()]
    ahead = [
        _yield(name, rows, ours - returns, one)
        for name, returns in found.items()
        if name != "same bets"
    ]
    known = rows["market_probability"].is_not_null().to_numpy()
    if known.any():
        chance = rows["market_probability"].fill_null(0.5).to_numpy()
        # What a bettor without a model can see: where this book pays more than the market's price.
        better = chance * price >= (1.0 - chance) * other
        returns, part = np.where(better, ours, theirs)[known], rows.filter(pl.Series(known))
        name, ones = "better price by consensus", np.ones(part.height)
        flat.append(_yield(name, part, returns, ones))
        ahead.append(_yield(name, part, ours[known] - returns, ones))
    return flat, ahead


def _moments(rows: pl.DataFrame, chance: Array) -> tuple[Array, Array]:
    """Mean and variance of one unit's profit, (n,), by chances given no push."""
    plays = 1.0 - rows["push"].to_numpy()
    win, gain = plays * chance, rows["price"].to_numpy() - 1.0
    lose = plays - win
    mean = win * gain - lose
    return mean, win * gain**2 + lose - mean**2


def _luck(rows: pl.DataFrame) -> list[Expected]:
    found = []
    views = (
        ("model", "probability"),
        ("no-vig consensus when bet", "market_probability"),
        ("no-vig close", "close_value"),
    )
    for name, column in views:
        part = rows.filter(pl.col(column).is_not_null())
        if part.is_empty():
            continue
        staked, value = part["amount"].to_numpy(), part[column].to_numpy()
        if column == "close_value":
            plays = 1.0 - part["push"].to_numpy()
            chance = np.clip((value / plays + 1.0) / part["price"].to_numpy(), 0.0, 1.0)
            mean, variance = value, _moments(part, chance)[1]
        else:
            mean, variance = _moments(part, value)
        found.append(
            Expected(
                name,
                part.height,
                float((staked * mean).sum()),
                float(_profit(part).sum()),
                math.sqrt(float(_steps(part, staked * np.sqrt(variance)).sum())),
            )
        )
    return found


def _growth(rows: pl.DataFrame, ledger: Sequence[tuple[int, float, float]]) -> Growth | None:
    rows = rows.filter(pl.col("balance") > 0.0).sort("settled_us", "fill_id")
    if rows.is_empty():
        return None
    share = np.minimum(rows["amount"].to_numpy() / rows["balance"].to_numpy(), 1.0 - 1e-9)
    chance, plays = rows["probability"].to_numpy(), 1.0 - rows["push"].to_numpy()
    up, down = np.log1p(share * (rows["price"].to_numpy() - 1.0)), np.log1p(-share)
    mean = plays * (chance * up + (1.0 - chance) * down)
    square = plays * (chance * up**2 + (1.0 - chance) * down**2)
    spread = np.sqrt(square - mean**2)
    return Growth(
        settled_us=rows["settled_us"].to_numpy(),
        actual=np.cumsum(np.log1p(share * _profit(rows) / rows["amount"].to_numpy())),
        expected=np.cumsum(mean),
        deviation=np.sqrt(np.cumsum(_steps(rows, spread))),
        balance=math.log(ledger[-1][2] / ledger[0][2]) if ledger[-1][2] > 0.0 else -math.inf,
    )


def _steps(rows: pl.DataFrame, deviation: Array) -> Array:
    """(n,) what each bet adds to the variance, after those that it wins and loses with."""
    before: dict[tuple[str, str], float] = {}
    steps = np.empty(len(deviation))
    keys = rows.select("game_id", "market").iter_rows()
    for place, (key, one) in enumerate(zip(keys, deviation.tolist(), strict=True)):
        held = before.get(key, 0.0)
        before[key] = held + one
        steps[place] = (held + one) ** 2 - held**2
    return steps


def _calibration(rows: pl.DataFrame, column: str) -> Reliability | None:
    rows = rows.filter(pl.col(column).is_not_null() & (pl.col("outcome") != "push"))
    if rows.is_empty():
        return None
    won = parts_won(rows)
    bins = min(CALIBRATION_BINS, max(rows.height // 20, 1))
    return reliability(rows[column].to_numpy(), won > 0.0, np.abs(won), bins)


def _clv(rows: pl.DataFrame) -> Clv:
    known = rows.filter(pl.col("close_value").is_not_null())
    missing = rows["close_missing"].drop_nulls().value_counts(sort=True).sort("close_missing")
    values = known["close_value"].to_numpy()
    ones = np.ones(known.height)
    return Clv(
        bets=rows.height,
        known=known.height,
        missing=dict(missing.iter_rows()),
        value=_yield("close", known, values, ones) if known.height else None,
        beat=float((values > 0.0).mean()) if known.height else math.nan,
        quantiles={
            f"{share:.0%}": float(np.quantile(values, share))
            for share in (0.05, 0.25, 0.5, 0.75, 0.95)
        }
        if known.height
        else {},
        values=values,
        seconds=float(np.median(known["close_seconds"].to_numpy())) if known.height else math.nan,
    )


def _equity(ledger: Sequence[tuple[int, float, float]]) -> Equity:
    at_us = np.array([one[0] for one in ledger], np.int64)
    open_, balance = (np.array([one[place] for one in ledger], np.float64) for place in (1, 2))
    peaks = np.maximum.accumulate(balance)
    fallen = 1.0 - balance / peaks
    trough = int(fallen.argmax())
    peak = int(balance[: trough + 1].argmax())
    # Equal neighbours say nothing: a bet that is made moves no balance.
    moved = np.append(True, np.diff(balance) != 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.nan_to_num(open_ / balance, posinf=1.0)
    return Equity(
        at_us=at_us[moved],
        balance=balance[moved],
        drawdown=float(fallen[trough]),
        peak_us=int(at_us[peak]),
        trough_us=int(at_us[trough]),
        largest_open=float(shares.max()),
    )


def _needed(rows: pl.DataFrame) -> Needed | None:
    """Of bets as unequal as these: weighted by their stakes, as the yield is."""
    if rows.is_empty():
        return None
    staked = rows["amount"].to_numpy()
    # Weights that sum to the number of bets, which is what the deviation is of one of.
    weight = staked * rows.height / staked.sum()
    day = rows["day"].to_physical().to_numpy()
    sums = DaySums.of(day, _profit(rows) / staked, weight)
    spread = spread_of(sums)
    if not spread.deviation > 0.0:
        return None
    claimed = float(weight @ _moments(rows, rows["probability"].to_numpy())[0]) / rows.height
    return Needed(
        rows.height,
        spread.deviation,
        games_needed(spread.deviation, sums.mean) if sums.mean else None,
        games_needed(spread.deviation, claimed) if claimed else None,
    )


def _warnings(
    bets: pl.DataFrame, total: Yield | None, needed: Needed | None, clv: Clv
) -> list[str]:
    found = []
    if total is None:
        return ["No bet was made and graded: there is nothing to show."]
    low, high = total.interval
    if not math.isfinite(low):
        found.append(
            f"{total.bets:,} bets on {total.days} days are too few for an interval: this sample "
            "supports no claim at all."
        )
    elif low <= 0.0 <= high:
        text = (
            f"{total.bets:,} bets on {total.days} days cannot tell this yield "
            f"({total.value:+.2%}, interval {low:+.2%} to {high:+.2%}) from luck."
        )
        if needed is not None and needed.found is not None:
            text += f" If it were the true one, about {needed.found:,} such bets could"
            if needed.claimed is not None:
                text += f"; if the model's own edge were, about {needed.claimed:,}"
            text += "."
        found.append(text)
    elif high < 0.0:
        found.append(
            f"These bets lost more than luck explains: yield {total.value:+.2%}, interval "
            f"{low:+.2%} to {high:+.2%}."
        )
    if clv.known and clv.coverage < 0.9:
        found.append(
            f"A closing price is known for {clv.coverage:.0%} of the bets only: the closing line "
            "value speaks of these."
        )
    if ungraded := bets["outcome"].is_null().sum():
        found.append(f"{ungraded:,} bets are not graded and count in no yield: see the list.")
    return found


def tally(counted: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent first."""
    return sorted(counted.items(), key=lambda one: (-one[1], one[0]))
