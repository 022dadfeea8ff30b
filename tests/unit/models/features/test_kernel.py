"""The market view and the feature kernel against plain Python over the raw events."""

import random
from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.features.arrays import Array, masked_median
from models.features.catalogue import CATALOGUE, CONTEXT, NAMES, SPLIT_SOURCES, Category
from models.features.fold import FoldRules
from models.features.kernel import FeatureSet
from models.features.layout import GAME, MAX_BOOKS, empty_game
from schemas.events import Event, QuoteStatus
from schemas.markets import Market
from schemas.sections.scoring import KNOWN_BOOKS, SHARP_BOOKS, ScoreSettings
from schemas.sections.staking import StakingSettings
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE
from tests import samples
from tests.unit.models.features.reference import Reference
from tests.unit.streams import BOOKS, CUTOFF, RULES, fold_all, splits, streams

FEATURES = FeatureSet.of(Settings())
STALE = RULES.stale_us


def vector(rows: Array) -> dict[str, float]:
    [values] = FEATURES.vectors(rows, FEATURES.view(rows)).tolist()
    return dict(zip(NAMES, values, strict=True))


def reference(events: list[Event]) -> Reference:
    return Reference(events, KNOWN_BOOKS, SHARP_BOOKS, STALE)


def busy(seed: int, count: int, until: int = CUTOFF) -> list[Event]:
    """A long stream without hypothesis: many books, markets, lines, splits and confirmations."""
    rng = random.Random(seed)
    span = until - samples.OPEN
    times = sorted([*rng.sample(range(samples.OPEN + 1, until), count - 1), until - span // 9])
    made: list[Event] = [samples.game(0)]
    for at_us in times:
        kind = rng.random()
        if kind < 0.85:
            market = rng.choice(list(Market))
            # Every 45 minutes all books move together, so that there is steam.
            wave = 0.05 if at_us // (45 * US_PER_MINUTE) % 2 else -0.05
            fair, margin = 0.5 + wave + rng.uniform(-0.04, 0.04), rng.uniform(1.0, 1.06)
            total = 8.5 if seed % 2 else rng.choice([8.0, 8.5])
            run_line = 1.5 if rng.random() < 0.25 * (seed % 3) else -1.5
            line = {"moneyline": None, "run_line": run_line, "total": total}[market]
            made.append(
                samples.line(
                    occurred_at_us=at_us,
                    home=round(1 / (fair * margin), 3),
                    away=round(1 / ((1 - fair) * margin), 3),
                    book=rng.choice(BOOKS),
                    market=market,
                    line=line,
                    source=rng.choice(["odds", "scraper"]),
                )
            )
        elif kind < 0.95:
            made.append(
                splits(
                    occurred_at_us=at_us,
                    tickets=round(rng.uniform(20, 80), 1),
                    book=rng.choice(BOOKS),
                    market=rng.choice(list(Market)),
                    handle_home_over_pct=round(rng.uniform(20, 80), 1),
                    source=rng.choice(SPLIT_SOURCES),
                )
            )
        else:
            made.append(
                samples.game(
                    occurred_at_us=at_us,
                    source="odds",
                    quotes_stand=True,
                    context={name: rng.uniform(-9, 9) for name in CONTEXT},
                    context_as_of_us=at_us,
                )
            )
    return made


def check(events: list[Event]) -> None:
    rows = fold_all(events).record
    expected, ours = reference(events).features(), vector(rows)
    assert set(expected) == set(NAMES)
    for name in NAMES:
        # Past probabilities are float32: 6e-8 of a probability; per-minute rates less.
        np.testing.assert_allclose(
            ours[name], expected[name], rtol=2e-6, atol=3e-7, err_msg=name, equal_nan=True
        )


@settings(deadline=None, max_examples=100)
@given(streams())
@example([samples.game(0)])
def test_every_feature_is_what_its_words_say(events: list[Event]) -> None:
    check(events)


@settings(deadline=None, max_examples=40)
@given(streams(first=CUTOFF - 20 * US_PER_MINUTE, most=30))
def test_every_feature_of_a_dense_stream(events: list[Event]) -> None:
    check(events)


LONG = [
    *((seed, count, CUTOFF) for seed in range(6) for count in (100, 400)),
    # First pitch is four hours away.
    (6, 200, samples.OPEN + 120 * US_PER_MINUTE),
]


@pytest.mark.parametrize(("seed", "count", "until"), LONG)
def test_every_feature_of_a_long_stream(seed: int, count: int, until: int) -> None:
    check(busy(seed, count, until))


def test_the_long_streams_leave_no_feature_unknown_or_at_one_value() -> None:
    """Else the comparisons above would compare NaN with NaN, or 0 with 0."""
    table = np.array([list(vector(fold_all(busy(*which)).record).values()) for which in LONG])
    values = [set(column[np.isfinite(column)].tolist()) for column in table.T]
    assert [name for name, seen in zip(NAMES, values, strict=True) if len(seen) < 2] == []


@settings(deadline=None, max_examples=60)
@given(streams())
def test_the_view_of_the_market(events: list[Event]) -> None:
    view = FEATURES.view(fold_all(events).record)
    raw = reference(events)
    for column, market in enumerate(Market):
        seen = raw.consensus(market)
        for mask, books in (
            (view.quoted, seen.quoted),
            (view.fresh, seen.fresh),
            (view.used, seen.used),
        ):
            assert [KNOWN_BOOKS[at] for at in np.flatnonzero(mask[0, column])] == list(books)
        np.testing.assert_equal(view.line[0, column], seen.line)
        np.testing.assert_allclose(view.consensus[0, column], seen.fair, rtol=0, atol=1e-12)
        assert view.books[0, column] == len(seen.used)
        for place, (book, price) in enumerate((seen.best_first, seen.best_second)):
            np.testing.assert_equal(view.best_price[0, column, place], price)
            if seen.used:
                assert KNOWN_BOOKS[view.best_book[0, column, place]] == book
                assert view.best_age_us[0, column, place] == raw.age(seen.used[book])
        if seen.used:
            assert view.newest_age_us[0, column] == seen.newest_age


def test_a_quote_goes_stale_after_thirty_minutes_and_a_confirmation_revives_it() -> None:
    quote = samples.line(60)
    for minutes, fresh in ((30, 1), (30 + 1e-6 / 60, 0), (31, 0)):
        later = samples.line(60 + minutes * 60, market=Market.TOTAL)
        view = FEATURES.view(fold_all([samples.game(0), quote, later]).record)
        assert view.books[0, 0] == fresh, minutes
    stands = samples.game(60 + 40 * 60, source="odds", quotes_stand=True)
    view = FEATURES.view(fold_all([samples.game(0), quote, stands]).record)
    assert view.books[0, 0] == 1
    assert view.newest_age_us[0, 0] == 0
    other = samples.game(60 + 40 * 60, source="elsewhere", quotes_stand=True)
    assert FEATURES.view(fold_all([samples.game(0), quote, other]).record).books[0, 0] == 0


def test_of_two_equally_common_lines_the_first_book_in_the_settings_decides() -> None:
    """pinnacle stands before draftkings in KNOWN_BOOKS, whoever quotes first."""
    for order in (1, -1):
        events = [
            samples.line(second, book=book, market=Market.TOTAL, line=line)
            for second, (book, line) in enumerate(
                [("draftkings", 9.0), ("pinnacle", 8.5)][::order], 1
            )
        ]
        assert FEATURES.view(fold_all([samples.game(0), *events]).record).line[0, 2] == 8.5


def test_one_worked_example() -> None:
    """By hand: two books at even margins, ten minutes apart, one split."""
    events = [
        samples.game(0),
        samples.line(60, 2.0, 2.0, book="pinnacle"),
        samples.line(120, 4.0, 4 / 3, book="draftkings"),
        samples.line(720, 2.5, 5 / 3, book="pinnacle"),
        splits(780, tickets=64.0, handle_home_over_pct=40.0),
    ]
    ours = vector(fold_all(events).record)
    hand = {
        # no margin: fair = 1/price: pinnacle .5 -> .4, draftkings .25
        "moneyline_consensus": 0.325,
        "moneyline_sharp_less_soft": 0.15,
        "moneyline_dispersion": 0.075,
        "moneyline_overround": 0.0,
        "moneyline_books": 2.0,
        "moneyline_stale_books": 0.0,
        "moneyline_best_first_value": 4.0 * 0.325 - 1,
        "moneyline_best_second_value": 5 / 3 * 0.675 - 1,
        "moneyline_arbitrage_margin": 1 / 4 + 3 / 5 - 1,
        "moneyline_change_open": -0.05,  # median of -.1 and 0
        "moneyline_change_5m": -0.05,
        "moneyline_steam_5m": -1.0,
        "moneyline_moves_15m": 3.0,
        "minutes_since_open": 12.0,
        "minutes_to_start": 360.0 - 13.0,
        "moneyline_tickets": 64.0,
        "moneyline_divergence": -24.0,
        "moneyline_split_books": 1.0,
        "splits_age": 0.0,
    }
    for name, value in hand.items():
        assert ours[name] == pytest.approx(value, abs=1e-6), name
    for name in ("moneyline_change_15m", "moneyline_change_180m", "total_consensus"):
        assert np.isnan(ours[name]), name


def test_reverse_movement_is_the_change_against_the_tickets() -> None:
    """Tickets on home; home falls from .5 to .4: against. The other way round: 0."""
    for tickets, expected in ((70.0, -0.1), (30.0, 0.0)):
        events = [
            samples.game(0),
            samples.line(60, 2.0, 2.0),
            splits(120, tickets=tickets),
            samples.line(4 * 3600, 2.5, 5 / 3),
        ]
        ours = vector(fold_all(events).record)
        assert ours["moneyline_reverse_movement"] == pytest.approx(expected, abs=1e-6)


def test_a_row_comes_out_the_same_alone_and_in_a_batch_of_many() -> None:
    rows = np.concatenate(
        [fold_all(busy(seed, count)).record for seed in range(12) for count in (2, 7, 30, 90)]
        + [empty_game()]
    )
    order = np.random.default_rng(1).permutation(len(rows)).repeat(5)
    batch = rows[order]
    view = FEATURES.view(batch)
    together = FEATURES.vectors(batch, view)
    for place, row in enumerate(order[:100]):
        alone = rows[row : row + 1]
        alone_view = FEATURES.view(alone)
        assert FEATURES.vectors(alone, alone_view).tobytes() == together[place].tobytes()
        assert alone_view.consensus.tobytes() == view.consensus[place].tobytes()
        assert alone_view.best_price.tobytes() == view.best_price[place].tobytes()


def test_shapes() -> None:
    for count in (1, 3):
        rows = np.concatenate([empty_game()] * count)
        view = FEATURES.view(rows)
        vectors = FEATURES.vectors(rows, view)
        assert vectors.shape == (count, len(NAMES))
        assert vectors.dtype == np.float32
        assert view.consensus.shape == (count, 3)
        assert view.best_price.shape == (count, 3, 2)
        assert view.used.shape == (count, 3, MAX_BOOKS)
    assert FEATURES.vectors(np.empty(0, GAME), FEATURES.view(np.empty(0, GAME))).shape[0] == 0


def test_what_is_not_known_is_missing_and_only_counts_are_zero() -> None:
    counts = {f"{m}_moves_{w}m" for m in Market for w in (15, 180)}
    for name, value in vector(empty_game()).items():
        if name in counts or name.endswith("_books"):
            assert value == 0.0, name
        else:
            assert np.isnan(value), name


def test_a_late_move_needs_a_schedule() -> None:
    quoted = [samples.line(60), samples.line(600, 1.7, 2.2)]
    assert np.isnan(vector(fold_all(quoted).record)["moneyline_late_move"])
    assert vector(fold_all([samples.game(0), *quoted]).record)["moneyline_late_move"] == 0.0


def test_a_withdrawn_quote_is_missing_and_not_stale() -> None:
    gone = samples.line(120, home=None, away=None, status=QuoteStatus.WITHDRAWN)
    ours = vector(fold_all([samples.game(0), samples.line(60), gone]).record)
    assert np.isnan(ours["moneyline_consensus"])
    assert ours["moneyline_books"] == 0
    assert ours["moneyline_stale_books"] == 0
    assert ours["moneyline_moves_15m"] == 2


@given(
    st.lists(st.tuples(st.floats(-10, 10), st.booleans()), min_size=MAX_BOOKS, max_size=MAX_BOOKS)
)
def test_masked_median(cells: list[tuple[float, bool]]) -> None:
    values, mask = (np.array(column) for column in zip(*cells, strict=True))
    chosen = [value for value, taken in cells if taken]
    expected = median(chosen) if chosen else np.nan
    np.testing.assert_equal(masked_median(values, mask), expected)


def test_the_catalogue() -> None:
    assert len(set(NAMES)) == len(NAMES) >= 120
    assert {feature.category for feature in CATALOGUE} == set(Category)
    for feature in CATALOGUE:
        assert feature.name.isidentifier()
        assert feature.unit
        assert feature.formula


def test_the_hash_changes_with_what_changes_the_meaning_and_with_nothing_else() -> None:
    plain = FeatureSet.of(Settings()).hash
    meaning = [
        Settings(score=ScoreSettings(stale_minutes=20)),
        Settings(score=ScoreSettings(devig="multiplicative")),
        Settings(books=(*KNOWN_BOOKS[1:], KNOWN_BOOKS[0])),
        Settings(books=KNOWN_BOOKS[:5]),
        Settings(sharp_books=SHARP_BOOKS[:1]),
    ]
    hashes = {FeatureSet.of(other).hash for other in meaning}
    assert len(hashes) == len(meaning)
    assert plain not in hashes
    for other in (
        Settings(),
        Settings(staking=StakingSettings(fraction=0.1)),
        Settings(score=ScoreSettings(future_seconds=1, max_event_bytes=2_000)),
    ):
        assert FeatureSet.of(other).hash == plain


def test_sharp_books_are_those_of_the_settings() -> None:
    events = [
        samples.game(0),
        samples.line(60, 2.0, 2.0, book="pinnacle"),
        samples.line(61, 4.0, 4 / 3, book="draftkings"),
    ]
    rows = fold_all(events, FoldRules.of(Settings())).record
    swapped = replace(FEATURES, sharp_books=("draftkings",))
    at = NAMES.index("moneyline_sharp_less_soft")
    assert FEATURES.vectors(rows, FEATURES.view(rows))[0, at] == pytest.approx(0.25)
    assert swapped.vectors(rows, swapped.view(rows))[0, at] == pytest.approx(-0.25)
