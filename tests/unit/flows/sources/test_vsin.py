"""VSiN's page of splits: whose shares, of what, on which side."""

import pytest

from flows.sources.payload import Fact, Refusal
from schemas.markets import Market
from tests.unit.flows.sources.payloads import VSIN, facts_of, reasons, refusals_of, said


def changed(*swaps: tuple[str, str], url: str | None = None) -> list[Fact | Refusal]:
    page = VSIN.body().decode()
    for old, new in swaps:
        assert old in page
        page = page.replace(old, new)
    case = VSIN if url is None else VSIN._replace(url=url)
    return list(case.read(page.encode()))


def test_shares_are_of_home_and_over() -> None:
    """The away row stands first; in the total's columns it is the over's."""
    made = VSIN.read()
    shares = {
        market: (fields["tickets_home_over_pct"], fields["handle_home_over_pct"])
        for market in Market
        for fields in [said(made, "draftkings", market, "splits")]
    }
    assert shares == {
        Market.MONEYLINE: (48, 56),
        Market.RUN_LINE: (42, 65),
        Market.TOTAL: (64, 81),
    }


def test_the_game() -> None:
    meeting = facts_of(VSIN.read())[0].meeting
    assert (meeting.away, meeting.home, str(meeting.day)) == ("BOS", "NYY", "2026-07-20")
    assert (meeting.start_us, meeting.number) == (None, None)


def test_no_bets_yet_are_no_splits() -> None:
    made = [one for one in facts_of(VSIN.read()) if one.meeting.home == "SDP"]
    assert [one.about[1] for one in made] == [Market.MONEYLINE]
    assert made[0].fields["handle_home_over_pct"] == 88


def test_other_leagues_on_the_page_are_none_of_ours() -> None:
    assert {one.meeting.home for one in facts_of(VSIN.read())} == {"NYY", "SDP"}


def test_circa() -> None:
    made = changed(("sp-source-dk", "sp-source-circa"), url="https://example.test/?source=CIRCA")
    assert not refusals_of(made)
    assert said(made, "circa", Market.TOTAL, "splits")["handle_home_over_pct"] == 81


def test_asked_for_circa_the_site_shows_draftkings() -> None:
    made = VSIN._replace(url="https://example.test/?source=CIRCA").read()
    assert not facts_of(made)
    assert reasons(made) == ["payload_changed"]


def test_a_book_that_we_do_not_know() -> None:
    made = changed(("sp-source-dk", "sp-source-new"), url="https://example.test/")
    assert not facts_of(made)
    assert reasons(made) == ["unknown_book"]


def test_columns_go_by_their_headers() -> None:
    """Handle and bets change places, headers and all: so do the numbers."""
    made = changed(("<th>Handle</th><th>Bets</th>", "<th>Bets</th><th>Handle</th>"))
    assert not refusals_of(made)
    assert said(made, "draftkings", Market.RUN_LINE, "splits") == {
        "book": "draftkings",
        "market": Market.RUN_LINE,
        "tickets_home_over_pct": 65,
        "handle_home_over_pct": 42,
    }


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("66%", "splits_sum"),
        ("—", "splits_sum"),
        ("lots", "payload_changed"),
        ("1156%", "payload_changed"),
    ],
)
def test_a_bad_cell_takes_no_other_market_along(cell: str, reason: str) -> None:
    made = changed((">56%<", f">{cell}<"))
    assert reasons(made) == [reason]
    assert said(made, "draftkings", Market.TOTAL, "splits")
    assert len(facts_of(made)) == len(facts_of(VSIN.read())) - 1


def test_rows_of_two_games_are_no_game() -> None:
    page = VSIN.body().decode()
    made = VSIN.read(page.replace("20260720MLB00011", "20260720MLB00019", 1).encode())
    assert reasons(made) == ["payload_changed"]
    assert {one.meeting.home for one in facts_of(made)} == {"SDP"}


def test_a_table_without_games_is_no_change() -> None:
    page = VSIN.body().decode()
    start, end = page.index("<tbody>"), page.index("</tbody>")
    assert VSIN.read((page[: start + len("<tbody>")] + page[end:]).encode()) == []


def test_two_days_in_one_table() -> None:
    """Each under a header of its own."""
    page = VSIN.body().decode()
    block = page[page.index("<thead>") : page.index("</tbody>") + len("</tbody>")]
    next_day = block.replace("20260720MLB", "20260721MLB")
    made = VSIN.read(page.replace(block, block + next_day).encode())
    assert not refusals_of(made)
    assert len({(one.meeting.home, one.meeting.day) for one in facts_of(made)}) == 4
