"""Vectors of an archive in the database, against what `steamline features build` writes."""

from pathlib import Path

import numpy as np
import polars as pl
import psycopg

from deploy.demo.slate import choose_slate
from flows.connectors.parquet import PLAYED, TopicWriter, scan
from models.features.catalogue import NAMES
from tests.system import Site, Trained, clean_env, steamline


def test_the_vectors_of_training(real_archive: Path, database: str, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    games = sorted(choose_slate(real_archive).games)
    for topic in PLAYED:
        with TopicWriter(archive, topic) as writer:
            some = pl.col("game_id").is_in(games)
            writer.add_rows(scan(real_archive, topic).filter(some).collect())
    env = clean_env() | {"STEAMLINE_POSTGRES_DSN": database}
    unused = Trained(tmp_path, tmp_path, None, "")  # type: ignore[arg-type]
    with Site(unused, "127.0.0.1:1", "redis://127.0.0.1:1", tmp_path) as site:
        early = site.start("db", "load-features", str(archive), STEAMLINE_POSTGRES_DSN=database)
        assert early.wait(60) == 1
        assert "steamline db load" in early.said.splitlines()[-1]
    steamline(env, tmp_path, "db", "load", str(archive))
    told = [
        steamline(env, tmp_path, "db", "load-features", str(archive), "--json") for _ in range(2)
    ]
    out = tmp_path / "table.parquet"
    steamline(env, tmp_path, "features", "build", "--archive", str(archive), "--out", str(out))
    table = pl.read_parquet(out).sort("game_id", "position")
    assert told == [f'{{"new": {table.height}}}\n', '{"new": 0}\n']
    with psycopg.connect(database) as db:
        found = db.execute(
            "SELECT game_id, position, vector, completeness, as_of, cutoff, names"
            " FROM features JOIN feature_sets USING (feature_set)"
            ' ORDER BY game_id COLLATE "C", position'
        ).fetchall()
    assert [row[:2] for row in found] == table.select("game_id", "position").rows()
    assert found[0][6] == list(NAMES)
    vectors = np.array([row[2] for row in found], np.float32)
    built = table.select(NAMES).to_numpy()
    assert np.array_equal(vectors, built, equal_nan=True)
    assert [row[3] for row in found] == np.isfinite(built).mean(axis=1).tolist()
    assert [row[4] for row in found] == table["as_of"].to_list()
    assert all(row[4] <= row[5] for row in found)
