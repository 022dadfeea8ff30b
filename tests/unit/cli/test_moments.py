from datetime import UTC, datetime, timedelta, timezone

import pytest

from cli.moments import moment
from schemas.errors import ConfigError


def test_a_time_is_utc_unless_it_says_otherwise() -> None:
    assert moment("--at", "2026-07-28T08:00") == datetime(2026, 7, 28, 8, tzinfo=UTC)
    assert moment("--at", "2026-07-28") == datetime(2026, 7, 28, tzinfo=UTC)
    east = datetime(2026, 7, 28, 8, tzinfo=timezone(timedelta(hours=-4)))
    assert moment("--at", "2026-07-28T08:00-04:00") == east


def test_what_is_no_time_is_refused_with_the_option_and_the_text() -> None:
    with pytest.raises(ConfigError, match=r"^--until: 'soon' is no time\. Use ISO 8601$"):
        moment("--until", "soon")
