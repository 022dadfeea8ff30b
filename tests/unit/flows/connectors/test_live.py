"""A live topic killed at every single step of its writing, and of a compaction: nothing is lost,
nothing is there twice, and a reader sees whole rolls only."""

import datetime as dt
import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import flows.connectors.compaction as compaction
import flows.connectors.files as files
import flows.connectors.live as live_module
from flows.connectors.compaction import compact
from flows.connectors.files import write_text
from flows.connectors.live import LiveTopic, Rolled, newest_note
from flows.connectors.manifest import read_manifest
from flows.connectors.parquet import LIVE, read_archive, scan, write_archive
from flows.connectors.parts import Listing
from flows.connectors.rows import REPEAT, REUSED_ID
from flows.holdings import holdings
from flows.steps.decode import DecodeRules
from flows.steps.records import Record
from flows.verify import verify
from schemas.errors import ConfigError, DataMissing, Unwritable
from schemas.events import LineMovement
from schemas.settings import Settings
from schemas.topics import Topic
from tests.samples import GAME, OTHER, line

RULES = replace(DecodeRules.of(Settings()), books=None)
ROLL = 25
FOREVER = dt.date(2100, 1, 1)
DAY = 24 * 3600
ORIGIN = '{"cluster": "c", "prefix": "p."}'


class Killed(BaseException):
    """No handler of ours may see it, as none sees SIGKILL."""


def history(seed: int = 1, count: int = 110) -> list[Record]:
    """Two games in two partitions over two days: repeats, rubbish, events that come late."""
    dice = random.Random(seed)
    lanes = {GAME: 0, OTHER: 2}
    sent: list[LineMovement] = []
    records: list[Record] = []
    offsets = {0: 500, 2: 0}
    for number in range(count):
        kind = dice.random()
        if kind < 0.15 and sent:
            event = dice.choice(sent)
        else:
            second = number * DAY / count + dice.choice((0, 0, -3600))
            game_id = dice.choice((GAME, OTHER))
            event = line(second, game_id=game_id, event_id=f"e{number}")
            sent.append(event)
        partition = lanes[event.game_id]
        value = event.model_dump_json().encode() if kind < 0.9 else b"rubbish"
        records.append(
            Record(
                Topic.LINES,
                partition,
                offsets[partition],
                event.occurred_at_us,
                event.game_id.encode(),
                value,
                b"1",
            )
        )
        offsets[partition] += 1
    return records


def expected(records: list[Record]) -> list[LineMovement]:
    """The first of each id, in archive order; by hand, without a column."""
    found: dict[str, LineMovement] = {}
    for record in records:
        if record.value != b"rubbish":
            event = LineMovement.model_validate_json(record.value)
            found.setdefault(event.event_id, event)
    place = {event_id: number for number, event_id in enumerate(found)}
    return sorted(found.values(), key=lambda e: (e.occurred_at_us, e.game_id, place[e.event_id]))


def opened(root: Path, records: list[Record]) -> LiveTopic:
    """As `flows.archive` opens it: goes on where the files end."""
    if not (root / LIVE).exists():
        root.mkdir(exist_ok=True)
        write_text(root / LIVE, ORIGIN)
    topic = LiveTopic(root, Topic.LINES, RULES, lambda: 0.0)
    known = topic.next_offsets()
    for partition in {one.partition for one in records}:
        first = min(one.offset for one in records if one.partition == partition)
        topic.begin(partition, known.get(partition, first))
    return topic


def follow(root: Path, records: list[Record], roll: int = ROLL) -> list[Rolled]:
    """What is not yet archived of the records, a roll every so many of them."""
    topic = opened(root, records)
    start, done = topic.next_offsets(), []
    for number, record in enumerate(records, 1):
        if record.offset >= start[record.partition]:
            topic.add([record])
        if number % roll == 0 or number == len(records):
            rolled = topic.roll()
            done += [rolled] if rolled else []
    return done


def read(root: Path) -> list[bytes]:
    return [record.value for record in read_archive(root, [Topic.LINES])]


def values(events: list[LineMovement]) -> list[bytes]:
    return [event.model_dump_json().encode() for event in events]


@contextmanager
def dying(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Death before the given step that touches the disk; writes die in the middle of the file."""
    taken = 0

    def due() -> bool:
        nonlocal taken
        taken += 1
        return taken > step

    def write(hidden: Path, rows: pl.DataFrame, note: str) -> None:
        if due():
            hidden.write_bytes(b"PAR1 half of it")
            raise Killed
        files.write_hidden(hidden, rows, note)

    rename, unlink = Path.rename, Path.unlink

    def renames(path: Path, target: Path) -> Path:
        if due():
            raise Killed
        return rename(path, target)

    def unlinks(path: Path, missing_ok: bool = False) -> None:
        if due():
            raise Killed
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        for module in (live_module, compaction):
            patch.setattr(module, "write_hidden", write)
        patch.setattr(Path, "rename", renames)
        patch.setattr(Path, "unlink", unlinks)
        yield lambda: taken


def test_what_is_written_is_what_an_import_of_the_same_holds(tmp_path: Path) -> None:
    records = history()
    rolls = follow(tmp_path / "live", records)
    events = expected(records)
    assert len(rolls) == 5
    assert sum(one.rows for one in rolls) == len(events)
    write_archive(tmp_path / "import", Topic.LINES, events)
    assert read(tmp_path / "live") == read(tmp_path / "import") == values(events)
    ours, theirs = (scan(tmp_path / name, Topic.LINES).collect() for name in ("live", "import"))
    assert ours.equals(theirs)
    found = verify(tmp_path / "live", None)
    assert (found.differences, found.first) == (0, None)
    rubbish = sum(one.value == b"rubbish" for one in records)
    held = holdings(tmp_path / "live")[Topic.LINES]
    assert (held.rows, held.refused) == (len(events), rubbish)
    assert held.repeats == len(records) - len(events) - rubbish > 0
    assert read_manifest(tmp_path / "live").events["lines"] == len(events)


def test_killed_at_every_step_of_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = history()
    # What a reader may see: the whole rolls so far.
    prefixes = [values(expected(records[:end])) for end in (*range(0, 110, ROLL), 110)]
    step, seen = 0, set()
    while True:
        root = tmp_path / str(step)
        with dying(step, monkeypatch):
            try:
                follow(root, records)
                break
            except Killed:
                pass
        if any(root.glob("topic=*/date=*/part-*.parquet")):
            there = read(root)
            assert there in prefixes, f"half a roll after step {step}"
            seen.add(prefixes.index(there))
        follow(root, records)
        assert read(root) == prefixes[-1], f"step {step}"
        found = verify(root, None)
        assert (found.differences, found.first) == (0, None), f"step {step}"
        assert list(root.glob("**/*.partial")) == []
        step += 1
    assert step >= 20, "5 rolls, each of a day and of what is set apart: written, then renamed"
    assert seen == set(range(len(prefixes) - 1)), "and between any two rolls"


def test_killed_at_every_step_of_compaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = history()
    events = values(expected(records))
    step = 0
    while True:
        root = tmp_path / str(step)
        follow(root, records[:80])
        compact(root, dt.date(2026, 7, 21))
        follow(root, records)
        with dying(step, monkeypatch):
            try:
                compact(root, FOREVER)
                break
            except Killed:
                pass
        assert read(root) == events, f"step {step}"
        assert verify(root, None).first is None, f"step {step}"
        # The writer goes on, the compaction is done again: in either order.
        more = history(count=130)[110:]
        if step % 2:
            follow(root, records + more)
            compact(root, FOREVER)
        else:
            compact(root, FOREVER)
            follow(root, records + more)
            compact(root, FOREVER)
        assert read(root) == values(expected(records + more)), f"step {step}"
        assert verify(root, None).first is None, f"step {step}"
        for folder in root.glob("topic=*/*"):
            assert len([path for path in folder.iterdir()]) == 1, f"step {step}: {folder}"
        step += 1
    assert step > 10


def test_compaction_takes_days_that_are_over_and_changes_no_row(tmp_path: Path) -> None:
    records = history()
    follow(tmp_path, records)
    before = scan(tmp_path, Topic.LINES).collect()
    note = newest_note(tmp_path, Topic.LINES)
    done = compact(tmp_path, dt.date(2026, 7, 21))[Topic.LINES]
    assert done.folders == 2, "the first day, and what was set apart"
    days = {day: len(parts) for day, parts in Listing(tmp_path, "lines").days().items()}
    assert days["2026-07-20"] == 1
    assert days["2026-07-21"] > 1
    assert scan(tmp_path, Topic.LINES).collect().equals(before)
    assert newest_note(tmp_path, Topic.LINES) == note
    assert compact(tmp_path, dt.date(2026, 7, 21))[Topic.LINES].files == 0


def test_a_reader_that_listed_before_a_compaction_reads_on(tmp_path: Path) -> None:
    records = history()
    follow(tmp_path, records)
    reading = read_archive(tmp_path, [Topic.LINES])
    first = next(reading).value
    compact(tmp_path, FOREVER)
    assert [first, *(one.value for one in reading)] == values(expected(records))


def test_repeats_are_told_from_ids_that_are_used_again(tmp_path: Path) -> None:
    first, again, other = line(5, event_id="x"), line(5, event_id="x"), line(60, event_id="x")
    tomorrow = line(DAY, event_id="x")
    records = [
        Record(Topic.LINES, 0, n, e.occurred_at_us, GAME.encode(), v, b"1")
        for n, (e, v) in enumerate(
            (event, event.model_dump_json().encode()) for event in (first, again, other, tomorrow)
        )
    ]
    for roll in (1, 10):  # found on disk, found beside it
        root = tmp_path / str(roll)
        follow(root, records, roll)
        assert read(root) == [records[0].value, records[3].value]
        apart = pl.concat([pl.read_parquet(p.path) for p in Listing(root, "lines").apart()])
        assert apart.select("kafka_offset", "reason", "detail", "value").rows() == [
            (1, REPEAT, "x", records[1].value),
            (2, REUSED_ID, "x", records[2].value),
        ]
        assert verify(root, None).first is None


def test_ids_of_many_days_are_looked_up_again(tmp_path: Path) -> None:
    """More days than are remembered, twice: the second time all are repeats."""
    events = [line(day * DAY, event_id=f"d{day}") for day in range(-8, 1)] * 2
    records = [
        Record(
            Topic.LINES, 0, n, e.occurred_at_us, GAME.encode(), e.model_dump_json().encode(), b"1"
        )
        for n, e in enumerate(events)
    ]
    for roll in (2, 9):
        root = tmp_path / str(roll)
        follow(root, records, roll)
        held = holdings(root)[Topic.LINES]
        assert (held.rows, held.apart) == (9, {REPEAT: 9})


def test_a_full_disk_changes_nothing_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = history()
    follow(tmp_path, records[:50])
    before = read(tmp_path)
    for failing in range(1, 4):
        count = 0

        def full(hidden: Path, rows: pl.DataFrame, note: str, failing: int = failing) -> None:
            nonlocal count
            count += 1
            files.write_hidden(hidden, rows, note)
            if count == failing:
                raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(live_module, "write_hidden", full)
            with pytest.raises(Unwritable, match=r"topic=lines: No space left .* start again"):
                follow(tmp_path, records, roll=200)
        assert read(tmp_path) == before
        assert list(tmp_path.glob("**/*.partial")) == []
    follow(tmp_path, records)
    assert read(tmp_path) == values(expected(records))


def test_an_import_never_writes_over_it(tmp_path: Path) -> None:
    follow(tmp_path, history())
    with pytest.raises(ConfigError, match="follows Kafka"):
        write_archive(tmp_path, Topic.LINES, [line()])
    assert verify(tmp_path, None).first is None


def spoil_offsets(root: Path, how: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    path = Listing(root, "lines").day("2026-07-20")[0].path
    note = files.read_note(path)
    files.write_hidden(path, how(pl.read_parquet(path)), json.dumps(note))


@pytest.mark.parametrize(
    ("how", "what"),
    [
        (lambda rows: rows.tail(-1), r"partition \d: \d+ of \d+ records; the first hole"),
        (lambda rows: pl.concat([rows, rows.tail(1)]), "ids stand more than once"),
        (lambda rows: rows.reverse(), "not sorted by occurred_at_us"),
        (lambda rows: rows.drop("book"), "not the columns of lines"),
        (
            lambda rows: rows.with_columns(pl.col("occurred_at_us").dt.offset_by("3d")),
            "rows of another day than 2026-07-20",
        ),
        (
            lambda rows: rows.with_columns(pl.col("kafka_offset") + 10_000),
            r"lie outside of|of \d+ records",
        ),
        (
            lambda rows: rows.with_columns(kafka_partition=pl.lit(7, pl.Int64)),
            "nothing says how far it goes",
        ),
    ],
)
def test_verify_finds_what_was_planted(
    tmp_path: Path, how: Callable[[pl.DataFrame], pl.DataFrame], what: str
) -> None:
    follow(tmp_path, history())
    spoil_offsets(tmp_path, how)
    found = verify(tmp_path, None)
    assert found.differences > 0
    assert re.search(what, found.first or ""), found.first


def test_verify_finds_a_file_that_is_gone_or_damaged(tmp_path: Path) -> None:
    for name in ("gone", "damaged", "apart"):
        root = tmp_path / name
        follow(root, history())
        listing = Listing(root, "lines")
        path = (listing.apart() if name == "apart" else listing.day("2026-07-20"))[0].path
        if name == "damaged":
            path.write_bytes(path.read_bytes()[:-200])
        else:
            path.unlink()
        assert verify(root, None).differences > 0, name


def test_files_of_before_a_field_was_added_go_on_being_read(tmp_path: Path) -> None:
    """As the model reads the JSON of that time: `settles` is true unless it says otherwise."""
    records = history()
    follow(tmp_path, records)
    for part in Listing(tmp_path, "lines").day("2026-07-20")[:2]:
        note = json.dumps(files.read_note(part.path))
        files.write_hidden(part.path, pl.read_parquet(part.path).drop("settles", "status"), note)
    for merged in (False, True):
        assert read(tmp_path) == values(expected(records))
        assert verify(tmp_path, None).first is None
        if not merged:
            compact(tmp_path, FOREVER)
    path = Listing(tmp_path, "lines").day("2026-07-20")[0].path
    files.write_hidden(path, pl.read_parquet(path).drop("book"), "{}")
    with pytest.raises(DataMissing, match="another version"):
        read(tmp_path)
