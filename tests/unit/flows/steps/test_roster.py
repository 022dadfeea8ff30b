"""Champion and challenger on the same games: who speaks, as what, and what may be bet on it."""

import json
import math

import pytest
from pydantic import ValidationError

from flows.steps.records import Outgoing
from flows.steps.score import Scorer
from models.assignment import assigned
from models.boosters.scoring import TargetModel
from schemas.decisions import Prediction, Refusal, Role, Stake
from schemas.markets import Target
from schemas.sections.judging import AbSettings
from schemas.settings import Settings
from schemas.topics import CONTRACTS, Topic
from tests import samples
from tests.unit.boosters import card, constant_text, model, models, varied_text
from tests.unit.flows.steps.test_score import LENIENT, QUOTED, Desk, game_tasks, tilted

OTHERS = models(varied_text(seed=2))
IDS = [
    f"mlb-2026-{month:02}-{day:02}-BOS-NYY-{number}"
    for month in range(4, 10)
    for day in range(1, 31)
    for number in range(1, 10)
]


def settings_of(mode: str, share: float = 0.5, experiment: str = "trial") -> Settings:
    ab = AbSettings.model_validate({"mode": mode, "share": share, "experiment": experiment})
    return Settings(staking=LENIENT, ab=ab)


def said(out: list[Outgoing]) -> tuple[list[Prediction], list[Stake]]:
    """Validated as any consumer would."""
    parsed = [CONTRACTS[one.topic].model.model_validate_json(one.value) for one in out]
    return (
        [one for one in parsed if isinstance(one, Prediction)],
        [one for one in parsed if isinstance(one, Stake)],
    )


def test_off_nothing_of_a_challenger_is_heard_or_computed() -> None:
    class Loud(TargetModel):
        def outcomes(self, *args):  # type: ignore[no-untyped-def]
            raise AssertionError("computed")

    loud = [Loud(one.text, one.card, "2", paper=False) for one in OTHERS]
    tasks = game_tasks(QUOTED)
    alone = Scorer(settings_of("off"), models())(tasks)
    assert Scorer(settings_of("off"), models(), loud)(tasks) == alone
    assert {json.loads(one.value)["experiment"] for one in alone.messages} == {None}


def test_a_shadow_speaks_beside_the_champion_and_stakes_nothing() -> None:
    champions = tilted(math.log(1.5))
    challengers = [
        model(target, constant_text(0.0), "2") for target in (Target.MONEYLINE, Target.RUNS)
    ]
    tasks = game_tasks(QUOTED)
    alone, stakes_alone = said(Desk(settings_of("off"), champions)(tasks))
    both, stakes = said(Desk(settings_of("shadow"), champions, challengers)(tasks))
    shadows = [one for one in both if one.shadow]
    first = [one for one in both if not one.shadow]

    tried = ("role", "experiment", "share", "prediction_id", "stake_id")

    def plain(one: Prediction | Stake) -> dict[str, object]:
        return {k: v for k, v in one.model_dump().items() if k not in tried}

    assert [plain(one) for one in first] == [plain(one) for one in alone], "champions as ever"
    assert [plain(one) for one in stakes] == [plain(one) for one in stakes_alone]
    assert {one.target for one in shadows} == {Target.MONEYLINE, Target.RUNS}
    assert {one.model_version for one in stakes} == {one.version for one in champions}
    for one in shadows:
        assert (one.role, one.experiment, one.share) == (Role.CHALLENGER, "trial", None)
    for one in first:
        compared = one.target in (Target.MONEYLINE, Target.RUNS)
        assert one.experiment == ("trial" if compared else None)
        assert one.role is Role.CHAMPION
    # One that moves nothing says what the price says, and its edge is that of its own chance.
    last = next(one for one in reversed(shadows) if one.target is Target.MONEYLINE)
    assert last.probability == pytest.approx(last.market_probability, abs=1e-12)
    edges = {quote.side: (quote.price, quote.edge) for quote in last.best}
    for price, edge in edges.values():
        assert edge == pytest.approx(0.5 * price - 1.0, abs=1e-12)
    ids = [one.prediction_id for one in both] + [one.stake_id for one in stakes]
    assert len(ids) == len(set(ids))


def test_a_stake_on_a_shadow_is_no_message() -> None:
    with pytest.raises(ValidationError, match="nothing is staked on what a shadow says"):
        samples.stake(role=Role.CHALLENGER, experiment="trial")
    samples.stake(role=Role.CHALLENGER, experiment="trial", share=0.5)
    with pytest.raises(ValidationError, match="experiment: is missing"):
        samples.prediction(role=Role.CHALLENGER)
    with pytest.raises(ValidationError, match="experiment: is missing"):
        samples.prediction(share=0.5)


def test_messages_of_before_are_of_champions() -> None:
    fields = samples.prediction().model_dump(mode="json")
    for name in ("role", "experiment", "share"):
        del fields[name]
    found = Prediction.model_validate(fields)
    assert (found.role, found.experiment, found.share, found.shadow) == (
        Role.CHAMPION,
        None,
        None,
        False,
    )


def test_a_split_gives_each_game_to_one_and_says_so() -> None:
    champions = models()
    games = [f"mlb-2026-07-20-BOS-NYY-{number}" for number in range(1, 10)]
    tasks = [task._replace(game_id=game) for game in games for task in game_tasks(QUOTED)]
    desk = Desk(settings_of("split", 0.4), champions, OTHERS)
    scorer = desk.scorer
    predictions, stakes = said(desk(tasks))
    by_role = {
        Role.CHAMPION: {one.version for one in champions},
        Role.CHALLENGER: {one.version for one in OTHERS},
    }
    used = set()
    spoken: list[Prediction | Stake] = [*predictions, *stakes]
    for one in spoken:
        role = assigned(one.game_id, "trial", 0.4)
        used.add(role)
        assert (one.role, one.experiment, one.share) == (role, "trial", 0.4)
        assert one.model_version in by_role[role]
        assert not one.shadow
    assert used == set(Role)
    # Equal numbers to those that each makes alone, whoever shares the batch.
    alone = {
        role: {
            (one.game_id, one.position, one.target): one.probability
            for one in said(Scorer(settings_of("off"), those)(tasks).messages)[0]
        }
        for role, those in ((Role.CHAMPION, champions), (Role.CHALLENGER, OTHERS))
    }
    for one in predictions:
        assert one.probability == alone[one.role][one.game_id, one.position, one.target]
    # Batches of other sizes give the same bytes.
    whole = {one.message_id: one.value for one in scorer(tasks).messages}
    single = {one.message_id: one.value for task in tasks for one in scorer([task]).messages}
    assert whole == single


@pytest.mark.parametrize(("paper", "refused"), [(True, True), (False, False)])
def test_in_a_split_only_one_that_has_passed_the_gate_stakes(paper: bool, refused: bool) -> None:
    challenger = TargetModel(constant_text(math.log(1.5)), card(Target.MONEYLINE), "2", paper=paper)
    game = next(one for one in IDS if assigned(one, "trial", 0.5) is Role.CHALLENGER)
    task = game_tasks(QUOTED)[-1]._replace(game_id=game)
    desk = Desk(settings_of("split"), tilted(math.log(1.5)), [challenger])
    _, stakes = said(desk([task]))
    (stake,) = (one for one in stakes if one.market.value == "moneyline")
    assert stake.model_version == challenger.version
    assert (Refusal.UNPROMOTED_MODEL in stake.refusals) is refused
    assert (stake.fraction > 0) is not refused
    # A target without a challenger has its champion, outside of the experiment.
    (total,) = (one for one in stakes if one.market.value == "total")
    assert (total.role, total.experiment) == (Role.CHAMPION, None)


def test_a_challenger_that_fails_in_a_split_leaves_its_games_to_the_champion() -> None:
    game = next(one for one in IDS if assigned(one, "trial", 0.5) is Role.CHALLENGER)
    task = game_tasks(QUOTED)[-1]._replace(game_id=game)
    bad = model(Target.MONEYLINE, constant_text(float("nan")), "2")
    scorer = Scorer(settings_of("split"), models(), [bad])
    alone = Scorer(settings_of("off"), models())([task]).messages
    alert, *others = scorer([task]).messages
    assert others == alone
    assert alert.topic is Topic.ALERTS
    assert b"moneyline challenger 2 is refused" in alert.value
    assert dict(scorer.challengers) == {}
