"""The report on frames whose every number can be worked out by hand."""

import json
import math
from datetime import date

import numpy as np
import polars as pl
import pytest

from models.evaluation.document import document
from models.evaluation.judge import Mass, judge
from models.evaluation.notes import Kind
from models.evaluation.references import PRICES, References
from models.evaluation.rows import OUT_OF_FOLD
from schemas.errors import DataMissing
from tests.unit.models.evaluation.seasons import no_references, season


def row(number: int, game: str, **over: object) -> dict[str, object]:
    """A game of June 2026 that the home team won 5:3, at 60 % by the model, 50 % by the market."""
    start = 1_780_000_000_000_000 + number * 86_400_000_000
    return {
        "target": "moneyline", "fold": 0, "game_id": game, "day": date(2026, 6, number),
        "as_of_us": start - 3_600_000_000, "start_us": start, "line": None, "consensus": 0.5,
        "model": 0.6, "mean": None, "dispersion": None, "outcome": 1.0, "home_score": 5.0,
        "away_score": 3.0, "weight": 1.0, "books": 3,
    } | over  # fmt: skip


def frame(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), OUT_OF_FOLD)


def price(game: str, market: str, moment: str, chance: float, line: float | None) -> pl.DataFrame:
    values = [[game], [market], [moment], [0], [chance], [line], [4], [120.0]]
    return pl.DataFrame(dict(zip(PRICES, values, strict=True)), PRICES)


def test_each_number_by_hand() -> None:
    rows = frame(
        row(1, "a", weight=0.5),
        row(1, "a", weight=0.5, as_of_us=1_780_000_000_000_000, model=0.7),
        row(2, "b", outcome=0.0, home_score=1.0, consensus=0.4, model=0.3),
    )
    found = judge(rows, no_references()).targets["moneyline"]
    model = -((math.log(0.6) + math.log(0.7)) / 2 + math.log(0.7)) / 2
    market = -(math.log(0.5) + math.log(0.6)) / 2
    decision = found.references["decision"].comparison
    assert found.model.log_loss == pytest.approx(model)
    assert (found.model.n, found.model.rows, found.model.days) == (2, 3, 2)
    assert found.model.brier == pytest.approx(((0.16 + 0.09) / 2 + 0.09) / 2)
    assert decision.reference.log_loss == pytest.approx(market)
    assert decision.reference.brier == pytest.approx((0.25 + 0.16) / 2)
    assert decision.difference == pytest.approx(model - market)
    assert found.auc == 1.0


def test_a_game_counts_once_however_many_of_its_rows_are_left() -> None:
    both = [row(1, "a", weight=0.5), row(1, "a", weight=0.5, outcome=None)]
    other = row(2, "b", outcome=0.0, model=0.2)
    found = judge(frame(*both, other), no_references()).targets["moneyline"].model
    assert found.log_loss == pytest.approx(-(math.log(0.6) + math.log(0.8)) / 2)


def test_pushes_are_nobodys_loss() -> None:
    rows = frame(row(1, "a"), row(2, "b"), row(3, "c", outcome=None))
    assert judge(rows, no_references()).targets["moneyline"].model.n == 2


@pytest.mark.parametrize(
    ("target", "market", "line", "close_line", "score", "close_won"),
    [
        ("total", "total", 7.5, 8.5, (5.0, 3.0), 0.0),  # 8 runs: over 7.5, under 8.5
        ("total", "total", 7.5, 8.0, (5.0, 3.0), None),  # a push at the close
        ("margin", "run_line", -1.5, 1.5, (5.0, 3.0), 1.0),
        ("margin", "run_line", 1.5, -1.5, (5.0, 4.0), 0.0),  # by one: covers +1.5, not -1.5
    ],
)
def test_the_close_is_judged_at_its_own_line(
    target: str,
    market: str,
    line: float,
    close_line: float,
    score: tuple[float, float],
    close_won: float | None,
) -> None:
    over = {"target": target, "line": line, "home_score": score[0], "away_score": score[1]}
    rows = frame(*(row(day, f"g{day}", **over) for day in (1, 2)))
    prices = pl.concat(price(f"g{day}", market, "close", 0.3, close_line) for day in (1, 2))
    found = judge(rows, References(prices, no_references().elo)).targets[target].references
    if close_won is None:
        assert "close" not in found
        return
    close = found["close"]
    expected = -math.log(0.3 if close_won else 0.7)
    assert close.comparison.reference.log_loss == pytest.approx(expected)
    assert close.comparison.model.log_loss == pytest.approx(-math.log(0.6))
    assert (close.same_line, close.seconds_before_start, close.books) == (0.0, 120.0, 4.0)


def test_a_reference_is_compared_where_it_is_known_and_says_how_often() -> None:
    rows = frame(row(1, "a"), row(2, "b"), row(3, "c", model=0.9), row(4, "d", model=0.9))
    elo = pl.DataFrame(
        {"game_id": ["a", "b"], "as_of_us": rows["as_of_us"][:2], "probability": 0.55}
    )
    found = judge(rows, References(no_references().prices, elo)).targets["moneyline"]
    assert found.references["elo"].coverage == 0.5
    compared = found.references["elo"].comparison
    assert compared.difference == pytest.approx(math.log(0.55 / 0.6))
    assert compared.model.log_loss == pytest.approx(-math.log(0.6))
    assert [note.text for note in found.notes if note.text.startswith("elo")]


def test_segments_by_month_books_favourite_and_time() -> None:
    rows = frame(
        row(1, "a", books=1, consensus=0.7),
        row(2, "b", books=5, consensus=0.42),
        row(3, "c", day=date(2026, 7, 1), books=12, consensus=0.5, as_of_us=0),
    )
    found = judge(rows, no_references()).targets["moneyline"].segments
    assert [(part.kind, part.name, part.n) for part in found] == [
        ("month", "2026-06", 2),
        ("month", "2026-07", 1),
        ("books", "1", 1),
        ("books", "5 to 8", 1),
        ("books", "9 or more", 1),
        ("favourite", "below 55 %", 1),
        ("favourite", "55 to 60 %", 1),
        ("favourite", "from 65 %", 1),
        ("hours ahead", "below 2", 2),
        ("hours ahead", "8 or more", 1),
    ]
    assert found[2].market == pytest.approx(-math.log(0.7))
    assert found[0].difference == pytest.approx(
        -math.log(0.6) + (math.log(0.7) + math.log(0.42)) / 2
    )


def test_ranked_probability_of_margins_against_their_own_frequencies() -> None:
    scores = [(5.0, 3.0), (1.0, 2.0)]
    rows = frame(
        *(
            row(day, f"g{day}", target="margin", line=-1.5, mean=0.0, dispersion=1.0,
                home_score=home, away_score=away)
            for day, (home, away) in enumerate(scores, 1)
        )
    )  # fmt: skip

    def sure(part: pl.DataFrame) -> Mass:
        """Of -2 to 2: plus two for certain."""
        return Mass(-2, np.tile([0.0, 0.0, 0.0, 0.0, 1.0], (part.height, 1)))

    ranked = judge(rows, no_references(), {"margin": sure}).targets["margin"].ranked
    assert ranked is not None
    # Right costs 0; -1 instead of 2 costs the thresholds -1, 0 and 1.
    assert ranked.model == pytest.approx(3 / 2)
    # Half -1, half 2: a quarter at each of three thresholds, whatever happened.
    assert ranked.climate == pytest.approx(3 / 4)


def verdict(rows: pl.DataFrame, references: References | None = None) -> dict[Kind, str]:
    found = judge(rows, references or no_references()).targets["moneyline"].notes
    return {note.kind: note.text for note in found}


def test_verdicts() -> None:
    assert "Better than the price" in verdict(season(1, edge=0.3))[Kind.BETTER]
    assert "Do not bet" in verdict(season(1, edge=0.0, noise=0.4))[Kind.WORSE]
    text = verdict(season(8, edge=0.0))[Kind.UNDECIDED]
    assert "cannot tell it from the price" in text
    assert "show a difference of" in text


def test_undecided_says_how_many_games_it_would_take() -> None:
    for seed in range(20):
        rows = season(seed, edge=0.02, noise=0.0, days=30)
        report = judge(rows, no_references()).targets["moneyline"]
        found = report.references["decision"].comparison
        if found.difference < 0.0 < found.interval.high:
            break
    reach = (1.959964 + 0.841621) * found.spread.deviation / found.difference
    assert f"about {math.ceil(reach**2):,} games" in report.notes[0].text


def test_an_edge_too_good_to_be_true() -> None:
    rows = season(1, edge=0.5)
    games = rows.unique("game_id").sort("game_id")
    closes = [
        price(game, "moneyline", "close", chance, None)
        for game, chance in games.select("game_id", "consensus").rows()
    ]
    found = verdict(rows, References(pl.concat(closes), no_references().elo))
    assert "leakcheck" in found[Kind.SUSPICIOUS]
    modest = rows.with_columns(model=pl.col("consensus"))
    assert Kind.SUSPICIOUS not in verdict(
        modest, References(pl.concat(closes), no_references().elo)
    )


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (frame(row(1, "a")).drop("books"), "lack books"),
        (frame(row(1, "a", model=1.0)), "model is 1 for a"),
        (frame(row(1, "a", target="corners")), "'corners'"),
        (frame(), "no out-of-fold rows"),
        (frame(row(1, "a")).with_columns(day=pl.lit("yesterday")), "out-of-fold rows"),
    ],
)
def test_rows_that_cannot_be_judged(bad: pl.DataFrame, says: str) -> None:
    with pytest.raises(DataMissing, match=says):
        judge(bad, no_references())


def test_document_is_json_and_has_what_others_rely_on() -> None:
    said = json.loads(json.dumps(document(judge(season(1, edge=0.3), no_references()))))
    found = said["targets"]["moneyline"]
    decision = found["references"]["decision"]
    assert {"log_loss", "brier", "n", "interval"} <= decision.keys()
    assert decision["n"] == found["model"]["n"] == 1_440
    assert decision["interval"][0] < decision["difference"] < decision["interval"][1] < 0
    assert sum(point["weight"] for point in found["reliability"]["model"]) == pytest.approx(1_440)
    one_day = judge(frame(row(1, "a"), row(1, "b", outcome=0.0)), no_references())
    said = json.loads(json.dumps(document(one_day), allow_nan=False))
    assert said["targets"]["moneyline"]["references"]["decision"]["interval"] == [None, None]
