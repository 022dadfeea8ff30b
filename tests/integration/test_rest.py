"""The REST routes over real Kafka, Redis and Postgres, beside what went in."""

import json
from base64 import b64decode
from typing import Any

import httpx
import numpy as np
import pytest

from models.features.catalogue import CATALOGUE
from schemas.topics import Topic
from tests import samples
from tests.curated import rows
from tests.rest import BINARY, DAYS, HOSTILE, LETTER, PAGE, SUMMARY, Rest, past_game, vector


def newest_first(some: list[dict[str, Any]], time: str, name: str) -> list[dict[str, Any]]:
    return sorted(some, key=lambda one: (one[time], one[name]), reverse=True)


@pytest.mark.parametrize(
    ("path", "topic", "time", "name"),
    [
        ("/v1/predictions", Topic.PREDICTIONS, "as_of_us", "prediction_id"),
        ("/v1/stakes", Topic.STAKES, "as_of_us", "stake_id"),
        ("/v1/alerts", Topic.ALERTS, "as_of_us", "alert_id"),
        ("/v1/fills", Topic.FILLS, "filled_at_us", "fill_id"),
        ("/v1/settlements", Topic.SETTLEMENTS, "settled_at_us", "settlement_id"),
    ],
)
def test_lists_are_what_the_topics_had_page_by_page(
    rest: Rest, path: str, topic: Topic, time: str, name: str
) -> None:
    there = newest_first(rest.of(topic), time, name)
    pages = list(rest.pages(f"{path}?limit=7"))
    assert [len(page) for page in pages[:-1]] == [7] * (len(pages) - 1)
    assert [one for page in pages for one in page] == there
    assert rest.get(f"{path}?game={samples.OTHER}") == {"items": [], "next": None}
    middle = there[len(there) // 2][time]
    before = rest.get(f"{path}?to_us={middle}&limit=1000")["items"]
    after = rest.get(f"{path}?from_us={middle}&limit=1000")["items"]
    assert after + before == there
    assert min(one[time] for one in after) == middle


def test_odds_and_splits_of_a_game_oldest_first(rest: Rest) -> None:
    for path, topic in (("odds", Topic.LINES), ("splits", Topic.SPLITS)):
        of_game = [one for one in rest.of(topic) if one["game_id"] == samples.GAME]
        there = sorted(of_game, key=lambda one: (one["occurred_at_us"], one["event_id"]))
        url = f"/v1/games/{samples.GAME}/{path}"
        assert [one for page in rest.pages(f"{url}?limit=11") for one in page] == there
        circa = [one for one in there if one["book"] == "circa" and one["market"] == "total"]
        assert circa
        assert rest.get(f"{url}?market=total&book=circa")["items"] == circa


def test_filters_pick_what_they_name(rest: Rest) -> None:
    asked: dict[str, tuple[Topic, Any]] = {
        "predictions?role=challenger": (Topic.PREDICTIONS, lambda one: one["role"] == "challenger"),
        "predictions?target=total": (Topic.PREDICTIONS, lambda one: False),
        "stakes?staked=true": (Topic.STAKES, lambda one: one["fraction"] > 0),
        "stakes?staked=false": (Topic.STAKES, lambda one: one["refusals"]),
        "stakes?bankroll=other": (Topic.STAKES, lambda one: False),
        "alerts?kind=steam": (Topic.ALERTS, lambda one: one["kind"] == "steam"),
        "alerts?market=moneyline": (Topic.ALERTS, lambda one: one["market"] == "moneyline"),
        "settlements?outcome=win": (Topic.SETTLEMENTS, lambda one: one["outcome"] == "win"),
        f"fills?game={past_game(2)}": (Topic.FILLS, lambda one: one["game_id"] == past_game(2)),
        "fills?paper=true": (Topic.FILLS, lambda one: one["paper"]),
    }
    for path, (topic, holds) in asked.items():
        found = rest.get(f"/v1/{path}&limit=1000")["items"]
        there = [one for one in rest.of(topic) if holds(one)]
        assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, there)), path


def test_a_page_goes_on_where_it_ended_whatever_comes_meanwhile(rest: Rest) -> None:
    there = [one for page in rest.pages("/v1/alerts?limit=2") for one in page]
    first = rest.get("/v1/alerts?limit=2")
    rows(
        rest.dsn,
        "INSERT INTO alerts SELECT later.* FROM alerts a, jsonb_populate_record(a,"
        " jsonb_build_object('alert_id', 'newer', 'as_of', as_of + interval '1 day')) later"
        f" WHERE a.alert_id = '{there[0]['alert_id']}' RETURNING 1",
    )
    try:
        left = [
            one for page in rest.pages(f"/v1/alerts?limit=2&cursor={first['next']}") for one in page
        ]
    finally:
        rows(rest.dsn, "DELETE FROM alerts WHERE alert_id = 'newer' RETURNING 1")
    assert first["items"] + left == there


@pytest.mark.parametrize(
    "cursor", ["", "!", "x", "W10", "WzEsIngiXQ", "WzE3ODQ1ODAwMDAwMDAwMDAsMV0"]
)
def test_a_cursor_that_nobody_gave_is_refused(rest: Rest, cursor: str) -> None:
    answer = rest.served.get(f"/v1/alerts?cursor={cursor}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_features_by_name_with_null_where_missing(rest: Rest) -> None:
    found = rest.get(f"/v1/games/{samples.GAME}/features")
    values = [None if np.isnan(one) else float(one) for one in vector()]
    assert [one["value"] for one in found["features"]] == values
    assert [one["name"] for one in found["features"]] == [one.name for one in CATALOGUE]
    assert (found["position"], found["completeness"]) == (40, 0.66)
    assert found["source_age_ms"] == {"lines": 1_000}
    assert rest.served.get(f"/v1/games/{samples.OTHER}/features").status_code == 404


def test_bankrolls_and_their_bookings(rest: Rest) -> None:
    main, paper = rest.get("/v1/bankrolls")["bankrolls"]
    assert main | {"open_bets": 3} == main, "three of 24 bets are not graded"
    money = {"balance": "1000.00", "free": "910.00", "reserved": "0.00", "open": "90.00"}
    assert main | money == main
    assert (main["stopped"], main["stopped_because"]) == (True, HOSTILE[1])
    assert (paper["stopped"], paper["paper"]) == (False, True), "`*` was let go again"
    one = rest.get("/v1/bankrolls/main")
    assert one["bankroll"] == main
    assert [bet["fill_id"] for bet in one["open_bets"]] == ["f2", "f1", "f0"]
    booked = [entry for page in rest.pages("/v1/bankrolls/main/history?limit=3") for entry in page]
    assert [entry["transaction_id"] for entry in booked] == [f"t{n}" for n in range(9, -1, -1)]
    assert {entry["balance"] for entry in booked} == {"1000.00"}, "a bet is still counted at cost"
    assert [booked[0][name] for name in ("free", "open")] == ["-10.00", "10.00"]
    part = rest.get(f"/v1/bankrolls/main/history?from_us={booked[4]['at_us']}")["items"]
    assert part == booked[:5]
    for path in ("nobody", "nobody/history"):
        assert rest.served.get(f"/v1/bankrolls/{path}").status_code == 404


def test_quality_by_hand(rest: Rest) -> None:
    """Log-losses of the 24 games that are over, from their definition."""
    found = rest.get("/v1/models/moneyline/quality?days=366")
    assert (found["games"], found["versions"]) == (DAYS, ["1"]), "no shadows"
    chances = [0.45 + number / 200 for number in range(DAYS)]
    won = [bool(number % 2) for number in range(DAYS)]
    window = found["window_days"]
    losses = [-np.log(p if w else 1 - p) for p, w in zip(chances, won, strict=True)]
    market = [-np.log(0.52 if w else 0.48) for w in won]
    last = found["rolling"][-1]
    assert len(found["rolling"]) == DAYS
    assert last["day"] == f"2026-06-{DAYS:02d}"
    assert last["model"] == pytest.approx(np.mean(losses[-window:]))
    assert last["market"] == pytest.approx(np.mean(market[-window:]))
    calibration = found["calibration"]
    assert calibration["bias"] == pytest.approx(np.mean(won) - np.mean(chances))
    assert sum(one["weight"] for one in calibration["bins"]) == pytest.approx(DAYS)
    assert [one["predicted"] for one in calibration["market_bins"]] == pytest.approx([0.52])
    assert [one["kind"] for one in found["drift"]] == ["model_drift"]
    nothing = rest.get("/v1/models/total/quality")
    assert (nothing["games"], nothing["rolling"], nothing["calibration"]) == (0, [], None)


def test_experiments_by_hand(rest: Rest) -> None:
    (found,) = rest.get("/v1/experiments")["experiments"]
    assert [found[name] for name in ("experiment", "target", "mode", "a", "b")] == [
        "spring",
        "moneyline",
        "shadow",
        "1",
        "2",
    ]
    assert found["spoken"] == {"a": DAYS, "b": DAYS}
    apart = []
    for number in range(DAYS):
        p, win = 0.45 + number / 200, bool(number % 2)
        a, b = (-np.log(x if win else 1 - x) for x in (p, p + 0.03))
        apart.append(b - a)
    result = found["result"]
    assert (result["games"], result["days"]) == (DAYS, DAYS)
    assert result["difference"] == pytest.approx(np.mean(apart))
    low, high = result["interval"]
    assert low < result["difference"] < high


def test_backtests_are_listed_shown_and_run_nothing(rest: Rest) -> None:
    listed = [one for page in rest.pages("/v1/backtests?limit=1") for one in page]
    assert [(one["id"], one["wrong"] is None) for one in listed] == [
        ("a-season", True),
        ("b-month", True),
        ("broken", False),
    ]
    assert (listed[0]["bets"], listed[0]["roi"]) == (812, 0.012)
    assert rest.get("/v1/backtests/a-season")["numbers"] == SUMMARY
    page = rest.served.get("/v1/backtests/a-season/page")
    assert page.text == PAGE
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert policy.endswith("sandbox")
    for path, status in (
        ("/v1/backtests/broken", 503),
        ("/v1/backtests/empty", 404),
        ("/v1/backtests/broken/page", 503),
        ("/v1/backtests/..", 404),
        ("/v1/backtests/..%2f..%2fetc", 404),
        ("/v1/backtests/.hidden", 422),
    ):
        answer = httpx.get(httpx.URL(rest.served.url + path), timeout=10)
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json", path


def test_dead_letters_with_their_bytes(rest: Rest) -> None:
    text, binary, wide = reversed(rest.get("/v1/dead-letters")["items"])
    assert (text["value"]["text"], text["value"]["cut"]) == (LETTER.decode(), False)
    assert text["key"]["text"] == samples.GAME
    assert (binary["value"]["text"], binary["value"]["size"]) == (None, len(BINARY))
    assert b64decode(binary["value"]["base64"]) == BINARY[:2_000]
    assert wide["key"] is None
    odd = rest.get("/v1/dead-letters?max_bytes=1001")["items"][0]["value"]
    assert odd == {"size": 4_000, "text": "é" * 500, "base64": None, "cut": True}
    counted = rest.get("/v1/dead-letters/reasons")
    assert counted["letters"] == 3
    assert {one["reason"]: one["letters"] for one in counted["reasons"]} == {
        "schema": 1,
        "oversized": 1,
        HOSTILE[0]: 1,
    }
    (one,) = rest.get("/v1/dead-letters?reason=oversized")["items"]
    assert one == binary


def test_what_is_hostile_stays_data(rest: Rest) -> None:
    alerts = rest.get("/v1/alerts?kind=steam&limit=10")["items"]
    assert [one["detail"] for one in reversed(alerts)] == list(HOSTILE)
    (line,) = [
        one
        for one in rest.get(f"/v1/games/{samples.GAME}/odds")["items"]
        if one["source"] == HOSTILE[1]
    ]
    assert line["book"] == HOSTILE[0]
    for text in HOSTILE:
        for path, name in (
            ("stakes", "bankroll"),
            (f"games/{samples.GAME}/odds", "book"),
            ("dead-letters", "reason"),
        ):
            answer = httpx.get(f"{rest.served.url}/v1/{path}", params={name: text}, timeout=10)
            assert answer.status_code == 200, (path, text)
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["x-content-type-options"] == "nosniff"
            ours = (name, text) in (("book", HOSTILE[0]), ("reason", HOSTILE[0]))
            assert len(answer.json()["items"]) == ours, (path, text)
    assert len(rest.get("/v1/alerts?limit=1000")["items"]) == len(rest.of(Topic.ALERTS))


@pytest.mark.parametrize(
    "path",
    ["/v1/alerts", "/v1/bankrolls", "/v1/backtests/a-season", f"/v1/games/{samples.GAME}/odds"],
)
def test_who_has_the_answer_gets_none_again(rest: Rest, path: str) -> None:
    first = rest.served.get(path)
    name = first.headers["etag"]
    for asked, status in ((name, 304), (f'"x", W/{name}', 304), ("*", 304), ('"x"', 200)):
        again = httpx.get(rest.served.url + path, headers={"If-None-Match": asked}, timeout=10)
        assert again.status_code == status, asked
        assert again.headers["etag"] == name
        assert again.content == (b"" if status == 304 else first.content)


def test_system_tells_lag_ages_and_readiness(rest: Rest) -> None:
    found = rest.get("/v1/system")
    assert found["unknown"] is None
    assert found["readiness"]["ready"] is True
    assert {name: one["state"] for name, one in found["readiness"]["dependencies"].items()} == {
        "kafka": "ok",
        "redis": "ok",
        "postgres": "ok",
    }
    told = {one["topic"]: one for one in found["topics"]}
    for topic in Topic:
        # Other tests may have recorded bets.
        extra = told[topic]["records"] - len(rest.sent[topic])
        assert extra == 0 or (extra > 0 and topic is Topic.FILLS)
    newest = max(one["occurred_at_us"] for one in rest.of(Topic.SPLITS))
    assert told["splits"]["newest_us"] == newest // 1_000 * 1_000
    assert told["splits"]["age_ms"] == (found["server_us"] - told["splits"]["newest_us"]) // 1_000
    lag = {(one["group"], one["topic"]): one["behind"] for one in found["lag"]}
    for topic in (Topic.LINES, Topic.SPLITS, Topic.ALERTS):
        assert lag["steamline-curate", topic] == 0


def test_metrics_count_by_route_and_not_by_path(rest: Rest) -> None:
    for game in (samples.GAME, samples.OTHER, "mlb-1999-01-01-AAA-BBB-1"):
        rest.served.get(f"/v1/games/{game}/splits")
    rest.served.get("/v1/none-of-ours")
    text = rest.served.get("/metrics").text
    line = (
        'steamline_api_requests_total{method="GET",route="/v1/games/{game_id}/splits",status="200"}'
    )
    (count,) = [one for one in text.splitlines() if one.startswith(line)]
    assert float(count.rpartition(" ")[2]) >= 3
    assert 'route="none",status="404"' in text
    assert samples.GAME not in text
