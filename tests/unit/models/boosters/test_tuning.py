"""The search for parameters: resumes, never ends worse than it began, and stays out of the way."""

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import optuna
import polars as pl
import pytest

from models.boosters.parameters import PARAMETERS
from models.boosters.training import Origin
from models.boosters.tuning import storage_of, tune_target
from models.boosters.walk_forward import folds, walk_forward
from schemas.markets import Target
from tests.unit.models.boosters.seasons import season
from tests.unit.models.boosters.test_walk_forward import losses

ROOT = Path(__file__).parents[4]
ORIGIN = Origin("set", "print", simulated=True)


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    data = season(days=20, games=10, edge=1.2)
    among, storage = folds(data, 2), storage_of(tmp_path / "home")
    heard: list[int] = []

    def search(trials: int) -> dict[str, float]:
        found = tune_target(Target.MONEYLINE, data, ORIGIN, trials, storage, 1, among, heard.append)
        return asdict(found)

    search(2)
    assert heard == [0, 1]
    best = search(4)
    assert heard == [0, 1, 2, 3]
    assert search(4) == best
    assert heard == [0, 1, 2, 3]

    [name] = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    first = study.trials[0]
    standing = asdict(PARAMETERS[Target.MONEYLINE])
    assert first.params == {key: standing[key] for key in first.params}
    assert study.best_params == {key: best[key] for key in study.best_params}
    assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) == 4
    # What a trial reports is the walk-forward log-loss.
    assert first.value is not None
    table = walk_forward(data, 1, targets=[Target.MONEYLINE], among=among)
    assert isinstance(table, pl.DataFrame)
    assert first.value == pytest.approx(losses(table, Target.MONEYLINE, "model"), rel=1e-9)


def test_optuna_is_imported_by_the_search_alone() -> None:
    program = (
        "import sys, flows.training, flows.steps.score, models.registry, models.boosters.ablation;"
        "sys.exit('optuna' in sys.modules or 'sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
