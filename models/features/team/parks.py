"""Where games are played: distance and time zones between parks.

Ids are Retrosheet's. Positions to 0.01 degree (1 km), common knowledge; the thirty current parks
were checked against github.com/CMunoz-24/Munoz-Master-Picks (utils/weather_teams.py). Time zones
are IANA's. One-off venues (London, Williamsport, ...) are not listed: distances to and from them
are unknown.
"""

import math
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

EARTH_RADIUS_KM = 6371.0088
"""Mean radius, IUGG."""


class Park(NamedTuple):
    latitude: float
    longitude: float
    zone: ZoneInfo


_EAST, _CENTRAL = ZoneInfo("America/New_York"), ZoneInfo("America/Chicago")
_MOUNTAIN, _ARIZONA = ZoneInfo("America/Denver"), ZoneInfo("America/Phoenix")
_PACIFIC, _TORONTO = ZoneInfo("America/Los_Angeles"), ZoneInfo("America/Toronto")

PARKS: dict[str, Park] = {
    "ANA01": Park(33.80, -117.88, _PACIFIC),  # Angel Stadium
    "ARL02": Park(32.75, -97.08, _CENTRAL),  # Globe Life Park, to 2019
    "ARL03": Park(32.75, -97.08, _CENTRAL),  # Globe Life Field
    "ATL02": Park(33.74, -84.39, _EAST),  # Turner Field, to 2016
    "ATL03": Park(33.89, -84.47, _EAST),  # Truist Park
    "BAL12": Park(39.28, -76.62, _EAST),  # Camden Yards
    "BOS07": Park(42.35, -71.10, _EAST),  # Fenway Park
    "BUF05": Park(42.88, -78.87, _EAST),  # Sahlen Field: Toronto in 2020 and 2021
    "CHI11": Park(41.95, -87.66, _CENTRAL),  # Wrigley Field
    "CHI12": Park(41.83, -87.63, _CENTRAL),  # Rate Field
    "CIN09": Park(39.10, -84.51, _EAST),  # Great American Ball Park
    "CLE08": Park(41.50, -81.69, _EAST),  # Progressive Field
    "DEN02": Park(39.76, -104.99, _MOUNTAIN),  # Coors Field
    "DET05": Park(42.34, -83.05, _EAST),  # Comerica Park
    "DUN01": Park(28.00, -82.79, _EAST),  # TD Ballpark: Toronto in 2021
    "HOU03": Park(29.76, -95.36, _CENTRAL),  # Daikin Park
    "KAN06": Park(39.05, -94.48, _CENTRAL),  # Kauffman Stadium
    "LOS03": Park(34.07, -118.24, _PACIFIC),  # Dodger Stadium
    "MIA01": Park(25.96, -80.24, _EAST),  # Sun Life Stadium, to 2011
    "MIA02": Park(25.78, -80.22, _EAST),  # loanDepot park
    "MIL06": Park(43.03, -87.97, _CENTRAL),  # American Family Field
    "MIN03": Park(44.97, -93.26, _CENTRAL),  # Metrodome, to 2009
    "MIN04": Park(44.98, -93.28, _CENTRAL),  # Target Field
    "NYC20": Park(40.76, -73.85, _EAST),  # Citi Field
    "NYC21": Park(40.83, -73.93, _EAST),  # Yankee Stadium
    "OAK01": Park(37.75, -122.20, _PACIFIC),  # Oakland Coliseum, to 2024
    "PHI13": Park(39.91, -75.17, _EAST),  # Citizens Bank Park
    "PHO01": Park(33.45, -112.07, _ARIZONA),  # Chase Field
    "PIT08": Park(40.45, -80.01, _EAST),  # PNC Park
    "SAC01": Park(38.58, -121.51, _PACIFIC),  # Sutter Health Park
    "SAN02": Park(32.71, -117.16, _PACIFIC),  # Petco Park
    "SEA03": Park(47.59, -122.33, _PACIFIC),  # T-Mobile Park
    "SFO03": Park(37.78, -122.39, _PACIFIC),  # Oracle Park
    "STL10": Park(38.62, -90.19, _CENTRAL),  # Busch Stadium
    "STP01": Park(27.77, -82.65, _EAST),  # Tropicana Field
    "TAM02": Park(27.98, -82.51, _EAST),  # Steinbrenner Field: Tampa Bay in 2025
    "TOR02": Park(43.64, -79.39, _TORONTO),  # Rogers Centre
    "WAS11": Park(38.87, -77.01, _EAST),  # Nationals Park
}

_HOME: dict[str, tuple[tuple[int, str], ...]] = {
    # club -> (first season there, park), newest first; 2009 and later
    "ARI": ((0, "PHO01"),),
    "ATH": ((2025, "SAC01"), (0, "OAK01")),
    "ATL": ((2017, "ATL03"), (0, "ATL02")),
    "BAL": ((0, "BAL12"),),
    "BOS": ((0, "BOS07"),),
    "CHC": ((0, "CHI11"),),
    "CHW": ((0, "CHI12"),),
    "CIN": ((0, "CIN09"),),
    "CLE": ((0, "CLE08"),),
    "COL": ((0, "DEN02"),),
    "DET": ((0, "DET05"),),
    "HOU": ((0, "HOU03"),),
    "KCR": ((0, "KAN06"),),
    "LAA": ((0, "ANA01"),),
    "LAD": ((0, "LOS03"),),
    "MIA": ((2012, "MIA02"), (0, "MIA01")),
    "MIL": ((0, "MIL06"),),
    "MIN": ((2010, "MIN04"), (0, "MIN03")),
    "NYM": ((0, "NYC20"),),
    "NYY": ((0, "NYC21"),),
    "PHI": ((0, "PHI13"),),
    "PIT": ((0, "PIT08"),),
    "SDP": ((0, "SAN02"),),
    "SEA": ((0, "SEA03"),),
    "SFG": ((0, "SFO03"),),
    "STL": ((0, "STL10"),),
    "TBR": ((2026, "STP01"), (2025, "TAM02"), (0, "STP01")),
    "TEX": ((2020, "ARL03"), (0, "ARL02")),
    "TOR": ((2021, "TOR02"), (2020, "BUF05"), (0, "TOR02")),
    "WSN": ((0, "WAS11"),),
}


def home_park(club: str, season: int) -> str | None:
    """The park a club called home that season; none for a club that is not ours.

    >>> home_park("ATL", 2016), home_park("ATL", 2026)
    ('ATL02', 'ATL03')
    """
    return next((park for first, park in _HOME.get(club, ()) if season >= first), None)


def distance_km(origin: str, destination: str) -> float | None:
    """Great circle (haversine); none where a park is not listed."""
    if origin == destination:
        return 0.0
    if origin not in PARKS or destination not in PARKS:
        return None
    a, b = PARKS[origin], PARKS[destination]
    one, other = math.radians(a.latitude), math.radians(b.latitude)
    north = math.sin((other - one) / 2.0)
    east = math.sin(math.radians(b.longitude - a.longitude) / 2.0)
    chord = north * north + math.cos(one) * math.cos(other) * east * east
    return 2.0 * EARTH_RADIUS_KM * math.asin(math.sqrt(chord))


def zones_eastward(origin: str, destination: str, moment: datetime) -> float | None:
    """Hours by which clocks at the destination are ahead; `moment` decides on summer time."""
    if origin == destination:
        return 0.0
    if origin not in PARKS or destination not in PARKS:
        return None
    there, here = (moment.astimezone(PARKS[park].zone) for park in (destination, origin))
    ahead, behind = there.utcoffset(), here.utcoffset()
    assert ahead is not None
    assert behind is not None
    return (ahead - behind).total_seconds() / 3600.0
