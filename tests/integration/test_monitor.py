"""`steamline run monitor` on a real Kafka and a real Postgres, and whoever takes its alerts."""

import asyncio
import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from pydantic import SecretStr
from typer.testing import CliRunner

from cli.main import app
from deploy.stack.kafka import KafkaBroker
from flows.archive import archive
from flows.connectors.kafka import ConfirmedProducer
from flows.connectors.kept import Archives, Tables
from flows.connectors.monitor_metrics import MonitorMetrics
from flows.connectors.parquet import PLAYED, read_archive, scan
from flows.connectors.reading import ends_of
from flows.curate import curate_topics
from flows.monitor import Kept, Monitor
from flows.steps.records import Outgoing, Producer
from schemas.decisions import Alert
from schemas.sections.servers import KafkaSettings, PostgresSettings
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE, from_us, to_us
from schemas.topics import Topic
from tests import samples
from tests.archived import Archived
from tests.curated import rows
from tests.system import Sent, content, read_topic, steamline
from tests.unit.boosters import keep, varied_text
from tests.unit.flows.drifted import DAYS, SETTINGS, all_days, models, recent, write

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drifted")
    write(root)
    return root


class Live(Archived):
    """Topics, the database and an archive that follow them, and models that a worker has taken."""

    settings: Settings
    played: Path

    def store(self) -> None:
        """What is on the topics into the database, as `run curate --once` does it."""
        letters = ConfirmedProducer(self.settings.kafka)
        asyncio.run(curate_topics(self.settings, letters, lambda: False, once=True))

    def roll(self) -> None:
        archive(self.settings, self.root, once=True)

    def tables(self) -> Tables:
        return Tables(self.settings.postgres, self.settings.kafka, self.settings.home)

    def monitor(self, kept: Kept, name: str, producer: Producer | None = None) -> Monitor:
        """name: of its memory."""
        return Monitor(
            kept,
            self.settings,
            lambda: models(self.played, varied_text()),
            lambda: ends_of(self.settings.kafka)[1],
            producer or ConfirmedProducer(self.settings.kafka),
            self.folder / name,
        )

    def morning(self, days: int) -> None:
        """A prediction so many days after the last game: the night before has ended."""
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
        value = said.model_dump_json().encode()
        self.send([Sent(Topic.PREDICTIONS, said.game_id.encode(), value, noon // 1000)])

    def told(self) -> list[bytes]:
        name = Topic.ALERTS.full(self.prefix)
        return [content(one) for one in read_topic(self.bootstrap, name)]


@pytest.fixture
def live(kafka: KafkaBroker, database: str, played: Path, tmp_path: Path) -> Iterator[Live]:
    site = Live(kafka.bootstrap, tmp_path)
    site.played = played
    site.env |= {
        "STEAMLINE_POSTGRES_DSN": database,
        "STEAMLINE_MLFLOW_TRACKING_URI": "postgresql://127.0.0.1:1/nobody",
        "STEAMLINE_DRIFT_DAYS": str(DAYS),
    }
    site.settings = SETTINGS.model_copy(
        update={
            "kafka": KafkaSettings(bootstrap=kafka.bootstrap, prefix=site.prefix),
            "postgres": PostgresSettings(dsn=SecretStr(database)),
            "home": tmp_path / "home",
        }
    )
    keep(models(played, varied_text()), site.settings.home / "models")
    site.send(
        Sent(one.topic, one.game_id.encode(), one.value, one.occurred_at_us // 1000)
        for one in read_archive(played, (*PLAYED, Topic.PREDICTIONS))
    )
    site.morning(1)
    site.store()
    yield site
    site.end()


def test_a_night_is_told_once_from_either_store_and_taken_by_everyone(
    live: Live, database: str
) -> None:
    once = ("run", "monitor", "--postgres", "--once", "--json")
    first = json.loads(steamline(live.env, live.folder, *once))
    assert len(first["nights"]) == 1
    alerts = [Alert.model_validate_json(one) for one in live.told()]
    assert first["alerts"] == len(alerts)
    about = {" ".join(one.alert_id.split(":")[3:5]) for one in alerts}
    assert about >= {"features stability", "moneyline log_loss", "moneyline calibration"}
    night = datetime.fromisoformat(first["nights"][0]).replace(hour=8, tzinfo=UTC)
    assert all(one.as_of_us < to_us(night) for one in alerts)
    assert all(recent(one.game_id) for one in alerts)

    # It lasts, so nothing begins; and a night that brought no result is not judged.
    monitor = live.monitor(live.tables(), "home/monitor.json")
    live.morning(2)
    assert monitor.look() == [], "not all is kept"
    assert monitor.health.judged_us == to_us(night)
    live.store()
    assert monitor.look() == []
    assert monitor.health.judged_us == to_us(night + timedelta(1))
    assert len(live.told()) == len(alerts)

    # One without a memory says the same of the same night, byte for byte, out of the archive too.
    followed = live.monitor(Archives([live.root]), "another.json")
    live.roll()
    assert [from_us(one) for one in followed.look()] == [night]
    said = live.told()
    assert said[len(alerts) :] == said[: len(alerts)]
    live.morning(3)
    assert followed.look() == [], "not all is kept"

    live.store()
    live.roll()
    wanted = {one.alert_id for one in alerts}
    kept = rows(database, "SELECT alert_id, kind FROM alerts")
    assert {one for one, _ in kept} == wanted
    assert {kind for _, kind in kept} == {"model_drift"}
    assert set(live.rows(Topic.ALERTS)["alert_id"]) == wanted
    assert rows(database, "SELECT count(*) FROM dead_letters") == [(0,)]


def test_the_report_is_the_same_from_either_store(live: Live) -> None:
    live.roll()
    told = []
    for where in (["--postgres"], ["--archive", str(live.root)]):
        done = CliRunner().invoke(app, ["drift", "report", "--json", *where], env=live.env)
        assert done.exit_code == 0, done.output
        told.append(json.loads(done.stdout))
    assert told[0] == told[1]
    assert told[0]["findings"]
    assert told[0]["recent_games"] == DAYS * 4


class Refusing:
    """A broker that takes nothing, until it is up."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.down = True

    def send(self, message: Outgoing) -> None:
        self.sent.append(message)

    def confirm(self) -> None:
        if self.down:
            raise ConnectionError("no broker")


def test_what_was_not_confirmed_is_told_again_and_shows_in_the_metrics(
    live: Live, played: Path
) -> None:
    producer = Refusing()
    monitor = live.monitor(live.tables(), "memory.json", producer)
    with pytest.raises(ConnectionError):
        monitor.look()
    lost, producer.sent, producer.down = producer.sent, [], False
    restarted = live.monitor(live.tables(), "memory.json", producer)
    assert len(restarted.look()) == 1
    assert producer.sent == lost
    text = generate_latest(MonitorMetrics(restarted.health).registry).decode()
    assert f"steamline_monitor_alerts_total {len(lost)}.0" in text
    assert 'steamline_monitor_judged_games{target="moneyline"} 20.0' in text
    finding = 'steamline_monitor_finding_value{about="moneyline",kind="log_loss",name="difference"}'
    assert finding in text
    # Always 95 % for home.
    scores = scan(played, Topic.RESULTS).select("game_id", "home_score", "away_score").collect()
    won = [home > away for game, home, away in scores.iter_rows() if recent(game)]
    share = sum(won) / len(won)
    [said] = re.findall(r'^steamline_monitor_log_loss_nats{target="moneyline"} (\S+)$', text, re.M)
    by_hand = -share * math.log(0.95) - (1 - share) * math.log(0.05)
    assert float(said) == pytest.approx(by_hand, abs=1e-12)
    assert live.monitor(live.tables(), "memory.json", producer).look() == []
