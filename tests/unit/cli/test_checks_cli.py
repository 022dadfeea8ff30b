"""`parity`, `leakcheck` and `features build`: one JSON document, exit 1 on what is wrong."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import flows.parity
from cli.main import app
from models.features.catalogue import NAMES
from models.features.leakcheck import Check, Kind, Leak
from tests.unit.flows import archives

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.write(tmp_path_factory.mktemp("archive"))


@pytest.fixture(autouse=True)
def _empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for key in ("STEAMLINE_DATA", "STEAMLINE_HOME"):
        monkeypatch.delenv(key, raising=False)


def test_parity(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["parity", "--archive", str(root), "--games", "2"]
    done = RUNNER.invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["mismatches"], said["first"], said["games"]) == (0, None, 2)
    assert said["vectors"] > 0
    monkeypatch.setattr(flows.parity.Parity, "compare", lambda found, *_: found.missing("here", 3))
    done = RUNNER.invoke(app, [*arguments, "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["first"]["game"] == "here"
    done = RUNNER.invoke(app, arguments)
    assert done.exit_code == 1
    assert "first: here at position 3, position: live None, offline None" in done.stdout


def test_leakcheck(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["leakcheck", "--archive", str(root), "--decisions", "2"]
    done = RUNNER.invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["decision_times"], said["leaks"], said["warm_up"]["unexpected"]) == (2, 0, [])
    leak = Leak(Kind.FUTURE, "total_line", 3, "a", 10**15, "e", "b", 2 * 10**15)
    monkeypatch.setattr(Check, "at", lambda *_: [leak])
    done = RUNNER.invoke(app, [*arguments, "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["first"][0]["event_id"] == "e"
    done = RUNNER.invoke(app, arguments)
    assert done.exit_code == 1
    assert "future: total_line (3 in all) of a at 2001-09-09T01:46:40" in done.stdout


def test_features_build(root: Path) -> None:
    arguments = ["features", "build", "--archive", str(root), "--out", "table.parquet"]
    done = RUNNER.invoke(app, [*arguments, "--minutes", "120,60", "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    table = pl.read_parquet("table.parquet")
    assert said["rows"] == table.height > 0
    assert said["features"] == len(NAMES)
    assert said["games"] == 9
    assert "rows of" in RUNNER.invoke(app, arguments).stdout
    failed = RUNNER.invoke(app, [*arguments, "--minutes", "an hour"])
    assert "--minutes" in str(failed.exception)
