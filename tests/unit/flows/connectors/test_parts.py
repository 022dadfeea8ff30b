"""Which files of a live archive count, by their names alone. All expectations are by hand."""

from pathlib import Path

import pytest

from flows.connectors.parts import Listing, counting, merged_name, part_name, part_of


def made(root: Path, *names: str) -> None:
    for name in names:
        path = root / "topic=lines" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(listing: Listing, day: str) -> list[str]:
    return [part.path.name for part in listing.day(day)]


@pytest.mark.parametrize(
    ("name", "first", "last", "settled"),
    [
        ("part-0.parquet", 0, 0, True),
        ("part-000000007.parquet", 7, 7, False),
        ("part-000000007-end.parquet", 7, 7, True),
        ("part-000000003-000000007.parquet", 3, 7, True),
    ],
)
def test_names_say_which_rolls(name: str, first: int, last: int, settled: bool) -> None:
    assert part_of(Path("d") / name) == (Path("d") / name, first, last, settled)


@pytest.mark.parametrize(
    "name", [".part-000000007.parquet.partial", "chunk-000001.parquet", "part-x.parquet", "part-1"]
)
def test_other_files_are_no_parts(name: str) -> None:
    assert part_of(Path(name)) is None


def test_names_that_are_written_are_names_that_are_read() -> None:
    parts = [part_of(Path(part_name(roll, roll == 9))) for roll in (4, 9)]
    assert [part[1:] for part in parts if part] == [(4, 4, False), (9, 9, True)]
    assert merged_name([part for part in parts if part]) == "part-000000004-000000009.parquet"


def test_a_roll_without_its_last_file_does_not_count(tmp_path: Path) -> None:
    made(
        tmp_path,
        "date=2026-07-20/part-000000001.parquet",
        "date=2026-07-21/part-000000001-end.parquet",
        "date=2026-07-20/part-000000002.parquet",
        "apart/part-000000002.parquet",
    )
    listing = Listing(tmp_path, "lines")
    assert listing.newest == 1
    assert names(listing, "2026-07-20") == ["part-000000001.parquet"]
    assert listing.apart() == []
    assert [path.name for path in listing.unwanted()] == ["part-000000002.parquet"] * 2
    made(tmp_path, "date=2026-07-21/part-000000002-end.parquet")
    after = Listing(tmp_path, "lines")
    assert names(after, "2026-07-20") == ["part-000000001.parquet", "part-000000002.parquet"]
    assert len(after.apart()) == 1
    assert after.unwanted() == []
    assert names(listing, "2026-07-20") == ["part-000000001.parquet"], "it was taken before"


def test_a_merged_file_stands_for_those_it_spans(tmp_path: Path) -> None:
    day = "date=2026-07-20"
    made(
        tmp_path,
        *(f"{day}/part-00000000{roll}.parquet" for roll in (1, 3)),
        f"{day}/part-000000004-end.parquet",
        f"{day}/part-000000001-000000003.parquet",
    )
    listing = Listing(tmp_path, "lines")
    counted = ["part-000000001-000000003.parquet", "part-000000004-end.parquet"]
    assert names(listing, "2026-07-20") == counted
    left = [path.name for path in listing.replaced(listing.folder / day)]
    assert left == ["part-000000001.parquet", "part-000000003.parquet"]
    made(tmp_path, f"{day}/part-000000001-000000004.parquet")
    assert names(Listing(tmp_path, "lines"), "2026-07-20") == ["part-000000001-000000004.parquet"]


def test_merged_files_say_that_their_rolls_were_whole(tmp_path: Path) -> None:
    """The file that ended roll 4 has been merged away: other days' files of it still count."""
    made(
        tmp_path,
        "date=2026-07-20/part-000000001-000000004.parquet",
        "date=2026-07-21/part-000000004.parquet",
        "date=2026-07-21/part-000000005.parquet",
    )
    listing = Listing(tmp_path, "lines")
    assert listing.newest == 4
    assert names(listing, "2026-07-21") == ["part-000000004.parquet"]


def test_an_import_has_one_file_a_day(tmp_path: Path) -> None:
    made(tmp_path, "date=2026-07-20/part-0.parquet", "date=2026-07-21/part-0.parquet")
    listing = Listing(tmp_path, "lines")
    assert {day: len(parts) for day, parts in listing.days().items()} == {
        "2026-07-20": 1,
        "2026-07-21": 1,
    }
    assert listing.unwanted() == []


def test_nothing_there_is_nothing() -> None:
    assert counting([], 0) == []
    assert Listing(Path("nowhere"), "lines").days() == {}
