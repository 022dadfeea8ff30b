"""`steamline settlement rules`."""

import json

import pytest
from typer.testing import CliRunner

from cli.main import app
from schemas.errors import ConfigError

RUN = CliRunner()


def test_a_book() -> None:
    printed = RUN.invoke(app, ["settlement", "rules", "draftkings"])
    assert printed.exit_code == 0
    assert "draftkings: DraftKings" in printed.stdout
    assert "suspended_hours = 36" in printed.stdout
    assert "help.draftkings.com, article 4405230604435" in printed.stdout
    assert "venue_changed: not known" in printed.stdout
    assert "fanduel" not in printed.stdout


def test_all_as_json() -> None:
    printed = RUN.invoke(app, ["settlement", "rules", "--json"])
    tables = {one["book"]: one for one in json.loads(printed.stdout)["tables"]}
    assert {"draftkings", "fanduel", "betmgm", "pinnacle", "conservative"} <= tables.keys()
    assert tables["pinnacle"]["postponed"]["value"] == 12
    assert tables["circa"]["postponed"] is None
    assert tables["circa"]["lines_official"]["basis"] == "remembered"


def test_the_default_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEAMLINE_SETTLEMENT_DEFAULT", "conservative")
    printed = RUN.invoke(app, ["settlement", "rules", "circa"])
    assert "What a book leaves open, conservative answers." in printed.stdout


def test_a_book_without_a_table() -> None:
    refused = RUN.invoke(app, ["settlement", "rules", "betus"])
    assert isinstance(refused.exception, ConfigError)
    assert "'betus'" in str(refused.exception)
    assert "STEAMLINE_SETTLEMENT_DEFAULT" in str(refused.exception)
