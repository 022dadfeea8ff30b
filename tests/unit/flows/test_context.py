"""Context events: one a day and game, again on news, before the cutoff, the same every time."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.connectors.manifest import seal
from flows.connectors.parquet import read_archive, scan, write_events
from flows.context import SOURCE, add_contexts, archive_contexts, board_of, contexts_now
from flows.sources.mlb_history import no_history, read_history
from models.features.catalogue import CONTEXT
from schemas.errors import DataMissing
from schemas.events import Event, GameResult, GameUpdate
from schemas.markets import GameStatus
from schemas.time import US_PER_MINUTE, to_us
from schemas.topics import Topic
from tests import samples

CUTOFF_US = 60 * US_PER_MINUTE
CLUBS = {"BOS": "Boston Red Sox", "NYY": "New York Yankees", "LAD": "Los Angeles Dodgers"}


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> int:
    """UTC, in July 2026."""
    return to_us(datetime(2026, 7, day, hour, minute, second, tzinfo=UTC))


def seen(game_id: str, when: int, start: int, **over: Any) -> GameUpdate:
    _, _, _, _, away, home, _ = game_id.split("-")
    fields: dict[str, Any] = {
        "game_id": game_id,
        "occurred_at_us": when,
        "start_time_us": start,
        "event_id": f"{game_id}@{when}",
        "home": CLUBS[home],
        "away": CLUBS[away],
    }
    return samples.game(**(fields | over))


def result(game_id: str, when: int, home: int, away: int) -> GameResult:
    return samples.result(game_id=game_id, occurred_at_us=when, home_score=home, away_score=away)


def game_id(day: int, away: str = "BOS", home: str = "NYY", number: int = 1) -> str:
    return f"mlb-2026-07-{day:02}-{away}-{home}-{number}"


FIRST, SECOND = game_id(20), game_id(21)
PLAYED = (
    seen(FIRST, at(20, 8), at(20, 23)),
    result(FIRST, at(21, 3), 5, 3),
)
"""Boston at New York on the 20th, 5:3, known at 3:00 on the 21st."""


def archive(root: Path, events: Iterable[Event], simulated: bool = False) -> Path:
    write_events(root, events)
    seal(root, "test", simulated, {}, {})
    return root


def contexts_of(root: Path, data: Path | None = None) -> list[GameUpdate]:
    return archive_contexts(root, data, CUTOFF_US, starters=True)


def test_once_a_day_in_the_morning(tmp_path: Path) -> None:
    coming = seen(SECOND, at(20, 18), at(21, 23, 5), mlb_game_pk=777)
    (event,) = contexts_of(archive(tmp_path, [*PLAYED, coming]))
    assert (event.game_id, event.source, event.occurred_at_us) == (SECOND, "context", at(21, 10))
    assert event.event_id == f"context-{SECOND}-{at(21, 10)}"
    assert event.context_as_of_us == at(21, 3)
    assert (event.home, event.away, event.mlb_game_pk) == (coming.home, coming.away, 777)
    assert (event.start_time_us, event.status) == (at(21, 23, 5), GameStatus.SCHEDULED)
    assert event.settles
    assert not event.quotes_stand
    assert event.context is not None
    assert event.context.keys() <= set(CONTEXT)
    assert event.context["home_season"] == 1.0
    assert event.context["away_runs_for"] == 3.0
    # 1 / (1 + 10^(-(24 + 2 x 2.0) / 400)) or so: a rating apart by one win of two runs
    assert 0.535 < event.context["elo_home"] < 0.545


def test_the_schedule_is_the_one_known_then(tmp_path: Path) -> None:
    moves = [
        seen(SECOND, at(20, 18), at(21, 23)),
        seen(SECOND, at(21, 9), at(21, 22)),
        seen(SECOND, at(21, 15), at(21, 20)),
    ]
    (event,) = contexts_of(archive(tmp_path, [*PLAYED, *moves]))
    assert event.start_time_us == at(21, 22)


def test_a_game_that_appears_later_is_done_when_it_appears(tmp_path: Path) -> None:
    (event,) = contexts_of(archive(tmp_path, [*PLAYED, seen(SECOND, at(21, 14), at(21, 23))]))
    assert event.occurred_at_us == at(21, 14, 0, 1)  # not within the payload that told of it


def test_an_early_game_is_done_an_hour_before_its_cutoff(tmp_path: Path) -> None:
    (event,) = contexts_of(archive(tmp_path, [*PLAYED, seen(SECOND, at(20, 18), at(21, 10, 30))]))
    assert event.occurred_at_us == at(21, 8, 30)


def test_no_context_past_the_cutoff_or_of_a_game_that_is_off(tmp_path: Path) -> None:
    late = seen(SECOND, at(21, 22, 30), at(21, 23))
    off = seen(game_id(21, "LAD"), at(20, 18), at(21, 23), status=GameStatus.POSTPONED)
    assert contexts_of(archive(tmp_path, [*PLAYED, late, off])) == []


def test_news_of_the_day_makes_a_second_one(tmp_path: Path) -> None:
    """Day and night doubleheader: the first game ends at 20:00, the second starts at 23:00."""
    day, night = game_id(21), game_id(21, number=2)
    events = [
        *PLAYED,
        seen(day, at(20, 18), at(21, 17)),
        seen(night, at(20, 18), at(21, 23)),
        result(day, at(21, 20), 1, 2),
    ]
    made = contexts_of(archive(tmp_path, events))
    assert [(one.game_id, one.occurred_at_us) for one in made] == [
        (day, at(21, 10)),
        (night, at(21, 10)),
        (night, at(21, 20)),
    ]
    shares = [one.context["home_season"] for one in made if one.context is not None]
    assert shares == [1.0, 1.0, 0.5]
    # Over at 22:00:00.000001, it is too late for the second game.
    events[-1] = result(day, at(21, 22) + 1, 1, 2)
    assert len(contexts_of(archive(tmp_path, events))) == 2
    events[-1] = result(day, at(21, 22), 1, 2)
    assert len(contexts_of(archive(tmp_path, events))) == 3


def test_a_game_seen_under_way_counts_as_played_without_a_result(tmp_path: Path) -> None:
    live = [
        seen(game_id(21, "LAD"), at(20, 8), at(20, 23)),
        seen(game_id(21, "LAD"), at(21, 0, 30), at(20, 23), status=GameStatus.LIVE),
    ]
    (event,) = contexts_of(
        archive(tmp_path, [*PLAYED, *live, seen(game_id(23), at(22, 18), at(23, 23))])
    )
    assert event.context is not None
    assert event.context["home_rest"] == 1.0  # the 22nd
    assert event.context["away_rest"] == 2.0
    assert event.context["home_season"] == 1.0


@pytest.mark.parametrize("change", ["later", "gone", "other"])
def test_what_became_known_later_changes_nothing(tmp_path: Path, change: str) -> None:
    def season(**last: int) -> list[Event]:
        events: list[Event] = [*PLAYED, seen(SECOND, at(20, 18), at(21, 23))]
        return [*events, result(SECOND, **last)] if last else events

    before = contexts_of(archive(tmp_path / "a", season(when=at(22, 3), home=9, away=0)))
    changed: dict[str, dict[str, int]] = {
        "later": {"when": at(22, 9), "home": 9, "away": 0},
        "gone": {},
        "other": {"when": at(22, 3), "home": 0, "away": 9},
    }
    assert contexts_of(archive(tmp_path / "b", season(**changed[change]))) == before


def test_adding_twice_gives_the_same_bytes_and_keeps_the_rest(tmp_path: Path) -> None:
    events = [*PLAYED, seen(SECOND, at(20, 18), at(21, 23))]
    root = archive(tmp_path, events)
    told = [record.value for record in read_archive(root)]
    once, count = add_contexts(root, None, CUTOFF_US)
    assert count == 1
    assert once.events["games"] == 3
    twice, _ = add_contexts(root, None, CUTOFF_US)
    assert twice == once
    records = [json.loads(record.value) for record in read_archive(root)]
    assert [one for one in records if one["source"] != SOURCE] == [json.loads(one) for one in told]


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="missing"):
        add_contexts(tmp_path, None, CUTOFF_US)


def test_now_knows_nothing_later(tmp_path: Path) -> None:
    events = [
        *PLAYED,
        seen(SECOND, at(20, 18), at(21, 23)),
        seen(game_id(21, "LAD"), at(20, 18), at(22, 3)),
        seen(game_id(22), at(20, 18), at(22, 23)),
        result(SECOND, at(22, 3), 0, 1),
    ]
    root = archive(tmp_path, events)
    messages = contexts_now(root, None, CUTOFF_US, at(21, 12))
    # Los Angeles has played nothing yet, but New York has; the 22nd at 23:00 is too far ahead.
    assert [message.key for message in messages] == [SECOND, game_id(21, "LAD")]
    assert {message.timestamp_us for message in messages} == {at(21, 12)}
    assert {message.topic for message in messages} == {Topic.GAMES}
    event = GameUpdate.model_validate_json(messages[0].value)
    assert (event.event_id, event.context_as_of_us) == (messages[0].message_id, at(21, 3))
    assert contexts_now(root, None, CUTOFF_US, at(21, 22) + 1)[0].key == game_id(21, "LAD")
    # A moment later in the archive the same question has the same answer.
    assert contexts_now(root, None, CUTOFF_US, at(21, 12)) == messages
    assert contexts_now(root, None, CUTOFF_US, at(20, 1)) == []


def history_folder(root: Path) -> Path:
    """One game of 2025 and starters of 2026, as the real files have them."""
    root.mkdir()
    codes = {"visteam": ["BOS"], "hometeam": ["NYA"], "site": ["NYC21"]}
    pl.DataFrame(
        codes
        | {"date": [datetime(2025, 9, 1).date()], "number": [0], "season": [2025]}  # noqa: DTZ001
        | {"vruns": [1], "hruns": [4]}
    ).write_parquet(root / "retrosheet_gameinfo_2000_2025.parquet")
    columns: dict[str, list[object]] = {
        "game_pk": [1], "date": [datetime(2026, 7, 21).date()], "season": [2026],  # noqa: DTZ001
    }  # fmt: skip
    for side, team, name in (("home", "NYY", "Ureña"), ("away", "BOS", "Urena")):
        columns |= {
            f"{side}_starter_team_abbreviation": [team],
            f"{side}_starter_id": [7 if side == "home" else 8],
            f"{side}_starter_full_name": [name],
        }
        numbers = {"gp": 1, "ip": 6.7, "h": 5, "er": 2, "hr": 1, "bb": 2, "k": 7}
        columns |= {f"{side}_starter_pitching_{what}": [n] for what, n in numbers.items()}
    pl.DataFrame(columns).write_parquet(root / "mlb_starters_pregame_2009_2026.parquet")
    return root


def test_history_of_real_games(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = history_folder(tmp_path / "data")
    root = archive(tmp_path / "a", [seen(SECOND, at(20, 18), at(21, 23))])
    (event,) = contexts_of(root, data)
    assert event.context is not None
    assert event.context["home_starter_era"] == pytest.approx(2.7)  # 2 runs in 20 outs
    assert {"elo_home", "elo_home_starters"} & event.context.keys() == {"elo_home"}
    assert "home_season" not in event.context
    assert "retrosheet_teamstats" in caplog.text  # the file that is not there is named
    assert event.context_as_of_us == at(21, 10)
    (without,) = archive_contexts(root, data, CUTOFF_US)
    assert without.context is not None
    assert "home_starter_era" not in without.context


def test_simulated_clubs_have_no_history(tmp_path: Path) -> None:
    data = history_folder(tmp_path / "data")
    game = seen(SECOND, at(20, 18), at(21, 23), simulated=True)
    assert contexts_of(archive(tmp_path / "a", [game], simulated=True), data) == []


def test_simulated_stays_marked(tmp_path: Path) -> None:
    events = [one.model_copy(update={"simulated": True}) for one in PLAYED]
    game = seen(SECOND, at(20, 18), at(21, 23), simulated=True)
    (event,) = contexts_of(archive(tmp_path, [*events, game]))
    assert event.simulated


def test_history_files_may_all_be_missing(tmp_path: Path) -> None:
    history = read_history(tmp_path, {2026}, {SECOND})
    assert [frame.height for frame in history] == [0, 0, 0]
    assert [frame.height for frame in read_history(tmp_path, set(), set())] == [0, 0, 0]
    assert no_history().results.is_empty()


def test_starters_of_a_doubleheader_are_not_guessed(tmp_path: Path) -> None:
    data = history_folder(tmp_path / "data")
    told = read_history(data, {2026}, {game_id(21)}).starters
    assert told["game_id"].unique().to_list() == [game_id(21)]
    told = read_history(data, {2026}, {game_id(21), game_id(21, number=2)}).starters
    assert told["game_id"].unique().to_list() == [game_id(21, number=0)]


def test_contexts_keep_the_topic_readable(tmp_path: Path) -> None:
    root = archive(tmp_path, [*PLAYED, seen(SECOND, at(20, 18), at(21, 23))])
    add_contexts(root, None, CUTOFF_US)
    text = scan(root, Topic.GAMES).filter(pl.col("source") == SOURCE).collect()["context"]
    assert all(json.loads(one) for one in text)


def test_a_result_to_come_does_not_erase_what_was_known_before_it() -> None:
    """That a game was played is known once it is seen live long after its start."""
    start, hour = samples.START, 60 * US_PER_MINUTE
    seen = {
        "source": "schedule",
        "occurred_at_us": start + 10 * hour,
        "game_id": samples.GAME,
        "start_time_us": start,
        "status": "live",
        "home": "New York Yankees",
        "away": "Boston Red Sox",
        "mlb_game_pk": None,
        "simulated": False,
    }
    score = {
        "game_id": samples.GAME,
        "occurred_at_us": start + 20 * hour,
        "home_score": 5,
        "away_score": 3,
    }
    scores = pl.DataFrame([score])

    def known_early(results: pl.DataFrame) -> int:
        board = board_of(pl.DataFrame([seen]), results)
        return board.results.filter(pl.col("known_us") <= start + 11 * hour).height

    assert known_early(scores.clear()) == 1
    assert known_early(scores) == 1
