"""The numbers of a tear sheet, by hand."""

import json
import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from models.evaluation.bets import BETS
from models.evaluation.tear_page import Setting, document, image, page
from models.evaluation.tear_sheet import TearSheet, tear_sheet

DAY = 86_400_000_000
SETTING = Setting([("Archive", "a test")], {"stopped": 2}, {}, {"unfilled_stale": 1}, [])


def bet(number: int = 0, outcome: str | None = "win", **over: Any) -> dict[str, Any]:
    """One a day; 10 of 100 at 2.0, which the model gives 60 % and the market 50 %."""
    price, amount = over.get("price", 2.0), over.get("amount", 10.0)
    won = {"win": price, "half_win": (price + 1) / 2, "push": 1.0, "void": 1.0, "half_loss": 0.5}
    return {
        "fill_id": f"f{number:05}",
        "stake_id": f"s{number}",
        "game_id": f"g{number}",
        "day": date(2026, 5, 1) + timedelta(days=number),
        "market": "moneyline",
        "side": "home",
        "book": "pinnacle",
        "line": None,
        "asked": price,
        "price": price,
        "amount": amount,
        "balance": 100.0,
        "probability": 0.6,
        "push": 0.0,
        "model_version": "1",
        "paper": True,
        "simulated": False,
        "decided_us": number * DAY,
        "filled_us": number * DAY + 1,
        "first_side": True,
        "other_price": 1.8,
        "market_probability": 0.5,
        "outcome": outcome,
        "payout": None if outcome is None else amount * won.get(outcome, 0.0),
        "settled_us": None if outcome is None else number * DAY + 2,
        "rule": None,
        "open_because": "waits" if outcome is None else None,
        "close_value": 0.02,
        "close_points": 0.01,
        "close_seconds": 60.0,
        "close_reference": "consensus",
        "close_missing": None,
    } | over


def sheet(*bets: dict[str, Any], ledger: list[tuple[int, float, float]] | None = None) -> TearSheet:
    rows = pl.DataFrame(list(bets), schema=BETS, orient="row")
    return tear_sheet(rows, ledger or [(0, 0.0, 100.0), (DAY, 0.0, 110.0)])


def test_yield_is_profit_by_stakes_and_void_bets_are_none() -> None:
    found = sheet(bet(0), bet(1, "loss"), bet(2, "push"), bet(3, "void"), bet(4, None))
    assert (found.bets, found.graded, found.void, found.open) == (5, 4, 1, 1)
    assert found.total is not None
    # 10 won, 10 lost and 10 that came back.
    assert (found.total.bets, found.total.staked, found.total.profit) == (3, 30.0, 0.0)


def test_luck_is_the_distance_from_what_the_chances_give() -> None:
    found = sheet(*(bet(number, "win" if number % 2 else "loss") for number in range(20)))
    model, market, close = found.luck
    # 20 bets of 10 at evens: by 60 % each brings 2, and deviates by 20 * sqrt(.6 * .4).
    assert model.expected == pytest.approx(40.0)
    assert model.deviation == pytest.approx(math.sqrt(20) * 20 * math.sqrt(0.24))
    assert model.z == pytest.approx(-40.0 / model.deviation)
    assert market.expected == pytest.approx(0.0)
    assert market.deviation == pytest.approx(math.sqrt(20) * 10)
    assert close.expected == pytest.approx(20 * 10 * 0.02)
    # At evens a value of .02 is a chance of .51.
    assert close.deviation == pytest.approx(math.sqrt(20 * 0.51 * 0.49) * 20)


def test_bets_on_one_market_of_a_game_win_and_lose_together() -> None:
    apart = sheet(bet(0), bet(1))
    together = sheet(bet(0), bet(1, game_id="g0", day=date(2026, 5, 1)))
    assert together.luck[0].deviation == pytest.approx(math.sqrt(2) * apart.luck[0].deviation)
    assert together.growth is not None
    assert apart.growth is not None
    assert together.growth.deviation[-1] == pytest.approx(math.sqrt(2) * apart.growth.deviation[-1])


def test_growth_is_expected_by_kellys_own_sum() -> None:
    found = sheet(bet(0), bet(1, "loss")).growth
    assert found is not None
    each = 0.6 * math.log(1.1) + 0.4 * math.log(0.9)
    np.testing.assert_allclose(found.expected, [each, 2 * each])
    np.testing.assert_allclose(found.actual, [math.log(1.1), math.log(1.1 * 0.9)])
    assert found.balance == pytest.approx(math.log(1.1))


def test_drawdown_is_from_the_peak_before() -> None:
    ledger = [(0, 0.0, 100.0), (1, 50.0, 100.0), (2, 0.0, 120.0), (3, 0.0, 90.0), (4, 0.0, 130.0)]
    found = sheet(bet(0), ledger=ledger).equity
    assert found.drawdown == pytest.approx(0.25)
    assert (found.peak_us, found.trough_us) == (2, 3)
    assert found.largest_open == pytest.approx(0.5)


def test_the_other_side_is_what_no_model_would_have_taken() -> None:
    """Home at 2.0 lost one and won one; away paid 1.8, so it is the favourite."""
    found = {one.name: one for one in sheet(bet(0), bet(1, "loss")).flat}
    assert found["same bets"].profit == pytest.approx(1.0 - 1.0)
    assert found["away or under"].profit == pytest.approx(-1.0 + 0.8)
    assert found["favourite"].profit == pytest.approx(-0.2)
    assert found["underdog"].profit == pytest.approx(0.0)
    # At 50 % each, 2.0 is the better price.
    assert found["better price by consensus"].profit == pytest.approx(0.0)
    halves = {one.name: one for one in sheet(bet(0, "half_win"), bet(1, "half_loss")).flat}
    assert halves["same bets"].profit == pytest.approx(0.5 - 0.5)
    assert halves["away or under"].profit == pytest.approx(-0.5 + 0.4)


def test_missing_closes_stand_in_the_denominator() -> None:
    gone = {"close_value": None, "close_points": None, "close_seconds": None}
    found = sheet(bet(0), bet(1), bet(2), bet(3, **gone, close_missing="stale")).clv
    assert (found.bets, found.known, found.coverage) == (4, 3, 0.75)
    assert found.missing == {"stale": 1}


def test_a_sample_that_shows_nothing_says_how_many_bets_would() -> None:
    found = sheet(*(bet(number, "win" if number % 20 < 11 else "loss") for number in range(100)))
    (warning,) = found.warnings
    assert warning.startswith("100 bets on 100 days cannot tell this yield (+10.00%")
    assert found.needed is not None
    # Unit returns of +1 and -1 with mean .1, their deviation sqrt(.99) but for n - 1:
    # ((1.95996 + .84162) / .1)**2 * .99 * 100 / 99 = 784.9.
    assert found.needed.found == 785
    assert found.needed.claimed == math.ceil(784.887 / 4)
    assert "about 785 such bets" in warning


def test_few_days_support_no_claim() -> None:
    assert "supports no claim" in " ".join(sheet(bet(0), bet(1)).warnings)


def test_parts_add_up() -> None:
    found = sheet(bet(0), bet(1, "loss", market="total", book="circa"), bet(40, price=1.7))
    for rows in found.parts.values():
        assert sum(one.bets for one in rows) == 3
    assert [one.name for one in found.parts["edge"]] == ["2% to 4%", "10% and more"]
    assert [one.name for one in found.parts["month"]] == ["2026-05", "2026-06"]


@pytest.mark.parametrize("number", [0, 1, 40])
def test_a_page_and_a_picture_of_whatever_there_is(number: int) -> None:
    found = sheet(*(bet(one, "win" if one % 3 else "loss") for one in range(number)))
    json.dumps(document(found), allow_nan=False)
    html = page(found, SETTING)
    assert html == page(found, SETTING)
    assert "unfilled stale" in html
    assert "http" not in html.replace("http://www.w3.org", "")
    assert image(found, "Backtest")[:4] == b"\x89PNG"


def test_no_bets_at_all_is_said() -> None:
    assert sheet().warnings == ["No bet was made and graded: there is nothing to show."]
