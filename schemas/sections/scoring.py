"""When a game is scored, on what, and when the market is worth a word."""

from typing import Literal

from pydantic import Field

from schemas.sections.base import Measured, Section

DevigMethod = Literal["multiplicative", "additive", "power", "shin", "odds_ratio", "goto"]

KNOWN_BOOKS: tuple[str, ...] = (
    "pinnacle",
    "circa",
    "betonlineag",
    "lowvig",
    "draftkings",
    "fanduel",
    "betmgm",
    "williamhill_us",
    "betrivers",
    "fanatics",
    "bovada",
    "mybookieag",
    "betus",
    "bet365",
)
"""Order gives each book its column in a game's state, so append, never reorder."""

SPLIT_POOLS: tuple[str, ...] = ("action_network", "sbd")
"""Sources of splits that do not say whose bets they count. Such splits stand under the source's
own name, beside those of books; no price is ever under it."""

SHARP_BOOKS: tuple[str, ...] = ("pinnacle", "circa", "betonlineag", "lowvig")


class ScoreSettings(Measured):
    """When a game is scored, and on what."""

    cutoff_minutes: float = Field(default=60.0, ge=1.0)
    """Pre-game models see nothing later than first pitch minus this."""
    stale_minutes: float = Field(default=30.0, gt=0.0)
    """A quote not confirmed for longer is out of consensus, best price and stakes."""
    future_seconds: float = Field(default=300.0, ge=0.0)
    """An event may be dated this much after its own Kafka timestamp."""
    late_hours: float = Field(default=6.0, gt=0.0)
    """An event older than the game's newest by more goes to the dead letters."""
    max_event_bytes: int = Field(default=65_536, ge=1_024)
    """A longer event goes to the dead letters."""
    devig: DevigMethod = "power"
    """How the bookmaker's margin is taken out of a price; docs/staking.md compares them."""


class AlertSettings(Section):
    """When the market is worth a word. Shares and changes are of probability: 0.01 is 1 %.

    Three books inside 15 minutes is what open detectors use for steam (Sharp Seeker: 3 books,
    30 min; OddTracker: 3 books, 15 min); theoddsapi.com/research/glossary/steam-move asks for
    "the same direction within minutes". 70 % of tickets make a side public
    (rotogrinders.com/lessons/reverse-line-movement-838767; sports.betmgm.com uses 70 % too), and
    a line that stands still against 75 % is the example of bettinginwi.com/glossary/line-movement.
    A sharp quote 2 points ahead of a soft one is the mark of
    theoddsapi.com/guides/sharp-lines-pinnacle; half of it for the medians of many books. The
    least changes of 0.01 and the 0.001 of an arbitrage are ours: some four cents of a price, and
    more than rounding gives.
    """

    steam_books: int = Field(default=3, ge=2, le=16)
    """Books that moved one way, less those that moved the other, for steam."""
    steam_minutes: Literal[5, 15] = 15
    """Within which they moved."""
    steam_change: float = Field(default=0.01, ge=0.0, lt=1.0)
    """Least change of the consensus in that time for steam."""
    reverse_tickets: float = Field(default=70.0, ge=50.0, le=100.0)
    """Percent of tickets on one side from which a price moving to the other is reverse."""
    reverse_change: float = Field(default=0.01, gt=0.0, lt=1.0)
    """Least change of the consensus in 180 min against those tickets."""
    freeze_tickets: float = Field(default=75.0, ge=50.0, le=100.0)
    """Percent of tickets on one side from which a price that stands still for 180 min is frozen."""
    arbitrage_profit: float = Field(default=0.001, ge=0.0, lt=1.0)
    """Both best prices together must pay more than this per unit staked."""
    leader_change: float = Field(default=0.01, gt=0.0, lt=1.0)
    """By how much sharp books must have moved ahead of soft ones in 15 min."""
