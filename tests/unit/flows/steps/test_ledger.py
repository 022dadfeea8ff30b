"""Books by hand, and what must hold of any course of advice, bets and gradings."""

import json
import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.steps.decode import DecodeRules
from flows.steps.ledger import Books, Kept, Said, Told, stop_of, take, take_batch
from flows.steps.records import Record
from models.staking.ledger import Account, deposited
from schemas.bets import BankrollUpdate, Outcome, Settlement
from schemas.errors import RejectedEvent
from schemas.settings import Settings
from schemas.topics import CONTRACTS, TOPIC_OF, Topic
from schemas.wire import SCHEMA_VERSION
from tests.samples import GAME, START, at, fill, settlement, stake

RULES = DecodeRules.of(Settings())
NOW = START + 10**12


def books(main: str = "100", ghost: str = "100") -> Books:
    """A real bankroll and one on paper."""
    made = Books(
        {
            name: Kept(paper, dict.fromkeys(Account, Decimal(0)))
            for name, paper in (("main", False), ("ghost", True))
        }
    )
    for name, amount in (("main", main), ("ghost", ghost)):
        if Decimal(amount):
            assert made.move(deposited(name, f"deposit:{name}", Decimal(amount), at(0)))
    return made


def record(said: Any, **over: Any) -> Record:
    topic = TOPIC_OF[type(said)]
    moment = getattr(said, CONTRACTS[topic].time)
    fields: dict[str, Any] = {
        "topic": topic,
        "partition": 0,
        "offset": 0,
        "timestamp_us": moment,
        "key": said.game_id.encode(),
        "value": said.model_dump_json().encode(),
        "version": SCHEMA_VERSION,
    }
    return Record(**fields | over)


def follow(made: Books, *said: Said) -> list[str]:
    """Reasons of what is refused."""
    taken, letters = take_batch([record(one) for one in said], RULES)
    assert letters == []
    return [json.loads(one.value)["reason"] for one in made.follow(taken, NOW)]


def money(made: Books, name: str = "main") -> dict[str, str]:
    return {
        account.value: f"{amount.normalize():f}"
        for account, amount in made.kept[name].money.items()
    }


def lost(first: Settlement, name: str = "s2") -> Settlement:
    """The correction that takes a win back."""
    return first.model_copy(
        update={
            "settlement_id": name,
            "outcome": Outcome.LOSS,
            "payout": Decimal(0),
            "supersedes": first.settlement_id,
        }
    )


def test_advice_bet_won_and_corrected() -> None:
    made = books()
    # 30 wanted: 30 kept. 10 of them bet at 1.90: 20 kept. 15 wanted in all: 5 more to bet.
    follow(made, stake(1, amount=30.0))
    assert money(made) == {"free": "70", "reserved": "30", "open": "0", "outside": "-100"}
    bet = fill(10)
    follow(made, bet)
    assert money(made) == {"free": "70", "reserved": "20", "open": "10", "outside": "-100"}
    follow(made, stake(2, amount=15.0))
    assert money(made) == {"free": "85", "reserved": "5", "open": "10", "outside": "-100"}
    # Less wanted than is bet: a bet is a bet.
    follow(made, stake(3, amount=4.0))
    assert money(made) == {"free": "90", "reserved": "0", "open": "10", "outside": "-100"}
    won = settlement(bet.fill_id, settlement_id="s1")
    follow(made, won)
    assert money(made) == {"free": "109", "reserved": "0", "open": "0", "outside": "-109"}
    follow(made, lost(won))
    assert money(made) == {"free": "90", "reserved": "0", "open": "0", "outside": "-90"}
    assert made.kept["main"].balance == 90


def test_told_again_nothing_moves() -> None:
    bet = fill(10)
    won = settlement(bet.fill_id, settlement_id="s1")
    course: list[Said] = [stake(1, amount=30.0), stake(2, amount=50.0), bet, won, lost(won)]
    once, often = books(), books()
    assert follow(once, *course) == []
    for _ in range(3):
        assert follow(often, *course) == []
    assert money(often) == money(once)
    assert [one.transaction_id for one in often.booked] == [
        one.transaction_id for one in once.booked
    ]


def test_words_at_one_place_in_time_count_once_each() -> None:
    made = books()
    first, second = (stake(1, amount=a, stake_id=n) for a, n in ((30.0, "a"), (20.0, "b")))
    follow(made, first, second, first, second, first)
    assert money(made)["reserved"] == "20"


def test_too_little_free_reserves_nothing_and_is_counted() -> None:
    made = books("20")
    follow(made, stake(1, amount=30.0))
    assert (money(made)["reserved"], made.short["main"]) == ("0", 1)
    follow(made, stake(2, amount=15.0))
    assert money(made)["reserved"] == "15"


def test_a_grading_before_its_bet_waits() -> None:
    made, bet = books(), fill(10)
    won = settlement(bet.fill_id, settlement_id="s1")
    follow(made, won, lost(won))
    assert money(made)["free"] == "100"
    assert [one.why for one in made.settlements.values()] == ["its bet has not been told"] * 2
    follow(made, bet)
    assert money(made) == {"free": "90", "reserved": "0", "open": "0", "outside": "-90"}
    assert made.stops() == [], "waiting for news is no reason to stop"


def test_a_bet_without_its_money_stops_the_bankroll_until_it_comes() -> None:
    made, bet = books("7"), fill(10)
    follow(made, bet, settlement(bet.fill_id, settlement_id="s1"))
    assert money(made)["free"] == "7"
    (fact,) = made.stops(new=True)
    assert fact.why == "no money: 10 was bet, 0 is reserved, 7 free"
    word = BankrollUpdate.model_validate_json(stop_of(fact).value)
    assert (word.bankroll, word.stopped, word.occurred_at_us) == ("main", True, NOW)
    assert "steamline bankroll deposit main" in (word.reason or "")
    assert made.move(deposited("main", "deposit:2", Decimal(3), at(1)))
    made.catch_up(NOW + 1)
    assert money(made) == {"free": "19", "reserved": "0", "open": "0", "outside": "-19"}
    assert made.stops() == []


def test_a_correction_without_its_money_waits_too() -> None:
    made, bet = books("10"), fill(10)
    won = settlement(bet.fill_id, settlement_id="s1")
    follow(made, bet, won)
    assert made.move(deposited("main", "w", Decimal(-15), at(1)))
    follow(made, lost(won))
    assert money(made)["free"] == "4"
    (fact,) = made.stops()
    assert fact.why == "no money: the correction takes back 19, 4 is free"
    assert made.move(deposited("main", "d", Decimal(15), at(2)))
    made.catch_up(NOW)
    assert money(made) == {"free": "0", "reserved": "0", "open": "0", "outside": "0"}


def test_paper_never_touches_real_money() -> None:
    made = books()
    follow(made, stake(1, amount=30.0))
    follow(made, stake(2, amount=30.0, paper=True, stake_id="x:paper"))
    assert money(made)["reserved"] == "0", "advice for paper says of real money: none"
    assert follow(
        made,
        fill(10, paper=True),
        fill(11, bankroll="ghost"),
        fill(12, stake_id="x:paper"),
        fill(13, simulated=True),
        fill(14, bankroll="strange"),
        settlement("f:1", paper=True),
    ) == ["other_money", "other_money", "paper_stake", "simulated", "unknown_bankroll",
          "other_money"]  # fmt: skip
    assert money(made) == {"free": "100", "reserved": "0", "open": "0", "outside": "-100"}
    follow(made, stake(1, amount=30.0, paper=True, bankroll="ghost", stake_id="x:paper"))
    follow(made, fill(15, paper=True, bankroll="ghost", stake_id="x:paper"))
    assert money(made, "ghost") == {
        "free": "70", "reserved": "20", "open": "10", "outside": "-100",
    }  # fmt: skip


def test_of_other_bankrolls_nothing_is_kept() -> None:
    made = books()
    said = (stake(1, bankroll="x"), fill(2, bankroll="x", paper=True), settlement(bankroll="x"))
    assert follow(made, *said) == []
    assert made.passed == {"x": 3}
    assert made.fills == {}


def test_other_words_under_one_id_are_refused() -> None:
    made, bet = books(), fill(10)
    won = settlement(bet.fill_id, settlement_id="s1")
    assert follow(
        made,
        bet,
        bet.model_copy(update={"amount": Decimal(20)}),
        won.model_copy(update={"price": 2.0}),
        won,
        won.model_copy(update={"rule": "other"}),
        won.model_copy(update={"settlement_id": "s9"}),
    ) == ["other_fill", "other_bet", "other_settlement", "settled_already"]
    assert money(made)["free"] == "109"


@pytest.mark.parametrize(
    ("said", "over", "reason"),
    [
        (fill(10), {"key": b"x"}, "wrong_key"),
        (fill(10), {"value": b"{"}, "malformed_json"),
        (fill(10), {"timestamp_us": at(10) - 400_000_000}, "future"),
        (fill(10, source="\0"), {}, "invalid"),
        (fill(10, amount=Decimal(2_000_000_000)), {}, "invalid"),
        (stake(1, amount=1e300), {}, "invalid"),
        (stake(2**70, as_of_us=at(10)), {}, "invalid"),
        (stake(1, stake_id="x" * 501), {}, "invalid"),
        (settlement(payout=Decimal(2_000_000_000)), {}, "invalid"),
        (settlement(), {"timestamp_us": 0}, "future"),
    ],
)
def test_what_cannot_be_kept_is_refused(said: Any, over: dict[str, Any], reason: str) -> None:
    over = {"timestamp_us": at(10), **over} if isinstance(said, type(stake())) else over
    with pytest.raises(RejectedEvent) as refused:
        take(record(said, **over), RULES)
    assert refused.value.reason == reason


def test_a_balance_on_the_topic() -> None:
    word = Told("main", 7, at(3), Decimal("12.50000000")).message()
    update = BankrollUpdate.model_validate_json(word.value)
    assert (word.topic, word.key, update.balance) == (Topic.BANKROLLS, "main", Decimal("12.5"))
    assert update.update_id == f"ledger:main:7:{at(3)}"


@given(
    dice=st.randoms(use_true_random=False),
    bets=st.lists(st.sampled_from(list(Outcome)), min_size=1, max_size=8),
)
def test_any_order_of_topics_any_repeats_one_result(
    dice: random.Random, bets: list[Outcome]
) -> None:
    """The sum over all accounts is 0, and free money is what was paid in, and out, and back."""
    paid = {
        Outcome.WIN: "19.00",
        Outcome.HALF_WIN: "14.50",
        Outcome.HALF_LOSS: "5.00",
        Outcome.LOSS: "0",
        Outcome.PUSH: "10.00",
        Outcome.VOID: "10.00",
    }
    stakes, fills, graded = list[Said](), list[Said](), list[Said]()
    expected = Decimal(1000)
    for number, outcome in enumerate(bets):
        bet = fill(10 + number, fill_id=f"f{number}")
        fills.append(bet)
        stakes += [stake(1 + 2 * number, amount=dice.randrange(100) * 1.0), stake(2 + 2 * number)]
        first = settlement(
            bet.fill_id, settlement_id=f"s{number}", outcome=outcome, payout=Decimal(paid[outcome])
        )
        graded.append(first)
        expected += first.profit
        if dice.random() < 0.5:
            graded.append(lost(first, f"c{number}"))
            expected += -10 - first.profit
    stakes.append(stake(99, 0.0))
    made = books("1000")
    assert follow(made, *mixed(dice, stakes, fills, graded)) == []
    assert money(made) == {
        "free": f"{expected.normalize():f}",
        "reserved": "0",
        "open": "0",
        "outside": f"{-expected.normalize():f}",
    }


def mixed(dice: random.Random, *topics: Iterable[Said]) -> list[Said]:
    """Each topic in its own order, repeats among it, and of all together any order."""
    left = [[again for one in topic for again in [one] * dice.randrange(1, 4)] for topic in topics]
    found = []
    while any(left):
        found.append(dice.choice([one for one in left if one]).pop(0))
    return found


def test_another_game_is_another_place() -> None:
    made = books()
    follow(made, stake(1, amount=30.0), stake(1, amount=20.0, game_id=GAME.replace("-1", "-2")))
    assert money(made)["reserved"] == "50"
