"""Redis, Postgres, the model registry and the API."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
import psycopg
from redis import Redis, RedisError

from flows.connectors.migrations import dsn_of, no_dsn, status
from flows.doctor import Check, Finding, fail, ok, warn
from schemas.errors import first_line
from schemas.markets import Target
from schemas.settings import Settings
from schemas.time import US_PER_SECOND, to_us

ASK_SECONDS = 3.0
SKEW_SECONDS = 2.0
"""Of two clocks; a question and its answer take their part of it."""
OLDEST_REDIS, OLDEST_POSTGRES = 6, 14
ROLES = ("steamline_writer", "steamline_reader")


def checks(settings: Settings, clock_us: Callable[[], int]) -> list[Check]:
    return [
        Check(
            "redis", lambda: list(_redis(settings, clock_us)), "Start it; see STEAMLINE_REDIS_URL"
        ),
        Check(
            "postgres", lambda: list(_postgres(settings, clock_us)), "Run `steamline db migrate`"
        ),
        Check(
            "registry",
            lambda: list(_registry(settings)),
            "Start MLflow or its database; see STEAMLINE_MLFLOW_TRACKING_URI",
        ),
        Check("api", lambda: [_api(settings)], "Start `steamline api`"),
    ]


def _redis(settings: Settings, clock_us: Callable[[], int]) -> Iterator[Finding]:
    if settings.redis.url is None:
        yield warn("redis", "none is configured", "Set STEAMLINE_REDIS_URL or `steamline stack up`")
        return
    client = Redis.from_url(
        settings.redis.url.get_secret_value(),
        socket_connect_timeout=ASK_SECONDS,
        socket_timeout=ASK_SECONDS,
        retry_on_error=[],
    )
    try:
        info: dict[str, Any] = client.info()
        seconds, micros = client.time()
    except RedisError as down:
        yield fail("redis", first_line(down), "Start it, or mend STEAMLINE_REDIS_URL")
        return
    finally:
        client.close()
    version = str(info["redis_version"])
    if int(version.partition(".")[0]) < OLDEST_REDIS:
        yield fail("redis", f"version {version}", f"Use {OLDEST_REDIS} or newer")
    else:
        yield ok("redis", f"version {version}")
    yield _skew("clock of redis", int(seconds) * US_PER_SECOND + int(micros), clock_us)
    most, policy = int(info["maxmemory"]), str(info["maxmemory_policy"])
    used = int(info["used_memory"])
    if most == 0:
        yield ok("redis memory", f"no limit, {used >> 20} MiB used")
    elif policy == "noeviction":
        yield warn(
            "redis memory",
            f"{used >> 20} of {most >> 20} MiB used, and writes fail when it is full",
            "maxmemory-policy volatile-ttl: vectors of past games go first",
        )
    elif used > 0.9 * most:
        yield warn("redis memory", f"{used >> 20} of {most >> 20} MiB used", "Raise maxmemory")
    else:
        yield ok("redis memory", f"{used >> 20} of {most >> 20} MiB used, {policy}")


def _postgres(settings: Settings, clock_us: Callable[[], int]) -> Iterator[Finding]:
    dsn = dsn_of(settings.postgres)
    try:
        with psycopg.connect(dsn, connect_timeout=int(ASK_SECONDS), autocommit=True) as database:
            database.execute("SET statement_timeout = '3s'")
            row = database.execute(
                "SELECT current_setting('server_version_num')::int, clock_timestamp(),"
                " ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname = ANY(%s))",
                (list(ROLES),),
            ).fetchone()
    except psycopg.OperationalError as down:
        yield fail("postgres", first_line(down), "Start it, or mend STEAMLINE_POSTGRES_DSN")
        return
    except psycopg.ProgrammingError:
        raise no_dsn() from None
    assert row is not None
    number, moment, roles = row
    version = f"version {number // 10_000}.{number % 10_000}"
    if number // 10_000 < OLDEST_POSTGRES:
        yield fail("postgres", version, f"Use {OLDEST_POSTGRES} or newer")
    else:
        yield ok("postgres", version)
    assert isinstance(moment, datetime)
    yield _skew("clock of postgres", to_us(moment), clock_us)
    found = status(settings.postgres)
    if found.unknown:
        yield fail(
            "migrations",
            f"{len(found.unknown)} that this version does not know, as {found.unknown[-1]}",
            "Run the newer version of Steamline",
        )
    elif found.pending:
        yield fail(
            "migrations",
            f"{len(found.pending)} pending, as {found.pending[0]}",
            "Run `steamline db migrate`",
        )
    else:
        yield ok("migrations", f"all {len(found.applied)} applied")
    missing = [name for name in ROLES if name not in roles]
    if missing:
        yield warn("roles", f"no {' and no '.join(missing)}", "docs/postgres.md has them")
    else:
        yield ok("roles", "both there")


def _registry(settings: Settings) -> Iterator[Finding]:
    # Here: they cost seconds, and the other checks need not wait for them.
    from models.features.kernel import FeatureSet
    from models.registry import CHAMPION, Registry

    registry = Registry.of(settings)
    registry.require_answer()
    wanted = FeatureSet.of(settings).hash
    champions = {target: registry.find(target, CHAMPION) for target in Target}
    yield ok("registry", "answers")
    missing = [target.value for target, version in champions.items() if version is None]
    if missing:
        yield fail(
            "champions",
            f"none for {', '.join(missing)}",
            "Run `steamline model train`, then `steamline model promote`",
        )
    known = {target: version for target, version in champions.items() if version is not None}
    others = [
        f"{target.value} {version.name}"
        for target, version in known.items()
        if registry.logged(version, importances=False).parameters.get("feature_set") != wanted
    ]
    if others:
        yield fail(
            "feature set",
            f"of another one than {wanted}: {', '.join(others)}",
            "Train again, or set books, de-vig and staleness as they were",
        )
    elif known:
        yield ok("feature set", f"{wanted} in all {len(known)} champions")
    paper = [target.value for target, version in known.items() if version.paper]
    if paper:
        yield warn(
            "champions",
            f"{', '.join(paper)} on paper only: no real stakes",
            "Run `steamline model promote`; the gate decides",
        )
    elif not missing:
        yield ok("champions", f"all {len(known)} past the gate")


def _api(settings: Settings) -> Finding:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api.host, settings.api.host)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{settings.api.port}/ready"
    begun = time.monotonic()
    try:
        answer = httpx.get(url, timeout=ASK_SECONDS, trust_env=False)
    except httpx.HTTPError as down:
        return warn("api", f"{url}: {type(down).__name__}", "Start `steamline api`")
    if answer.status_code != 200:
        return fail("api", f"{url} answers {answer.status_code}", f"curl {url} says why")
    return ok("api", f"ready, answered in {(time.monotonic() - begun) * 1_000:.0f} ms")


def _skew(name: str, theirs_us: int, clock_us: Callable[[], int]) -> Finding:
    seconds = (theirs_us - clock_us()) / US_PER_SECOND
    if abs(seconds) > SKEW_SECONDS:
        return warn(name, f"{seconds:+.1f} s off this one", "Set both by NTP")
    return ok(name, f"{seconds:+.1f} s off this one")
