"""`steamline run monitor` on a real Kafka and a real Postgres, and everyone who takes its alerts."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from pydantic import SecretStr

from deploy.stack.kafka import KafkaBroker
from flows.connectors.kept import Tables
from flows.connectors.monitor_metrics import MonitorMetrics
from flows.connectors.parquet import PLAYED, read_archive
from flows.connectors.tail import ends_of
from flows.monitor import Monitor
from flows.steps.records import Outgoing
from schemas.decisions import Alert
from schemas.settings import KafkaSettings, PostgresSettings, Settings
from schemas.time import US_PER_MINUTE, to_us
from schemas.topics import Topic
from tests import samples
from tests.archived import Archived
from tests.curated import rows
from tests.system import Sent, content, read_topic, steamline
from tests.unit.boosters import keep, varied_text
from tests.unit.flows.drifted import DAYS, all_days, models, write

HOME = "home"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drifted")
    write(root)
    return root


@pytest.fixture
def live(kafka: KafkaBroker, database: str, played: Path, tmp_path: Path) -> Iterator[Archived]:
    """All of it on Kafka, in the database and in an archive, and models that a worker has taken."""
    site = Archived(kafka.bootstrap, tmp_path)
    site.env |= {
        "STEAMLINE_POSTGRES_DSN": database,
        "STEAMLINE_MLFLOW_TRACKING_URI": "postgresql://127.0.0.1:1/nobody",
        "STEAMLINE_DRIFT_DAYS": str(DAYS),
    }
    keep(models(played, varied_text()), tmp_path / HOME / "models")
    site.send(
        Sent(one.topic, one.game_id.encode(), one.value, one.occurred_at_us // 1000)
        for one in read_archive(played, (*PLAYED, Topic.PREDICTIONS))
    )
    yield site
    site.end()


def after(site: Archived, days: int) -> None:
    """A prediction of the morning so many days after the last game: its night has ended."""
    day = all_days()[-1] + timedelta(days)
    noon = to_us(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    said = samples.prediction(
        1,
        game_id=f"mlb-{day}-BOS-NYY-1",
        as_of_us=noon,
        start_time_us=noon + 600 * US_PER_MINUTE,
        cutoff_us=noon + 540 * US_PER_MINUTE,
        simulated=True,
    )
    site.send([Sent(Topic.PREDICTIONS, said.game_id.encode(), said.model_dump_json().encode(), 0)])


def run(site: Archived, *command: str) -> Any:
    return json.loads(steamline(site.env, site.folder, *command, "--once", "--json"))


def told(site: Archived) -> list[bytes]:
    return [content(one) for one in read_topic(site.bootstrap, Topic.ALERTS.full(site.prefix))]


def test_a_night_is_told_once_from_either_store_and_taken_by_everyone(
    live: Archived, database: str
) -> None:
    after(live, 1)
    run(live, "run", "curate")
    first = run(live, "run", "monitor", "--postgres")
    assert len(first["nights"]) == 1
    assert first["alerts"] >= 3
    alerts = [Alert.model_validate_json(one) for one in told(live)]
    about = {one.alert_id.split(":")[3] + " " + one.alert_id.split(":")[4] for one in alerts}
    assert about >= {"features stability", "moneyline log_loss", "moneyline calibration"}
    assert {one.as_of_us for one in alerts} <= {one for one in (a.as_of_us for a in alerts)}
    night = datetime.fromisoformat(first["nights"][0]).replace(hour=8, tzinfo=UTC)
    assert all(one.as_of_us < to_us(night) for one in alerts)

    # It lasts, so nothing begins; and a night that brought nothing is not judged.
    after(live, 2)
    assert run(live, "run", "monitor", "--postgres") == {"nights": [], "alerts": 0}, "not all kept"
    run(live, "run", "curate")
    assert run(live, "run", "monitor", "--postgres") == {"nights": [], "alerts": 0}
    assert len(told(live)) == len(alerts)

    # One that has lost its memory says the same of the same night, byte for byte, out of the
    # archive as well.
    (live.folder / HOME / "monitor.json").unlink()
    live.command("run", "--once")
    assert run(live, "run", "monitor", "--archive", str(live.root))["nights"] == first["nights"]
    again = told(live)
    assert again[len(alerts) :] == again[: len(alerts)]

    run(live, "run", "curate")
    live.command("run", "--once")
    wanted = {one.alert_id for one in alerts}
    kept = rows(database, "SELECT alert_id, kind, market FROM alerts")
    assert {one[0] for one in kept} == wanted
    assert {one[1] for one in kept} == {"model_drift"}
    assert set(live.rows(Topic.ALERTS)["alert_id"]) == wanted
    assert rows(database, "SELECT count(*) FROM dead_letters") == [(0,)]


def test_the_report_is_the_same_from_either_store(live: Archived) -> None:
    run(live, "run", "curate")
    live.command("run", "--once")
    report = ("drift", "report", "--json")
    tables, archive = (
        json.loads(steamline(live.env, live.folder, *report, *where))
        for where in (("--postgres",), ("--archive", str(live.root)))
    )
    assert tables == archive
    assert tables["findings"]
    assert tables["recent_games"] == DAYS * 4


class Refusing:
    """A broker that takes nothing."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.down = True

    def send(self, message: Outgoing) -> None:
        self.sent.append(message)

    def confirm(self) -> None:
        if self.down:
            raise ConnectionError("no broker")


def test_what_was_not_confirmed_is_told_again_and_shows_in_the_metrics(
    live: Archived, database: str, played: Path
) -> None:
    after(live, 1)
    run(live, "run", "curate")
    settings = Settings(
        kafka=KafkaSettings(bootstrap=live.bootstrap, prefix=live.prefix),
        postgres=PostgresSettings(dsn=SecretStr(database)),
        home=live.folder / HOME,
    )
    settings = settings.model_copy(
        update={"drift": settings.drift.model_copy(update={"days": DAYS})}
    )
    producer = Refusing()
    monitor = Monitor(
        Tables(settings.postgres, settings.kafka, settings.home),
        settings,
        lambda: models(played, varied_text()),
        lambda: ends_of(settings.kafka)[1],
        producer,
        settings.home / "monitor.json",
    )
    with pytest.raises(ConnectionError):
        monitor.look()
    assert not (settings.home / "monitor.json").exists()
    lost, producer.sent, producer.down = producer.sent, [], False
    assert len(monitor.look()) == 1
    assert producer.sent == lost
    text = generate_latest(MonitorMetrics(monitor.health).registry).decode()
    assert f"steamline_monitor_alerts_total {len(lost)}.0" in text
    assert 'above_threshold{about="moneyline",kind="log_loss",name="difference"} 1.137' in text
    assert 'steamline_monitor_games{target="moneyline"} 20.0' in text
    assert "steamline_monitor_looks_total 2.0" in text
    after_restart = replace(monitor, health=type(monitor.health)())
    assert after_restart.look() == []
    assert after_restart.health.judged_us == monitor.health.judged_us
