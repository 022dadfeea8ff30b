"""Times as options."""

from datetime import UTC, datetime


def moment(option: str, text: str) -> datetime:
    """ISO 8601, UTC unless it says otherwise. Raises ConfigError naming the option."""
    from schemas.errors import ConfigError

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(option, f"{text!r} is no time", "Use ISO 8601") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
