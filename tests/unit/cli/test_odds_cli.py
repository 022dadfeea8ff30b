"""`steamline odds`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STEAMLINE_SCORE_DEVIG", raising=False)


def test_devig_takes_american_and_decimal_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example that the package shin publishes; 4.3 is +330."""
    command = ["odds", "devig", "--method", "shin", "--json", "2.6", "2.4", "+330"]
    done = RUNNER.invoke(app, command)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["probabilities"] == pytest.approx([0.3729941, 0.4047794, 0.2222265], abs=1e-7)
    assert said["overround"] == pytest.approx(1 / 2.6 + 1 / 2.4 + 1 / 4.3, abs=1e-15)
    command = ["odds", "devig", "--json", "-110", "-110"]
    said = json.loads(RUNNER.invoke(app, command).stdout)
    assert (said["method"], said["probabilities"]) == ("power", [0.5, 0.5])
    assert said["overround"] == pytest.approx(22 / 21)
    monkeypatch.setenv("STEAMLINE_SCORE_DEVIG", "odds_ratio")
    said = json.loads(RUNNER.invoke(app, command).stdout)
    assert said["method"] == "odds_ratio"
    shown = RUNNER.invoke(app, ["odds", "devig", "-150", "+130"]).stdout
    assert "odds_ratio" in shown
    assert "-150" in shown


def test_convert() -> None:
    done = RUNNER.invoke(app, ["odds", "convert", "--json", "-110", "3/2", "1.25"])
    assert json.loads(done.stdout)["prices"] == [
        {
            "american": -110.0,
            "decimal": 21 / 11,
            "fractional": "10/11",
            "probability": 11 / 21,
        },
        {"american": 150.0, "decimal": 2.5, "fractional": "3/2", "probability": 0.4},
        {"american": -400.0, "decimal": 1.25, "fractional": "1/4", "probability": 0.8},
    ]
    done = RUNNER.invoke(app, ["odds", "convert", "--as", "probability", "0.4"])
    assert done.stdout.splitlines()[1].split() == ["+150", "2.5", "3/2", "0.400000"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["devig", "foo", "2"], "ODDS: 'foo' is no price"),
        (["devig", "2"], "ODDS: one price is no market"),
        (["devig", "--method", "magic", "2", "2"], "--method: 'magic' is none of them"),
        (
            # A fifth of margin over three outcomes takes more than the longshot has.
            ["devig", "--method", "additive", "--as", "decimal", "1.68", "1.68", "100"],
            "--method: additive leaves an outcome",
        ),
        (["convert", "-50"], "ODDS: American odds -50 lie between -100 and 100"),
    ],
)
def test_what_cannot_be_is_an_error(arguments: list[str], says: str) -> None:
    done = RUNNER.invoke(app, ["odds", *arguments])
    assert done.exit_code == 1
    assert says in str(done.exception)
    assert done.stdout == ""
