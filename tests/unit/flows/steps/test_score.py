"""Games to predictions, stakes and feature blobs: every number by another way."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from scipy.optimize import brentq, minimize_scalar  # type: ignore[import-untyped]

from flows.steps.alerts import Watched
from flows.steps.allocate import AllocateRules, AllocateStep, Numbered
from flows.steps.game import GameStep, ToScore
from flows.steps.records import FeatureBlob, Outgoing
from flows.steps.score import Scorer
from models.boosters.scoring import TargetModel
from models.features.catalogue import CATALOGUE, NAMES, Category
from models.features.stored import unpack
from schemas.decisions import Prediction, Refusal, SideQuote, Stake
from schemas.errors import ModelRefused
from schemas.events import Event
from schemas.markets import MARKET_OF, Market, Side, Target
from schemas.sections.scoring import KNOWN_BOOKS, SHARP_BOOKS
from schemas.sections.servers import RedisSettings
from schemas.sections.staking import StakingSettings
from schemas.settings import Settings
from schemas.topics import CONTRACTS, Topic
from tests import samples
from tests.unit.boosters import FEATURE_SET, LAWS, card, constant_text, model, models
from tests.unit.flows.steps.test_game import decoded, tasks
from tests.unit.models.features.reference import Reference
from tests.unit.streams import CUTOFF, RULES, fold_all, seconds, splits, streams

CUT = seconds(CUTOFF)
# The vector of a sparse stream is mostly missing; completeness has tests of its own.
LENIENT = StakingSettings(min_completeness=0.0)
Messages = tuple[list[Prediction], list[Stake]]


class Desk:
    """Scorer and allocator of one bankroll, as the flow joins them."""

    def __init__(
        self,
        settings: Settings,
        boosters: list[TargetModel],
        challengers: Sequence[TargetModel] = (),
    ) -> None:
        self.scorer = Scorer(settings, boosters, challengers)
        self._rules = AllocateRules.of(settings, settings.staking)

    def __call__(self, tasks: Sequence[ToScore]) -> list[Outgoing]:
        scored = self.scorer(tasks)
        return scored.messages + AllocateStep(self._rules, None).on_batch(scored.news)


def scorer(staking: StakingSettings = LENIENT, boosters: list[TargetModel] | None = None) -> Desk:
    return Desk(Settings(staking=staking), boosters or models())


def game_tasks(events: Sequence[Event]) -> list[ToScore]:
    return tasks(GameStep(RULES, None).on_batch(decoded(events)))


def read(out: Sequence[Outgoing]) -> Messages:
    """Validated as any consumer would."""
    predictions, stakes = list[Prediction](), list[Stake]()
    for message in out:
        parsed = CONTRACTS[message.topic].model.model_validate_json(message.value)
        assert message.key == samples.GAME
        if isinstance(parsed, Prediction):
            predictions.append(parsed)
            assert message.message_id == parsed.prediction_id
        elif isinstance(parsed, Stake):
            stakes.append(parsed)
            assert message.message_id == parsed.stake_id
            assert parsed.decided_us is not None
            assert parsed.decided_us >= parsed.as_of_us
        else:
            raise TypeError(message.topic)
        moment = parsed.decided_us if isinstance(parsed, Stake) else parsed.as_of_us
        assert message.timestamp_us == moment
    return predictions, stakes


def last(events: Sequence[Event], by: Desk | None = None) -> Messages:
    """What is said at the stream's last position."""
    return read((by or scorer())(game_tasks(events)[-1:]))


def tilted(score: float) -> list[TargetModel]:
    """Boosters that move the log-odds by so much, whatever they see, and a tilt by a tenth."""
    return [
        model(target, constant_text(score / 10 if target in LAWS else score)) for target in Target
    ]


QUOTED: list[Event] = [
    samples.game(0),
    samples.line(60, 2.0, 2.0),
    samples.line(61, 2.1, 2.1, book="circa"),
    samples.line(62, 2.0, 2.0, market=Market.TOTAL),
    samples.line(63, 1.9, 2.0, market=Market.RUN_LINE),
]
"""Fair at one half by every method, with a price above it at circa."""


def test_a_stake_by_hand() -> None:
    """Log-odds moved by ln 1.5 from .5: P(home) = .6 against 2.1 at circa.

    Edge .6 x 2.1 - 1 = .26; full Kelly .26 / 1.1; a quarter of it is over the cap of 5 %.
    """
    predictions, stakes = last(QUOTED, scorer(boosters=tilted(math.log(1.5))))
    by_target = {one.target: one for one in predictions}
    assert set(by_target) == set(Target)
    moneyline = by_target[Target.MONEYLINE]
    assert moneyline.probability == pytest.approx(0.6, abs=1e-12)
    assert moneyline.market_probability == 0.5
    assert moneyline.fair_price == pytest.approx(1 / 0.6, abs=1e-11)
    assert moneyline.line is None
    assert moneyline.mean_runs is moneyline.mean_margin is None
    assert moneyline.books == 2
    assert moneyline.odds_age_ms == 2_000
    home, away = moneyline.best
    assert (home.side, home.book, home.price, home.age_ms) == (Side.HOME, "circa", 2.1, 2_000)
    assert home.edge == pytest.approx(0.26, abs=1e-12)
    assert away.edge == pytest.approx(0.4 * 2.1 - 1, abs=1e-12)
    total, runs = by_target[Target.TOTAL], by_target[Target.RUNS]
    assert total.line == runs.line == 8.5
    assert runs.mean_margin is None
    assert runs.mean_runs is not None
    # Priced even at 8.5, and tilted up by .0405 with a variance near 20.
    assert 9.0 < runs.mean_runs < 10.5
    margin = by_target[Target.MARGIN]
    assert margin.line == -1.5
    assert margin.mean_runs is None
    assert margin.mean_margin is not None
    # To be more than even to win by two, a team must be the better one.
    assert margin.mean_margin > 1.0
    fair = brentq(lambda k: 1.9**-k + 2.0**-k - 1, 0.5, 2.0, xtol=1e-15)
    assert margin.market_probability == pytest.approx(1.9**-fair, abs=1e-12)
    assert margin.probability > margin.market_probability
    assert [one.side for one in margin.best] == [Side.HOME, Side.AWAY]
    assert total.best[0].side is Side.OVER
    assert total.best[0].edge == pytest.approx(0.2, abs=1e-12)

    by_market = {one.market: one for one in stakes}
    assert set(by_market) == set(Market)
    run_line = by_market[Market.RUN_LINE]
    assert (run_line.side, run_line.line, run_line.price) == (Side.HOME, -1.5, 1.9)
    assert run_line.edge == pytest.approx(margin.probability * 1.9 - 1, abs=1e-12)
    bet = by_market[Market.MONEYLINE]
    assert (bet.side, bet.book, bet.price, bet.line) == (Side.HOME, "circa", 2.1, None)
    assert bet.kelly_full == pytest.approx(0.26 / 1.1, abs=1e-12)
    assert bet.fraction == 0.05
    assert bet.amount == 500.0
    assert bet.refusals == []
    assert bet.push == 0.0
    # p - q = .2 at even money grows less, and a game has one bet.
    over = by_market[Market.TOTAL]
    assert (over.side, over.line) == (Side.OVER, 8.5)
    assert over.kelly_full == pytest.approx(0.2, abs=1e-12)
    assert over.refusals == run_line.refusals == [Refusal.OUTWEIGHED]
    assert over.amount == run_line.amount == 0.0


def test_a_stake_on_a_total_by_hand() -> None:
    """p - q = .2 at even money, a quarter of it."""
    quotes = [samples.game(0), samples.line(62, 2.0, 2.0, market=Market.TOTAL)]
    _, stakes = last(quotes, scorer(boosters=tilted(math.log(1.5))))
    [over] = [one for one in stakes if one.market is Market.TOTAL]
    assert over.fraction == pytest.approx(0.05, abs=1e-12)
    assert over.amount == 500.0
    assert over.push == 0.0


@pytest.mark.parametrize("market", [Market.TOTAL, Market.RUN_LINE])
def test_a_whole_line_pushes_as_the_law_says(market: Market) -> None:
    """An even price leaves the law's tilt where it splits evenly around the line."""
    line, target = (8.0, Target.RUNS) if market is Market.TOTAL else (-1.0, Target.MARGIN)
    quotes = [samples.game(0), samples.line(62, 2.0, 2.0, market=market, line=line)]
    _, stakes = last(quotes, scorer(boosters=tilted(0.0)))
    [bet] = [one for one in stakes if one.market is market]
    law = LAWS[target]
    at = {k: place for place, k in enumerate(law.support.tolist())}[abs(line)]

    def above_less_below(tilt: float) -> float:
        weights = law.base * np.exp(tilt * law.support)
        return float(weights[at + 1 :].sum() - weights[:at].sum())

    tilt = brentq(above_less_below, -1.0, 1.0, xtol=1e-15)
    weights = law.base * np.exp(tilt * law.support)
    assert bet.push == pytest.approx(weights[at] / weights.sum(), abs=1e-9)
    assert 0.05 < weights[at] / weights.sum() < 0.3


def test_the_fraction_is_the_set_share_of_full_kelly() -> None:
    staking = StakingSettings(
        min_completeness=0, fraction=0.1, max_fraction=1.0, bankroll=1_234.0, name="small"
    )
    _, stakes = last(QUOTED, scorer(staking, tilted(math.log(1.5))))
    bet = stakes[0]
    assert bet.fraction == pytest.approx(0.1 * 0.26 / 1.1, abs=1e-12)
    # 29.1672..., to the cent below.
    assert bet.amount == 29.16
    assert bet.bankroll == "small"
    assert ":small:" in bet.stake_id


def test_the_other_side_is_bet_where_it_is_worth_more() -> None:
    predictions, stakes = last(QUOTED, scorer(boosters=tilted(-math.log(1.5))))
    assert predictions[0].probability == pytest.approx(0.4, abs=1e-12)
    assert stakes[0].side is Side.AWAY
    assert stakes[0].probability == pytest.approx(0.6, abs=1e-12)
    assert stakes[0].edge == pytest.approx(0.26, abs=1e-12)
    assert stakes[2].side is Side.UNDER
    assert stakes[2].refusals == [Refusal.OUTWEIGHED]


def test_a_flat_booster_says_the_market() -> None:
    predictions, stakes = last(
        [samples.game(0), samples.line(60, 1.87, 2.05)], scorer(boosters=tilted(0.0))
    )
    [moneyline] = predictions
    assert moneyline.probability == pytest.approx(moneyline.market_probability, rel=1e-14)
    assert stakes[0].refusals == [Refusal.EDGE_TOO_SMALL]


def hours_later(hours: float) -> Event:
    """What is no quote moves the as-of."""
    return splits(60 + hours * 3_600)


REFUSED: dict[Refusal, tuple[Callable[[], list[Event]], StakingSettings]] = {
    Refusal.LOCKED: (lambda: [*QUOTED, samples.line(CUT + 1, book="fanduel")], LENIENT),
    Refusal.NO_PRICE: (lambda: [samples.game(0), hours_later(0)], LENIENT),
    Refusal.STALE_ODDS: (lambda: [*QUOTED, hours_later(1)], LENIENT),
    Refusal.INCOMPLETE: (
        lambda: QUOTED,
        StakingSettings(min_completeness=0.9),
    ),
    Refusal.EDGE_TOO_SMALL: (
        lambda: QUOTED,
        StakingSettings(min_completeness=0, min_edge=0.3),
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_each_refusal_leads_to_a_stake_of_zero_that_says_so(reason: Refusal) -> None:
    events, staking = REFUSED[reason]
    boosters = tilted(math.log(1.5))
    _, stakes = last(events(), scorer(staking, boosters))
    assert len(stakes) == 3
    for stake in stakes:
        assert stake.refusals[0] == reason
        assert stake.fraction == 0.0
        assert stake.amount == 0.0


@pytest.mark.parametrize("reason", [r for r in REFUSED if r is not Refusal.LOCKED])
def test_each_refusal_comes_alone(reason: Refusal) -> None:
    events, staking = REFUSED[reason]
    _, stakes = last(events(), scorer(staking, tilted(math.log(1.5))))
    assert [stake.refusals for stake in stakes] == [[reason]] * 3


def test_after_the_lock_nothing_is_predicted_and_the_stakes_say_locked() -> None:
    events = [*QUOTED, *(samples.line(CUT + second, book="circa") for second in (1, 2, 3))]
    task = game_tasks(events)[-1]
    desk = scorer(boosters=tilted(1.0))
    predictions, stakes = read(desk([task]))
    assert not predictions
    scored = desk.scorer([task])
    assert not scored.blobs
    assert not scored.watched
    assert [stake.market for stake in stakes] == [Market.MONEYLINE, Market.RUN_LINE, Market.TOTAL]
    for stake in stakes:
        assert Refusal.LOCKED in stake.refusals
        assert (stake.fraction, stake.amount, stake.side, stake.price) == (0.0, 0.0, None, None)
        assert stake.position == 6


def test_a_market_that_no_book_prices_gets_no_prediction() -> None:
    predictions, stakes = last([samples.game(0), samples.line(60)])
    assert [one.target for one in predictions] == [Target.MONEYLINE]
    assert stakes[2].market is Market.TOTAL
    assert stakes[2].refusals == [Refusal.NO_PRICE]


def test_ids_are_made_of_game_position_target_and_version() -> None:
    boosters = models()
    versions = {one.card.target: one.version for one in boosters}
    predictions, stakes = last(QUOTED, scorer(boosters=boosters))
    assert {one.prediction_id for one in predictions} == {
        f"{samples.GAME}:5:{target.value}:{versions[target]}" for target in Target
    }
    assert {one.stake_id.rpartition(":")[0] for one in stakes} == {
        f"{samples.GAME}:5:{market}:{versions[target]}:main"
        for market, target in (
            ("moneyline", Target.MONEYLINE),
            ("run_line", Target.MARGIN),
            ("total", Target.TOTAL),
        )
    }
    for one in predictions:
        assert one.model_version == versions[one.target]
        assert one.feature_set == FEATURE_SET
        assert (one.start_time_us, one.cutoff_us) == (samples.START, CUTOFF)
        assert one.read_to == {"games": 0, "lines": 3}


@settings(deadline=None, max_examples=60)
@given(streams(last=CUTOFF + 1_800_000_000))
def test_every_message_is_valid_and_true(events: list[Event]) -> None:
    """Messages are built unchecked: read them as a consumer does, and recompute them."""
    staking = StakingSettings(min_completeness=0.0, min_edge=0.01)
    works = game_tasks(events)
    desk = scorer(staking)
    out = desk(works)
    predictions, stakes = read(out)
    assert len({m.message_id for m in out}) == len(out)
    assert [row.position for row in desk.scorer(works).watched] == [
        work.position for work in works if work.lock_reason is None
    ]
    if works:
        first = works[0].position
        assert {one.market for one in stakes if one.position == first} == set(Market)
    position = {one.position: at for at, one in enumerate(works)}
    assert len(position) == len(works)
    for one in predictions:
        task = works[position[one.position]]
        assert task.lock_reason is None
        seen = Reference(
            events[: one.position], KNOWN_BOOKS, SHARP_BOOKS, RULES.stale_us
        ).consensus(MARKET_OF[one.target])
        assert one.market_probability == pytest.approx(seen.fair, abs=1e-12)
        assert one.books == len(seen.used)
        assert one.odds_age_ms == seen.newest_age // 1_000
        assert one.line == (None if one.target is Target.MONEYLINE else seen.line)
        assert one.fair_price == 1 / one.probability
        home, away = one.best
        assert (home.book, home.price) == seen.best_first
        assert (away.book, away.price) == seen.best_second
        assert home.edge == pytest.approx(one.probability * home.price - 1, abs=1e-12)
        assert away.edge == pytest.approx((1 - one.probability) * away.price - 1, abs=1e-12)
    for stake in stakes:
        check_stake(stake, staking)


def check_stake(stake: Stake, staking: StakingSettings) -> None:
    assert (stake.fraction > 0) is (not stake.refusals)
    assert stake.amount == math.floor(stake.fraction * staking.bankroll * 100 + 1e-7) / 100
    if stake.side is None:
        assert stake.refusals
        return
    assert stake.price is not None
    assert stake.probability is not None
    assert stake.edge is not None
    assert stake.edge == pytest.approx(stake.probability * stake.price - 1, abs=1e-12)
    assert stake.kelly_full is not None
    if stake.refusals:
        assert (stake.edge < staking.min_edge) is (stake.refusals != [Refusal.OUTWEIGHED])
        return
    win, gain = stake.probability, stake.price - 1

    def loss(fraction: float) -> float:
        return -(win * math.log1p(fraction * gain) + (1 - win) * math.log1p(-fraction))

    best = minimize_scalar(loss, bounds=(0, 1 - 1e-9), method="bounded", options={"xatol": 1e-10})
    assert stake.kelly_full == pytest.approx(float(best.x), abs=1e-5)
    assert stake.fraction == pytest.approx(min(stake.kelly_full / 4, 0.05), abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.lists(streams(last=CUTOFF + 1_800_000_000, most=15), min_size=1, max_size=4))
def test_a_batch_says_what_one_at_a_time_says(games: list[list[Event]]) -> None:
    """Bit for bit: messages are compared as bytes."""
    works = [
        task._replace(game_id=f"mlb-2026-07-20-BOS-NYY-{number}")
        for number, events in enumerate(games)
        for task in game_tasks(events)
    ]
    by = scorer().scorer
    together, blobs, watched, news = by(works)
    alone, newest = list[Outgoing](), dict[str, FeatureBlob]()
    watched_alone, news_alone = list[Watched](), list[Numbered]()
    for work in works:
        out, one_blob, row, told = by([work])
        news_alone += told
        alone += out
        watched_alone += row
        newest |= {blob.game_id: blob for blob in one_blob}
    same = together == alone
    assert same
    same = {blob.game_id: blob for blob in blobs} == newest
    assert same
    assert watched == watched_alone
    assert news == news_alone


def test_the_blob_is_the_newest_vector_of_the_game() -> None:
    events = [
        *QUOTED,
        splits(90),
        samples.game(95, context={"elo_home": 0.5}, context_as_of_us=samples.at(-3_600)),
        samples.game(100, source="odds", quotes_stand=True),
    ]
    by = Scorer(Settings(redis=RedisSettings(ttl_hours=2)), models())
    [blob] = by(game_tasks(events)).blobs
    stored = unpack(blob.blob)
    data, header = stored.vector, stored.read_header()
    assert header == blob.header
    vector = np.frombuffer(data, np.float32)
    record = fold_all(events).record
    features = by._features  # noqa: SLF001 - the vectors themselves have tests of their own
    expected = features.vectors(record, features.view(record))
    assert data == expected.tobytes()
    assert header.count == len(vector) == len(NAMES)
    assert header.completeness == pytest.approx(np.isfinite(vector).sum() / len(NAMES))
    assert header.completeness_by == {
        category.value: pytest.approx(
            np.mean(
                [
                    np.isfinite(value)
                    for value, one in zip(vector, CATALOGUE, strict=True)
                    if one.category is category
                ]
            )
        )
        for category in Category
    }
    assert header.completeness_by["team"] > 0.0
    assert header.feature_set == stored.feature_set == FEATURE_SET
    assert (header.game_id, header.position) == (samples.GAME, len(events))
    assert header.as_of_us == samples.at(100)
    assert header.source_age_ms == {
        "lines": 37_000,
        "splits": 10_000,
        "games": 0,
        "context": 3_700_000,
    }
    assert blob.expires_seconds == 6 * 3_600 - 100 + 2 * 3_600


def test_sources_never_heard_of_have_no_age() -> None:
    [blob] = scorer().scorer(game_tasks([samples.game(0)])).blobs
    assert blob.header.source_age_ms == {"games": 0}


def test_simulated_games_say_so() -> None:
    events = [samples.game(0, simulated=True), samples.line(60)]
    desk, tasks = scorer(), game_tasks(events)[-1:]
    out = desk(tasks)
    _, [blob], [row], _ = desk.scorer(tasks)
    assert {message.topic for message in out} == {Topic.PREDICTIONS, Topic.STAKES}
    assert all(json.loads(message.value)["simulated"] for message in out)
    assert blob.header.simulated
    assert row.simulated


def test_models_of_another_feature_set_do_not_start() -> None:
    other = TargetModel(constant_text(0.0), card(Target.TOTAL, "another"), "1")
    with pytest.raises(ModelRefused, match="train again"):
        Scorer(Settings(), [*models()[:1], other])


def test_a_model_that_predicts_nonsense_stops_the_batch() -> None:
    with pytest.raises(ModelRefused, match="NaN"):
        last(QUOTED, scorer(boosters=tilted(math.nan)))


def every_field(model_type: type[BaseModel], message: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(message)
    assert set(fields) == set(model_type.model_fields)
    return fields


def test_no_field_is_forgotten() -> None:
    """model_construct would not notice."""
    for message in scorer()(game_tasks(QUOTED)[-1:]):
        fields = every_field(CONTRACTS[message.topic].model, message.value)
        if message.topic is Topic.PREDICTIONS:
            for quote in fields["best"]:
                assert set(quote) == set(SideQuote.model_fields)
