"""`steamline drift report` on a simulated archive in which some things have changed."""

import json
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from selectolax.lexbor import LexborHTMLParser
from typer.testing import CliRunner

from cli.main import app
from flows.connectors.parquet import scan
from flows.drift import drift_report
from models.boosters.scoring import TargetModel
from models.evaluation.monitor import DriftReport
from models.features.catalogue import NAMES
from schemas.errors import DataMissing, ModelRefused
from schemas.markets import Target
from schemas.time import to_us
from schemas.topics import Topic
from tests.unit.boosters import card, constant_text, keep, varied_text
from tests.unit.flows.drifted import DAYS, SETTINGS, all_days, models, recent, write


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drift")
    write(root)
    return root


def report(
    root: Path,
    made: Sequence[TargetModel],
    until_us: int | None = None,
    first: date | None = None,
) -> DriftReport:
    return drift_report([root], SETTINGS, made, first, until_us, lambda stage: None)


@pytest.fixture(scope="module")
def found(root: Path) -> DriftReport:
    return report(root, models(root, varied_text()))


def test_recent_days_and_the_games_before_them(found: DriftReport) -> None:
    days = all_days()[-DAYS:]
    assert (found.first_recent, found.last_day) == (days[0], days[-1])
    assert (found.reference_games, found.recent_games) == (15 * 4, 5 * 4)


def test_the_planted_changes_are_found_and_named(found: DriftReport) -> None:
    moved = [one.name for about, one in found.found if one.kind == "stability"]
    assert moved, "the public's turn went unseen"
    of_tickets = ("ticket", "divergence", "sharp_score", "sentiment")
    assert all(any(one in name for one in of_tickets) for name in moved)
    used = {NAMES[at] for at in np.flatnonzero(found.used)}
    assert set(moved) <= used
    assert len(used) < len(NAMES)
    about = {(name, one.kind, one.name) for name, one in found.found}
    assert ("moneyline", "log_loss", "difference") in about
    assert ("moneyline", "calibration", "bias") in about
    assert not {name for name, *_ in about} & {"total", "runs", "margin"}


def test_the_log_loss_is_that_of_the_results(root: Path, found: DriftReport) -> None:
    """Always 95 %: log-loss is -log .95 where home won and -log .05 where not."""
    scores = scan(root, Topic.RESULTS).select("game_id", "home_score", "away_score").collect()
    won = [home > away for game, home, away in scores.iter_rows() if recent(game)]
    share = sum(won) / len(won)
    speech = found.targets["moneyline"].speech
    assert speech is not None
    last = speech.rolling.row(-1, named=True)
    assert last["games"] == pytest.approx(20)
    assert last["model"] == pytest.approx(
        -share * math.log(0.95) - (1 - share) * math.log(0.05), abs=1e-12
    )
    assert speech.now.bias == pytest.approx(share - 0.95, abs=1e-12)
    assert speech.before is not None


def test_contributions_of_a_model_without_splits_stay_nothing(root: Path) -> None:
    quiet = report(root, models(root, constant_text(0.0)))
    for target in Target:
        weight = quiet.targets[target.value].weight
        assert weight is not None
        assert weight.contribution.moved == 0.0


def test_what_is_not_known_is_said(root: Path, found: DriftReport) -> None:
    assert "total: no recent prediction of a game that is over" in found.unknown
    assert "moneyline: gain: too few recent games to train on" in found.unknown
    untrained = report(root, [])
    assert untrained.stability is None
    assert "stability of features: no games to compare" in untrained.unknown


def test_only_what_was_known_until_then_counts(root: Path) -> None:
    days = all_days()
    noon = to_us(datetime(days[-2].year, days[-2].month, days[-2].day, 12, tzinfo=UTC))
    then = report(root, models(root, varied_text()), noon)
    assert then.last_day == days[-3]
    speech = then.targets["moneyline"].speech
    assert speech is not None
    assert speech.rolling["day"].max() == days[-3]


def test_recent_days_may_be_named(root: Path) -> None:
    days = all_days()
    found = report(root, models(root, varied_text()), first=days[-3])
    assert (found.first_recent, found.days, found.recent_games) == (days[-3], 3, 3 * 4)
    with pytest.raises(DataMissing, match=f"the newest are of {days[-1]}"):
        report(root, [], first=days[-1] + timedelta(1))


def test_models_of_other_features_and_empty_archives_are_refused(
    root: Path, tmp_path: Path
) -> None:
    other = TargetModel(varied_text(), card(Target.TOTAL, "another"), "1")
    with pytest.raises(ModelRefused, match="train again"):
        report(root, [other])
    with pytest.raises(DataMissing):
        report(tmp_path, [])


@pytest.fixture
def home(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the cache that a worker fills."""
    keep(models(root, varied_text()), tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    for key, value in {
        "HOME": str(tmp_path),
        "MLFLOW_TRACKING_URI": "postgresql://127.0.0.1:1/nobody",
        "DRIFT_DAYS": str(DAYS),
    }.items():
        monkeypatch.setenv(f"STEAMLINE_{key}", value)
    return tmp_path


def test_the_command(root: Path, home: Path, found: DriftReport) -> None:
    told = ["drift", "report", "--archive", str(root)]
    said = CliRunner().invoke(app, [*told, "--json", "--html", str(home / "drift.html")])
    assert said.exit_code == 0, said.output
    document = json.loads(said.stdout)
    assert [(one["about"], one["kind"]) for one in document["findings"]] == [
        (about, one.kind) for about, one in found.found
    ]
    assert document["targets"]["moneyline"]["games"] == 20
    tree = LexborHTMLParser((home / "drift.html").read_text())
    assert tree.css("script, link, img, iframe") == []
    [chart] = tree.css("figure")
    assert chart.css_first("svg") is not None
    ids = [node.attributes["id"] for node in tree.css("[id]")]
    assert len(ids) == len(set(ids))
    assert "Log-loss above the price" in tree.text()
    strict = CliRunner().invoke(app, [*told, "--strict"])
    assert strict.exit_code == 1
    assert "ABOVE moneyline: log_loss difference" in strict.stdout
