"""This machine: versions, folders, disk, secrets."""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import requires, version
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from flows.doctor import Check, Finding, fail, ok, warn
from schemas.settings import Settings

PYTHONS = ((3, 11), (3, 12))
GIB = 1 << 30
LEAST_FREE, ENOUGH_FREE = 1 * GIB, 10 * GIB
WEAK = {
    *("", "change-me", "changeme", "password", "secret"),
    *("postgres", "steamline", "redis", "admin"),
}


def checks(settings: Settings, env_file: Path) -> list[Check]:
    return [
        Check("versions", _versions, "Run `make setup`"),
        Check("data folder", lambda: [_data(settings)], "Set STEAMLINE_DATA to a folder"),
        Check("home", lambda: list(_home(settings)), "Set STEAMLINE_HOME to a folder of your own"),
        Check("model cache", lambda: [_cache(settings)], "Remove HOME/models: it is filled anew"),
        Check("secrets", lambda: list(_secrets(settings, env_file)), "Look at .env"),
    ]


def _versions() -> Sequence[Finding]:
    running = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    wanted = next(one for one in requires("steamline") or () if one.startswith("bytewax"))
    found = f"bytewax=={version('bytewax')}"
    if sys.version_info[:2] not in PYTHONS:
        return [fail("versions", running, "Use Python 3.11 or 3.12: bytewax has no others")]
    if found != wanted:
        return [fail("versions", f"{found}, not {wanted}", "Run `make setup`: it pins them all")]
    return [ok("versions", f"{running}, {found}")]


def _data(settings: Settings) -> Finding:
    if settings.data is None:
        return ok("data folder", "none is named: only what the topics bring is there")
    if not settings.data.is_dir():
        return fail(
            "data folder", f"{settings.data} is no folder", "Mend STEAMLINE_DATA, or leave it out"
        )
    if not any(settings.data.iterdir()):
        return warn("data folder", f"{settings.data} is empty", "Put the real seasons there")
    return ok("data folder", str(settings.data))


def _home(settings: Settings) -> Iterator[Finding]:
    """Recovery, positions and the model cache live there."""
    for name, folder in (("home", settings.home), ("recovery", settings.home / "recovery")):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(b"x" * 4096)
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as bad:
            yield fail(
                name,
                f"{folder} cannot be written: {bad.strerror}",
                "Give it to this user, make room, or set STEAMLINE_HOME to another folder",
            )
            return
    yield ok("recovery", f"{settings.home / 'recovery'} can be written")
    free = shutil.disk_usage(settings.home).free
    told = f"{free / GIB:.1f} GiB free at {settings.home}"
    if free < LEAST_FREE:
        yield fail("disk", told, "Make room: snapshots and the archive stop before they lose")
    elif free < ENOUGH_FREE:
        yield warn("disk", told, "Make room before the season is over")
    else:
        yield ok("disk", told)


def _cache(settings: Settings) -> Finding:
    """Where a worker starts from when the registry is away."""
    # Here: it costs seconds, and the other checks need not wait for them.
    from models.registry import Registry

    if settings.mlflow.tracking_uri is None:
        return warn("model cache", "no registry is configured", "Run `steamline stack up`")
    kept = Registry.of(settings).cached()
    if not kept:
        return warn(
            "model cache",
            "empty: a start needs the registry",
            "Run `steamline run score` once with champions in the registry",
        )
    return ok("model cache", f"{len(kept)} models")


def _secrets(settings: Settings, env_file: Path) -> Iterator[Finding]:
    found = False
    for name, secret in (
        ("STEAMLINE_POSTGRES_DSN", settings.postgres.dsn),
        ("STEAMLINE_REDIS_URL", settings.redis.url),
        ("STEAMLINE_MLFLOW_TRACKING_URI", settings.mlflow.tracking_uri),
    ):
        why = _weakness(secret)
        if why is not None:
            found = True
            yield warn("secrets", f"{name} {why}", "openssl rand -hex 16 makes a good one")
    for one in (settings.kafka.bootstrap or "").split(","):
        host = one.strip().rpartition(":")[0].strip("[]")
        plain = "security.protocol" not in settings.kafka.options
        if host and plain and not _is_private(host):
            found = True
            yield warn(
                "secrets",
                f"Kafka at {host} is spoken to in plain text",
                "Set security.protocol in STEAMLINE_KAFKA_OPTIONS",
            )
    if env_file.exists() and env_file.stat().st_mode & (stat.S_IRWXO | stat.S_IRWXG):
        found = True
        yield warn("secrets", f"{env_file} can be read by others", f"chmod 600 {env_file}")
    if not found:
        yield ok("secrets", "no default passwords, none in the open")


def _weakness(secret: SecretStr | None) -> str | None:
    if secret is None:
        return None
    try:
        parts = urlsplit(secret.get_secret_value())
        password, host = parts.password, parts.hostname
    except ValueError:
        return "is no address"
    if password is None:
        if parts.scheme in ("unix", "http", "https", "sqlite") or host is None or _is_private(host):
            return None
        return "has no password"
    return "has a default password" if unquote(password).lower() in WEAK else None


def _is_private(host: str) -> bool:
    """Of this machine, or by a name of a container network."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return "." not in host
