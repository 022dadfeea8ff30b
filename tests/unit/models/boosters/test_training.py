"""Training on the simulator: finds an edge that is there, and none where there is none."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from flows.sources.simulated_truth import Day, Slate, truth_of
from flows.sources.simulator import simulate_day
from models.boosters.dataset import TrainingSet, build_training_set, sample
from models.boosters.training import (
    JUDGE_SHARE,
    MIN_GAMES,
    Origin,
    Trained,
    train_all,
    train_target,
)
from models.features.arrays import Array
from models.features.fold import FoldRules
from models.features.history import History
from models.features.kernel import FeatureSet
from schemas.errors import DataMissing
from schemas.events import Event, LineMovement
from schemas.markets import Target
from schemas.settings import Settings
from tests.unit.frames import frames_of

HOUR = 3_600_000_000
FEATURES = FeatureSet.of(Settings())
ORIGIN = Origin(FEATURES.hash, "print", simulated=True)


@dataclass(frozen=True)
class Market:
    """A simulated season, its rows and its truth."""

    rows: TrainingSet
    truth: dict[str, tuple[Day, int]]
    """Game id -> its day and its place in it."""

    def true_chance(self, at: Array) -> Array:
        """P(home wins) given the news so far, of some rows."""
        chances = []
        for row in np.flatnonzero(at):
            day, place = self.truth[self.rows.game_ids[self.rows.game[row]]]
            known = day.side_news_us <= self.rows.as_of_us[row]
            chances.append(day.home_chance(known)[place])
        return np.array(chances)


def season(edge: float) -> Market:
    """480 games of two books; to be quick, of the polls and splits only the last four hours."""
    slate = Slate(
        seed=2,
        days=32,
        edge=edge,
        mispriced=1.0,
        activity=0.0,
        books=("pinnacle", "draftkings"),
    )
    events: list[Event] = []
    truth: dict[str, tuple[Day, int]] = {}
    for index in range(slate.days):
        day = truth_of(slate, index)
        truth |= {game_id: (day, at) for at, (game_id, _, _) in enumerate(day.games)}
        seen: set[str] = set()
        for event in simulate_day(slate, index).events:
            day_of, at = truth[event.game_id]
            near = event.occurred_at_us > day_of.start_us[at] - 4 * HOUR
            if near or event.game_id not in seen or isinstance(event, LineMovement):
                events.append(event)
            seen.add(event.game_id)
    events.sort(key=lambda event: event.occurred_at_us)
    history = History.of(frames_of(events), FoldRules.of(Settings()))
    return Market(build_training_set([sample(history, FEATURES)]), truth)


@pytest.fixture(scope="module")
def mispriced() -> Market:
    return season(edge=0.2)


@pytest.fixture(scope="module")
def efficient() -> Market:
    return season(edge=0.0)


def train(data: TrainingSet, target: Target = Target.MONEYLINE, seed: int = 1) -> Trained:
    return train_target(target, data, ORIGIN, seed)


def held_out(data: TrainingSet, share: float = 1 - JUDGE_SHARE) -> Array:
    """Rows with a price, of the newest games."""
    priced = np.isfinite(data.consensus[:, 0])
    games = np.unique(data.game[priced])
    rows: Array = priced & (data.game >= games[int(len(games) * share)])
    return rows


def chances(trained: Trained, data: TrainingSet, rows: Array) -> Array:
    outcomes = trained.model.outcomes(
        data.vectors[rows], data.consensus[rows, 0], data.line[rows, 0]
    )
    return np.array([outcome.probability for outcome in outcomes if outcome is not None])


def test_it_beats_a_market_that_is_wrong(mispriced: Market) -> None:
    """By the realised results, and by the truth they were drawn from, which has no luck in it."""
    data = mispriced.rows
    trained = train(data)
    assert trained.games >= 450
    assert trained.held_out["model"].log_loss < trained.held_out["market"].log_loss - 0.01
    assert trained.held_out["model"].brier < trained.held_out["market"].brier
    rows = held_out(data)
    truth, market, model = (
        mispriced.true_chance(rows),
        data.consensus[rows, 0],
        chances(trained, data, rows),
    )

    def expected_loss(says: Array) -> float:
        return float(-(truth * np.log(says) + (1 - truth) * np.log(1 - says)).mean())

    possible = expected_loss(market) - expected_loss(truth)
    assert expected_loss(market) - expected_loss(model) > 0.3 * possible


def test_the_scores_are_those_of_the_held_out_rows(mispriced: Market) -> None:
    data = mispriced.rows
    trained = train(data)
    rows = held_out(data)
    won = data.home_score[rows] > data.away_score[rows]
    weight = 1.0 / np.bincount(data.game[rows])[data.game[rows]]
    weight /= weight.sum()
    for who, says in (
        ("model", chances(trained, data, rows)),
        ("market", data.consensus[rows, 0]),
    ):
        loss = -np.log(np.where(won, says, 1 - says))
        assert trained.held_out[who].log_loss == pytest.approx(float(weight @ loss), rel=1e-12)
        assert trained.held_out[who].rows == rows.sum()


def test_it_finds_nothing_in_a_market_that_is_right(efficient: Market) -> None:
    """Gain a game over the no-vig price, in standard errors: a leak of the result would show."""
    data = efficient.rows
    rows = held_out(data)
    says, won = chances(train(data), data, rows), data.home_score[rows] > data.away_score[rows]
    price = data.consensus[rows, 0]
    gain = np.log(np.where(won, says, 1 - says)) - np.log(np.where(won, price, 1 - price))
    game = data.game[rows] - data.game[rows].min()
    by_game = (np.bincount(game, gain) / np.maximum(np.bincount(game), 1))[np.unique(game)]
    error = by_game.std(ddof=1) / np.sqrt(len(by_game))
    assert len(by_game) > 60
    assert by_game.mean() < 2.5 * error
    assert by_game.mean() < 0.01


def test_equal_seeds_give_equal_models(mispriced: Market) -> None:
    one, two, other = (train(mispriced.rows, seed=seed).model for seed in (1, 1, 2))
    assert one.text == two.text
    assert one.version == two.version
    assert one.text != other.text


def test_the_held_out_games_teach_nothing(mispriced: Market) -> None:
    """Their results and vectors turned upside down: the same booster."""
    data = mispriced.rows
    rows = held_out(data)
    home, away, vectors = data.home_score.copy(), data.away_score.copy(), data.vectors.copy()
    home[rows], away[rows] = data.away_score[rows], data.home_score[rows]
    vectors[rows] = -vectors[rows]
    changed = train(replace(data, home_score=home, away_score=away, vectors=vectors))
    plain = train(data)
    assert changed.model.text == plain.model.text
    assert changed.held_out != plain.held_out


def test_the_card_says_what_it_was_made_of(mispriced: Market) -> None:
    data = mispriced.rows
    trained = train(data)
    card = trained.model.card
    assert card.target is Target.MONEYLINE
    assert card.feature_set == FEATURES.hash
    assert card.data_fingerprint == "print"
    assert card.simulated is True
    assert card.law is None
    seen = ~held_out(data) & np.isfinite(data.consensus[:, 0])
    assert card.trained_until_us == data.start_us[seen].max()
    trained.model.check(FEATURES.hash, data.vectors.shape[1])


def test_all_targets_train(mispriced: Market) -> None:
    heard: list[Target] = []
    trained = train_all(mispriced.rows, ORIGIN, 1, heard.append)
    assert heard == list(Target)
    assert [one.model.card.target for one in trained] == list(Target)
    by_target = {one.model.card.target: one for one in trained}
    # The simulator draws runs with r = 8.
    law = by_target[Target.RUNS].model.card.law
    assert law is not None
    assert 4.0 < law.dispersion < 16.0
    for one in trained:
        assert set(one.held_out) == {"model", "market"}
        assert 0.3 < one.held_out["model"].log_loss < 1.0


def test_pushes_teach_the_total_nothing(mispriced: Market) -> None:
    """Runs set to the line in some games: as if those rows were not there."""
    data = mispriced.rows
    whole = data.line[:, 2] == np.floor(data.line[:, 2])
    pushed = replace(
        data,
        home_score=np.where(whole, data.line[:, 2], data.home_score),
        away_score=np.where(whole, 0.0, data.away_score),
    )
    total = np.arange(3) == 2
    dropped = replace(pushed, consensus=np.where(whole[:, None] & total, np.nan, data.consensus))
    assert 0.1 < whole.mean() < 0.9
    assert train(pushed, Target.TOTAL).model.text == train(dropped, Target.TOTAL).model.text


def test_too_few_games(mispriced: Market) -> None:
    data = mispriced.rows
    games = np.unique(data.game[np.isfinite(data.consensus[:, 0])])

    def newest(count: int) -> TrainingSet:
        few = np.isin(data.game, games[-count:])
        consensus = np.where(few[:, None], data.consensus, np.nan)
        return replace(data, consensus=consensus)

    with pytest.raises(
        DataMissing, match=f"moneyline: {MIN_GAMES - 1} games .* {MIN_GAMES} needed"
    ):
        train(newest(MIN_GAMES - 1))
    assert train(newest(MIN_GAMES)).games == MIN_GAMES
