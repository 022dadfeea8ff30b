"""Walk-forward on the real seasons, against marks that were computed without our code.

The marks are in the README beside the data: no-vig by simple normalisation, a season's mean.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.training import read_training_set
from models.boosters.dataset import TrainingSet
from models.boosters.laws import Law
from models.boosters.scoring import KIND_OF
from models.boosters.walk_forward import folds, walk_forward
from models.features.arrays import Array
from schemas.markets import Target
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE
from tests.system import clean_env, steamline


@pytest.fixture(scope="module")
def pinnacle(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    """The 2016 season of one sharp book."""
    home = tmp_path_factory.mktemp("pinnacle")
    env = clean_env() | {"STEAMLINE_HOME": str(home), "STEAMLINE_DATA": str(data_dir)}
    archive = home / "archive"
    steamline(env, home, "data", "import", "pinnacle", "--no-context", "--out", str(archive))
    return read_training_set([archive], None, Settings())


@pytest.fixture(scope="module")
def table(pinnacle: TrainingSet) -> pl.DataFrame:
    return walk_forward(pinnacle, 1, among=folds(pinnacle, 3))


def loss(chance: Array, won: Array) -> float:
    return float(-np.log(np.where(won, chance, 1 - chance)).mean())


def test_the_no_vig_price_an_hour_before_is_at_its_mark(pinnacle: TrainingSet) -> None:
    """.67428 over 2,231 regular-season games at T-60m. Here 2,430, postseason and games that the
    mark left out included, and de-vigged by the power method: within .0015."""
    left = (pinnacle.start_us - pinnacle.as_of_us) / US_PER_MINUTE
    rows = np.isfinite(pinnacle.consensus[:, 0])
    # Of each game the newest row, which is the last before the cutoff.
    newest = np.flatnonzero(rows)[np.append(np.diff(pinnacle.game[rows]) != 0, True)]
    assert len(newest) > 2_231
    assert left[newest].min() >= 60
    won = pinnacle.home_score[newest] > pinnacle.away_score[newest]
    assert loss(pinnacle.consensus[newest, 0], won) == pytest.approx(0.67428, abs=0.0015)


def test_models_are_not_worse_than_the_price_by_much(table: pl.DataFrame) -> None:
    """Nor better by more than .005, which would be a leak until proven otherwise."""
    for target in Target:
        rows = table.filter(target=target.value).drop_nulls("outcome")
        assert rows["game_id"].n_unique() > 1_300
        won = rows["outcome"].to_numpy() == 1
        model, market = (loss(rows[name].to_numpy(), won) for name in ("model", "consensus"))
        assert -0.005 < model - market < 0.01, (target, model, market)


def test_the_laws_agree_with_moneyline_and_total_at_the_lines_they_share(
    table: pl.DataFrame,
) -> None:
    """Prices alone: the margin's chance to win is the moneyline's within .015 on average and .05
    for 99 games of 100, the law of runs says the total's price itself. Models: .02 and .06; runs
    and total, which learn apart, .03 on average."""
    at = ["game_id", "as_of_us"]
    margin = table.filter(target="margin").join(
        table.filter(target="moneyline"), on=at, suffix="_other"
    )
    for who, mean, most in (("consensus", 0.015, 0.05), ("model", 0.02, 0.06)):
        gap = np.abs(wins(margin, who) - margin[f"{who}_other"].to_numpy())
        assert len(gap) > 5_000
        assert gap.mean() < mean
        assert np.quantile(gap, 0.99) < most
    runs = table.filter(target="runs").join(table.filter(target="total"), on=at, suffix="_other")
    assert runs["consensus"].equals(runs["consensus_other"].alias("consensus"))
    assert np.abs((runs["model"] - runs["model_other"]).to_numpy()).mean() < 0.03


def wins(margin: pl.DataFrame, who: str) -> Array:
    """P(home wins) by the margin's law: of the model, or of the run line's price alone."""
    chance = np.empty(len(margin))
    for (dispersion, bump), rows in margin.with_row_index().group_by("dispersion", "bump"):
        law = Law(KIND_OF[Target.MARGIN], float(str(dispersion)), float(str(bump)))
        tilt = rows["tilt"].to_numpy()
        if who == "consensus":
            tilt = law.tilt(rows["consensus"].to_numpy(), -rows["line"].to_numpy())
        chance[rows["index"].to_numpy()] = law.over(tilt, np.zeros(len(rows)))
    return chance
