"""`steamline backfill` refuses what cannot be meant, before it asks anybody."""

import pytest
from typer.testing import CliRunner

from cli.main import app
from schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("2026-07-20", "2026-07-20"), "END: is not within"),
        (("2026-07-20", "2026-09-20"), "END: is not within 31 days"),
        (("2099-01-01", "2099-01-02"), "END: is not over yet"),
        (("2026-07-20", "soon"), "END: 'soon' is no time"),
        (("2026-07-20", "2026-07-21", "--from", "x", "--record", "y"), "--from: does not go"),
        (("2026-07-20", "2026-07-21"), "no source that tells of the past is on"),
        (("2026-07-20", "2026-07-21", "--source", "sbd"), "no source that tells of the past"),
    ],
)
def test_wrong_calls(
    arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEAMLINE_KAFKA_BOOTSTRAP", "127.0.0.1:9")
    done = CliRunner().invoke(app, ["backfill", *arguments])
    assert isinstance(done.exception, ConfigError)
    assert words in str(done.exception)
