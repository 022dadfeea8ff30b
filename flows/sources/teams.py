"""The thirty clubs: one code each, their names, and what the sources call them."""

from schemas.errors import RejectedEvent

CLUBS: dict[str, str] = {
    "ARI": "Arizona Diamondbacks",
    "ATH": "Athletics",
    "ATL": "Atlanta Braves",
    "BAL": "Baltimore Orioles",
    "BOS": "Boston Red Sox",
    "CHC": "Chicago Cubs",
    "CHW": "Chicago White Sox",
    "CIN": "Cincinnati Reds",
    "CLE": "Cleveland Guardians",
    "COL": "Colorado Rockies",
    "DET": "Detroit Tigers",
    "HOU": "Houston Astros",
    "KCR": "Kansas City Royals",
    "LAA": "Los Angeles Angels",
    "LAD": "Los Angeles Dodgers",
    "MIA": "Miami Marlins",
    "MIL": "Milwaukee Brewers",
    "MIN": "Minnesota Twins",
    "NYM": "New York Mets",
    "NYY": "New York Yankees",
    "PHI": "Philadelphia Phillies",
    "PIT": "Pittsburgh Pirates",
    "SDP": "San Diego Padres",
    "SEA": "Seattle Mariners",
    "SFG": "San Francisco Giants",
    "STL": "St. Louis Cardinals",
    "TBR": "Tampa Bay Rays",
    "TEX": "Texas Rangers",
    "TOR": "Toronto Blue Jays",
    "WSN": "Washington Nationals",
}
"""Our code -> full name for people."""

# A franchise keeps its code through moves and new names, so that its history stays one history.
_ALIASES: dict[str, tuple[str, ...]] = {
    "ARI": ("AZ", "Diamondbacks", "D-Backs"),
    "ATH": ("OAK", "Oakland Athletics", "Sacramento Athletics", "Las Vegas Athletics", "A's"),
    "ATL": ("Braves",),
    "BAL": ("Orioles",),
    "BOS": ("BRS", "Red Sox"),
    "CHC": ("CHN", "CUB", "Cubs"),
    "CHW": ("CHA", "CWS", "White Sox"),
    "CIN": ("Reds",),
    "CLE": ("Cleveland Indians", "Guardians"),
    "COL": ("Rockies",),
    "DET": ("Tigers",),
    "HOU": ("Astros",),
    "KCR": ("KC", "KCA", "KAN", "Royals"),
    "LAA": ("ANA", "Anaheim Angels", "Los Angeles Angels of Anaheim", "Angels"),
    "LAD": ("LAN", "LOS", "Dodgers"),
    "MIA": ("FLA", "FLO", "Florida Marlins", "Marlins"),
    "MIL": ("Brewers",),
    "MIN": ("Twins",),
    "NYM": ("NYN", "Mets"),
    "NYY": ("NYA", "Yankees"),
    "PHI": ("Phillies",),
    "PIT": ("Pirates",),
    "SDP": ("SD", "SDN", "SDG", "Padres"),
    "SEA": ("Mariners",),
    "SFG": ("SF", "SFN", "SFO", "Giants"),
    "STL": ("SLN", "SLC", "St.Louis Cardinals", "Saint Louis Cardinals", "Cardinals"),
    "TBR": ("TB", "TBA", "TBD", "TAM", "Tampa Bay Devil Rays", "Rays"),
    "TEX": ("Rangers",),
    "TOR": ("Blue Jays",),
    "WSN": ("WAS", "WSH", "MON", "Montreal Expos", "Nationals"),
}
_CODE_OF: dict[str, str] = {
    alias.casefold(): code
    for code, name in CLUBS.items()
    for alias in (code, name, *_ALIASES.get(code, ()))
}


def code_of(team: str) -> str:
    """Our code of a team named or coded in any source's way.

    >>> code_of("CHN"), code_of("Oakland Athletics")
    ('CHC', 'ATH')

    Raises RejectedEvent for what is no club (All-Star teams, say).
    """
    code = _CODE_OF.get(team.strip().casefold())
    if code is None:
        raise RejectedEvent("unknown_team", f"{team!r} is none of the thirty clubs")
    return code
