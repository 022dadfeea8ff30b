"""Live against offline: nothing differs, and whatever is made to differ is counted and named."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import flows.offline
import flows.parity
from flows.connectors.parquet import ArchiveRecord, read_archive
from flows.offline import groups
from flows.parity import compare_archive
from models.features.catalogue import NAMES
from models.features.history import History
from models.features.offline import Features, features_at
from schemas.errors import DataMissing
from schemas.events import Event, LineMovement
from schemas.settings import Settings
from schemas.topics import INPUTS
from tests.unit.flows import archives

SETTINGS = Settings()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every fiftieth quote is of a book that the settings do not know."""
    seen = 0

    def change(event: Event) -> Event:
        nonlocal seen
        seen += 1
        if seen % 50 or not isinstance(event, LineMovement):
            return event
        return event.model_copy(update={"book": "corner bookie"})

    return archives.write(tmp_path_factory.mktemp("archive"), change)


def test_live_and_offline_are_the_same(root: Path) -> None:
    seen = 0

    def watch(records: Iterable[ArchiveRecord]) -> Iterator[ArchiveRecord]:
        nonlocal seen
        for record in records:
            seen += 1
            yield record

    found = compare_archive(root, SETTINGS, watch=watch)
    assert (found.mismatches, found.first, found.games) == (0, None, 9)
    assert found.vectors > 200
    assert found.events == seen == sum(1 for _ in read_archive(root, INPUTS))
    assert found.refused > 5


def test_games_are_compared_as_they_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compare_archive(root, SETTINGS)
    monkeypatch.setattr(flows.offline, "GROUP_EVENTS", 1)
    assert compare_archive(root, SETTINGS) == whole
    first = compare_archive(root, SETTINGS, games=2)
    assert (first.games, first.mismatches) == (2, 0)
    assert 0 < first.vectors < whole.vectors


def test_a_single_bit_is_found_and_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    column = NAMES.index("total_overround")

    def off_by_a_bit(history: History, decisions: pl.DataFrame, features: Any) -> Features:
        made = features_at(history, decisions, features)
        made.vectors[7, column] = np.nextafter(made.vectors[7, column], np.float32(1))
        made.vectors[9, 0] = np.nan if np.isfinite(made.vectors[9, 0]) else 0.0
        return made

    monkeypatch.setattr(flows.parity, "features_at", off_by_a_bit)
    found = compare_archive(root, SETTINGS)
    assert found.mismatches == 2
    assert found.first is not None
    assert found.first.game == groups(root)[0].game_ids[0]
    assert found.first.feature == "total_overround"
    assert found.first.live is not None
    assert found.first.offline == np.nextafter(np.float32(found.first.live), np.float32(1))


def test_a_position_of_one_alone_is_found(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored = History.scored
    monkeypatch.setattr(History, "scored", lambda history: scored(history)[1:])
    found = compare_archive(root, SETTINGS)
    assert found.mismatches == 1
    assert found.first is not None
    assert (found.first.feature, found.first.position) == ("position", 1)


def test_without_an_archive(tmp_path: Path) -> None:
    with pytest.raises(DataMissing):
        compare_archive(tmp_path, SETTINGS)
