"""One code a club, whatever the source calls it."""

import re

import pytest

from flows.sources.teams import CLUBS, code_of
from schemas.errors import RejectedEvent


def test_thirty_clubs() -> None:
    assert len(CLUBS) == 30
    assert len(set(CLUBS.values())) == 30
    assert all(re.fullmatch(r"[A-Z]{3}", code) for code in CLUBS)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        # Retrosheet, and the franchises that moved or changed name
        ("CHN", "CHC"),
        ("CHA", "CHW"),
        ("NYA", "NYY"),
        ("NYN", "NYM"),
        ("LAN", "LAD"),
        ("ANA", "LAA"),
        ("KCA", "KCR"),
        ("SLN", "STL"),
        ("TBA", "TBR"),
        ("WAS", "WSN"),
        ("OAK", "ATH"),
        ("FLO", "MIA"),
        ("MON", "WSN"),
        # MLB's own, sportsbookreview's, baseball-reference's
        ("AZ", "ARI"),
        ("CWS", "CHW"),
        ("WSH", "WSN"),
        ("CUB", "CHC"),
        ("BRS", "BOS"),
        ("LOS", "LAD"),
        ("TBD", "TBR"),
        ("SLC", "STL"),
        # names in full
        ("Cleveland Indians", "CLE"),
        ("Los Angeles Angels of Anaheim", "LAA"),
        ("St. Louis Cardinals", "STL"),
        (" new york yankees ", "NYY"),
        # nicknames alone
        ("D-Backs", "ARI"),
        ("White Sox", "CHW"),
        ("A's", "ATH"),
    ],
)
def test_aliases(given: str, code: str) -> None:
    assert code_of(given) == code


@pytest.mark.parametrize("given", ["American League", "National League", "", "XYZ"])
def test_no_club(given: str) -> None:
    with pytest.raises(RejectedEvent, match="unknown_team"):
        code_of(given)
