"""`steamline kelly`."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app

RUNNER = CliRunner()
ONE = [{"id": "a", "odds": 1 + 100 / 110, "p": 0.56}]
CAPPED = ("--cap", "total=0.1")
TWO = [{"id": "a", "odds": 2.0, "p": 0.6}, {"id": "b", "odds": 2.0, "p": 0.6}]


def said(*arguments: str, text: str) -> Any:
    done = RUNNER.invoke(app, ["kelly", "--json", *arguments, "-"], input=text)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_list_on_standard_input() -> None:
    answer = said("--fraction", "1", text=json.dumps(ONE))
    assert [stake["id"] for stake in answer["stakes"]] == ["a"]
    assert answer["stakes"][0]["fraction"] == pytest.approx(0.076, abs=1e-9)
    # .56 log(1 + .0691) + .44 log(1 - .076), by hand.
    assert answer["growth"] == pytest.approx(0.0026338, abs=1e-7)
    assert answer["kkt_residual"] < 1e-8
    # A quarter where nothing is said.
    assert said(text=json.dumps(ONE))["stakes"][0]["fraction"] == pytest.approx(0.019, abs=1e-9)


def test_a_file_and_options_over_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "slate.json"
    file.write_text(json.dumps({"bets": TWO, "fraction": 0.1, "caps": {"day": 0.3, "total": 0.5}}))
    done = RUNNER.invoke(
        app, ["kelly", str(file), "--fraction", "1", "--cap", "total=0.1", "--json"]
    )
    answer = json.loads(done.stdout)
    assert [one["fraction"] for one in answer["stakes"]] == pytest.approx([0.05, 0.05], abs=1e-12)
    assert [one["limit"] for one in answer["binding"]] == ["total"]
    done = RUNNER.invoke(app, ["kelly", str(file), "--by", "utility", "--drawdown", "0.9", "0.01"])
    assert done.exit_code == 0, done.output
    shown = done.stdout.splitlines()
    assert shown[0].split()[:2] == ["a", "2.000"]
    assert shown[-1] == "held back by: drawdown"


@pytest.mark.parametrize(
    ("text", "arguments", "says"),
    [
        ("{", [], "standard input: cannot be read as JSON"),
        ("3", [], "standard input: is neither a list of bets nor an object"),
        ('[{"id": "a", "odds": 1.0, "p": 0.5}]', [], "bets.0.odds: Input should be greater than 1"),
        ('[{"id": "a", "odds": 2.0}]', [], "bet a: p is missing"),
        ('[{"id": "a", "odds": 2.0, "p": 0.5, "stake": 1}]', [], "bets.0.stake: Extra inputs"),
        ('[{"id": "a", "odds": 2.0, "p": NaN}]', [], "bets.0.p: Input should be a finite number"),
        ("[]", ["--cap", "stadium=0.1"], "caps.stadium: Extra inputs"),
        ("[]", ["--cap", "total"], "caps.total: Input should be a valid number"),
        ("[]", ["--fraction", "2"], "fraction: Input should be less than or equal to 1"),
        ("[]", ["--by", "luck"], "by: Input should be 'scaling' or 'utility'"),
        ("[]", ["--drawdown", "1.2", "0.1"], "drawdown.level: Input should be less than 1"),
    ],
)
def test_what_cannot_be_is_an_error(text: str, arguments: list[str], says: str) -> None:
    done = RUNNER.invoke(app, ["kelly", *arguments, "-"], input=text)
    assert done.exit_code == 1
    assert says in str(done.exception)
    assert "docs/staking.md" in str(done.exception)
    assert done.stdout == ""


def test_no_file_is_an_error() -> None:
    done = RUNNER.invoke(app, ["kelly", "nowhere.json"])
    assert "nowhere.json: cannot be read" in str(done.exception)
