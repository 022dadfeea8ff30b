"""The database read as an archive, against the archive that was loaded into it."""

import asyncio
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import polars as pl
import psycopg
import pytest
from pydantic import SecretStr

from flows.connectors.manifest import read_manifest, seal
from flows.connectors.parquet import PLAYED, scan, write_archive, write_events
from flows.connectors.tables import tables_as_archive
from flows.curate import curate_archive
from flows.sources import oddsapi_archive
from flows.sources.simulated_truth import Slate
from flows.sources.simulator import simulate
from flows.sources.tally import Tally
from flows.training import read_training_set
from schemas.errors import DataMissing, DependencyDown
from schemas.sections.servers import PostgresSettings
from schemas.settings import Settings
from schemas.topics import Topic
from tests import samples

pytestmark = pytest.mark.long

SETTINGS = Settings()


def loaded(archive: Path, database: str) -> PostgresSettings:
    settings = SETTINGS.model_copy(update={"postgres": PostgresSettings(dsn=SecretStr(database))})
    done = asyncio.run(curate_archive(settings, archive))
    assert done.refused.total() == 0
    return settings.postgres


def assert_same(archive: Path, root: Path) -> None:
    """Every event in its place, and every byte of the training set."""
    for topic in PLAYED:
        ours, theirs = (scan(one, topic).collect() for one in (root, archive))
        texts = pl.col("context").map_elements(
            lambda text: json.dumps(json.loads(text), sort_keys=True), pl.String
        )
        if topic is Topic.GAMES:  # jsonb keeps what an object says, not how it is written
            ours, theirs = ours.with_columns(texts), theirs.with_columns(texts)
        assert ours.equals(theirs), topic
    made, wanted = (read_training_set([one], None, SETTINGS) for one in (root, archive))
    for field in fields(wanted):
        one, other = (getattr(data, field.name) for data in (made, wanted))
        if isinstance(one, np.ndarray):
            assert (one.dtype, one.tobytes()) == (other.dtype, other.tobytes()), field.name
        else:
            assert one == other
    assert made.fingerprint == wanted.fingerprint


def test_a_real_season_trains_from_the_tables_as_from_its_archive(
    data_dir: Path, database: str, tmp_path: Path
) -> None:
    """Its payloads hold many events of a game at one time, so their order counts."""
    archive = tmp_path / "archive"
    days = [f"2026-07-{day:02}" for day in range(21, 24)]
    write_events(
        archive,
        (
            event
            for event in oddsapi_archive.events(data_dir, Tally())
            if any(day in event.game_id for day in days)
        ),
    )
    seal(archive, "oddsapi", False, {}, {})
    assert len(read_training_set([archive], None, SETTINGS)) > 50
    with tables_as_archive(loaded(archive, database), tmp_path) as root:
        assert_same(archive, root)
        assert not read_manifest(root).simulated
    assert not root.exists()


def test_simulated_games_with_splits_and_context(database: str, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    write_events(archive, simulate(Slate(seed=5, days=3, games=3)))
    seal(archive, "simulator", True, {}, {})
    said = [samples.prediction(position) for position in (3, 4)]
    write_archive(archive, Topic.PREDICTIONS, said)
    with tables_as_archive(loaded(archive, database), tmp_path) as root:
        assert_same(archive, root)
        assert read_manifest(root).simulated
        unread = pl.exclude("best", "read_to")
        ours, theirs = (
            scan(one, Topic.PREDICTIONS).select(unread).collect() for one in (root, archive)
        )
        assert ours.equals(theirs)


def test_the_fingerprint_is_of_every_byte(tmp_path: Path) -> None:
    write_events(tmp_path, simulate(Slate(seed=5, days=3, games=3)))
    data = read_training_set([tmp_path], None, SETTINGS)
    again = read_training_set([tmp_path], None, SETTINGS)
    assert again.fingerprint == data.fingerprint
    vectors = data.vectors.copy()
    at = tuple(np.argwhere(np.isfinite(vectors))[-1])
    vectors[at] = np.nextafter(vectors[at], np.float32(9e9))
    assert replace(data, vectors=vectors).fingerprint != data.fingerprint
    renamed = [*data.game_ids[:-1], "mlb-2026-07-20-BOS-NYY-9"]
    assert replace(data, game_ids=renamed).fingerprint != data.fingerprint


def test_nothing_there_and_nobody_there_are_one_line(database: str, tmp_path: Path) -> None:
    with (
        pytest.raises(DataMissing, match="run curate"),
        tables_as_archive(PostgresSettings(dsn=SecretStr(database)), tmp_path),
    ):
        pass
    away = PostgresSettings(dsn=SecretStr("postgresql://nobody:secret@127.0.0.1:1/none"))
    with pytest.raises(DependencyDown) as down, tables_as_archive(away, tmp_path):
        pass
    assert "secret" not in str(down.value)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_may_add_events_and_a_reader_may_train(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database) as db:
        db.execute("SET ROLE steamline_writer")
        assert db.execute("SELECT nextval('arrivals')").fetchone()
        db.execute("SET ROLE steamline_reader")
        assert db.execute("SELECT count(arrival) FROM quotes").fetchone() == (0,)
