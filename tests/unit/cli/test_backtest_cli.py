"""`steamline backtest`: files that are the same each time, and words of warning."""

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app, main
from schemas.markets import Target
from tests.unit.boosters import LAWS, constant_text, keep, model
from tests.unit.flows import archives

RUNNER = CliRunner()
FILES = ("bets.parquet", "ledger.parquet", "summary.json", "tear-sheet.html", "tear-sheet.png")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from flows.connectors.manifest import seal

    root = archives.write(tmp_path_factory.mktemp("archive"))
    seal(root, "simulator", True, {}, {})
    return root


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that is away, and champions last taken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STEAMLINE_DATA", raising=False)
    monkeypatch.setenv("STEAMLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STEAMLINE_MLFLOW_TRACKING_URI", "postgresql://127.0.0.1:1/nobody")
    monkeypatch.setenv("STEAMLINE_STAKING_MIN_COMPLETENESS", "0.0")
    shift = math.log(1.2)
    champions = [
        model(target, constant_text(shift / (10 if target in LAWS else 1))) for target in Target
    ]
    keep(champions, tmp_path / "home" / "models")


def run(*arguments: str) -> dict[str, Any]:
    done = RUNNER.invoke(app, ["backtest", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_same_input_gives_the_same_bytes(root: Path, tmp_path: Path) -> None:
    said = [run(str(root), "--out", str(tmp_path / name)) for name in ("a", "b")]
    for name in FILES:
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("a", "b"))
        assert first == second, name
    written = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert {key: said[0][key] for key in written} == written
    assert written["sheet"]["bets"] == pl.read_parquet(tmp_path / "a" / "bets.parquet").height > 5
    ledger = pl.read_parquet(tmp_path / "a" / "ledger.parquet")
    assert ledger["balance"][-1] == written["balance_exact"]


def test_days_are_those_of_the_games(root: Path) -> None:
    whole = run(str(root))
    first = whole["sheet"]["first_day"]
    one = run(str(root), "--start", first, "--end", first)
    assert (whole["counts"]["games"], one["counts"]["games"]) == (9, 3)
    assert one["sheet"]["last_day"] == first


def test_it_says_what_the_models_may_have_seen(root: Path) -> None:
    warnings = " ".join(run(str(root))["sheet"]["warnings"])
    assert "Simulated games" in warnings
    assert "may have seen" not in warnings  # the sample's card says that it learned from nothing


def test_without_such_games_it_is_one_line(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["steamline", "backtest", str(root), "--start", "2031-01-01"])
    with pytest.raises(SystemExit):
        main()
    assert "no game from 2031-01-01 to its end" in capsys.readouterr().err
