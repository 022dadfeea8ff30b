"""`steamline data`: one JSON document or a short report, one-line errors, exit codes."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.data import app

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for key in ("STEAMLINE_DATA", "STEAMLINE_HOME"):
        monkeypatch.delenv(key, raising=False)


def simulate(*more: str) -> dict[str, object]:
    done = RUNNER.invoke(app, ["simulate", "--days", "1", "--games", "2", "--json", *more])
    assert done.exit_code == 0, done.stderr
    document: dict[str, object] = json.loads(done.stdout)
    return document


def test_simulate_prints_one_document_and_show_agrees(tmp_path: Path) -> None:
    said = simulate("--seed", "4", "--out", "here")
    assert (said["archive"], said["source"], said["simulated"]) == ("here", "simulator", True)
    assert said["games"] == 2
    shown = RUNNER.invoke(app, ["show", "here", "--json"])
    assert {**json.loads(shown.stdout), "seconds": said["seconds"]} == said
    truth = pl.read_parquet(tmp_path / "here" / "truth.parquet")
    assert truth["game_id"].n_unique() == 2


def test_default_folder_is_under_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEAMLINE_HOME", str(tmp_path / "home"))
    assert simulate()["archive"] == str(tmp_path / "home" / "archive" / "simulator")


def test_the_report_for_people_names_the_counts() -> None:
    simulate("--out", "here")
    shown = RUNNER.invoke(app, ["show", "here"])
    assert shown.exit_code == 0
    assert "simulator (simulated), 2 games" in shown.stdout
    assert "results 2" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["import", "pinnacle"], "error: STEAMLINE_DATA: not set. Set it or give --data FOLDER\n"),
        (["simulate", "--games", "99"], "error: games: 99 is out of range. Use 1 to 15\n"),
        (
            ["simulate", "--start-date", "tomorrow"],
            "error: --start-date: 'tomorrow' is no date. Use YYYY-MM-DD\n",
        ),
    ],
)
def test_errors_are_one_line(arguments: list[str], problem: str) -> None:
    done = RUNNER.invoke(app, [*arguments, "--json"])
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", problem)


@pytest.mark.parametrize("source", ["oddsapi", "pinnacle"])
def test_missing_data_leaves_the_old_archive_alone(tmp_path: Path, source: str) -> None:
    before = simulate("--out", "here")
    done = RUNNER.invoke(app, ["import", source, "--data", "nowhere", "--out", "here"])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: nowhere/")
    assert done.stderr.count("\n") == 1
    shown = RUNNER.invoke(app, ["show", "here", "--json"])
    assert json.loads(shown.stdout)["fingerprint"] == before["fingerprint"]


def test_show_without_an_archive() -> None:
    done = RUNNER.invoke(app, ["show", "here"])
    assert done.exit_code == 1
    assert "archive.json: missing" in done.stderr
