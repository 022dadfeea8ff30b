"""The gate's opponents: which champion a candidate must beat, and on which games."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

import numpy as np
import pytest

from flows.promotion import Evidence, judge
from models.boosters.dataset import TrainingSet, only
from models.boosters.parameters import PARAMETERS
from models.boosters.scoring import TargetModel
from models.boosters.training import Origin, train_target
from models.provenance import Logged
from models.registry import Version
from schemas.markets import Target
from schemas.settings import Settings
from tests.unit.boosters import FEATURE_SET
from tests.unit.models.boosters.seasons import FIRST_DAY, season

TARGET = Target.MONEYLINE
ORIGIN = Origin(FEATURE_SET, "made up", True)
QUICK = replace(PARAMETERS[TARGET], learning_rate=0.2, max_trees=30, patience=5)


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    """40 days of 15 games; feature 0 tells what the price misses."""
    return season(games=15, edge=1.2)


@dataclass(frozen=True)
class Given(Evidence):
    """These very games."""

    given: TrainingSet | None = None

    @cached_property
    def simulated(self) -> bool:
        return True

    @cached_property
    def data(self) -> TrainingSet:
        assert self.given is not None
        return self.given


@dataclass
class Shelf:
    """A registry of one champion and one candidate; number -> model, seed."""

    made: Mapping[str, tuple[TargetModel, int]]
    passed: bool = True
    notes: list[Mapping[str, str]] = field(default_factory=list)

    def find(self, target: Target, alias: str) -> Version | None:
        assert (target, alias) == (TARGET, "champion")
        return self.version("1") if "1" in self.made else None

    def version(self, number: str) -> Version:
        tags = {"steamline.gate": "passed"} if number == "1" and self.passed else {}
        return Version(TARGET, number, f"run{number}", 1, (), tags)

    def load(self, version: Version) -> TargetModel:
        return self.made[version.number][0]

    def logged(self, version: Version) -> Logged:
        model, seed = self.made[version.number]
        recipe = {name: str(value) for name, value in asdict(QUICK).items()}
        about = {"seed": str(seed), "window_days": "None", "feature_set": model.card.feature_set}
        return Logged(recipe | about, {}, {})

    def note(self, version: Version, tags: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        assert version.number == "2"
        self.notes.append(tags)


@pytest.fixture(scope="module")
def early(data: TrainingSet) -> TargetModel:
    return trained(data, 24)


@pytest.fixture(scope="module")
def late(data: TrainingSet) -> TargetModel:
    return trained(data, 40)


def trained(data: TrainingSet, until: int, seed: int = 1) -> TargetModel:
    """On the games before a day of the season."""
    games = only(data, data.day < FIRST_DAY + until)
    return train_target(TARGET, games, ORIGIN, seed, QUICK).model


def judged(shelf: Shelf, data: TrainingSet):  # type: ignore[no-untyped-def]
    evidence = Given([], Settings(), given=data)
    return judge(shelf, shelf.version("2"), evidence)  # type: ignore[arg-type]


def loss_by_hand(model: TargetModel, data: TrainingSet, after_us: int) -> tuple[float, int]:
    """Mean over the games since, a game counting once, of -log of what happened."""
    day = data.day[data.start_us <= after_us].max()
    rows = np.flatnonzero((data.day > day) & (data.home_score != data.away_score))
    said = model.outcomes(data.vectors[rows], data.consensus[rows, 0], data.line[rows, 0])
    chance = np.array([one.probability for one in said if one is not None])
    won = (data.home_score > data.away_score)[rows]
    losses = -np.log(np.where(won, chance, 1.0 - chance))
    games = data.game[rows]
    return float(np.mean([losses[games == game].mean() for game in np.unique(games)])), len(
        np.unique(games)
    )


def test_a_champion_made_in_the_same_way_must_be_beaten_as_it_is(
    data: TrainingSet, early: TargetModel, late: TargetModel
) -> None:
    """It was held to be no opponent: whatever beat the price took its place."""
    champion = early
    shelf = Shelf({"1": (champion, 1), "2": (late, 1)})
    verdict = judged(shelf, data)
    assert verdict.numbers["market"]["interval"][1] < 0.0, "the price alone would let it pass"
    expected, games = loss_by_hand(champion, data, champion.card.trained_until_us)
    assert games >= 200
    assert verdict.numbers["champion"]["reference_log_loss"] == pytest.approx(expected, abs=1e-9)
    # As good as the champion, near enough, is not better than it.
    assert not verdict.promote
    (reason,) = verdict.reasons
    assert "of the champion" in reason
    assert json.loads(shelf.notes[0]["steamline.verdict"])["promote"] is False


def test_one_that_has_gone_wrong_since_is_beaten(
    data: TrainingSet, early: TargetModel, late: TargetModel
) -> None:
    """Trained when feature 0 told nothing but the opposite."""
    turned = replace(
        data, home_score=data.away_score, away_score=data.home_score, consensus=1 - data.consensus
    )
    shelf = Shelf({"1": (trained(turned, 24), 1), "2": (late, 1)})
    verdict = judged(shelf, data)
    assert verdict.promote, verdict.reasons
    assert verdict.numbers["champion"]["interval"][1] < 0.0


def test_few_games_since_are_no_evidence(
    data: TrainingSet, early: TargetModel, late: TargetModel
) -> None:
    champion = late
    shelf = Shelf({"1": (champion, 1), "2": (late, 1)})
    _, games = loss_by_hand(champion, data, champion.card.trained_until_us)
    assert games < 200
    verdict = judged(shelf, data)
    assert not verdict.promote
    assert f"{games} games that the champion has not seen, at least 200 needed" in verdict.reasons
    # One trained on games later than all of these.
    ahead = TargetModel(
        champion.text, replace(champion.card, trained_until_us=int(data.start_us.max())), "1"
    )
    shelf = Shelf({"1": (ahead, 1), "2": (late, 1)})
    assert "no game that it has not seen" in judged(shelf, data).reasons[0]


def test_others_are_opponents_as_their_settings_would_have_them(
    data: TrainingSet, early: TargetModel, late: TargetModel
) -> None:
    """Another seed is another way: both are walked forward. Paper is no bar."""
    made = {"1": (trained(data, 40, seed=7), 7), "2": (late, 1)}
    verdict = judged(Shelf(made), data)
    assert verdict.numbers["champion"]["log_loss"] == verdict.numbers["market"]["log_loss"]
    alone = judged(Shelf(made, passed=False), data)
    assert alone.promote
    assert "champion" not in alone.numbers


def test_a_champion_that_could_not_score_is_no_bar(
    data: TrainingSet, early: TargetModel, late: TargetModel
) -> None:
    model = early
    other = TargetModel(model.text, replace(model.card, feature_set="of before"), "1")
    verdict = judged(Shelf({"1": (other, 1), "2": (late, 1)}), data)
    assert verdict.promote
    assert "champion" not in verdict.numbers
