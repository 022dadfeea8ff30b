"""Slates that contradict themselves are refused, with what would mend them."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.kelly import MAX_BETS, MAX_ROWS, Drawdown, KellyRequest


def bet(name: str, **rest: Any) -> dict[str, Any]:
    return {"id": name, "odds": 2.0, "p": 0.5, **rest}


def joint(name: str, **rest: Any) -> dict[str, Any]:
    return {"id": name, "odds": 2.0, "game": "g", **rest}


WON = {"p": 0.5, "results": {"a": 1}}
LOST = {"p": 0.5, "results": {"a": -1}}


@pytest.mark.parametrize(
    ("bets", "scenarios", "says"),
    [
        ([bet("a"), bet("a")], {}, "the id 'a' stands twice"),
        ([bet("a", push=0.6)], {}, "sum to 1.1"),
        ([bet("a", game="g"), bet("b", game="g", p=0.6)], {}, "g: chances to win and to push"),
        (
            [
                bet("a", game="g", market="moneyline", p=0.4),
                bet("b", game="g", market="total", p=0.4),
            ],
            {},
            "bets on moneyline and total can win together",
        ),
        ([bet("a", game="g", p=0.4), bet("b", game="g", p=0.4, push=0.1)], {}, "push differs"),
        (
            [bet("a", game="g", outcome="x"), bet("b", game="g", outcome="x", p=0.4)],
            {},
            "p differs between bets on 'x'",
        ),
        ([joint("a")], {}, "p is missing and g has no scenarios"),
        ([joint("a")], {"g": [WON]}, "scenarios of g: probabilities sum to 0.5, not 1"),
        ([joint("a"), joint("b")], {"g": [WON, LOST]}, "scenarios of g: each must give"),
        ([joint("a", p=0.5)], {"g": [WON, LOST]}, "bet a: p and push follow from the scenarios"),
        ([bet("a")], {"h": [WON, LOST]}, "scenarios: no bet is on 'h'"),
        ([joint("a")], {"g": [WON | {"p": 1e-4}] * (MAX_ROWS + 1)}, "more than 2000"),
    ],
)
def test_contradictions(bets: list[Any], scenarios: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        KellyRequest.model_validate({"bets": bets, "scenarios": scenarios})


def test_what_fits_is_taken() -> None:
    KellyRequest.model_validate({"bets": [joint("a")], "scenarios": {"g": [WON, LOST]}})
    KellyRequest.model_validate({"bets": [bet("a", game="g"), bet("b", game="g")]})
    KellyRequest.model_validate({"bets": [bet("a", game="g"), bet("b", game="h", p=0.9)]})
    with pytest.raises(ValidationError, match="at most 200"):
        KellyRequest.model_validate({"bets": [bet(str(one)) for one in range(MAX_BETS + 1)]})


def test_drawdown_order() -> None:
    """Busseti, Ryu, Boyd: lambda = log beta / log alpha; .7 and .1 are their 6.456."""
    assert Drawdown(level=0.7, probability=0.1).order == pytest.approx(6.456, abs=5e-4)
    with pytest.raises(ValidationError, match="so tight"):
        Drawdown(level=0.999, probability=0.1)
