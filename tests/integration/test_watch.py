"""`steamline model watch` on a real Postgres and a real MLflow: one at a time, each job kept."""

import asyncio
import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mlflow import MlflowClient
from prometheus_client import generate_latest
from pydantic import SecretStr
from typer.testing import CliRunner

import flows.watch
from cli.main import app
from flows.connectors.manifest import seal
from flows.connectors.model_jobs import OtherTrains, alone
from flows.connectors.parquet import write_archive, write_events
from flows.connectors.watch_metrics import WatchMetrics
from flows.curate import curate_archive
from flows.sources.simulated_truth import Slate
from flows.sources.simulator import simulate
from flows.steps.watch import Job
from flows.training import read_training_set
from flows.watch import Health, Watch
from models.boosters.scoring import TargetModel
from models.boosters.training import Trained as TrainedModel
from models.registry import Registry, Version
from schemas.decisions import Prediction
from schemas.errors import ConfigError, DependencyDown, ModelRefused
from schemas.events import GameResult
from schemas.markets import Target
from schemas.sections.judging import WatchSettings
from schemas.sections.servers import PostgresSettings
from schemas.settings import Settings
from schemas.time import US_PER_DAY, US_PER_MINUTE
from schemas.topics import Topic
from tests import samples
from tests.unit.boosters import model

NOW = samples.START
CHAMPION = model(Target.MONEYLINE)
RUNNER = CliRunner()


SMALL = Slate(seed=5, days=40, games=3, activity=0.0, books=("pinnacle", "draftkings"))


class Champions(Registry):
    """Of one target; publishing is the test's."""

    def __init__(self, *models: TargetModel) -> None:
        self._those = list(models)

    def champions(self) -> list[TargetModel]:
        if not self._those:
            raise ModelRefused("no champion")
        return self._those


class Published:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, trained: list[TrainedModel]) -> list[tuple[Version, str]]:
        self.calls += 1
        return [
            (Version(one.model.card.target, str(self.calls), "run", NOW, (), {}), "champion")
            for one in trained
        ]


def watch(
    database: str,
    archive: Path,
    publish: Published,
    *champions: TargetModel,
    rules: WatchSettings | None = None,
) -> Watch:
    settings = Settings(
        postgres=PostgresSettings(dsn=SecretStr(database)), watch=rules or WatchSettings()
    )
    return Watch([archive], settings, Champions(*champions), publish, lambda: NOW, 1)


def rows(database: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database) as db:
        return db.execute(query).fetchall()


def trained_before(database: str, days: float) -> None:
    at = NOW - round(days * US_PER_DAY)
    with alone(PostgresSettings(dsn=SecretStr(database))) as jobs:
        jobs.record(Job(f"before-{days}", "first", "trained", "", at, at), [], [], "watch")


@pytest.fixture
def nothing_to_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.watch, "train_from_archives", lambda *_: [])


def losing(root: Path, version: str) -> Path:
    """A model that gave home 90 % for ten days, and home lost."""
    said: list[Prediction] = []
    over: list[GameResult] = []
    for day in range(10):
        for number in (1, 2, 3):
            game = f"mlb-{date(2026, 7, 1) + timedelta(day)}-BOS-NYY-{number}"
            start = NOW + (day - 19) * US_PER_DAY
            said.append(
                samples.prediction(
                    5,
                    0.88 + 0.01 * number,
                    game_id=game,
                    as_of_us=start - 90 * US_PER_MINUTE,
                    start_time_us=start,
                    cutoff_us=start - 60 * US_PER_MINUTE,
                    model_version=version,
                )
            )
            after = start + 200 * US_PER_MINUTE
            over.append(
                samples.result(game_id=game, home_score=1, away_score=2, occurred_at_us=after)
            )
    root.mkdir(exist_ok=True)
    write_archive(root, Topic.PREDICTIONS, said)
    write_archive(root, Topic.RESULTS, over)
    return root


def test_the_command_trains_once_publishes_and_keeps_it(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    season = tmp_path / "season"
    write_events(season, simulate(Slate(seed=5, days=20, games=4, activity=0.0)))
    seal(season, "simulator", True, {}, {})
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for key, value in {
        "HOME": str(tmp_path),
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_ARTIFACTS": str(tmp_path / "artifacts"),
        "POSTGRES_DSN": database,
    }.items():
        monkeypatch.setenv(f"STEAMLINE_{key}", value)
    told = ["model", "watch", "--archive", str(season), "--once", "--json"]
    done = RUNNER.invoke(app, told)
    assert done.exit_code == 0, done.output
    job = json.loads(done.stdout)
    assert (job["cause"], job["outcome"]) == ("first", "trained")
    # Eighty games are too few to pass the gate.
    assert job["detail"].count("champion on paper") == len(Target)
    client = MlflowClient(uri, uri)
    kept = rows(
        database,
        "SELECT target, model_version, games, job_id, simulated, metrics -> 'model' ->> 'log_loss'"
        " FROM model_runs ORDER BY target",
    )
    assert [one[0] for one in kept] == sorted(target.value for target in Target)
    for target, version, games, job_id, simulated, loss in kept:
        champion = client.get_model_version_by_alias(f"steamline-{target}", "champion")
        run = client.get_run(str(champion.run_id)).data
        assert version.partition("-")[0] == str(champion.version)
        assert version in job["detail"]
        assert run.metrics["games"] == games
        assert run.metrics["model_log_loss"] == pytest.approx(float(loss))
        assert (job_id, simulated) == (job["job_id"], True)
    again = RUNNER.invoke(app, told)
    assert json.loads(again.stdout) is None
    assert rows(database, "SELECT count(*) FROM model_jobs") == [(1,)]


def test_a_training_by_hand_from_the_tables_is_a_job_of_the_same_history(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    season = tmp_path / "season"
    # Held back games of more than five days: fewer have no interval.
    write_events(season, simulate(SMALL))
    settings = Settings(postgres=PostgresSettings(dsn=SecretStr(database)))
    asyncio.run(curate_archive(settings, season))
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for key, value in {
        "HOME": str(tmp_path),
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_ARTIFACTS": str(tmp_path / "artifacts"),
        "POSTGRES_DSN": database,
    }.items():
        monkeypatch.setenv(f"STEAMLINE_{key}", value)
    told = ["model", "train", "--postgres", "--json"]
    with alone(settings.postgres):
        assert isinstance(RUNNER.invoke(app, told).exception, OtherTrains)
    done = RUNNER.invoke(app, told)
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert {one["became"] for one in made} == {
        "champion on paper, not judged: 120 games: the gate needs 200 out of sample"
    }
    assert rows(database, "SELECT cause, outcome FROM model_jobs") == [("asked", "trained")]
    wanted = read_training_set([season], None, settings).fingerprint
    kept = rows(database, "SELECT source, data_fingerprint, simulated FROM model_runs")
    assert kept == [("train", wanted, True)] * len(Target)
    client = MlflowClient(uri, uri)
    for one in made:
        champion = client.get_model_version_by_alias(f"steamline-{one['target']}", "champion")
        metrics = client.get_run(str(champion.run_id)).data.metrics
        for of in ("model_log_loss", "market_brier", "difference_log_loss"):
            low, high = one["intervals"][of]
            assert metrics[f"{of}_interval_low"] == low
            assert metrics[f"{of}_interval_high"] == high
        low, high = one["intervals"]["market_log_loss"]
        assert low < one["held_out"]["market"]["log_loss"] < high
    early = RUNNER.invoke(app, [*told, "--until", "2020-01-01"])
    assert early.exit_code == 1
    assert "error: " in early.output
    assert rows(database, "SELECT outcome FROM model_jobs ORDER BY ended_at") == [
        ("trained",),
        ("failed",),
    ]


def test_models_that_lose_against_the_market_are_trained_again(
    database: str, tmp_path: Path, nothing_to_train: None
) -> None:
    """Games of ten days, the last of them ten days ago, three a day."""
    trained_before(database, 12.5)
    young = WatchSettings(refresh_days=60, retry_games=9)
    archive = losing(tmp_path / "ours", CHAMPION.version)
    other = losing(tmp_path / "other", "another")
    # What models before it said is no reason.
    assert watch(database, other, Published(), CHAMPION, rules=young).look() is None
    ours = watch(database, archive, Published(), CHAMPION, rules=young)
    job = ours.look()
    assert job is not None
    assert job.cause == "degraded"
    # The gate has refused what came of it: the champion is as bad as it was, and no game is new.
    for _ in range(3):
        assert ours.look() is None
    assert rows(database, "SELECT count(*) FROM model_jobs WHERE cause = 'degraded'") == [(1,)]


def test_one_game_less_than_asked_for_is_not_enough(
    database: str, tmp_path: Path, nothing_to_train: None
) -> None:
    """Nine games are over since twelve and a half days ago."""
    trained_before(database, 12.5)
    archive = losing(tmp_path, CHAMPION.version)
    rules = WatchSettings(refresh_days=60, retry_games=10)
    assert watch(database, archive, Published(), CHAMPION, rules=rules).look() is None


def test_old_models_are_trained_again_and_young_ones_not(
    database: str, tmp_path: Path, nothing_to_train: None
) -> None:
    write_archive(tmp_path, Topic.RESULTS, [samples.result()])
    trained_before(database, 6.9)
    assert watch(database, tmp_path, Published()).look() is None
    job = watch(database, tmp_path, Published()).look(asked=True)
    assert job is not None
    assert job.cause == "asked"
    assert watch(database, tmp_path, Published()).health.trained_us is None


def test_one_at_a_time(database: str, tmp_path: Path, nothing_to_train: None) -> None:
    write_archive(tmp_path, Topic.RESULTS, [samples.result()])
    publish = Published()
    ours = watch(database, tmp_path, publish)
    with (
        alone(PostgresSettings(dsn=SecretStr(database))),
        pytest.raises(OtherTrains, match="another process trains"),
    ):
        ours.look()
    assert publish.calls == 0
    assert ours.health.looked_us is None
    assert ours.look() is not None
    assert publish.calls == 1


def test_a_training_that_fails_is_kept_and_publishes_nothing(database: str, tmp_path: Path) -> None:
    write_archive(tmp_path, Topic.RESULTS, [samples.result()])
    publish = Published()
    ours = watch(database, tmp_path, publish)
    job = ours.look()
    assert job is not None
    assert (job.outcome, job.cause) == ("failed", "first")
    kept = rows(database, "SELECT outcome, detail FROM model_jobs")
    assert kept == [("failed", job.detail)]
    assert publish.calls == 0
    again = ours.look()  # it is still the first that is to be made
    assert again is not None
    assert again.cause == "first"
    text = generate_latest(WatchMetrics(ours.health).registry).decode()
    assert 'steamline_watch_jobs_total{outcome="failed"} 2.0' in text
    assert "steamline_watch_looks_total 2.0" in text
    assert "\nsteamline_watch_trained_timestamp_seconds" not in text, "it has no value yet"


def test_who_has_lost_the_lock_publishes_nothing(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_archive(tmp_path, Topic.RESULTS, [samples.result()])

    def cut_off(*_: object) -> list[TrainedModel]:
        with psycopg.connect(database, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'steamline model watch' AND datname = current_database()"
            )
        return []

    monkeypatch.setattr(flows.watch, "train_from_archives", cut_off)
    publish = Published()
    with pytest.raises(DependencyDown, match="Postgres does not answer"):
        watch(database, tmp_path, publish).look()
    assert publish.calls == 0
    assert rows(database, "SELECT count(*) FROM model_jobs") == [(0,)]


def test_a_wrong_time_and_options_that_do_not_fit_are_one_line(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for key, value in {
        "HOME": str(tmp_path),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "POSTGRES_DSN": database,
        "WATCH_CRON": "now and then",
    }.items():
        monkeypatch.setenv(f"STEAMLINE_{key}", value)
    told = ["model", "watch", "--archive", str(tmp_path)]
    done = RUNNER.invoke(app, told)
    assert isinstance(done.exception, ConfigError)
    assert done.exception.key == "STEAMLINE_WATCH_CRON"
    assert isinstance(RUNNER.invoke(app, [*told, "--now"]).exception, ConfigError)


def test_metrics_say_when() -> None:
    health = Health(looks=3, looked_us=NOW, trained_us=NOW - US_PER_DAY, running=True)
    text = generate_latest(WatchMetrics(health).registry).decode()
    [looked] = re.findall(r"^steamline_watch_looked_timestamp_seconds (\S+)$", text, re.MULTILINE)
    assert float(looked) == pytest.approx(NOW / 1e6, abs=1e-3)
    assert "steamline_watch_training_active 1.0" in text
