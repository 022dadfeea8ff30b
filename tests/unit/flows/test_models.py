"""The watch: what it takes, what it refuses, and what it says; no registry is needed for that."""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from flows.models import ModelWatch
from flows.steps.score import Scorer
from models.boosters.scoring import TargetModel
from models.registry import Version
from models.staking.candidate import Candidate, Priced
from schemas.decisions import Alert, AlertKind
from schemas.errors import DependencyDown, ModelRefused
from schemas.markets import Target
from schemas.sections.judging import AbSettings
from schemas.settings import Settings
from schemas.topics import Topic
from tests.unit.boosters import card, constant_text, model, models, varied_text
from tests.unit.flows.steps.test_score import LENIENT, QUOTED, game_tasks


@dataclass
class Shelf:
    """A registry that holds what it is given."""

    models: dict[Target, TargetModel | ModelRefused]
    away: bool = False
    asked: int = 0
    loaded: list[Target] = field(default_factory=list)
    remembered: list[str] = field(default_factory=list)
    challengers: dict[Target, TargetModel | ModelRefused] = field(default_factory=dict)
    forgotten: list[Target] = field(default_factory=list)

    def find(self, target: Target, alias: str) -> Version | None:
        self.asked += 1
        if self.away:
            raise DependencyDown("model registry does not answer")
        there = {"champion": self.models, "challenger": self.challengers}[alias].get(target)
        if there is None:
            return None
        tags = (
            {} if isinstance(there, ModelRefused) or there.paper else {"steamline.gate": "passed"}
        )
        return Version(target, "9", str(id(there)), 1, (alias,), tags)

    def load(self, version: Version) -> TargetModel:
        self.loaded.append(version.target)
        at = self.models if "champion" in version.aliases else self.challengers
        there = at[version.target]
        if isinstance(there, ModelRefused):
            raise there
        return there

    def remember(self, models: Sequence[TargetModel], alias: str = "champion") -> None:
        mark = "" if alias == "champion" else f"{alias} "
        self.remembered += [f"{mark}{one.version}" for one in models]

    def forget(self, target: Target, alias: str) -> None:
        assert alias == "challenger"
        self.forgotten.append(target)


@dataclass
class Counted:
    taken: list[dict[Target, str]] = field(default_factory=list)
    tried: dict[Target, str] = field(default_factory=dict)
    swapped: int = 0
    refused: list[Target] = field(default_factory=list)
    answers: list[bool] = field(default_factory=list)

    def models_taken(
        self, models: Sequence[TargetModel], challengers: Sequence[TargetModel], swapped: int
    ) -> None:
        self.taken.append({one.card.target: one.version for one in models})
        self.tried = {one.card.target: one.version for one in challengers}
        self.swapped += swapped

    def model_refused(self, target: Target) -> None:
        self.refused.append(target)

    def registry_answers(self, answers: bool) -> None:
        self.answers.append(answers)


class Stage:
    def __init__(self, ab: AbSettings | None = None) -> None:
        first = models()
        self.shelf = Shelf({one.card.target: one for one in first})
        self.scorer = Scorer(Settings(staking=LENIENT, ab=ab or AbSettings()), first)
        self.meter = Counted()
        self.watch = ModelWatch(self.shelf, self.scorer, first, self.meter)  # type: ignore[arg-type]

    def score(self) -> tuple[dict[str, str], list[Alert]]:
        """Target -> version of the next batch, and its alerts of models."""
        messages = self.scorer(game_tasks(QUOTED)[-1:]).messages
        versions, alerts = {}, []
        for one in messages:
            fields = json.loads(one.value)
            if one.topic is Topic.PREDICTIONS:
                beside = "beside " if fields["role"] == "challenger" else ""
                versions[f"{beside}{fields['target']}"] = fields["model_version"]
            elif one.topic is Topic.ALERTS:
                alerts.append(Alert.model_validate(fields))
        return versions, alerts

    def moneyline(self) -> Candidate:
        """What the next batch would bet on."""
        [(_, game)] = self.scorer(game_tasks(QUOTED)[-1:]).news
        assert isinstance(game, Priced)
        return game.candidates[0]


OTHER = varied_text(seed=2)


def test_what_has_changed_is_taken_and_what_has_not_is_kept() -> None:
    stage = Stage()
    stage.watch.look()
    before, _ = stage.score()
    assert stage.meter.swapped == 0
    new = model(Target.TOTAL, OTHER, "2")
    stage.shelf.models[Target.TOTAL] = new
    stage.watch.look()
    after, alerts = stage.score()
    assert after == before | {"total": new.version}
    assert new.version != before["total"]
    assert alerts == []
    assert stage.shelf.remembered == [new.version]
    assert stage.meter.swapped == 1
    assert stage.meter.taken[-1][Target.TOTAL] == new.version


def test_nothing_is_loaded_again_while_nothing_changes() -> None:
    stage = Stage()
    for _ in range(5):
        stage.watch.look()
    assert stage.shelf.asked == 5 * len(Target)
    assert sorted(stage.shelf.loaded) == sorted(Target)
    assert stage.meter.swapped == 0


def test_a_promotion_of_the_same_version_makes_its_stakes_real() -> None:
    stage = Stage()
    text = constant_text(0.4)
    paper = TargetModel(text, card(Target.MONEYLINE), "3")
    stage.shelf.models[Target.MONEYLINE] = paper
    stage.watch.look()
    assert stage.moneyline().paper
    stage.shelf.models[Target.MONEYLINE] = TargetModel(
        text, card(Target.MONEYLINE), "3", paper=False
    )
    stage.watch.look()
    assert not stage.moneyline().paper


@pytest.mark.parametrize(
    "bad",
    [
        ModelRefused("total model 9 is damaged"),
        TargetModel(varied_text(), card(Target.TOTAL, "another"), "9"),
        TargetModel(varied_text(7), card(Target.TOTAL), "9"),
        None,
    ],
    ids=["damaged", "feature set", "width", "no champion"],
)
def test_a_bad_one_is_refused_said_once_and_the_others_are_taken(
    bad: ModelRefused | TargetModel | None,
) -> None:
    stage = Stage()
    before, _ = stage.score()
    runs = model(Target.RUNS, OTHER, "2")
    stage.shelf.models[Target.RUNS] = runs
    if bad is None:
        del stage.shelf.models[Target.TOTAL]
    else:
        stage.shelf.models[Target.TOTAL] = bad
    for _ in range(3):
        stage.watch.look()
    after, alerts = stage.score()
    assert after == before | {"runs": runs.version}
    (alert,) = alerts
    assert alert.kind is AlertKind.MODEL_REFUSED
    assert alert.market is not None
    assert alert.market.value == "total"
    assert before["total"] in alert.detail
    assert stage.score()[1] == [], "said once"
    assert stage.meter.refused == [Target.TOTAL]
    assert stage.shelf.remembered == [runs.version], "what is refused must not be started with"

    mended = model(Target.TOTAL, OTHER, "10")
    stage.shelf.models[Target.TOTAL] = mended
    stage.watch.look()
    assert stage.score()[0]["total"] == mended.version


def test_a_registry_that_is_away_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    before, _ = stage.score()
    stage.shelf.away = True
    for _ in range(3):
        stage.watch.look()
    assert stage.score() == (before, [])
    stage.shelf.away = False
    stage.watch.look()
    said = [one.getMessage() for one in caplog.records if one.name == "flows.models"]
    assert [("the models stay" in one, "answers again" in one) for one in said] == [
        (True, False),
        (False, True),
    ]
    assert stage.meter.answers == [False, False, False, True]


def test_the_thread_outlives_what_nobody_thought_of(caplog: pytest.LogCaptureFixture) -> None:
    stage, stop = Stage(), threading.Event()
    looks = 0

    def find(target: Target, alias: str) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            stop.set()
        raise RuntimeError("surprise")

    stage.shelf.find = find  # type: ignore[method-assign]
    stage.watch.follow(0.001, stop)
    assert looks == 3
    assert "the models stay" in caplog.text


def test_a_batch_is_scored_by_the_set_it_began_with() -> None:
    """A swap in the very middle of a batch: no message of it may name the new model."""
    first = models()
    scorer = Scorer(Settings(staking=LENIENT), first)
    others = models(OTHER)
    tasks = game_tasks(QUOTED)
    whole = {one.version for one in first}

    class Swapping(TargetModel):
        def outcomes(self, *args):  # type: ignore[no-untyped-def]
            scorer.swap(others)
            return super().outcomes(*args)

    last = Swapping(first[-1].text, first[-1].card, "1", paper=False)
    scorer.swap([*first[:-1], last])
    named = {
        json.loads(one.value)["model_version"]
        for one in scorer(tasks).messages
        if one.topic is Topic.PREDICTIONS
    }
    assert named == whole
    after = {
        json.loads(one.value)["model_version"]
        for one in scorer(tasks).messages
        if one.topic is Topic.PREDICTIONS
    }
    assert after == {one.version for one in others}
    assert after.isdisjoint(whole)


def test_a_set_with_a_bad_one_is_not_taken_at_all() -> None:
    scorer = Scorer(Settings(staking=LENIENT), models())
    before = [one.value for one in scorer(game_tasks(QUOTED)).messages]
    bad = TargetModel(varied_text(), card(Target.TOTAL, "another"), "1")
    with pytest.raises(ModelRefused):
        scorer.swap([model(Target.MONEYLINE, OTHER), bad])
    assert [one.value for one in scorer(game_tasks(QUOTED)).messages] == before


SHADOW = AbSettings(mode="shadow", experiment="trial")


def test_outside_of_an_experiment_nobody_asks_for_challengers() -> None:
    stage = Stage()
    stage.shelf.challengers[Target.TOTAL] = model(Target.TOTAL, OTHER, "2")
    before, _ = stage.score()
    stage.watch.look()
    assert stage.score()[0] == before
    assert stage.shelf.asked == len(Target)


def test_a_challenger_comes_changes_and_goes() -> None:
    stage = Stage(SHADOW)
    alone, _ = stage.score()
    first, second = model(Target.TOTAL, OTHER, "2"), model(Target.TOTAL, varied_text(seed=5), "3")
    stage.shelf.challengers[Target.TOTAL] = first
    stage.watch.look()
    assert stage.score() == (alone | {"beside total": first.version}, [])
    assert stage.shelf.remembered == [f"challenger {first.version}"]
    assert stage.meter.tried == {Target.TOTAL: first.version}
    stage.watch.look()
    assert len(stage.shelf.loaded) == len(Target) + 1, "loaded once"
    stage.shelf.challengers[Target.TOTAL] = second
    stage.watch.look()
    assert stage.score()[0]["beside total"] == second.version
    del stage.shelf.challengers[Target.TOTAL]
    stage.watch.look()
    assert stage.score()[0] == alone
    assert stage.shelf.forgotten == [Target.TOTAL]
    assert stage.meter.tried == {}


def test_a_promoted_challenger_is_the_champion_and_nothing_beside_it() -> None:
    stage = Stage(SHADOW)
    new = model(Target.TOTAL, OTHER, "2")
    stage.shelf.challengers[Target.TOTAL] = new
    stage.watch.look()
    # The registry moves one alias after the other: a look may fall in between.
    stage.shelf.models[Target.TOTAL] = new
    stage.watch.look()
    versions, alerts = stage.score()
    assert (versions["total"], "beside total" in versions) == (new.version, False)
    del stage.shelf.challengers[Target.TOTAL]
    stage.watch.look()
    assert stage.score() == (versions, alerts) == (versions, [])
    assert stage.meter.refused == []


@pytest.mark.parametrize(
    "bad",
    [
        ModelRefused("total model 9 is damaged"),
        TargetModel(varied_text(), card(Target.TOTAL, "another"), "9"),
        TargetModel(varied_text(7), card(Target.TOTAL), "9"),
    ],
    ids=["damaged", "feature set", "width"],
)
def test_a_bad_challenger_is_refused_said_once_and_harms_nobody(
    bad: ModelRefused | TargetModel,
) -> None:
    stage = Stage(SHADOW)
    alone, _ = stage.score()
    good = model(Target.RUNS, OTHER, "2")
    stage.shelf.challengers |= {Target.TOTAL: bad, Target.RUNS: good}
    for _ in range(3):
        stage.watch.look()
    versions, alerts = stage.score()
    assert versions == alone | {"beside runs": good.version}
    (alert,) = alerts
    assert alert.kind is AlertKind.MODEL_REFUSED
    assert "total challenger 9 is refused" in alert.detail
    assert stage.score()[1] == [], "said once"
    assert stage.meter.refused == [Target.TOTAL]
    mended = model(Target.TOTAL, OTHER, "10")
    stage.shelf.challengers[Target.TOTAL] = mended
    stage.watch.look()
    assert stage.score()[0]["beside total"] == mended.version


def test_a_challenger_that_fails_while_scoring_is_out_and_stays_out() -> None:
    stage = Stage(SHADOW)
    alone, _ = stage.score()
    stage.shelf.challengers[Target.TOTAL] = model(Target.TOTAL, constant_text(float("nan")), "4")
    stage.watch.look()
    versions, (alert,) = stage.score()
    assert versions == alone
    assert "total challenger 4 is refused" in alert.detail
    assert "NaN" in alert.detail
    for _ in range(3):
        stage.watch.look()
    assert stage.score() == (alone, [])
    assert stage.meter.refused == [Target.TOTAL]
    assert stage.meter.tried == {}
    assert stage.shelf.forgotten == [Target.TOTAL]
    mended = model(Target.TOTAL, OTHER, "5")
    stage.shelf.challengers[Target.TOTAL] = mended
    stage.watch.look()
    assert stage.score()[0]["beside total"] == mended.version
