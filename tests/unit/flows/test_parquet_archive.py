"""The archive gives back what was put in, in the promised order, as the bytes Kafka carries."""

import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from flows.connectors.manifest import NAME, break_seal, fingerprint, read_manifest, seal
from flows.connectors.parquet import (
    PLAYED,
    read_archive,
    replace_source,
    scan,
    topic_schema,
    write_archive,
    write_events,
)
from schemas.errors import DataMissing
from schemas.events import BettingSplits, Event, GameResult, GameUpdate, LineMovement
from schemas.markets import Market
from schemas.time import to_us
from schemas.topics import CONTRACTS, Topic

MIDNIGHT = to_us(dt.datetime(2026, 7, 21, tzinfo=dt.UTC))
GAMES = ("mlb-2026-07-20-BOS-NYY-1", "mlb-2026-07-20-BOS-NYY-2", "mlb-2026-07-20-LAD-SFG-1")


def line(at_us: int, name: str = "a", game_id: str = GAMES[0], **more: object) -> LineMovement:
    fields: dict[str, object] = {
        "event_id": f"line-{name}",
        "game_id": game_id,
        "source": "test",
        "occurred_at_us": at_us,
        "book": "pinnacle",
        "market": "moneyline",
        "price_home_over": 1.9,
        "price_away_under": 2.0,
    }
    return LineMovement.model_validate(fields | more)


def update(at_us: int, game_id: str = GAMES[0], **more: object) -> GameUpdate:
    fields: dict[str, object] = {
        "event_id": f"game-{game_id}-{at_us}",
        "game_id": game_id,
        "source": "test",
        "occurred_at_us": at_us,
        "home": 'Peñarol "B" \\ 東京',
        "away": "Boston Red Sox",
        "start_time_us": MIDNIGHT,
    }
    return GameUpdate.model_validate(fields | more)


def result(at_us: int) -> GameResult:
    return GameResult(
        event_id="result",
        game_id=GAMES[0],
        source="test",
        occurred_at_us=at_us,
        home_score=5,
        away_score=4,
    )


def split(at_us: int) -> BettingSplits:
    return BettingSplits(
        event_id="split",
        game_id=GAMES[0],
        source="test",
        occurred_at_us=at_us,
        book="circa",
        market=Market.TOTAL,
        tickets_home_over_pct=61.5,
    )


def test_columns_of_lines_are_those_of_the_model() -> None:
    """Written out by hand from schemas/events.py."""
    assert topic_schema(Topic.LINES) == pl.Schema(
        {
            "event_id": pl.String(),
            "game_id": pl.String(),
            "source": pl.String(),
            "occurred_at_us": pl.Datetime("us", "UTC"),
            "simulated": pl.Boolean(),
            "settles": pl.Boolean(),
            "book": pl.String(),
            "market": pl.String(),
            "status": pl.String(),
            "odds_format": pl.String(),
            "price_home_over": pl.Float64(),
            "price_away_under": pl.Float64(),
            "line": pl.Float64(),
        }
    )


@pytest.mark.parametrize("topic", list(Topic))
def test_every_topic_has_a_schema(topic: Topic) -> None:
    assert list(topic_schema(topic)) == list(CONTRACTS[topic].model.model_fields)


prices = st.floats(1.85, 2.05, allow_nan=False)
moments = st.integers(MIDNIGHT - 90_000_000, MIDNIGHT + 90_000_000)
lines = st.builds(
    lambda at, game, first, second, point: (at, game, first, second, point),
    st.one_of(st.just(MIDNIGHT), moments),
    st.sampled_from(GAMES),
    prices,
    prices,
    st.one_of(st.none(), st.floats(5.0, 14.0)),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(lines, max_size=40))
def test_values_are_the_models_own_json_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[tuple[int, str, float, float, float | None]],
) -> None:
    root = tmp_path_factory.mktemp("archive")
    events = [
        line(
            at,
            name=f"{i}",
            game_id=game,
            market="moneyline" if point is None else "total",
            price_home_over=first,
            price_away_under=second,
            line=point,
        )
        for i, (at, game, first, second, point) in enumerate(drawn)
    ]
    assert write_archive(root, Topic.LINES, events) == len(events)
    if not events:
        with pytest.raises(DataMissing, match="no archive there"):
            list(read_archive(root))
        return
    # Python's sort is stable, so equal (time, game) keep their order of arrival.
    expected = sorted(events, key=lambda event: (event.occurred_at_us, event.game_id))
    read = list(read_archive(root))
    assert [record.value for record in read] == [e.model_dump_json().encode() for e in expected]
    assert [record.event_id for record in read] == [e.event_id for e in expected]
    assert [record.game_id for record in read] == [e.game_id for e in expected]
    assert [record.occurred_at_us for record in read] == [e.occurred_at_us for e in expected]
    assert {record.topic for record in read} == {Topic.LINES}


def test_equal_times_are_ordered_by_topic_then_game(tmp_path: Path) -> None:
    at = MIDNIGHT
    events: list[Event] = [
        result(at),
        line(at, "2", GAMES[1]),
        line(at, "1", GAMES[0]),
        split(at),
        update(at, GAMES[1]),
        update(at, GAMES[0]),
        line(at - 1, "0"),
    ]
    counts = write_events(tmp_path, events)
    assert counts == {Topic.GAMES: 2, Topic.SPLITS: 1, Topic.LINES: 3, Topic.RESULTS: 1}
    assert [(record.topic, record.game_id) for record in read_archive(tmp_path)] == [
        (Topic.LINES, GAMES[0]),
        (Topic.GAMES, GAMES[0]),
        (Topic.GAMES, GAMES[1]),
        (Topic.SPLITS, GAMES[0]),
        (Topic.LINES, GAMES[0]),
        (Topic.LINES, GAMES[1]),
        (Topic.RESULTS, GAMES[0]),
    ]


def test_awkward_values_survive(tmp_path: Path) -> None:
    """Quotes, backslashes, non-ASCII; missing numbers; a withdrawn quote."""
    events: list[Event] = [
        update(MIDNIGHT, mlb_game_pk=822_715, quotes_stand=True, settles=False),
        update(MIDNIGHT + 1),
        line(MIDNIGHT, status="withdrawn", price_home_over=None, price_away_under=None),
        split(MIDNIGHT),
    ]
    write_events(tmp_path, events)
    for record in read_archive(tmp_path):
        model = CONTRACTS[record.topic].model.model_validate_json(record.value)
        assert model in events
        assert record.value == model.model_dump_json().encode()


def test_start_is_included_and_end_is_not(tmp_path: Path) -> None:
    offsets = (-2, -1, 0, 1, 2)
    write_archive(tmp_path, Topic.LINES, (line(MIDNIGHT + i, f"{i}") for i in offsets))
    read = read_archive(tmp_path, start_us=MIDNIGHT - 1, end_us=MIDNIGHT + 1)
    assert [record.occurred_at_us - MIDNIGHT for record in read] == [-1, 0]
    read = read_archive(tmp_path, start_us=MIDNIGHT)
    assert [record.occurred_at_us - MIDNIGHT for record in read] == [0, 1, 2]


def test_games_and_topics_filter(tmp_path: Path) -> None:
    events = [line(MIDNIGHT, f"{i}", game) for i, game in enumerate(GAMES)]
    write_events(tmp_path, [*events, update(MIDNIGHT)])
    read = read_archive(tmp_path, topics=(Topic.LINES,), games={GAMES[2]})
    assert [(record.topic, record.game_id) for record in read] == [(Topic.LINES, GAMES[2])]
    assert list(read_archive(tmp_path, games=set())) == []


def test_layout_and_types_on_disk(tmp_path: Path) -> None:
    write_archive(tmp_path, Topic.LINES, [line(MIDNIGHT - 1), line(MIDNIGHT)])
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert files == [
        "topic=lines/date=2026-07-20/part-0.parquet",
        "topic=lines/date=2026-07-21/part-0.parquet",
    ]
    frame = scan(tmp_path, Topic.LINES).collect()
    assert frame.schema == topic_schema(Topic.LINES)
    assert frame["occurred_at_us"][1] == dt.datetime(2026, 7, 21, tzinfo=dt.UTC)
    assert scan(tmp_path, Topic.SPLITS).collect().is_empty()


def test_many_chunks_keep_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.connectors.parquet._CHUNK", 3)
    events = [line(MIDNIGHT + i % 4, f"{i}") for i in range(50)]
    write_archive(tmp_path, Topic.LINES, events)
    expected = sorted(events, key=lambda event: event.occurred_at_us)
    assert [r.event_id for r in read_archive(tmp_path)] == [e.event_id for e in expected]


def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    write_events(tmp_path, [line(MIDNIGHT), update(MIDNIGHT)])
    before = fingerprint(tmp_path)

    def dies() -> Iterator[Event]:
        yield line(MIDNIGHT + 1)
        raise RuntimeError("source died")

    with pytest.raises(RuntimeError, match="source died"):
        write_archive(tmp_path, Topic.LINES, dies())
    with pytest.raises(KeyError):
        write_events(
            tmp_path, [line(MIDNIGHT + 1), Unknown(**line(1_800_000_000_000_000).__dict__)]
        )
    assert fingerprint(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


class Unknown(LineMovement):
    """No topic carries it."""


def test_an_event_of_another_topic_is_refused(tmp_path: Path) -> None:
    wrong: list[BaseModel] = [update(MIDNIGHT)]
    with pytest.raises(TypeError, match="GameUpdate does not belong on topic lines"):
        write_archive(tmp_path, Topic.LINES, wrong)


def test_topics_that_a_new_import_lacks_go(tmp_path: Path) -> None:
    write_events(tmp_path, [line(MIDNIGHT), split(MIDNIGHT)])
    write_events(tmp_path, [line(MIDNIGHT)])
    assert [p.name for p in tmp_path.iterdir()] == ["topic=lines"]


def test_columns_of_another_version_are_refused(tmp_path: Path) -> None:
    write_archive(tmp_path, Topic.LINES, [line(MIDNIGHT)])
    (path,) = tmp_path.rglob("*.parquet")
    pl.read_parquet(path).drop("settles").write_parquet(path)
    with pytest.raises(DataMissing, match="another version"):
        list(read_archive(tmp_path))
    with pytest.raises(DataMissing, match="another version"):
        scan(tmp_path, Topic.LINES)


def test_manifest_tells_what_is_there(tmp_path: Path) -> None:
    write_events(tmp_path, [line(MIDNIGHT - 5), update(MIDNIGHT, GAMES[1]), result(MIDNIGHT + 7)])
    sealed = seal(tmp_path, "test", False, {"overround": 2}, {"nothing": 0, "tied": 1})
    assert read_manifest(tmp_path) == sealed
    assert sealed.events == {"games": 1, "splits": 0, "lines": 1, "results": 1}
    assert (sealed.games, sealed.first_us, sealed.last_us) == (2, MIDNIGHT - 5, MIDNIGHT + 7)
    assert (sealed.rejected, sealed.left_out) == ({"overround": 2}, {"tied": 1})
    break_seal(tmp_path)
    with pytest.raises(DataMissing, match=NAME):
        read_manifest(tmp_path)


def test_fingerprint_follows_the_content_only(tmp_path: Path) -> None:
    events = [line(MIDNIGHT + i, f"{i}", price_home_over=1.8 + i / 100) for i in range(10)]
    shuffled = random.Random(3).sample(events, 10)
    for name, written in (("a", events), ("b", shuffled), ("c", events[:9])):
        write_archive(tmp_path / name, Topic.LINES, written)
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "c")


def test_the_played_topics_are_the_inputs_then_the_results() -> None:
    assert PLAYED == (Topic.GAMES, Topic.SPLITS, Topic.LINES, Topic.RESULTS)


FACTS = {"home_form": 0.1 + 0.2, "elo_difference": -1e-7, "away_rest": 3.0}


def test_a_context_comes_back_as_the_bytes_of_the_model(tmp_path: Path) -> None:
    events = [
        update(MIDNIGHT, game_id=GAMES[0], context=FACTS, context_as_of_us=MIDNIGHT - 1),
        update(MIDNIGHT, game_id=GAMES[1], context={}, context_as_of_us=MIDNIGHT),
        update(MIDNIGHT, game_id=GAMES[2]),
    ]
    write_archive(tmp_path, Topic.GAMES, events)
    values = [record.value for record in read_archive(tmp_path)]
    assert values == [event.model_dump_json().encode() for event in events]


def test_one_source_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    told = [update(MIDNIGHT + day * 86_400_000_000, game_id=GAMES[0]) for day in range(3)]
    write_archive(tmp_path, Topic.GAMES, told)
    before = fingerprint(tmp_path)

    def context(form: float) -> GameUpdate:
        facts = {"context": {"home_form": form}, "context_as_of_us": MIDNIGHT}
        return update(MIDNIGHT, GAMES[0], source="context", event_id="context", **facts)

    assert replace_source(tmp_path, Topic.GAMES, "context", [context(0.5)]) == 1
    assert replace_source(tmp_path, Topic.GAMES, "context", [context(0.6)]) == 1
    events = [GameUpdate.model_validate_json(one.value) for one in read_archive(tmp_path)]
    assert events == [told[0], context(0.6), *told[1:]]
    assert replace_source(tmp_path, Topic.GAMES, "context", []) == 0
    assert fingerprint(tmp_path) == before
