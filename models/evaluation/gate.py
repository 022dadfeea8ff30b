"""May a model move real stakes? Only after beating the price, and the champion, out of sample."""

from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from models.evaluation.compare import USUAL, Difference, Drawing, differ
from models.evaluation.rows import DECISION, MARKET_OF, checked, decided
from schemas.errors import DataMissing

CHAMPION = "champion"


@dataclass(frozen=True)
class GateRules:
    drawing: Drawing = USUAL
    """Promotion needs the whole interval below 0: at 95 % a model without an edge passes less
    than once in 40 tries."""
    min_games: int = 200
    """Fewer say nothing about the days that are not in them."""
    min_shared: float = 0.9
    """Share of the candidate's games on which the champion must have an opinion."""


@dataclass(frozen=True)
class Verdict:
    promote: bool
    reasons: list[str]
    """Why not; or, of a promotion, what it rests on."""
    numbers: dict[str, Any]
    """target, games, days, and per opponent (`market`, `champion`) both log-losses, difference,
    interval, p_value."""


def gate(
    candidate_rows: pl.DataFrame,
    champion_rows: pl.DataFrame | None,
    rules: GateRules,
    beside_champion: pl.DataFrame | None = None,
) -> Verdict:
    """All: out-of-fold rows of one target (`rows.OUT_OF_FOLD`). Each model must have been fitted
    without the games of its rows: the caller's promise.

    beside_champion: the candidate's rows to hold against the champion's, where these are of other
    games than those that it is held against the price on.
    Raises DataMissing for rows that cannot be judged.
    """
    candidate, target = _of_one_target(candidate_rows, "candidate")
    against = {"market": differ(candidate, DECISION, drawing=rules.drawing)}
    refusals = []
    games = candidate["game_id"].n_unique()
    if games < rules.min_games:
        refusals.append(f"{games} games out of sample, at least {rules.min_games} needed")
    if champion_rows is not None:
        champion, other = _of_one_target(champion_rows, CHAMPION)
        if other != target:
            raise DataMissing(
                f"candidate predicts {target}, champion {other}: compare like to like"
            )
        own = candidate
        if beside_champion is not None:
            own, _ = _of_one_target(beside_champion, "candidate")
        compared = own["game_id"].n_unique()
        if compared < rules.min_games and own is not candidate:
            refusals.append(
                f"{compared} games that the champion has not seen, "
                f"at least {rules.min_games} needed"
            )
        both = own.join(
            champion.select("game_id", "as_of_us", "line", pl.col("model").alias(CHAMPION)),
            on=("game_id", "as_of_us", "line"),
            nulls_equal=True,
            maintain_order="left",
        )
        share = both["game_id"].n_unique() / compared
        if share < rules.min_shared:
            refusals.append(
                f"the champion has predictions for {share:.0%} of these games, "
                f"{rules.min_shared:.0%} needed: judge both on the same walk-forward"
            )
        if both.height:
            against[CHAMPION] = differ(both, CHAMPION, drawing=rules.drawing)
    sentences = {who: _sentence(who, found) for who, found in against.items()}
    refusals += [sentences[who] for who, found in against.items() if not found.interval.high < 0.0]
    return Verdict(
        promote=not refusals,
        reasons=refusals or list(sentences.values()),
        numbers={"target": target, "games": games, "days": against["market"].days}
        | {who: _numbers(found) for who, found in against.items()},
    )


def refused(verdict: Verdict, why: str) -> Verdict:
    """The same, with one more reason against it."""
    reasons = [] if verdict.promote else verdict.reasons
    return replace(verdict, promote=False, reasons=[*reasons, why])


def _of_one_target(rows: pl.DataFrame, whose: str) -> tuple[pl.DataFrame, str]:
    targets = sorted(set(checked(rows)["target"]), key=list(MARKET_OF).index)
    if len(targets) > 1:
        raise DataMissing(f"{whose}: rows of {', '.join(targets)}; the gate judges one target")
    known = decided(checked(rows), targets[0]).filter(pl.col("consensus").is_not_null())
    if known.is_empty():
        raise DataMissing(
            f"{whose}: no row of {targets[0]} with a prediction, a price and a winner"
        )
    return known.with_columns(pl.col("consensus").alias(DECISION)), targets[0]


def _sentence(who: str, found: Difference) -> str:
    name = "the no-vig price at decision time" if who == "market" else "the champion"
    low, high = found.interval
    better = "below" if high < 0.0 else "not shown to be below"
    return (
        f"log-loss {found.model_log_loss:.5f} is {better} {found.reference_log_loss:.5f} "
        f"of {name}: difference {found.difference:+.5f}, interval {low:+.5f} to {high:+.5f}"
    )


def _numbers(found: Difference) -> dict[str, Any]:
    return {
        "log_loss": found.model_log_loss,
        "reference_log_loss": found.reference_log_loss,
        "difference": found.difference,
        "interval": list(found.interval),
        "p_value": found.p_value,
    }
