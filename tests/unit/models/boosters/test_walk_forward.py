"""Walk-forward: no fold knows what came after it, and the table is what it says."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from models.boosters.ablation import ablation, feature_groups, without
from models.boosters.binned import Binned
from models.boosters.dataset import TrainingSet
from models.boosters.laws import Law
from models.boosters.parameters import PARAMETERS
from models.boosters.tasks import task_of
from models.boosters.training import Origin, fit, train_target
from models.boosters.walk_forward import OUT_OF_FOLD, folds, walk_forward
from models.features.catalogue import NAMES, Category
from schemas.errors import DataMissing
from schemas.markets import Target
from tests.unit.models.boosters.seasons import FIRST_DAY, HOUR, season

COUNT = 3


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    return season(games=15, edge=1.2)


def test_the_folds_by_hand(data: TrainingSet) -> None:
    """40 days of 15 games, the oldest 16 days only trained on, three folds of 8 days."""
    found = folds(data, COUNT)
    firsts = [16, 24, 32]
    for fold, first in zip(found, firsts, strict=True):
        tested = np.unique(data.day[fold.test]) - FIRST_DAY
        assert tested.tolist() == list(range(first, first + 8))
        # Embargo of a day: the last day that trains is two before the first that is judged.
        assert np.unique(data.day[fold.train]).max() - FIRST_DAY == first - 2
        assert np.unique(data.day[fold.train]).min() == FIRST_DAY
    assert np.sum([fold.test for fold in found], axis=0).max() == 1


def test_a_window_slides(data: TrainingSet) -> None:
    for fold, first in zip(folds(data, COUNT, window_days=10), [16, 24, 32], strict=True):
        days = np.unique(data.day[fold.train]) - FIRST_DAY
        assert days.tolist() == list(range(first - 11, first - 1))


def test_a_game_that_ended_late_trains_no_fold_before_that(data: TrainingSet) -> None:
    """Suspended on day 5, over at noon of day 20."""
    late = replace(
        data,
        over_us=np.where(data.game == 75, ((FIRST_DAY + 20) * 24 + 12) * HOUR, data.over_us),
    )
    rows = data.game == 75
    assert (data.day[rows] == FIRST_DAY + 5).all()
    assert [bool(fold.train[rows].any()) for fold in folds(late, COUNT)] == [False, True, True]


def test_too_few_days(data: TrainingSet) -> None:
    with pytest.raises(DataMissing, match="2 days of games are too few for 3 folds"):
        folds(season(days=2), COUNT)


@pytest.mark.parametrize("fold", range(COUNT))
def test_later_results_and_vectors_change_no_prediction(data: TrainingSet, fold: int) -> None:
    """Everything from the embargo on turned over; of the fold itself, only the results."""
    first = FIRST_DAY + (16, 24, 32)[fold]
    hidden = data.day >= first - 1
    later = data.day >= first + 8
    changed = replace(
        data,
        # Odd less even: no tie comes of it.
        home_score=np.where(hidden, 2 * data.away_score + 1, data.home_score),
        away_score=np.where(hidden, 2 * data.home_score, data.away_score),
        vectors=np.where(later[:, None], -7 * data.vectors, data.vectors),
        consensus=np.where(later[:, None], 1 - data.consensus, data.consensus),
    )
    said = ["target", "game_id", "as_of_us", "consensus", "model", "raw", "mean", "tilt"]

    def table(of: TrainingSet) -> pl.DataFrame:
        found = walk_forward(of, 1, among=[folds(of, COUNT)[fold]])
        return found.select(*said, "dispersion", "bump")

    before = table(data)
    assert before.equals(table(changed))
    # It has learned something that could have been another thing.
    assert np.abs((before["raw"] - before["consensus"]).to_numpy()).max() > 0.01


def test_the_leak_test_would_notice(data: TrainingSet) -> None:
    """A planted leak: the fold trains on what it is judged by."""
    fold = folds(data, COUNT)[0]
    seen = fold.train | fold.test
    leaking = replace(fold, train=seen, binned=Binned(data.vectors, seen))
    changed = replace(
        data,
        home_score=np.where(fold.test, 2 * data.away_score + 1, data.home_score),
        away_score=np.where(fold.test, 2 * data.home_score, data.away_score),
    )
    one, two = (
        walk_forward(of, 1, targets=[Target.MONEYLINE], among=[leaking])["raw"].to_numpy()
        for of in (data, changed)
    )
    assert not np.array_equal(one, two)


def test_the_table_is_what_it_says(data: TrainingSet) -> None:
    table = walk_forward(data, 1, among=folds(data, COUNT))
    assert dict(table.schema) == OUT_OF_FOLD
    assert table["target"].unique(maintain_order=True).to_list() == [one.value for one in Target]
    assert table.filter(pl.col("fold") < 0).is_empty()
    by_game = table.group_by("target", "game_id").agg(pl.col("weight").sum(), pl.len())
    assert by_game["len"].unique().to_list() == [3]
    np.testing.assert_allclose(by_game["weight"].to_numpy(), 1.0, atol=1e-12)
    for target in Target:
        rows = table.filter(target=target.value)
        margin = rows["home_score"] - rows["away_score"]
        runs = rows["home_score"] + rows["away_score"]
        won = {"moneyline": margin > 0, "margin": margin > 1.5}.get(target.value, runs > 8.5)
        assert rows["outcome"].to_list() == won.cast(pl.Float64).to_list()
        assert (rows["line"].null_count() == len(rows)) is (target is Target.MONEYLINE)
        assert (rows["mean"].null_count() == 0) is (target in (Target.RUNS, Target.MARGIN))
    row = table.filter(target="margin").row(0, named=True)
    law = Law("margin", row["dispersion"], row["bump"])
    mass = law.pmf(np.array([row["tilt"]]))[0]
    assert mass[law.support > 1.5].sum() == pytest.approx(row["model"], abs=1e-12)
    assert mass @ law.support == pytest.approx(row["mean"], abs=1e-12)


def test_a_push_has_no_outcome(data: TrainingSet) -> None:
    """Totals of 8 at a line of 8 in some games."""
    whole = replace(data, line=np.where(np.arange(3) == 2, 8.0, data.line))
    total = task_of(Target.TOTAL, whole)
    pushed = data.home_score + data.away_score == 8
    assert pushed.any()
    assert np.isnan(total.outcome[pushed]).all()
    assert np.isfinite(total.outcome[~pushed]).all()
    assert total.priced.all()
    # A distribution learns from a push what it is; a coin learns nothing.
    assert np.isnan(total.value[pushed]).all()
    assert (task_of(Target.RUNS, whole).value[pushed] == 8).all()


def losses(table: pl.DataFrame, target: Target, column: str) -> float:
    rows = table.filter(target=target.value)
    chance, won = rows[column].to_numpy(), rows["outcome"].to_numpy()
    return float(-np.log(np.where(won == 1, chance, 1 - chance)).mean())


def test_an_edge_is_found_and_lost_with_its_feature(data: TrainingSet) -> None:
    """Feature 0 tells what the price misses: without its group the model is the market again."""
    groups = {"first": NAMES[:1], "others": NAMES[10:20]}
    targets = (Target.MONEYLINE, Target.TOTAL)
    plain = walk_forward(data, 1, targets=targets)
    ablated = ablation(data, 1, groups, targets=targets)
    assert ablated["without"].unique(maintain_order=True).to_list() == ["first", "others"]
    for target in targets:
        market = losses(plain, target, "consensus")
        found = market - losses(plain, target, "model")
        assert found > 0.01
        gone = ablated.filter(pl.col("without") == "first")
        kept = ablated.filter(pl.col("without") == "others")
        assert market - losses(gone, target, "model") < 0.3 * found
        assert market - losses(kept, target, "model") > 0.5 * found
    assert gone.select("game_id", "as_of_us").equals(plain.select("game_id", "as_of_us"))


def test_every_feature_is_in_one_category_and_at_most_one_part_of_it() -> None:
    groups = feature_groups()
    whole = [name for category in Category for name in groups[category.value]]
    assert sorted(whole) == sorted(NAMES)
    for category in Category:
        parts = [
            name
            for group, names in groups.items()
            for name in names
            if group.startswith(f"{category.value}.")
        ]
        assert not parts or sorted(parts) == sorted(groups[category.value])


def test_without_masks_just_these(data: TrainingSet) -> None:
    masked = without(data, NAMES[3:5])
    assert np.isnan(masked.vectors[:, 3:5]).all()
    rest = np.delete(masked.vectors, [3, 4], axis=1)
    assert rest.tobytes() == np.delete(data.vectors, [3, 4], axis=1).tobytes()
    with pytest.raises(ValueError, match="no_such"):
        without(data, ["no_such"])


def trees(text: str) -> str:
    """Without the parameters, which name the number of threads."""
    return text[text.index("Tree=0") : text.index("end of trees")]


@pytest.mark.parametrize("target", Target)
def test_seed_decides_and_threads_do_not(data: TrainingSet, target: Target) -> None:
    task, [fold] = task_of(target, data), folds(data, 1)
    origin = Origin("set", "print", simulated=True)

    def text(seed: int, threads: int) -> str:
        parameters = PARAMETERS[target]
        found = fit(task, data, fold.train, fold.binned, origin, seed, parameters, threads)
        assert found.trees > 1
        return found.model.text

    assert text(1, 1) == text(1, 1)
    assert trees(text(1, 1)) == trees(text(1, 2))
    assert trees(text(1, 1)) != trees(text(2, 1))


def rising(names: tuple[str, ...], data: TrainingSet, target: Target) -> None:
    trained = train_target(target, data, Origin("set", "print", simulated=True), 1)
    assert trained.trees > 1
    rng = np.random.default_rng(3)
    for name in names:
        vectors = rng.normal(size=(60, len(NAMES))).astype(np.float32)
        steps = []
        for value in np.linspace(-3, 3, 13):
            vectors[:, NAMES.index(name)] = value
            steps.append(trained.model.say(vectors, np.full(60, 0.5), np.full(60, 8.5)).raw)
        assert (np.diff(np.array(steps), axis=0) >= 0).all()


def test_a_known_sign_holds_even_where_the_data_says_otherwise() -> None:
    """The edge is put, upside down, into features that may only raise the score."""
    data = season(games=15, edge=1.2)
    vectors = data.vectors.copy()
    names = ("moneyline_sharp_less_soft", "elo_difference")
    for name in names:
        vectors[:, NAMES.index(name)] = -data.vectors[:, 0]
    rising(names, replace(data, vectors=vectors), Target.MONEYLINE)
