"""Archives to training tables: groups of days, and what a table says."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import flows.offline
from flows.connectors.parquet import read_archive, scan, write_events
from flows.offline import groups, read_frames, samples, table_of, write_table
from models.boosters.dataset import DECISION_MINUTES, build_training_set
from models.features.catalogue import NAMES
from schemas.errors import DataMissing
from schemas.settings import Settings
from schemas.topics import INPUTS, Topic
from tests import samples as one_game
from tests.unit.flows import archives

SETTINGS = Settings()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.write(tmp_path_factory.mktemp("archive"))


def counted(root: Path, until_us: int | None = None) -> int:
    return sum(1 for _ in read_archive(root, INPUTS, end_us=until_us))


def test_groups_hold_whole_days_and_every_event_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = groups(root)
    assert whole.events == counted(root)
    assert len(whole.game_ids) == 9
    monkeypatch.setattr(flows.offline, "GROUP_EVENTS", whole.events // 2)
    parts = groups(root)
    assert len(parts) == 3 - (parts[0].events + parts[1].events <= whole.events // 2)
    assert [name for part in parts for name in part.game_ids] == whole.game_ids
    read = [read_frames(root, part) for part in parts]
    assert [sum(frame.height for frame in frames[:3]) for frames in read] == [
        part.events for part in parts
    ]
    assert sum(part.events for part in parts) == whole.events
    assert sum(frames.results.height for frames in read) == 9


def test_rows_do_not_depend_on_how_games_are_grouped(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = build_training_set(part for _, part in samples(root, SETTINGS, DECISION_MINUTES))
    monkeypatch.setattr(flows.offline, "GROUP_EVENTS", 1)
    other = build_training_set(part for _, part in samples(root, SETTINGS, DECISION_MINUTES))
    assert len(groups(root)) == 3
    assert one.game_ids == other.game_ids
    assert one.vectors.tobytes() == other.vectors.tobytes()
    assert len(one.game_ids) == 9


def test_what_is_not_known_yet_does_not_exist(root: Path) -> None:
    """Until the second day's last result is one microsecond away."""
    results = scan(root, Topic.RESULTS).select(pl.col("occurred_at_us").cast(pl.Int64)).collect()
    until = sorted(results["occurred_at_us"])[5]
    data = build_training_set(part for _, part in samples(root, SETTINGS, DECISION_MINUTES, until))
    assert len(data.game_ids) == 5
    assert sum(group.events for group in groups(root, until)) == counted(root, until)


def test_a_table_names_its_columns_and_keeps_games_without_a_result(
    root: Path, tmp_path: Path
) -> None:
    results = scan(root, Topic.RESULTS).select(pl.col("occurred_at_us").cast(pl.Int64)).collect()
    until = sorted(results["occurred_at_us"])[5]
    parts = [part for _, part in samples(root, SETTINGS, (60, 120), until, over=False)]
    out = tmp_path / "deep" / "table.parquet"
    rows = write_table(iter(parts), out)
    table = pl.read_parquet(out)
    assert table.height == rows > 10
    assert table.equals(pl.concat(table_of(part) for part in parts))
    assert table.columns[-len(NAMES) :] == list(NAMES)
    left = (table["start"] - table["as_of"]).dt.total_minutes()
    assert left.min() >= 60  # type: ignore[operator]
    over = table.filter(pl.col("home_score").is_not_null())["game_id"].n_unique()
    assert over == 5 < table["game_id"].n_unique()
    np.testing.assert_allclose(
        table["no_vig_moneyline"], table["moneyline_consensus"], rtol=1e-6, equal_nan=True
    )
    assert [path.name for path in out.parent.iterdir()] == ["table.parquet"]


def test_without_rows_an_old_table_stays(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.parquet"
    out.write_bytes(b"old")
    with pytest.raises(DataMissing, match="decision times"):
        write_table((part for _, part in samples(root, SETTINGS, (100_000,))), out)
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]
    with pytest.raises(DataMissing, match="no archive"):
        groups(tmp_path / "elsewhere")


def test_what_decode_would_refuse_is_left_out(tmp_path: Path) -> None:
    """A clock that is wrong by years, and a day that does not exist."""
    wrong = one_game.line(60, event_id="years", game_id="mlb-2024-07-20-BOS-NYY-1")
    never = one_game.line(70, event_id="never", game_id="mlb-2026-02-30-BOS-NYY-1")
    write_events(tmp_path, [one_game.game(0), one_game.line(60), wrong, never])
    (group,) = groups(tmp_path)
    assert (group.game_ids, group.events) == ([one_game.GAME], 2)
