"""One frozen `Settings`, read once at the edge; parts are handed to what needs them.

Every key is an environment variable or a line in `.env`: `STEAMLINE_KAFKA_BOOTSTRAP` fills
`settings.kafka.bootstrap`.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from schemas.decisions import ExperimentName
from schemas.errors import ConfigError
from schemas.events import Name
from schemas.kelly import Drawdown, Share

PREFIX = "STEAMLINE_"
_FIX = "docs/settings.md lists what it takes"

DevigMethod = Literal["multiplicative", "additive", "power", "shin", "odds_ratio", "goto"]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class KafkaSettings(Section):
    """Broker, topics and security."""

    bootstrap: str | None = None
    """host:port list of a running cluster; without it the local stack's broker is used."""
    prefix: str = Field(default="steamline.", pattern=r"^[a-zA-Z0-9._-]*$")
    """In front of every topic's name."""
    partitions: int = Field(default=8, ge=1, le=4096)
    """Of each topic, when the topics are created."""
    replication: int = Field(default=1, ge=1)
    """Copies of each topic, when the topics are created."""
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Any further librdkafka property, as JSON: security.protocol, sasl.*, ssl.*."""
    sasl_password: SecretStr | None = None
    """For `sasl.mechanism` and `sasl.username` in the options."""

    def client_config(self) -> dict[str, str | int | float | bool]:
        """librdkafka properties shared by every client. Raises ConfigError without a broker."""
        if not self.bootstrap:
            raise ConfigError(
                f"{PREFIX}KAFKA_BOOTSTRAP",
                "no broker is configured and no local stack is running",
                "Set it to host:port, or run `steamline stack up`",
            )
        config = {"bootstrap.servers": self.bootstrap, **self.options}
        if self.sasl_password is not None:
            config["sasl.password"] = self.sasl_password.get_secret_value()
        return config


class RedisSettings(Section):
    url: SecretStr | None = None
    """redis://, rediss:// or unix://, with user and password; else the local stack's server."""
    prefix: str = "steamline"
    """In front of every key."""
    ttl_hours: float = Field(default=12.0, gt=0.0)
    """How long a vector outlives the start of its game."""


class PostgresSettings(Section):
    dsn: SecretStr | None = None
    """postgresql://user:password@host:port/database; else the local stack's server."""


class CurateSettings(Section):
    """How the topics go into Postgres."""

    batch: int = Field(default=10_000, ge=1, le=100_000)
    """Records of one transaction, at most."""
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Where `steamline run curate` serves Prometheus metrics at /metrics; without it, nowhere."""
    metrics_host: str = "127.0.0.1"
    """Address it listens on for that."""


class MlflowSettings(Section):
    tracking_uri: SecretStr | None = None
    """An MLflow server or its database; without it the local stack's Postgres is used."""
    artifacts: str | None = None
    """Where model files go; without it `STEAMLINE_HOME/mlflow`."""
    poll_seconds: float = Field(default=10.0, gt=0.0)
    """How often a worker looks whether the champions have changed."""


class ScoreSettings(Section):
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
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Where the worker serves Prometheus metrics at /metrics; without it, nowhere."""
    metrics_host: str = "127.0.0.1"
    """Address it listens on for that."""


class AbSettings(Section):
    """Whether challengers score live games too; docs/evaluation.md says how to judge them."""

    mode: Literal["off", "shadow", "split"] = "off"
    """`shadow`: they score every game beside the champions, and nothing is staked on it. `split`:
    each game has one of both, stakes too."""
    experiment: ExperimentName = "main"
    """Its name: on every message of it, and in the hash that deals games out. Give a new one when
    another pair of models is to be compared on games dealt anew."""
    share: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Of games that challengers have in a split. Raised, they keep those that they had."""


class StakingSettings(Section):
    """How much to bet, out of one bankroll."""

    name: str = Field(default="main", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Of the bankroll, in the ledger."""
    bankroll: float = Field(default=10_000.0, gt=0.0)
    """What it holds until the ledger says otherwise."""
    fraction: float = Field(default=0.25, gt=0.0, le=1.0)
    """Share of full Kelly."""
    min_edge: float = Field(default=0.02, ge=0.0)
    """Expected return per unit below which nothing is staked."""
    by: Literal["scaling", "utility"] = "scaling"
    """Full Kelly of the slate times the fraction, or the optimum of power utility with risk
    aversion 1 / fraction, which spreads more evenly on busy days."""
    max_fraction: float = Field(default=0.05, gt=0.0, le=1.0)
    """Cap of one bet, share of the balance."""
    max_game: Share = 1.0
    """Cap of one game."""
    max_book: Share = 1.0
    """Cap of one book."""
    max_day: Share = 1.0
    """Cap of the games of one day."""
    max_total: Share = 1.0
    """Cap of everything."""
    drawdown: Drawdown | None = None
    """As JSON: `{"level": 0.7, "probability": 0.1}` keeps the chance that wealth ever falls to 70 %
    below 10 %."""
    min_move: float = Field(default=0.001, ge=0.0, lt=1.0)
    """A stake is said again when it has moved by more than this share of the balance."""
    round_to: float = Field(default=0.01, gt=0.0)
    """Amounts are rounded down to multiples of it."""
    min_stake: float = Field(default=0.0, ge=0.0)
    """A smaller amount is not staked: no book takes it."""
    book_limits: dict[str, Annotated[float, Field(ge=0.0)]] = Field(default_factory=dict)
    """As JSON, book: largest amount that it takes on one bet."""
    ledger_minutes: float | None = Field(default=None, gt=0.0)
    """Nothing is staked when the newest balance from the ledger is older, in event time, or there
    is none; without it, `bankroll` counts until a balance comes."""
    min_completeness: float = Field(default=0.4, ge=0.0, le=1.0)
    """Share of known features below which nothing is staked."""
    paper: bool = False
    """Size stakes of models that have not passed the gate too, marked `paper`: to be watched, not
    bet. Without it they are refused as `unpromoted_model`."""


CONSENSUS = "consensus"
"""Stands where a book's name can: the median of the fresh books."""


class PaperSettings(Section):
    """Bets that nobody makes: what the stakes of a bankroll would have come to."""

    bankrolls: tuple[Name, ...] = ()
    """As a JSON list: their stakes are filled on paper by `steamline run settle`."""
    delay_seconds: float = Field(default=5.0, ge=0.0)
    """From a stake to its fill, in event time: the price is the one that the book quotes then."""


class SettlementSettings(Section):
    """By which rules bets are graded (docs/settlement.md), and what close they are held against."""

    default: str | None = None
    """Rule table that answers what is not known of a book: `conservative`, or another book's.
    Without it such bets wait for a person."""
    tables: Path | None = None
    """Folder of your own rule tables (TOML); each takes the place of ours for its book."""
    close: Name = CONSENSUS
    """Whose closing price a bet is held against: a book, or `consensus`."""
    correction_days: float = Field(default=7.0, gt=0.0)
    """A finished game is forgotten after so long without news; a result that is corrected later
    settles nothing."""
    give_up_days: float = Field(default=60.0, gt=0.0)
    """A bet that nothing has settled so long after the last news of its game goes to the dead
    letters."""
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Where the settle flow serves Prometheus metrics at /metrics; without it, nowhere."""
    metrics_host: str = "127.0.0.1"
    """Address it listens on for that."""


class LedgerSettings(Section):
    """How `steamline run ledger` speaks of the bankrolls that it keeps."""

    heartbeat_seconds: float = Field(default=60.0, ge=1.0)
    """Balances are said again this often while Postgres answers and everything read is booked; for
    bankrolls with `ledger_minutes`."""


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


class DriftSettings(Section):
    """From when on a change of features, models or results is worth a word. The smallest samples
    that allow a verdict move by more than these: an alert also needs an interval or a test."""

    days: int = Field(default=14, ge=2)
    """With games, that count as recent."""
    stability: float = Field(default=0.25, gt=0.0)
    """Population stability index of a feature's known values; .25 is the usual mark of a large
    change. A feature that has moved further by nature before needs more."""
    missing: float = Field(default=0.2, gt=0.0, lt=1.0)
    """Share of vectors by which a feature is missing more often."""
    chance: float = Field(default=0.01, gt=0.0, lt=1.0)
    """That one feature or more is called unstable although none is."""
    log_loss_above_market: float = Field(default=0.0, ge=0.0)
    """Log-loss of the model less that of the no-vig price; its interval must be above 0 too."""
    calibration_error: float = Field(default=0.1, gt=0.0, lt=1.0)
    """Mean gap between prediction and result, more than that of the time before. Below some 500
    games chance alone makes half of this."""
    bias: float = Field(default=0.02, ge=0.0, lt=1.0)
    """Mean of result less prediction, either way; its interval must leave out 0 too."""
    importance_moved: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Share of gain, or of contributions, that is now with other features."""
    outlier_share: float = Field(default=0.05, gt=0.0, lt=1.0)
    """Of recent vectors that are strange."""
    outlier_chance: float = Field(default=0.01, gt=0.0, lt=1.0)
    """A vector is strange when an ordinary one is so strange no more often than this."""


class WatchSettings(Section):
    """When `steamline model watch` trains again, and on what."""

    cron: str = "0 9 * * *"
    """When it looks, UTC: minute, hour, day of month, month, day of week, as in crontab."""
    refresh_days: int = Field(default=7, ge=1, le=60)
    """Models that were trained longer ago are trained again; 3 to 10 follow a season well."""
    retry_games: int = Field(default=50, ge=1)
    """Live games that must be over since the last training before models that are worse than the
    market are trained again: on the same games they would only come out the same."""
    window_days: int | None = Field(default=None, ge=1)
    """Train on games of the newest so many days only; without it, on all that the archives hold."""
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Where it serves Prometheus metrics at /metrics; without it, nowhere."""
    metrics_host: str = "127.0.0.1"
    """Address it listens on for that."""


class MonitorSettings(Section):
    """How `steamline run monitor` looks after the models; its thresholds are STEAMLINE_DRIFT_*."""

    poll_seconds: float = Field(default=60.0, gt=0.0)
    """Between looks whether a night has ended that is not judged yet."""
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Where it serves Prometheus metrics at /metrics; without it, nowhere."""
    metrics_host: str = "127.0.0.1"
    """Address it listens on for that."""


class ArchiveSettings(Section):
    """The archive that follows Kafka: when what has come becomes a file, whichever is first."""

    roll_rows: int = Field(default=100_000, ge=1)
    """Records of one topic."""
    roll_bytes: int = Field(default=67_108_864, ge=1)
    """Bytes of one topic, as on Kafka."""
    roll_seconds: float = Field(default=60.0, gt=0.0)
    """Since the first of them."""
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Where the archive serves Prometheus metrics at /metrics; without it, nowhere."""
    metrics_host: str = "127.0.0.1"
    """Address it listens on for that."""


class ApiSettings(Section):
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8000, ge=0, le=65_535)
    """0 picks a free one."""
    ring: int = Field(default=10_000, ge=1)
    """How many feed messages a reconnecting client can be behind."""
    heartbeat_ms: int = Field(default=10_000, ge=100)
    """A silent feed sends a heartbeat this often."""
    send_timeout_seconds: float = Field(default=30.0, gt=0.0)
    """A client that takes no byte for this long is closed."""
    fills_from: Literal["loopback", "anywhere"] = "loopback"
    """Who may record bets by POST /v1/fills: programs on this machine alone, or whoever reaches
    the port. There are no keys yet, so open it only behind something that asks for one."""
    client_queue: int = Field(default=1_000, ge=10)
    """Messages waiting for one client before it is told of a gap and sent a fresh snapshot."""


class IngestSettings(Section):
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
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Where `steamline ingest` serves Prometheus metrics at /metrics; without it, nowhere."""
    metrics_host: str = "127.0.0.1"
    """Address it listens on for that."""


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


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=True,
        # docker compose reads the same .env and keeps its own names there.
        dotenv_filtering="match_prefix",
        extra="forbid",
        frozen=True,
    )

    data: Path | None = None
    """Folder of real historical data (see `steamline data import`)."""
    home: Path = Path(".steamline")
    """Local state: stack, archives, recovery, model cache."""
    books: Annotated[tuple[str, ...], Field(min_length=1, max_length=14)] = KNOWN_BOOKS
    """Bookmakers whose prices count; an event of another goes to the dead letters."""
    sharp_books: tuple[str, ...] = SHARP_BOOKS
    """Those whose prices lead the market."""
    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    postgres: PostgresSettings = PostgresSettings()
    curate: CurateSettings = CurateSettings()
    mlflow: MlflowSettings = MlflowSettings()
    score: ScoreSettings = ScoreSettings()
    ab: AbSettings = AbSettings()
    staking: StakingSettings = StakingSettings()
    paper: PaperSettings = PaperSettings()
    settlement: SettlementSettings = SettlementSettings()
    ledger: LedgerSettings = LedgerSettings()
    bankrolls: tuple[StakingSettings, ...] = ()
    """Several bankrolls instead of the one of `STEAMLINE_STAKING`: a JSON list of objects with that
    section's keys in lower case, the one that the board shows first."""
    alerts: AlertSettings = AlertSettings()
    drift: DriftSettings = DriftSettings()
    watch: WatchSettings = WatchSettings()
    monitor: MonitorSettings = MonitorSettings()
    archive: ArchiveSettings = ArchiveSettings()
    api: ApiSettings = ApiSettings()
    ingest: IngestSettings = IngestSettings()
    mlbstats: MlbstatsSettings = MlbstatsSettings()
    oddsapi: OddsapiSettings = OddsapiSettings()
    actionnetwork: ActionnetworkSettings = ActionnetworkSettings()
    vsin: VsinSettings = VsinSettings()
    sbd: SbdSettings = SbdSettings()

    @field_validator("books")
    @classmethod
    def _each_once(cls, books: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(books)) != len(books):
            raise ValueError("a name stands twice")
        return books

    @field_validator("bankrolls")
    @classmethod
    def _each_named_once(cls, all: tuple[StakingSettings, ...]) -> tuple[StakingSettings, ...]:
        names = [one.name for one in all]
        if len(set(names)) != len(names):
            raise ValueError("a name stands twice")
        return all

    @property
    def all_bankrolls(self) -> tuple[StakingSettings, ...]:
        """At least one; the first is the default."""
        return self.bankrolls or (self.staking,)

    @classmethod
    def read(cls) -> Self:
        """From the environment and `.env`. Raises ConfigError naming the first bad key."""
        try:
            return cls()
        except ValidationError as bad:
            first = bad.errors()[0]
            key = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
            # The value itself stays out of the message: it may be a password.
            raise ConfigError(key, first["msg"], _FIX) from None
        except SettingsError as bad:
            # Its text names the field and the kind of source, and nothing more of use.
            field = str(bad).partition('"')[2].partition('"')[0]
            raise ConfigError(
                PREFIX + field.upper(), "is not the JSON it should be", _FIX
            ) from None
