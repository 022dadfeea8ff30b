"""The leak check over an archive: clean as it is, and each builder's leak comes out."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.leakcheck import check_archive, context_builder
from models.features.arrays import Array
from models.features.catalogue import CONTEXT
from models.features.fold import FoldRules
from models.features.history import Frames
from models.features.kernel import FeatureSet
from models.features.leakcheck import Builder, Check, Kind, offline_builder
from schemas.events import Event
from schemas.markets import GameStatus
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE
from tests import samples
from tests.unit.flows import archives
from tests.unit.frames import frames_of

SETTINGS = Settings()
HOUR = 60 * US_PER_MINUTE
YESTERDAY = "mlb-2026-07-19-BOS-NYY-1"
CONTEXTS = Check(context_builder(), 0, CONTEXT, (Kind.FUTURE,))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.write(tmp_path_factory.mktemp("archive"))


def test_the_archive_is_clean(root: Path) -> None:
    seen: list[int] = []
    found = check_archive(
        root,
        SETTINGS,
        6,
        1,
        watch=lambda moments: (seen.append(m) or m for m in moments),  # type: ignore[func-returns-value]
    )
    assert found.clean
    assert found.decision_times == len(seen) == 6
    assert seen == sorted(seen)
    assert found.vectors >= found.warm_up_vectors > 0
    assert found.contexts == found.vectors
    report = found.report()
    assert (report["leaks"], report["first"], report["warm_up"]["unexpected"]) == (0, [], [])
    assert check_archive(root, SETTINGS, 6, 1).report() == report


def test_a_leak_is_told_in_full(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def leaking(rules: FoldRules, features: FeatureSet) -> Builder:
        build = offline_builder(rules, features)

        def later(frames: Frames, decisions: pl.DataFrame) -> Array:
            return build(frames, decisions.with_columns(pl.col("as_of_us") + HOUR))

        return later

    monkeypatch.setattr("flows.leakcheck.offline_builder", leaking)
    found = check_archive(root, SETTINGS, 4, 1)
    assert not found.clean
    first = found.report()["first"][0]
    assert first["kind"] == "future"
    assert first["event_game_id"] == first["game_id"]
    assert first["as_of"] < first["event_at"]


def under_way(result: bool) -> list[Event]:
    """Yesterday's game, seen under way two hours after its start and over after three."""
    begun = samples.START - 24 * HOUR
    same: dict[str, Any] = {"game_id": YESTERDAY, "start_time_us": begun}
    events: list[Event] = [
        samples.game(occurred_at_us=begun - HOUR, **same),
        samples.game(occurred_at_us=begun + 2 * HOUR, status=GameStatus.LIVE, **same),
        samples.game(occurred_at_us=begun - HOUR // 2),
    ]
    if result:
        events.append(samples.result(occurred_at_us=begun + 3 * HOUR, game_id=YESTERDAY))
    return events


def test_a_result_to_come_does_not_hide_that_a_game_was_played() -> None:
    """A bug that this check found: with the result in the archive, but still to come, the team
    context took a game under way for one that had not been played."""
    at_us = samples.START - 24 * HOUR + 150 * US_PER_MINUTE
    frames = frames_of(under_way(result=True), arrival=False)
    assert list(CONTEXTS.at(frames, at_us, [samples.GAME])) == []
    decision = pl.DataFrame({"game_id": [samples.GAME], "as_of_us": [at_us]})
    rest, season = CONTEXT.index("home_rest"), CONTEXT.index("home_season")
    (vector,) = context_builder()(frames, decision)
    assert vector[rest] == 0
    assert vector[season] != vector[season]
    (vector,) = context_builder()(frames, decision.with_columns(pl.col("as_of_us") + HOUR))
    assert (vector[rest], vector[season]) == (0, 1)


def test_a_context_that_counts_results_to_come_is_caught() -> None:
    clean = context_builder()

    def build(frames: Frames, decisions: pl.DataFrame) -> Array:
        vectors = clean(frames, decisions)
        vectors[:, CONTEXT.index("away_season")] = frames.results.height
        return vectors

    at_us = samples.START - 24 * HOUR + 150 * US_PER_MINUTE
    frames = frames_of(under_way(result=True), arrival=False)
    (leak,) = Check(build, 0, CONTEXT, (Kind.FUTURE,)).at(frames, at_us, [samples.GAME])
    assert (leak.feature, leak.event_game_id) == ("away_season", YESTERDAY)
    assert leak.event_id.startswith("r:")
