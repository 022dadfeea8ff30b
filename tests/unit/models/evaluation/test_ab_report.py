"""Shadow and split of a few games by hand, and what cannot be compared."""

import math
from datetime import date, timedelta

import polars as pl
import pytest

from models.evaluation.ab_report import Trial, compared
from schemas.errors import DataMissing

FIRST = date(2026, 4, 1)
BETS = pl.Schema(
    {
        "game_id": pl.String(),
        "model_version": pl.String(),
        "fraction": pl.Float64(),
        "price": pl.Float64(),
        "won": pl.Float64(),
        "close": pl.Float64(),
    }
)


def row(
    game: str,
    version: str,
    chance: float,
    won: float | None = 1.0,
    position: int = 5,
    line: float | None = None,
    day: int = 0,
    share: float | None = None,
) -> dict[str, object]:
    return {
        "target": "moneyline",
        "model_version": version,
        "game_id": game,
        "day": FIRST + timedelta(day),
        "position": position,
        "line": line,
        "consensus": 0.5,
        "model": chance,
        "outcome": won,
        "weight": 1.0,
        "role": "champion" if version.startswith("a") else "challenger",
        "share": share,
    }


def bets(*rows: tuple[str, str, float, float, float | None, float | None]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), BETS, orient="row")


SHADOW = Trial("moneyline", "a1", "b1", "shadow")


def test_a_shadow_by_hand() -> None:
    rows = pl.DataFrame(
        [
            row("g1", "a1", 0.5),
            row("g1", "b1", 0.8),
            row("g2", "a1", 0.5, won=0.0, day=1),
            row("g2", "b1", 0.6, won=0.0, day=1),
            row("g2", "a1", 0.9, won=0.0, position=4, day=1),  # b never spoke there
            row("g3", "a1", 0.9),  # nor about this game
            row("g4", "a1", 0.5, won=None),  # a push
            row("g4", "b1", 0.5, won=None),
        ]
    )
    made = bets(
        ("g1", "b1", 0.10, 2.5, 1.0, 0.5),
        ("g2", "a1", 0.20, 2.0, 0.0, None),
        ("g2", "b1", 0.05, 2.2, 1.0, 0.45),
        ("g3", "a1", 0.50, 2.0, 1.0, 0.9),
    )
    found = compared(rows, made, SHADOW)
    assert (found.log_loss.games, found.log_loss.days) == (2, 2)
    expected = (math.log(0.5 / 0.8) + math.log(0.5 / 0.4)) / 2
    assert found.log_loss.difference == pytest.approx(expected, abs=1e-12)
    a, b = found.arms["a"], found.arms["b"]
    assert (a.games, a.bets, b.games, b.bets) == (2, 1, 2, 2)
    assert a.growth == pytest.approx(math.log(0.8) / 2)
    grown = (math.log(1 + 0.10 * 1.5) + math.log(1 + 0.05 * 1.2)) / 2
    assert b.growth == pytest.approx(grown)
    assert found.growth == pytest.approx(grown - math.log(0.8) / 2)
    assert b.clv == pytest.approx((2.5 * 0.5 - 1 + 2.2 * 0.45 - 1) / 2)
    assert (b.clv_known, a.clv_known) == (1.0, 0.0)
    assert math.isnan(a.clv)
    assert found.strays == 0


def test_a_push_leaves_the_bankroll_as_it_was() -> None:
    rows = pl.DataFrame([row("g1", "a1", 0.5), row("g1", "b1", 0.8)])
    found = compared(rows, bets(("g1", "b1", 0.1, 2.0, None, None)), SHADOW)
    assert found.growth == 0.0
    assert found.arms["b"].bets == 1


def test_both_must_speak_at_one_line() -> None:
    rows = pl.DataFrame(
        [row("g1", "a1", 0.5, line=8.5), row("g1", "b1", 0.5, line=9.0)], infer_schema_length=None
    )
    with pytest.raises(DataMissing, match="a shadow of a1 and b1"):
        compared(rows, bets(), SHADOW)


def test_a_split_counts_each_game_for_the_model_it_was_given() -> None:
    """Divided by the chance of its arm, negative for A; a game in which both spoke is left out."""
    games = [f"g{number}" for number in range(40)]
    dealt = {game: "b" if at % 4 == 1 else "a" for at, game in enumerate(games)}
    rows = [
        row(game, f"{dealt[game]}1", 0.8 if dealt[game] == "b" else 0.6, day=at // 4, share=0.25)
        for at, game in enumerate(games)
    ]
    rows += [row("both", "a1", 0.9, share=0.25), row("both", "b1", 0.01, share=0.25)]
    # Before there was this challenger: of that time nothing can be said about it.
    rows.append(row("early", "a1", 0.01, day=-9, share=0.25))
    trial = Trial("moneyline", "a1", "b1", "split", "exp")
    found = compared(pl.DataFrame(rows), bets(("g1", "b1", 0.1, 2.0, 1.0, None)), trial)
    expected = 10 * math.log(0.5 / 0.8) / 0.25 - 30 * math.log(0.5 / 0.6) / 0.75
    assert found.log_loss.difference == pytest.approx(expected / 40, abs=1e-12)
    assert found.strays == 1
    assert (found.arms["a"].games, found.arms["b"].games) == (30, 10)
    assert found.growth == pytest.approx(math.log(1.1) / 0.25 / 40)
    assert found.needed is not None
    assert found.needed.always >= found.needed.once > 0


def test_a_share_that_was_raised_counts_each_game_by_its_own() -> None:
    rows = [
        row("g1", "a1", 0.6, share=0.2),
        row("g2", "b1", 0.8, share=0.2),
        row("g3", "a1", 0.6, day=1, share=0.5),
        row("g4", "b1", 0.8, day=1, share=0.5),
    ]
    found = compared(pl.DataFrame(rows), bets(), Trial("moneyline", "a1", "b1", "split", "exp"))
    better, good = math.log(0.5 / 0.8), math.log(0.5 / 0.6)
    expected = -good / 0.8 + better / 0.2 - good / 0.5 + better / 0.5
    assert found.log_loss.difference == pytest.approx(expected / 4, abs=1e-12)


@pytest.mark.parametrize("missing", ["a1", "b1"])
def test_a_version_that_never_spoke_is_said(missing: str) -> None:
    there = "b1" if missing == "a1" else "a1"
    for mode in ("shadow", "split"):
        trial = Trial("moneyline", "a1", "b1", mode, "exp")
        with pytest.raises(DataMissing, match="no game that is over"):
            compared(pl.DataFrame([row("g1", there, 0.5)]), bets(), trial)
