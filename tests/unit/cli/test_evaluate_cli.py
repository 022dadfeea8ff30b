"""`steamline model evaluate`: a walk-forward on a small archive, judged from the command line."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app
from flows.connectors.parquet import scan
from models.evaluation.rows import OUT_OF_FOLD
from schemas.errors import DataMissing
from schemas.topics import Topic
from tests.unit.flows import archives

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.write(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def saved(root: Path) -> Path:
    """Moneylines an hour before first pitch, always 60 % at a price of 50 %."""
    starts = scan(root, Topic.GAMES).group_by("game_id").agg(pl.col("start_time_us").last())
    rows = scan(root, Topic.RESULTS).join(starts, on="game_id").collect().sort("game_id")
    start = pl.col("start_time_us").cast(pl.Int64)
    out = root / "walk.parquet"
    rows.select(
        target=pl.lit("moneyline"),
        fold=pl.lit(0),
        game_id=pl.col("game_id"),
        day=pl.col("start_time_us").dt.date(),
        as_of_us=start - 3_600_000_000,
        start_us=start,
        line=pl.lit(None),
        consensus=pl.lit(0.5),
        model=pl.lit(0.6),
        mean=pl.lit(None),
        dispersion=pl.lit(None),
        outcome=(pl.col("home_score") > pl.col("away_score")).cast(pl.Float64),
        home_score=pl.col("home_score"),
        away_score=pl.col("away_score"),
        weight=pl.lit(1.0),
        books=pl.lit(3),
    ).cast(OUT_OF_FOLD).write_parquet(out)  # type: ignore[arg-type]
    return out


@pytest.fixture(autouse=True)
def _empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for key in ("STEAMLINE_DATA", "STEAMLINE_HOME"):
        monkeypatch.delenv(key, raising=False)


def test_json_and_html(root: Path, saved: Path, tmp_path: Path) -> None:
    html = tmp_path / "new" / "report.html"
    arguments = ["model", "evaluate", "--archive", str(root), "--out-of-fold", str(saved)]
    done = RUNNER.invoke(app, [*arguments, "--json", "--html", str(html)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["targets"]["moneyline"]
    assert {"open", "decision", "close"} <= found["references"].keys()
    for reference in found["references"].values():
        assert {"log_loss", "brier", "n", "interval"} <= reference.keys()
        assert reference["n"] == 9
    assert found["references"]["decision"]["log_loss"] == pytest.approx(0.693147, abs=1e-6)
    assert found["references"]["close"]["seconds_before_start"] > 0
    assert "Model evaluation" in html.read_text()
    done = RUNNER.invoke(app, [*arguments, "--html", str(html)])
    assert "9 games" in done.stdout
    assert f"report: {html}" in done.stdout


def test_what_is_missing_is_named(root: Path, saved: Path, tmp_path: Path) -> None:
    def fails(archive: Path, rows: Path) -> str:
        done = RUNNER.invoke(
            app, ["model", "evaluate", "--archive", str(archive), "--out-of-fold", str(rows)]
        )
        assert isinstance(done.exception, DataMissing)
        return str(done.exception)

    assert "no archive there" in fails(tmp_path, saved)
    assert "nothing.parquet" in fails(root, tmp_path / "nothing.parquet")
    text = tmp_path / "text.parquet"
    text.write_text("no parquet")
    assert "Give --out-of-fold a Parquet file" in fails(root, text)
    partial = tmp_path / "partial.parquet"
    pl.read_parquet(saved).drop("model").write_parquet(partial)
    assert "lack model" in fails(root, partial)
