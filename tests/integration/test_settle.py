"""`steamline run settle` on a real Kafka: bets in, settlements out, as a user would see it."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from cli.main import app
from deploy.stack.kafka import KafkaBroker
from schemas.bets import Fill, Outcome, Settlement
from schemas.errors import DataMissing
from schemas.topics import TOPIC_OF, Topic
from tests.samples import GAME, OPEN, START, at, fill, game, line, result, stake
from tests.system import Child, Sent, Site

FIRST_PITCH = (START - OPEN) / 1_000_000
OVER = FIRST_PITCH + 3 * 3600


@pytest.fixture
def site(kafka: KafkaBroker, tmp_path: Path) -> Iterator[Site]:
    env = {
        "STEAMLINE_BANKROLLS": '[{"name": "main"}, {"name": "ghost"}]',
        "STEAMLINE_PAPER_BANKROLLS": '["ghost"]',
        "STEAMLINE_SETTLEMENT_METRICS_PORT": "0",
    }
    with Site(None, kafka.bootstrap, None, tmp_path, env=env) as site:
        yield site


def tell(site: Site, *said: Any) -> None:
    """Each once the one before is on the broker: so they are read in this order."""
    times = ("occurred_at_us", "filled_at_us", "as_of_us")
    for one in said:
        moment = next(getattr(one, name) for name in times if hasattr(one, name))
        value = one.model_dump_json().encode()
        site.send([Sent(TOPIC_OF[type(one)], one.game_id.encode(), value, moment // 1000)])


def settlements(site: Site) -> list[Settlement]:
    """In the order of the topic, which for one game is that of its partition."""
    return [
        Settlement.model_validate_json(message.value() or b"")
        for message in site.read(Topic.SETTLEMENTS)
    ]


def test_from_the_bet_to_the_corrected_result(site: Site) -> None:
    site.create()
    worker = site.start("run", "settle")
    bet = fill(10, amount=Decimal("25.00"), price=1.95)
    # The quote of noon comes late, and everything comes twice.
    early = [game(), line(60, 1.9, 2.0), line(0, 2.0, 1.9), bet, bet, game()]
    tell(site, *early, line(FIRST_PITCH - 60, 1.80, 2.10), line(FIRST_PITCH + 1, 1.01, 21.0))
    site.send([Sent(Topic.FILLS, GAME.encode(), b"not a bet", at(11) // 1000)])
    tell(site, result(OVER, 5, 3))
    worker.wait_for(lambda: len(settlements(site)) == 1, "the first settlement")
    (won,) = settlements(site)
    assert (won.outcome, won.payout) == (Outcome.WIN, Decimal("48.75"))
    assert won.fill_id == bet.fill_id
    assert won.closing is not None
    assert won.closing.seconds_before_start == 60.0
    assert won.closing.probability_points > 0.0, "1.95 was taken, it closed at 1.80"

    tell(site, result(OVER, 5, 3), bet, result(OVER + 60, 3, 5))
    worker.wait_for(lambda: len(settlements(site)) == 2, "the second settlement")
    lost = settlements(site)[1]
    assert (lost.outcome, lost.payout, lost.supersedes) == (
        Outcome.LOSS,
        Decimal(0),
        won.settlement_id,
    )
    # Older than what it knows: nothing. A bet that is told now: settled at once, by the last word.
    tell(site, result(OVER + 30, 9, 0), fill(20, fill_id="late"))
    worker.wait_for(lambda: len(settlements(site)) == 3, "the third settlement")
    assert settlements(site)[2].outcome is Outcome.LOSS
    (letter,) = site.letters()
    assert (letter["reason"], letter["topic"]) == ("malformed_json", "fills")
    assert _metric(worker, 'steamline_settle_settlements_total{correction="true",kind="real",'
                           'outcome="loss"}') == 1  # fmt: skip
    worker.stop()
    assert "Traceback" not in worker.said


def test_a_stopped_flow_goes_on_with_its_paper_bets(site: Site) -> None:
    site.create()
    worker = site.start("run", "settle")
    ghost = stake(1, amount=40.0, as_of_us=at(10), bankroll="ghost", book="pinnacle")
    other = stake(1, amount=40.0, as_of_us=at(10), bankroll="main", book="pinnacle")
    tell(site, game(), line(0, 1.90, 2.0), ghost, other, line(13, 1.92, 1.97))
    site.send([Sent(Topic.RESULTS, GAME.encode(), b"{}", at(13) // 1000)])
    worker.wait_for(lambda: bool(site.letters()), "all read")
    assert site.read(Topic.FILLS) == [], "it is not due yet"
    worker.stop()

    tell(site, line(16, 1.5, 2.8))
    worker = site.start("run", "settle")
    worker.wait_for(lambda: len(site.read(Topic.FILLS)) == 1, "the paper bet")
    (message,) = site.read(Topic.FILLS)
    bet = Fill.model_validate_json(message.value() or b"")
    assert (bet.bankroll, bet.price, bet.amount, bet.paper) == (
        "ghost",
        1.92,
        Decimal("40.00"),
        True,
    )
    assert bet.filled_at_us == at(15)
    tell(site, result(OVER, 5, 3))
    worker.wait_for(lambda: len(settlements(site)) == 1, "the settlement")
    (won,) = settlements(site)
    assert (won.paper, won.stake_id, won.payout) == (True, ghost.stake_id, Decimal("76.80"))
    worker.stop()


def grade(site: Site, *arguments: str) -> Settlement:
    """In this process, as starting one takes seconds."""
    done = CliRunner().invoke(app, ["settlement", "grade", *arguments, "--json"], env=site.env)
    assert done.exception is None, done.output
    return Settlement.model_validate_json(done.stdout)


def test_a_bet_that_was_left_to_a_person_is_closed_by_hand(site: Site) -> None:
    """LowVig has no rule table, so its bets are never graded by one."""
    site.create()
    worker = site.start("run", "settle")
    bet = fill(10, book="lowvig", amount=Decimal("25.00"), price=1.95)
    tell(site, game(), line(0), bet, result(OVER, 5, 3))
    worker.wait_for(lambda: bool(site.letters()), "that a person is asked")
    (letter,) = site.letters()
    assert letter["reason"] == "ungraded"
    assert settlements(site) == []

    options = ("--outcome", "win", "--reason", "LowVig paid 48.75")
    won = grade(site, bet.fill_id, *options)
    assert grade(site, bet.fill_id, *options) == won, "told twice, said once"
    assert settlements(site) == [won]
    assert (won.outcome, won.payout, won.supersedes) == (Outcome.WIN, Decimal("48.75"), None)
    assert (won.rule, won.detail) == ("by_hand", "LowVig paid 48.75")
    assert won.result_id == result(OVER, 5, 3).event_id
    # A later result, and a bet beside it: only that one is for the rules to grade.
    tell(site, result(OVER + 60, 3, 5), fill(20, fill_id="other"))
    worker.wait_for(lambda: len(settlements(site)) == 2, "the bet beside it")
    assert settlements(site)[1].fill_id == "other"

    lost = grade(site, bet.fill_id, "--outcome", "loss", "--reason", "LowVig took it back")
    assert (lost.supersedes, lost.payout) == (won.settlement_id, Decimal(0))
    worker.stop()
    assert len(site.letters()) == 1
    assert "Traceback" not in worker.said


def test_a_grade_of_a_bet_that_nobody_told_is_refused(site: Site) -> None:
    site.create()
    told = ("settlement", "grade", "nobody", "--outcome", "void", "--reason", "so it is")
    done = CliRunner().invoke(app, told, env=site.env)
    assert isinstance(done.exception, DataMissing)
    assert "no bet nobody on the topic" in str(done.exception)
    assert site.read(Topic.SETTLEMENTS) == []


def test_a_default_that_is_no_table_stops_the_start(site: Site) -> None:
    site.create()
    child = site.start("run", "settle", STEAMLINE_SETTLEMENT_DEFAULT="nobody")
    assert child.wait() == 1
    assert "error: STEAMLINE_SETTLEMENT_DEFAULT" in child.said
    assert "Traceback" not in child.said


def _metric(worker: Child, name: str) -> float:
    where = re.search(r"metrics: (http://\S+)", worker.said)
    assert where is not None, worker.said
    with urlopen(where[1], timeout=5) as answer:
        text = answer.read().decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
    assert found is not None, json.dumps(text[:500])
    return float(found[1])
