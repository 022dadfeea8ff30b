"""How sources are polled."""

from pydantic import Field, SecretStr

from schemas.sections.base import Measured, Section


class IngestSettings(Measured):
    """How sources are polled, whichever they are."""

    user_agent: str = Field(default="steamline/0.1 (self-hosted odds processor)", min_length=1)
    """How the poller introduces itself."""
    proxy: SecretStr | None = None
    """http:// or https:// address through which every request goes."""
    timeout_seconds: float = Field(default=20.0, gt=0.0)
    """For one whole answer, however slowly it trickles."""
    attempts: int = Field(default=3, ge=1, le=10)
    """Of one look, before it counts as failed; between them waits with jitter."""
    max_wait_seconds: float = Field(default=30.0, ge=0.0)
    """Longest wait between them. A source that asks for more is left alone for so long."""
    max_body_bytes: int = Field(default=8_388_608, ge=1_024)
    """A longer answer, unpacked, is cut off and goes to the dead letters."""
    breaker_failures: int = Field(default=4, ge=1)
    """After so many failed looks in a row a source is left alone for a while."""
    breaker_seconds: int = Field(default=120, ge=1)
    """How long."""
    silent_minutes: float = Field(default=20.0, gt=0.0)
    """A source not heard for longer, or for three of its own pauses, raises an alarm."""
    memory_hours: float = Field(default=96.0, gt=0.0)
    """How far back the topics are read at the start, to know what has been said."""
    quarantine_hours: float = Field(default=6.0, gt=0.0)
    """How long a fact waits for its game to appear in the schedule."""
    quarantine_facts: int = Field(default=20_000, ge=1)
    """How many wait at most; beyond, the oldest go to the dead letters."""


class PollSettings(Section):
    """How one source is polled."""

    enabled: bool = False
    """Whether it is polled."""
    url: str = Field(default="", pattern=r"^(https?://[^/@?#]+.*)?$")
    """Its server; a path before the source's own is kept."""
    near_seconds: float = Field(default=60.0, gt=0.0)
    """Between two looks when a first pitch is close."""
    follow_games: bool = False
    """Look as often while a game is on."""
    far_seconds: float = Field(default=600.0, gt=0.0)
    """Between two looks while a game starts within a day; shorter the nearer it is."""
    idle_seconds: float = Field(default=3_600.0, gt=0.0)
    """Between two looks with no game within a day."""
    per_minute: float = Field(default=6.0, gt=0.0)
    """Requests a minute at most, repeated ones included."""


class MlbstatsSettings(PollSettings):
    """The schedule: without it no fact finds its game."""

    enabled: bool = True
    url: str = "https://statsapi.mlb.com"
    follow_games: bool = True
    days_ahead: int = Field(default=3, ge=0, le=14)
    """Days of schedule to ask for, after today."""


class OddsapiSettings(PollSettings):
    """Odds of many books; needs a key."""

    enabled: bool = True
    url: str = "https://api.the-odds-api.com"
    api_key: SecretStr | None = None
    """Without it the source is off."""
    regions: str = "us,us2,eu"
    """Whose books; each look costs regions x markets of the quota."""
    markets: str = "h2h,spreads,totals"
    """Moneyline, run line, totals."""
    quota_reserve: int = Field(default=50, ge=0)
    """Polling stops before fewer requests than that remain."""


class ActionnetworkSettings(PollSettings):
    """Odds and splits; an interface that its owner does not document."""

    url: str = "https://api.actionnetwork.com"
    books: str = "15,30,68,69,71,75,79,123"
    """Its numbers of the books to ask for."""
    far_seconds: float = 900.0


class VsinSettings(PollSettings):
    """Splits at DraftKings and Circa, from a page for people."""

    url: str = "https://data.vsin.com"
    near_seconds: float = 300.0
    far_seconds: float = 900.0


class SbdSettings(PollSettings):
    """Splits at several books."""

    url: str = "https://srfeeds.sportsbettingdime.com"
    books: str = "betmgm,bet365,fanatics,draftkings,caesars,fanduel"
    """Its names of the books to ask for."""
    near_seconds: float = 300.0
    far_seconds: float = 900.0
