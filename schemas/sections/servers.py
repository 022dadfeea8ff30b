"""Servers that others keep: Kafka, Redis, Postgres, MLflow."""

from pydantic import Field, SecretStr

from schemas.errors import ConfigError
from schemas.sections.base import PREFIX, Section


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


class MlflowSettings(Section):
    tracking_uri: SecretStr | None = None
    """An MLflow server or its database; without it the local stack's Postgres is used."""
    artifacts: str | None = None
    """Where model files go; without it `STEAMLINE_HOME/mlflow`."""
    poll_seconds: float = Field(default=10.0, gt=0.0)
    """How often a worker looks whether the champions have changed."""
