"""Distances against another formula and plain figures; zones against the clock on the wall."""

import math
from datetime import UTC, datetime
from itertools import combinations

import pytest

from models.features.team.parks import (
    EARTH_RADIUS_KM,
    PARKS,
    distance_km,
    home_park,
    zones_eastward,
)

JULY = datetime(2026, 7, 20, 23, tzinfo=UTC)
APRIL_BEFORE_SUMMER_TIME = datetime(2026, 3, 1, 20, tzinfo=UTC)


def test_boston_to_new_york() -> None:
    """By hand, on a flat map at the mean latitude: 1.52 degrees south and 2.83 degrees west, at
    111.19 km a degree and cos 41.59 degrees = 0.7479: 169.0 and 235.3 km, together 289.7."""
    assert distance_km("BOS07", "NYC21") == pytest.approx(289.7, abs=0.5)


def test_coast_to_coast() -> None:
    """Boston to Los Angeles is 2,600 miles by air; Seattle to Miami 2,730."""
    assert distance_km("BOS07", "LOS03") == pytest.approx(2_600 * 1.609, rel=0.01)
    assert distance_km("SEA03", "MIA02") == pytest.approx(2_730 * 1.609, rel=0.01)


def test_distances_agree_with_the_law_of_cosines() -> None:
    for one, other in combinations(sorted(PARKS), 2):
        a, b = PARKS[one], PARKS[other]
        north, south = math.radians(a.latitude), math.radians(b.latitude)
        east = math.cos(math.radians(a.longitude - b.longitude))
        cosine = math.sin(north) * math.sin(south) + math.cos(north) * math.cos(south) * east
        expected = EARTH_RADIUS_KM * math.acos(min(cosine, 1.0))
        assert distance_km(one, other) == pytest.approx(expected, abs=0.2)
        assert distance_km(other, one) == pytest.approx(distance_km(one, other))


def test_no_distance_to_an_unknown_park() -> None:
    assert distance_km("BOS07", "LON01") is None
    assert zones_eastward("LON01", "BOS07", JULY) is None
    assert distance_km("LON01", "LON01") == 0.0


@pytest.mark.parametrize(
    ("origin", "destination", "hours"),
    [
        ("LOS03", "NYC21", 3.0),
        ("NYC21", "DEN02", -2.0),
        ("CHI11", "TOR02", 1.0),
        ("LOS03", "PHO01", 0.0),  # Arizona keeps standard time in summer
        ("DEN02", "PHO01", -1.0),
    ],
)
def test_zones_in_summer(origin: str, destination: str, hours: float) -> None:
    assert zones_eastward(origin, destination, JULY) == hours


def test_arizona_is_an_hour_ahead_of_the_coast_in_winter() -> None:
    assert zones_eastward("LOS03", "PHO01", APRIL_BEFORE_SUMMER_TIME) == 1.0


def test_clubs_move() -> None:
    assert [home_park("ATH", year) for year in (2024, 2025)] == ["OAK01", "SAC01"]
    assert [home_park("TEX", year) for year in (2019, 2020)] == ["ARL02", "ARL03"]
    assert [home_park("TBR", year) for year in (2024, 2025, 2026)] == ["STP01", "TAM02", "STP01"]
    assert home_park("AL", 2026) is None
