"""Keys on a real Postgres and running servers: who is let in, and who no longer is."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from api.fills import FillWriter
from api.keyring import FRESH_SECONDS, Keyring
from api.keys import Scope, written
from api.keystore import KeyStore
from cli.main import app as cli
from schemas.sections.api import ApiSettings
from schemas.sections.servers import KafkaSettings, PostgresSettings
from schemas.settings import Settings
from tests import samples
from tests.samples import GAME
from tests.served import Served, serving, wait_for

T = TypeVar("T")
DAY = 86_400_000_000
SOON = 3 * FRESH_SECONDS
"""A revocation is seen in this time; a machine that is busy gets three times what is promised."""
BET = samples.BET | {"fill_id": "mine"}
PAGES = ("/", "/models", f"/games/{GAME}")


def now_us() -> int:
    return time.time_ns() // 1_000


def settings(dsn: str, **api: Any) -> Settings:
    """No broker answers; the routes do."""
    return Settings(
        kafka=KafkaSettings(bootstrap="127.0.0.1:1", prefix="keys."),
        postgres=PostgresSettings(dsn=SecretStr(dsn)),
        api=ApiSettings(port=0, heartbeat_ms=500, auth="keys", **api),
    )


def ask(dsn: str, question: Callable[[KeyStore], Awaitable[T]]) -> T:
    async def asked() -> T:
        store = KeyStore(PostgresSettings(dsn=SecretStr(dsn)))
        try:
            return await question(store)
        finally:
            await store.close()

    return asyncio.run(asked())


def new(dsn: str, name: str, *scopes: Scope, expires_us: int | None = None) -> str:
    return ask(dsn, lambda store: store.add(name, scopes, now_us() - DAY, expires_us))[1]


@pytest.fixture(scope="module")
def replicas(shared_database: str) -> Iterator[tuple[Served, Served]]:
    """Two processes' worth of servers on one database."""
    with ExitStack() as stack:
        made = settings(shared_database, address_failures=10_000)
        yield stack.enter_context(serving(made)), stack.enter_context(serving(made))


@pytest.fixture(scope="module")
def api(replicas: tuple[Served, Served]) -> Served:
    return replicas[0]


@pytest.fixture(scope="module")
def reader(shared_database: str) -> str:
    return new(shared_database, "reader", Scope.READ)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def get(api: Served, path: str = "/v1/games", **headers: str) -> httpx.Response:
    return httpx.get(api.url + path, headers=headers, timeout=10)


def status(api: Served, key: str, path: str = "/v1/games") -> int:
    return get(api, path, **bearer(key)).status_code


def test_what_is_open_is_open_and_nothing_else(api: Served, reader: str) -> None:
    for path in (
        "/",
        "/health",
        "/openapi.json",
        "/models",
        "/games/mlb-2026-07-20-BOS-NYY-1",
        "/static/feed.js",
    ):
        assert get(api, path).status_code == 200, path
    for path in (
        "/v1/games",
        "/v1/feed",
        "/metrics",
        "/v1/nothing",
        "/docs",
        "/static/../v1/games",
    ):
        answer = httpx.get(httpx.URL(api.url, raw_path=path.encode()), timeout=10)
        assert answer.status_code in (401, 404), path
        assert answer.status_code == 401 or path.startswith("/static/")
    assert status(api, reader) == 200
    assert status(api, reader, "/v1/nothing") == 404
    assert httpx.post(f"{api.url}/v1/kelly", content=b"{").status_code == 401, "before it is read"


def test_who_has_no_valid_key_learns_nothing(api: Served, shared_database: str) -> None:
    good = new(shared_database, "good", Scope.READ)
    _, key_id, secret = good.split("_")
    expired = new(shared_database, "late", Scope.READ, expires_us=now_us() - 1)
    revoked = new(shared_database, "gone", Scope.READ)
    ask(shared_database, lambda store: store.revoke("gone", now_us()))
    keys = {
        "expired": expired,
        "revoked": revoked,
        "wrong secret": written(key_id, "x" * 43),
        "unknown": written("zzzzzzzzzzzz", secret),
        "cut short": good[:-1],
        "too long": good + "x",
        "no key": "Robert'); DROP TABLE api_keys;--",
        "a letter": "x",
        "huge": "sl_" + "x" * 5_000,
    }
    bodies = set()
    for name, key in keys.items():
        answer = get(api, **bearer(key))
        assert answer.status_code == 401, name
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
        bodies.add(answer.text)
    assert len(bodies) == 1, "they cannot be told apart"
    assert get(api, Authorization=f"Basic {good}").status_code == 401
    assert get(api, Authorization=good).status_code == 401
    missing = get(api)
    assert missing.status_code == 401
    assert "is missing" in missing.json()["detail"]
    assert status(api, good) == 200


@pytest.mark.parametrize(
    ("scope", "reads", "stakes"),
    [(Scope.READ, 200, 403), (Scope.STAKE, 403, 202), (Scope.ADMIN, 200, 202)],
)
def test_a_key_does_what_its_scope_says(
    api: Served,
    shared_database: str,
    monkeypatch: pytest.MonkeyPatch,
    scope: Scope,
    reads: int,
    stakes: int,
) -> None:
    monkeypatch.setattr(FillWriter, "write", lambda *_: None)
    key = new(shared_database, f"one-{scope}", scope)
    assert status(api, key) == reads
    assert status(api, key, "/v1/models") in (reads, 503)  # there is no registry
    fill = httpx.post(f"{api.url}/v1/fills", json=BET, headers=bearer(key))
    assert fill.status_code == stakes
    slate = {"bets": [{"id": "a", "odds": 2.0, "p": 0.6}]}
    kelly = httpx.post(f"{api.url}/v1/kelly", json=slate, headers=bearer(key))
    assert kelly.status_code == reads
    if reads == 403:
        assert f"scope {Scope.READ}" in kelly.json()["detail"]


def test_revoked_it_is_refused_soon_by_all_and_its_streams_end(
    replicas: tuple[Served, Served], shared_database: str
) -> None:
    key = new(shared_database, "short", Scope.READ)
    with ExitStack() as stack:
        streams = [
            stack.enter_context(
                httpx.stream("GET", f"{one.url}/v1/feed", headers=bearer(key), timeout=20)
            )
            for one in replicas
        ]
        lines = [stream.iter_lines() for stream in streams]
        assert all(next(line).startswith("retry") for line in lines)
        assert [status(one, key) for one in replicas] == [200, 200]
        ask(shared_database, lambda store: store.revoke("short", now_us()))
        wait_for(lambda: all(status(one, key) == 401 for one in replicas), "refused", SOON)
        for line in lines:
            list(line)  # ends, and in order: a stream that is cut raises


def test_rotated_it_goes_on_under_both_secrets_for_a_while(
    api: Served, shared_database: str
) -> None:
    old = new(shared_database, "turning", Scope.READ)
    assert status(api, old) == 200
    turned = ask(shared_database, lambda store: store.rotate("turning", now_us(), DAY))
    assert old.split("_")[1] == turned.split("_")[1], "the same key"
    wait_for(lambda: status(api, turned) == 200, "the new one", SOON)
    assert status(api, old) == 200
    newest = ask(shared_database, lambda store: store.rotate("turning", now_us(), 0))
    wait_for(lambda: status(api, turned) == 401, "the old one over", SOON)
    assert (status(api, newest), status(api, old)) == (200, 401)


def test_expiry_and_overlap_by_the_clock(database: str) -> None:
    """A clock of the test's own: nobody waits for days."""
    clock = {"us": now_us(), "s": 0.0}

    async def story() -> None:
        store = KeyStore(PostgresSettings(dsn=SecretStr(database)))
        ring = Keyring(store, 300, lambda: clock["s"], lambda: int(clock["us"]))

        async def good(key: str) -> bool:
            clock["s"] += FRESH_SECONDS
            return await ring.of_key(key) is not None

        start = int(clock["us"])
        _, day = await store.add("day", [Scope.READ], start, start + DAY)
        assert await good(day)
        clock["us"] = start + DAY - 1
        assert await good(day)
        turned = await store.rotate("day", start + DAY - 10, 5)
        assert not await good(day), "the overlap is over"
        assert await good(turned)
        clock["us"] = start + DAY
        assert not await good(turned)
        await ring.close()

    asyncio.run(story())


def test_when_it_was_used_is_noted_to_the_hour(api: Served, shared_database: str) -> None:
    key = new(shared_database, "noted", Scope.READ)
    before = now_us()
    assert status(api, key) == 200
    [found] = [one for one in ask(shared_database, KeyStore.all) if one.name == "noted"]
    assert found.used_us is not None
    assert found.used_us % 3_600_000_000 == 0
    assert before - 3_600_000_000 < found.used_us <= now_us()


def test_a_browser_signs_in_and_out_on_any_replica(
    replicas: tuple[Served, Served], reader: str
) -> None:
    here, there = replicas
    with httpx.Client() as browser:
        assert browser.post(f"{here.url}/v1/session").status_code == 401
        answer = browser.post(f"{here.url}/v1/session", headers=bearer(reader))
        assert answer.status_code == 201
        assert answer.json()["name"] == "reader"
        assert answer.json()["scopes"] == ["read"]
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Path=/" in cookie
        assert "Secure" not in cookie
        assert reader.split("_")[2] not in cookie
        with browser.stream("GET", f"{there.url}/v1/feed") as stream:
            assert stream.status_code == 200
            lines = stream.iter_lines()
            next(lines)
            # A page from elsewhere, or a program without Origin, does nothing in its name.
            for origin in (None, "http://evil.example", "null", here.url + ".evil.example"):
                headers = {} if origin is None else {"Origin": origin}
                refused = browser.request("DELETE", f"{here.url}/v1/session", headers=headers)
                assert refused.status_code == 403, origin
                fill = browser.post(f"{here.url}/v1/fills", json=BET, headers=headers)
                assert fill.status_code == 403
            kept = dict(browser.cookies)
            mine = {"Origin": here.url}
            slate = {"bets": [{"id": "a", "odds": 2.0, "p": 0.6}]}
            assert browser.post(f"{here.url}/v1/kelly", json=slate, headers=mine).is_success
            out = browser.request("DELETE", f"{here.url}/v1/session", headers=mine)
            assert out.status_code == 204
            list(lines)  # its stream on the other one ends
        assert not browser.cookies
        for one in replicas:
            assert httpx.get(f"{one.url}/v1/games", cookies=kept).status_code == 401


def test_a_session_ends_with_its_key(
    api: Served, shared_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new(shared_database, "laptop", Scope.READ)
    with httpx.Client() as browser:
        browser.post(f"{api.url}/v1/session", headers=bearer(key))
        assert browser.get(f"{api.url}/v1/games").status_code == 200
        ask(shared_database, lambda store: store.revoke("laptop", now_us()))
        wait_for(lambda: browser.get(f"{api.url}/v1/games").status_code == 401, "out", SOON)


@pytest.mark.parametrize(
    "cookie",
    [
        "steamline=",
        "steamline=x",
        "steamline=' OR 1=1 --",
        "steamline=\x01\x02",
        "steamline=" + "x" * 3_000,
        "steamline",
        ";;;=;",
        "steamline=%00%ff",
        "steamline=\xff\xfe",
    ],
)
def test_junk_cookies_are_no_key(api: Served, reader: str, cookie: str) -> None:
    junk = [(b"Cookie", cookie.encode("latin-1"))]
    assert httpx.get(f"{api.url}/v1/games", headers=junk).status_code == 401
    key = [(b"Authorization", f"Bearer {reader}".encode())]
    assert httpx.get(f"{api.url}/v1/games", headers=junk + key).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/v1/games?key={}",
        "/v1/games?{}",
        "/v1/games?a=1&b={}",
        "/v1/games/{}",
        "/{}",
        "/static/{}",
        "/health?x={}",
        "/v1/games?k=sl%5F{}",
        "/v1/games?k=%73l_{}",
    ],
)
def test_a_key_in_the_address_is_refused_and_written_nowhere(
    api: Served, reader: str, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    caplog.set_level(logging.DEBUG)
    key = reader.removeprefix("sl_") if "sl%5F" in address or "%73l" in address else reader
    for headers in ({}, bearer(reader)):
        answer = httpx.get(api.url + address.format(key), headers=headers)
        assert answer.status_code == 400
        assert "rotate it" in answer.json()["detail"]
        assert reader.split("_")[2] not in answer.text + str(answer.headers)
    mine = [one for one in caplog.records if not one.name.startswith("http")]
    assert any("a key in an address" in one.getMessage() for one in mine)
    assert reader.split("_")[2] not in " ".join(one.getMessage() for one in mine)


def test_secrets_are_in_no_log_and_no_table(
    api: Served, shared_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = new(shared_database, "quiet", Scope.READ)
    with httpx.Client() as browser:
        browser.post(f"{api.url}/v1/session", headers=bearer(key))
        [token] = browser.cookies.values()
        assert browser.get(f"{api.url}/v1/games").status_code == 200
    wrong = "sl_" + "a" * 12 + "_" + "W" * 43
    assert status(api, wrong) == 401
    secrets = [key.split("_")[2], token, "W" * 43]
    said = [one.getMessage() for one in caplog.records if not one.name.startswith("http")]
    with psycopg.connect(shared_database) as db:
        kept = db.execute(
            "SELECT string_agg(k::text, ' ') || string_agg(s::text, ' ') "
            "FROM api_keys k LEFT JOIN api_sessions s USING (key_id)"
        ).fetchone()
    for secret in secrets:
        assert secret not in " ".join(said)
        assert secret not in str(kept)


HOSTILE = [
    "' OR '1'='1",
    "1; DROP TABLE api_keys; --",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "../../etc/passwd",
    "%00",
    "\x00",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "\N{RIGHT-TO-LEFT OVERRIDE}",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
]


def words(text: str) -> bytes:
    """As a header can say them."""
    return b"Bearer " + text.replace("\x00", "").encode() + b"x"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_wrong_words(api: Served, reader: str, text: str) -> None:
    headers = bearer(reader)
    with httpx.Client(base_url=api.url, headers=headers) as client:
        answers = [
            client.get(f"/v1/games/{httpx.QueryParams({'q': text})}"),
            client.get(f"/v1/games/{text.replace('/', '%2F').replace(chr(0), '%00')}"),
            client.get("/v1/feed", params={"game": text}),
            client.get("/v1/feed", params={"market": text}),
            client.get(f"/v1/games/{GAME}/explanation", params={"target": text, "top": text}),
            client.post("/v1/fills", json=BET | {"book": text}),
            client.post("/v1/kelly", json={"bets": [{"id": text, "odds": text, "p": text}]}),
            client.get("/v1/games", headers=[(b"Authorization", words(text))]),
        ]
    for answer in answers:
        assert 400 <= answer.status_code < 500, (answer.request.url, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "<script>" not in answer.json()["detail"]


def test_wrong_keys_too_often_are_not_looked_at_any_more(shared_database: str, reader: str) -> None:
    with serving(settings(shared_database, address_failures=3)) as api:
        assert status(api, reader) == 200
        wrong = written("zzzzzzzzzzzz", "x" * 43)
        answers = [get(api, **bearer(wrong)) for _ in range(5)]
        assert [one.status_code for one in answers] == [401] * 3 + [429] * 2
        assert 0 < int(answers[-1].headers["retry-after"]) <= 20  # three a minute
        assert answers[-1].headers["content-type"] == "application/problem+json"
        # Nor are good ones, so nobody learns which is which; pages stay there.
        assert status(api, reader) == 429
        assert get(api, "/health").status_code == 200


def test_a_key_and_an_address_ask_only_so_often(shared_database: str, reader: str) -> None:
    other = new(shared_database, "other", Scope.READ)
    with serving(settings(shared_database, key_requests=3, address_requests=8)) as api:
        assert [status(api, reader) for _ in range(4)] == [200, 200, 200, 429]
        assert [status(api, other) for _ in range(4)] == [200, 200, 200, 429]
        last = get(api, "/health")
        assert last.status_code == 429
        assert 0 < int(last.headers["retry-after"]) <= 8  # eight a minute


def test_without_postgres_what_is_known_goes_on_for_a_while_and_nothing_else(
    database: str, postgres: Any
) -> None:
    known, unknown = new(database, "known", Scope.READ), new(database, "unknown", Scope.READ)
    name = database.rpartition("/")[2]

    def connections(allowed: bool) -> None:
        with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")
            if not allowed:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    (name,),
                )

    with (
        serving(settings(database)) as api,
        serving(settings(database, key_memory_seconds=0)) as forgetful,
        httpx.Client() as browser,
    ):
        assert [status(one, known) for one in (api, forgetful)] == [200, 200]
        browser.post(f"{api.url}/v1/session", headers=bearer(known))
        assert browser.get(f"{api.url}/v1/games").status_code == 200
        connections(False)
        try:
            time.sleep(FRESH_SECONDS)  # past what is fresh
            assert status(api, known) == 200
            assert browser.get(f"{api.url}/v1/games").status_code == 200
            refused = get(api, **bearer(unknown))
            assert refused.status_code == 503
            assert "Postgres does not answer" in refused.json()["detail"]
            assert "retry-after" in refused.headers
            assert status(forgetful, known) == 503
            assert get(api, "/health").status_code == 200
            assert browser.post(f"{api.url}/v1/session", headers=bearer(known)).status_code == 503
        finally:
            connections(True)
        wait_for(lambda: status(api, unknown) == 200, "let in again", 10)
        assert status(forgetful, known) == 200


def test_cors_is_off_unless_an_origin_is_named(
    api: Served, shared_database: str, reader: str
) -> None:
    origin = {"Origin": "https://board.example"}
    preflight = origin | {
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    for answer in (
        httpx.options(f"{api.url}/v1/games", headers=preflight),
        httpx.get(f"{api.url}/v1/games", headers=origin | bearer(reader)),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]
    named = settings(shared_database, cors_origins=["https://board.example"])
    with serving(named) as open_api:
        asked = httpx.options(f"{open_api.url}/v1/games", headers=preflight)
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == "https://board.example"
        assert "access-control-allow-credentials" not in asked.headers
        refused = httpx.get(f"{open_api.url}/v1/games", headers=origin)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://board.example"
        evil = {"Origin": "https://evil.example"}
        other = httpx.get(f"{open_api.url}/v1/games", headers=evil | bearer(reader))
        assert "access-control-allow-origin" not in other.headers


def test_https_is_what_a_known_proxy_says(api: Served, shared_database: str, reader: str) -> None:
    proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    anyone = httpx.get(f"{api.url}/health", headers=proxied)
    assert "strict-transport-security" not in anyone.headers
    behind = settings(shared_database, proxies=["127.0.0.0/8"], address_failures=1)
    with serving(behind) as api:
        signed = httpx.post(f"{api.url}/v1/session", headers=proxied | bearer(reader))
        assert signed.headers["strict-transport-security"] == "max-age=31536000"
        cookie = signed.headers["set-cookie"]
        assert cookie.startswith("__Host-steamline=")
        assert "Secure" in cookie
        sent = {"Cookie": cookie.partition(";")[0]}
        assert httpx.get(f"{api.url}/v1/games", headers=proxied | sent).status_code == 200
        mine = {"Origin": api.url.replace("http:", "https:")}
        out = httpx.delete(f"{api.url}/v1/session", headers=proxied | sent | mine)
        assert out.status_code == 204
        # One client behind it does not shut the others out.
        wrong = bearer(written("zzzzzzzzzzzz", "x" * 43))
        assert [
            httpx.get(f"{api.url}/v1/games", headers=proxied | wrong).status_code for _ in range(2)
        ] == [401, 429]
        other = proxied | {"X-Forwarded-For": "192.0.2.8"}
        assert httpx.get(f"{api.url}/v1/games", headers=other | wrong).status_code == 401


def test_what_every_answer_tells_a_browser(api: Served) -> None:
    for path in (
        "/",
        "/v1/games",
        "/nowhere",
        "/models",
        "/games/mlb-2026-07-20-BOS-NYY-1",
        "/static/feed.js",
    ):
        headers = get(api, path).headers
        policy = dict(
            part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert "strict-transport-security" not in headers
        assert "server" not in headers
    assert get(api).headers["cache-control"] == "no-store"


def test_the_commands(
    shared_database: str, api: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEAMLINE_POSTGRES_DSN", shared_database)
    monkeypatch.setenv("STEAMLINE_HOME", str(tmp_path))

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, ["key", *words])
        assert done.exit_code == 0, done.output + str(done.exception)
        return done.stdout

    key = run("new", "cli", "--scope", "read", "--scope", "stake", "--expires", "30").strip()
    assert status(api, key) == 200
    secret = key.split("_")[2]
    [listed] = [one for one in json.loads(run("ls", "--json")) if one["name"] == "cli"]
    assert listed["scopes"] == ["read", "stake"]
    assert listed["state"] == "valid"
    assert listed["expires_us"] == listed["created_us"] + 30 * DAY
    assert secret not in run("ls") + run("ls", "--json")
    turned = run("rotate", "cli", "--overlap", "1").strip()
    wait_for(lambda: status(api, turned) == 200, "rotated", SOON)
    assert status(api, key) == 200
    assert "is revoked" in run("revoke", "cli")
    wait_for(lambda: status(api, turned) == 401, "revoked", SOON)
    for words, says in (
        (("new", "reader", "--scope", "read"), "there is one already"),
        (("new", "a b", "--scope", "read"), "a name is"),
        (("new", "more", "--scope", "root"), "--scope"),
        (("rotate", "cli"), "none that is valid"),
        (("revoke", "cli"), "there is none"),
    ):
        done = CliRunner().invoke(cli, ["key", *words])
        assert done.exit_code != 0
        assert says in str(done.exception)
    monkeypatch.setenv("STEAMLINE_POSTGRES_DSN", "postgresql://me:hunter2@127.0.0.1:1/db")
    down = CliRunner().invoke(cli, ["key", "ls"])
    assert "Postgres does not answer" in str(down.exception)
    assert "hunter2" not in str(down.exception)
