"""Routes without a server or a broker: rows, problems, headers, readiness."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from typer.testing import CliRunner

import models.staking.portfolio
from api import pages
from api.app import create_app
from api.tokens import MAX_TOKEN
from cli.main import app as cli
from schemas.errors import ConfigError
from schemas.feed import Kind
from schemas.sections.servers import KafkaSettings, PostgresSettings, RedisSettings
from schemas.settings import Settings
from tests import samples
from tests.fed import on_board


@pytest.fixture
def app() -> FastAPI:
    """Its lifespan never runs, so it has no reader: the test says what was read."""
    return create_app(
        Settings(
            kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
            redis=RedisSettings(url=SecretStr("redis://:hunter2@127.0.0.1:1/0")),
            postgres=PostgresSettings(dsn=SecretStr("postgresql://me:hunter2@127.0.0.1:1/db")),
        )
    )


def ask(app: FastAPI, method: str, path: str, body: Any = None) -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, json=body)

    return asyncio.run(answer())


def get(app: FastAPI, path: str) -> httpx.Response:
    return ask(app, "GET", path)


def problem(answer: httpx.Response) -> Any:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    return body


def test_games_and_one_game(app: FastAPI) -> None:
    on_board(app, samples.game(), samples.line(1), samples.prediction(1), samples.prediction(2))
    answer = get(app, "/v1/games").json()
    assert answer["newest_us"] == samples.at(2)
    assert answer["stale"] is True  # nothing was read to its end yet
    assert [game["home"] for game in answer["games"]] == ["New York Yankees"]
    one = get(app, f"/v1/games/{samples.GAME}").json()
    assert one["game"] == answer["games"][0]
    assert [quote["price_home_over"] for quote in one["quotes"]] == [1.9]
    assert [prediction["position"] for prediction in one["predictions"]] == [1, 2]


def test_an_empty_board_is_an_answer(app: FastAPI) -> None:
    assert get(app, "/v1/games").json() == {"newest_us": None, "stale": True, "games": []}


@pytest.mark.parametrize(
    ("path", "status", "names"),
    [
        (f"/v1/games/{samples.GAME}", 404, samples.GAME),
        ("/v1/nothing", 404, "Not Found"),
        ("/v1/games/../../etc/passwd", 404, "Not Found"),
        ("/static/../app.py", 404, "Not Found"),
        ("/v1/games/DROP%20TABLE", 422, "path.game_id"),
        ("/v1/feed?market=moneyline&market=bogus", 422, "query.market.1"),
        ("/v1/feed?game=x", 422, "query.game.0"),
        ("/v1/feed?event=snapshot", 422, "query.event.0"),
        ("/v1/feed?min_edge=nan", 422, "query.min_edge"),
        ("/v1/feed?min_edge=11", 422, "query.min_edge"),
        ("/v1/feed?conflate_ms=-1", 422, "query.conflate_ms"),
        ("/v1/feed?conflate_ms=60001", 422, "query.conflate_ms"),
        ("/v1/feed?heartbeat_ms=999", 422, "query.heartbeat_ms"),
        ("/v1/feed?fields=game_id,pirce", 422, "'pirce'"),
        ("/v1/feed?last_event_id=" + "x" * (MAX_TOKEN + 1), 422, "query.last_event_id"),
    ],
)
def test_errors_are_problem_documents(app: FastAPI, path: str, status: int, names: str) -> None:
    answer = get(app, path)
    assert answer.status_code == status
    assert names in problem(answer)["detail"]


def test_the_protocol_names_every_event_and_option(app: FastAPI) -> None:
    """The one text there is, and what the route takes beside it."""
    answer = get(app, "/v1/feed/protocol")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    feed = get(app, "/openapi.json").json()["paths"]["/v1/feed"]["get"]
    options = {one["name"] for one in feed["parameters"]}
    for name in {*Kind, "snapshot", "heartbeat", "gap", *options} - {"Last-Event-ID"}:
        assert f"`{name}`" in answer.text
    assert "`Last-Event-ID`" in answer.text


def test_an_error_of_our_own_is_a_problem_without_its_insides(app: FastAPI) -> None:
    app.state.feed.board.newest_us = "not a number"
    app.state.feed.board.games = None
    answer = get(app, "/v1/games")
    assert answer.status_code == 500
    assert "NoneType" not in json.dumps(problem(answer))
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_not_ready_names_each_dependency_and_no_password(app: FastAPI) -> None:
    answer = get(app, "/ready")
    assert answer.status_code == 503
    states = {name: one["state"] for name, one in answer.json()["dependencies"].items()}
    assert states == {"kafka": "down", "redis": "degraded", "postgres": "degraded"}
    assert "hunter2" not in answer.text
    assert get(app, "/health").json() == {"status": "alive"}


def test_kelly_answers_what_the_command_answers(app: FastAPI) -> None:
    """-110 at .56 is 7.6 %; the example of the OpenAPI page is a slate that works."""
    slate = {"bets": [{"id": "a", "odds": 1 + 100 / 110, "p": 0.56}], "fraction": 1.0}
    answer = ask(app, "POST", "/v1/kelly", slate)
    assert answer.status_code == 200
    assert answer.json()["stakes"] == [{"id": "a", "fraction": pytest.approx(0.076, abs=1e-9)}]
    command = CliRunner().invoke(cli, ["kelly", "--json", "-"], input=json.dumps(slate))
    assert json.loads(command.stdout) == answer.json()
    schemas = get(app, "/openapi.json").json()["components"]["schemas"]
    assert ask(app, "POST", "/v1/kelly", schemas["KellyRequest"]["example"]).status_code == 200


@pytest.mark.parametrize(
    ("slate", "says"),
    [
        ({"bets": [{"id": "a", "odds": 0.9, "p": 0.5}]}, "body.bets.0.odds"),
        ({"bets": [{"id": "a", "odds": 2, "p": 0.5}] * 2}, "the id 'a' stands twice"),
        ({"bets": [{"id": "a", "odds": 2}]}, "p is missing"),
        ([], "body"),
        (None, "body"),
    ],
)
def test_a_wrong_slate_is_a_problem_that_says_where(app: FastAPI, slate: Any, says: str) -> None:
    answer = ask(app, "POST", "/v1/kelly", slate)
    assert answer.status_code == 422
    assert says in problem(answer)["detail"]


def test_an_unproven_optimum_is_no_answer(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.staking.portfolio, "TOLERANCE", -1.0)
    answer = ask(app, "POST", "/v1/kelly", {"bets": [{"id": "a", "odds": 2, "p": 0.6}]})
    assert answer.status_code == 500
    assert "No stake is given" in problem(answer)["detail"]


@pytest.mark.parametrize("name", pages.PAGES)
def test_each_page_allows_only_its_own_files(app: FastAPI, name: str) -> None:
    route, title = pages.PAGES[name]
    page = get(app, route.format(game_id=samples.GAME))
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert f"<title>{title} · Steamline</title>" in page.text
    assert page.text.count('aria-current="page"') == 1
    for wanted in ("<script>", "style=", "onclick", "http:", "https:", "{{"):
        assert wanted not in page.text
    for asked in re.findall('(?:src|href)="(/static/[^"]+)"', page.text):
        assert get(app, asked).status_code == 200, asked


def test_scripts_are_served_fresh_and_write_no_markup(app: FastAPI) -> None:
    for path in pages.STATIC.rglob("*.js"):
        text = path.read_text()
        for wanted in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "new Function"):
            assert wanted not in text, path
        answer = get(app, f"/static/{path.relative_to(pages.STATIC)}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
        # A name that no file has would only show in a browser.
        for asked in re.findall('from "(/static/[^"]+)"', text):
            assert (pages.STATIC.parent / asked[1:]).is_file(), (path, asked)


def test_openapi_has_examples_for_the_feed_and_the_board(app: FastAPI) -> None:
    described = get(app, "/openapi.json").json()
    feed = described["paths"]["/v1/feed"]["get"]
    assert (
        "event: prediction" in feed["responses"]["200"]["content"]["text/event-stream"]["example"]
    )
    assert described["components"]["schemas"]["GameRow"]["example"]["game_id"] == samples.GAME
    assert {parameter["name"] for parameter in feed["parameters"]} == {
        "game",
        "market",
        "event",
        "min_edge",
        "conflate_ms",
        "heartbeat_ms",
        "fields",
        "explain",
        "last_event_id",
        "Last-Event-ID",
    }


def test_without_a_broker_configured_it_says_which_key() -> None:
    with pytest.raises(ConfigError, match="STEAMLINE_KAFKA_BOOTSTRAP"):
        create_app(Settings(kafka=KafkaSettings()))


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/games/{samples.GAME}/odds",
        f"/v1/games/{samples.GAME}/splits",
        "/v1/predictions",
        "/v1/stakes",
        "/v1/alerts",
        "/v1/fills",
        "/v1/settlements",
        "/v1/bankrolls",
        "/v1/bankrolls/main",
        "/v1/bankrolls/main/history",
        "/v1/models/moneyline/quality",
        "/v1/experiments",
        "/v1/dead-letters",
        "/v1/dead-letters/reasons",
    ],
)
def test_without_postgres_they_say_so_and_no_password(app: FastAPI, path: str) -> None:
    answer = get(app, path)
    assert answer.status_code == 503
    assert problem(answer)["detail"].startswith("Postgres does not answer")
    assert "hunter2" not in answer.text
    none = create_app(Settings(kafka=KafkaSettings(bootstrap="127.0.0.1:1")))
    answer = get(none, path)
    assert answer.status_code == 503
    assert "STEAMLINE_POSTGRES_DSN" in problem(answer)["detail"]


def test_a_dsn_that_is_none_is_not_repeated(app: FastAPI) -> None:
    dsn = PostgresSettings(dsn=SecretStr("nonsense:hunter2"))
    wrong = create_app(Settings(kafka=KafkaSettings(bootstrap="127.0.0.1:1"), postgres=dsn))
    answer = get(wrong, "/v1/alerts")
    assert answer.status_code == 503
    assert "hunter2" not in answer.text


def test_the_board_has_a_name_while_it_stays(app: FastAPI) -> None:
    on_board(app, samples.game(), samples.line(1))
    first = get(app, "/v1/games")
    assert get(app, "/v1/games").headers["etag"] == first.headers["etag"]
    on_board(app, samples.game(), samples.line(1), samples.line(2, 1.95))
    assert get(app, "/v1/games").headers["etag"] != first.headers["etag"]


def test_a_method_that_no_route_has_names_those_there_are(app: FastAPI) -> None:
    answer = ask(app, "DELETE", "/v1/fills")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"
    assert problem(answer)["detail"] == "Method Not Allowed"


def test_every_operation_is_described_and_keeps_its_id(app: FastAPI) -> None:
    document = get(app, "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    known = {tag["name"] for tag in document["tags"]}
    ids = []
    for path, operations in document["paths"].items():
        for operation in operations.values():
            ids.append(operation["operationId"])
            assert operation["summary"], path
            assert operation["description"], path
            assert operation["tags"], path
            assert set(operation["tags"]) <= known, path
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and path != "/ready":
                    assert set(answer["content"]) == {"application/problem+json"}, (path, status)
    assert len(set(ids)) == len(ids)
    # Clients are generated from these: change one only with a major version.
    assert {"list_games", "get_game", "list_odds", "list_stakes", "get_bankroll"} <= set(ids)
