"""One frozen `Settings`, read once at the edge; parts are handed to what needs them.

Every key is an environment variable or a line in `.env`: `STEAMLINE_KAFKA_BOOTSTRAP` fills
`settings.kafka.bootstrap`.
"""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from schemas.errors import ConfigError
from schemas.sections.api import ApiSettings
from schemas.sections.base import PREFIX
from schemas.sections.judging import AbSettings, DriftSettings, MonitorSettings, WatchSettings
from schemas.sections.keeping import ArchiveSettings, CurateSettings
from schemas.sections.observing import LogSettings, TracesSettings
from schemas.sections.scoring import KNOWN_BOOKS, SHARP_BOOKS, AlertSettings, ScoreSettings
from schemas.sections.servers import KafkaSettings, MlflowSettings, PostgresSettings, RedisSettings
from schemas.sections.sources import (
    ActionnetworkSettings,
    IngestSettings,
    MlbstatsSettings,
    OddsapiSettings,
    SbdSettings,
    VsinSettings,
)
from schemas.sections.staking import (
    LedgerSettings,
    PaperSettings,
    SettlementSettings,
    StakingSettings,
)
from schemas.sections.webhooks import WebhooksSettings

_FIX = "docs/settings.md lists what it takes"


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
    webhooks: WebhooksSettings = WebhooksSettings()
    log: LogSettings = LogSettings()
    traces: TracesSettings = TracesSettings()
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
