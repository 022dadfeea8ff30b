"""The close of real games, by the board of the settle flow and by the evaluation's columns."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from flows.connectors.parquet import read_archive, scan
from flows.references import references
from models.evaluation.closing import Board, Close, ClosingRules
from models.evaluation.references import CLOSE
from models.features.layout import MARKETS
from schemas.events import GameUpdate, LineMovement
from schemas.sections.scoring import ScoreSettings
from schemas.settings import Settings
from schemas.topics import CONTRACTS, Topic

pytestmark = pytest.mark.long

# The evaluation asks what was fresh at the last event before first pitch, the board at first pitch
# itself, so that what nobody has confirmed for long is no close: where all is fresh, both agree.
SETTINGS = Settings(score=ScoreSettings(stale_minutes=100_000.0))
RULES = ClosingRules.of(SETTINGS)
GAMES = 60


def test_the_close_is_the_evaluations(real_archive: Path) -> None:
    results = scan(real_archive, Topic.RESULTS).collect()
    games = set(sorted(results["game_id"])[-GAMES:])
    decisions = pl.DataFrame({"game_id": sorted(games), "as_of_us": 0})
    closes = references([real_archive], decisions, SETTINGS).prices.filter(moment=CLOSE)
    expected = {(row["game_id"], row["market"]): row for row in closes.to_dicts()}

    boards: dict[str, Board] = {}
    for record in read_archive(real_archive, (Topic.GAMES, Topic.LINES), games=games):
        event = CONTRACTS[record.topic].model.model_validate_json(record.value)
        assert isinstance(event, LineMovement | GameUpdate)
        boards.setdefault(record.game_id, Board()).fold(event)

    missing, usual = Counter[str](), Counter[str]()
    for game_id, board in boards.items():
        if board.first_pitch.us != board.first_pitch.announced[-1][1]:
            usual["begun early"] += (
                1  # said to be live before its start was put off: no later quote
            )
            continue
        for market in MARKETS:
            found = board.close(market, board.first_pitch.us, RULES)
            if not isinstance(found, Close):
                missing[found.reason] += 1
                continue
            row = expected[game_id, market.value]
            assert found.line == row["line"], (game_id, market)
            assert found.probability == pytest.approx(row["probability"], abs=1e-12)
            assert found.seconds_before_start == pytest.approx(row["seconds_before_start"])
            fresh = board.close(market, board.first_pitch.us, ClosingRules.of(Settings()))
            usual["close" if isinstance(fresh, Close) else fresh.reason] += 1
    print(f"{len(games)} games: without {dict(missing)}; by the usual age {dict(usual)}")
    assert usual["begun early"] <= 0.05 * len(games)
    assert usual["close"] > 0.8 * 3 * len(games)
