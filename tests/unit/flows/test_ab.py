"""`steamline ab` on an archive of one game whose numbers are worked out by hand."""

import json
import math
from pathlib import Path

import pytest
from scipy.optimize import brentq  # type: ignore[import-untyped]
from typer.testing import CliRunner

from cli.main import app
from flows.connectors.parquet import write_archive, write_events
from schemas.decisions import Role, SideQuote
from schemas.errors import ConfigError, DataMissing
from schemas.markets import Side
from schemas.time import US_PER_MINUTE
from schemas.topics import Topic
from tests import samples

EARLY, LAST = samples.START - 130 * US_PER_MINUTE, samples.START - 70 * US_PER_MINUTE
FIVE_HOURS_50 = 350 * 60
"""Ten minutes before first pitch."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Home wins 5:3. Model 2 stakes home at 2.00; the book closes at 1.80 and 2.10."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "archive"
    write_events(
        root,
        [
            samples.game(),
            samples.line(1, 1.95, 1.95),
            samples.line(FIVE_HOURS_50, 1.80, 2.10),
            samples.result(9 * 3_600),
        ],
    )
    said = [
        samples.prediction(position, chance, as_of_us=at, model_version=version)
        for position, at, first, second in ((7, EARLY, 0.50, 0.55), (9, LAST, 0.52, 0.60))
        for version, chance in (("m-1", first), ("m-2", second))
    ]
    write_archive(root, Topic.PREDICTIONS, said)
    staked = [
        samples.stake(
            position,
            fraction,
            stake_id=f"{position}-{version}",
            as_of_us=at,
            model_version=version,
            side=Side.HOME,
            price=2.0,
        )
        for position, at, version, fraction in (
            (5, EARLY, "m-2", 0.04),  # what stood at the last decision counts
            (6, EARLY, "m-1", 0.03),
            (8, LAST, "m-1", 0.0),
            (8, LAST, "m-2", 0.02),
            (10, LAST, "m-2", 0.5),
        )
    ]
    write_archive(root, Topic.STAKES, staked)
    return root


def report(root: Path, *more: str) -> list[str]:
    return ["ab", "report", "--archive", str(root), "--a", "m-1", "--b", "m-2", *more]


def test_report(root: Path) -> None:
    done = CliRunner().invoke(app, report(root, "--json"))
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    # Two decisions of one game: each counts half.
    expected = (math.log(0.50 / 0.55) + math.log(0.52 / 0.60)) / 2
    assert found["log_loss"]["difference"] == pytest.approx(expected, abs=1e-12)
    assert found["log_loss"]["games"] == 1
    assert found["log_loss"]["interval"] == [None, None]  # one day
    power = brentq(lambda k: 1.8**-k + 2.1**-k - 1.0, 0.5, 2.0)
    b = found["arms"]["b"]
    assert b["clv"] == pytest.approx(2.0 * 1.8**-power - 1.0, abs=1e-9)
    assert b["growth"] == pytest.approx(math.log(1.02))
    assert found["growth"] == pytest.approx(math.log(1.02))
    assert (found["arms"]["a"]["bets"], b["bets"], b["clv_known"]) == (0, 1, 1.0)
    assert found["needed"] is None
    text = CliRunner().invoke(app, report(root)).stdout
    assert "moneyline, shadow: 1 games, 1 days" in text
    assert "not settled" in text


def trial(version: str, **over: object) -> dict[str, object]:
    role = Role.CHALLENGER if version.startswith("b") else Role.CHAMPION
    return {"model_version": version, "role": role, "experiment": "spring"} | over


def priced(chance: float) -> list[SideQuote]:
    return [
        SideQuote(side=side, book="pinnacle", price=price, age_ms=1, edge=wins * price - 1.0)
        for side, price, wins in ((Side.HOME, 2.0, chance), (Side.AWAY, 1.9, 1.0 - chance))
    ]


def test_a_shadow_is_found_by_what_its_messages_record(root: Path) -> None:
    """Neither side's stakes are needed: A's were refused, B makes none."""
    said = [
        samples.prediction(position, chance, as_of_us=at, best=priced(chance), **trial(version))
        for position, at, first, second in ((7, EARLY, 0.50, 0.55), (9, LAST, 0.52, 0.60))
        for version, chance in (("a-1", first), ("b-2", second))
    ]
    # What B said before A was champion, and a champion outside of any experiment.
    said.append(samples.prediction(3, 0.9, as_of_us=EARLY - 1, **trial("a-0")))
    said.append(samples.prediction(4, 0.9, as_of_us=EARLY - 1, model_version="m-1"))
    write_archive(root, Topic.PREDICTIONS, said)
    refused = samples.stake(9, 0.0, as_of_us=LAST, **trial("a-1"))
    write_archive(root, Topic.STAKES, [refused])
    done = CliRunner().invoke(app, ["ab", "report", "--archive", str(root), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["a"], found["b"], found["mode"]) == ("a-1", "b-2", "shadow")
    assert (found["experiment"], found["others"]) == ("spring", ["a-0"])
    expected = (math.log(0.50 / 0.55) + math.log(0.52 / 0.60)) / 2
    assert found["log_loss"]["difference"] == pytest.approx(expected, abs=1e-12)
    # A quarter of Kelly at even money: .04 / 4; of .20 / 4 the cap of 5 %. Home won.
    assert found["arms"]["a"]["growth"] == pytest.approx(math.log(1.01), abs=1e-12)
    assert found["arms"]["b"]["growth"] == pytest.approx(math.log(1.05), abs=1e-12)
    power = brentq(lambda k: 1.8**-k + 2.1**-k - 1.0, 0.5, 2.0)
    for arm in found["arms"].values():
        assert arm["clv"] == pytest.approx(2.0 * 1.8**-power - 1.0, abs=1e-9)
    text = CliRunner().invoke(app, ["ab", "report", "--archive", str(root)]).stdout
    assert "moneyline, spring (shadow): 1 games, 1 days" in text
    assert "A a-1, B b-2" in text
    other = ["ab", "report", "--archive", str(root), "--experiment", "autumn"]
    assert isinstance(CliRunner().invoke(app, other).exception, DataMissing)


def test_a_split_counts_the_stakes_that_went_out(root: Path) -> None:
    """One game each, and home won both: A staked nothing, B a twentieth at 2.00 on the other."""
    dealt = {samples.GAME: "a-1", samples.OTHER: "b-2"}
    write_archive(
        root,
        Topic.RESULTS,
        [samples.result(9 * 3_600, game_id=game) for game in dealt],
    )
    chances = {"a-1": 0.6, "b-2": 0.8}
    write_archive(
        root,
        Topic.PREDICTIONS,
        [
            samples.prediction(
                9,
                chances[version],
                game_id=game,
                as_of_us=LAST,
                market_probability=0.5,
                **trial(version, share=0.5),
            )
            for game, version in dealt.items()
        ],
    )
    staked = {"game_id": samples.OTHER, "as_of_us": LAST, "side": Side.HOME, "price": 2.0}
    stakes = [
        samples.stake(9, 0.05, stake_id="dealt", **staked, **trial("b-2", share=0.5)),
        # Of the same model in another experiment, or in none.
        samples.stake(9, 0.02, stake_id="none", **staked, model_version="b-2"),
    ]
    write_archive(root, Topic.STAKES, stakes)
    done = CliRunner().invoke(app, ["ab", "report", "--archive", str(root), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["mode"], found["strays"], found["log_loss"]["games"]) == ("split", 0, 2)
    expected = (2 * math.log(0.5 / 0.8) - 2 * math.log(0.5 / 0.6)) / 2
    assert found["log_loss"]["difference"] == pytest.approx(expected, abs=1e-12)
    assert found["growth"] == pytest.approx(math.log(1.05))
    assert (found["arms"]["a"]["bets"], found["arms"]["b"]["bets"]) == (0, 1)


def test_a_version_that_never_spoke(root: Path) -> None:
    done = CliRunner().invoke(app, report(root, "--target", "total"))
    assert isinstance(done.exception, DataMissing)
    assert "total: no game that is over" in str(done.exception)


def test_the_calculator_is_that_of_the_books() -> None:
    """Chow et al.: ((1.959964 + .841621) * 1 / .5)**2 = 31.4."""
    asked = ["ab", "plan", "--deviation", "1", "--difference", "-0.5", "--json"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["once"] == 32
    assert found["always"] >= 32
    text = CliRunner().invoke(app, asked[:-1]).stdout
    assert "32 games, 3 days" in text
    none = CliRunner().invoke(app, [*asked[:4], "--difference", "0"])
    assert isinstance(none.exception, ConfigError)
