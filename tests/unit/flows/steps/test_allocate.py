"""One bankroll's step: what moves a stake, what takes it back, and what it rests on."""

import random
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.steps.allocate import AllocateRules, AllocateStep, Numbered
from flows.steps.records import Outgoing
from models.staking import portfolio
from models.staking.allocation import allocation
from models.staking.candidate import Candidate, Priced
from schemas.bets import ALL_BANKROLLS, BankrollUpdate
from schemas.decisions import Refusal, Stake
from schemas.errors import OtherSnapshot
from schemas.markets import Market, Side
from schemas.sections.staking import StakingSettings
from schemas.settings import Settings
from tests.unit.models.staking import slips
from tests.unit.models.staking.slips import HOUR, MINUTE

STAKING = StakingSettings(bankroll=1_000.0)
News = Priced | BankrollUpdate


def rules(**over: Any) -> AllocateRules:
    staking = StakingSettings(**{"bankroll": 1_000.0} | over)
    return AllocateRules.of(Settings(staking=staking), staking)


class Desk:
    """A step, fed piece by piece; what it says is read as any consumer would."""

    def __init__(self, resume: bytes | None = None, **over: Any) -> None:
        self.step = AllocateStep(rules(**over), resume)
        self.read = 0

    def __call__(self, *news: News) -> list[Stake]:
        numbered = [Numbered(self.read + place, one) for place, one in enumerate(news)]
        self.read += len(news)
        return stakes(self.step.on_batch(numbered))


def stakes(out: Iterable[Outgoing]) -> list[Stake]:
    found = []
    for message in out:
        stake = Stake.model_validate_json(message.value)
        assert set(stake.model_fields_set) == set(Stake.model_fields)
        assert (message.key, message.message_id) == (stake.game_id, stake.stake_id)
        assert message.timestamp_us == stake.decided_us
        assert (stake.fraction > 0) is (stake.amount > 0) is (not stake.refusals)
        found.append(stake)
    return found


def told(at_us: int, bankroll: str = "main", **over: Any) -> BankrollUpdate:
    return BankrollUpdate(
        update_id=f"{bankroll}:{at_us}:{over}",
        bankroll=bankroll,
        occurred_at_us=slips.game().now_us + at_us,
        source="test",
        **over,
    )


def stop(at_us: int, bankroll: str = ALL_BANKROLLS) -> BankrollUpdate:
    return told(at_us, bankroll, stopped=True, reason="enough")


def resume(at_us: int, bankroll: str = ALL_BANKROLLS) -> BankrollUpdate:
    return told(at_us, bankroll, stopped=False, reason="again")


EVEN = slips.candidate(2.0, 0.6)
"""A quarter of full Kelly is 5 %: 50 of 1,000."""
POOR = slips.candidate(2.0, 0.5)


def test_a_stake_by_hand_and_what_it_rests_on() -> None:
    desk = Desk()
    [first] = desk(slips.game(1, EVEN))
    assert (first.market, first.side, first.book, first.price) == (
        Market.MONEYLINE,
        EVEN.side,
        "pinnacle",
        2.0,
    )
    assert first.fraction == pytest.approx(0.05, abs=1e-9)
    assert first.amount == 50.0
    assert first.kelly_full == pytest.approx(0.2, abs=1e-12)
    assert (first.slate, first.held, first.balance) == ({}, {}, 1_000.0)
    assert (first.refusals, first.paper, first.push) == ([], False, 0.0)
    assert first.kkt_residual is not None
    assert first.kkt_residual < 1e-8
    assert first.stake_id.startswith(f"{first.game_id}:1:moneyline:1-abc:main:")

    # A second game: both together stake less, each a quarter of Thorp's .2 / 1.04.
    both = desk(slips.game(2, EVEN, at_us=MINUTE, position=7))
    assert [one.game_id for one in both] == [first.game_id, "mlb-2026-07-20-BOS-N02-1"]
    for one in both:
        assert one.fraction == pytest.approx(0.05 / 1.04, abs=1e-9)
        assert one.decided_us == slips.game(at_us=MINUTE).now_us
    assert both[0].slate == {"mlb-2026-07-20-BOS-N02-1": 7}
    assert both[1].slate == {first.game_id: 1}
    assert both[0].position == first.position
    assert both[0].as_of_us == first.as_of_us
    assert both[0].stake_id != first.stake_id


def test_only_what_moves_is_said() -> None:
    desk = Desk(min_move=0.004)
    assert len(desk(slips.game(1, EVEN))) == 1
    nearly = slips.candidate(2.0, 0.6075)  # 15 % of full Kelly and not 20: .00375 more
    assert desk(slips.game(1, nearly, at_us=1, position=2)) == []
    [moved] = desk(slips.game(1, slips.candidate(2.0, 0.57), at_us=2, position=3))
    assert moved.fraction == pytest.approx(0.035, abs=1e-9)
    assert moved.position == 3


def test_small_moves_add_up() -> None:
    """Each is below the threshold, their sum is not: no drift without a word."""
    desk = Desk(min_move=0.004, max_fraction=1.0)
    said = [
        stake.fraction
        for step in range(20)
        for stake in desk(
            slips.game(1, slips.candidate(2.0, 0.55 + step * 0.005), position=1 + step)
        )
    ]
    assert len(said) in range(8, 12)
    truth = (2 * (0.55 + 19 * 0.005) - 1) / 4
    assert said[-1] == pytest.approx(truth, abs=0.004)


@pytest.mark.parametrize(
    "change", [{"book": "circa"}, {"model_version": "2-def"}, {"side": Side.AWAY}, {"line": -2.5}]
)
def test_another_bet_is_said_even_where_its_size_is_the_same(change: dict[str, Any]) -> None:
    one = slips.candidate(2.0, 0.6, Market.RUN_LINE)
    desk = Desk()
    desk(slips.game(1, one))
    [other] = desk(slips.game(1, one._replace(**change), position=2, at_us=1))
    assert other.fraction == pytest.approx(0.05, abs=1e-9)


def test_reasons_are_said_when_they_change() -> None:
    desk = Desk()
    [none] = desk(slips.game(1, POOR))
    assert (none.refusals, none.fraction, none.amount) == ([Refusal.EDGE_TOO_SMALL], 0.0, 0.0)
    assert (none.slate, none.held, none.growth, none.kkt_residual) == (None, None, None, None)
    assert desk(slips.game(1, slips.candidate(2.0, 0.49), position=2, at_us=1)) == []
    [other] = desk(slips.game(1, POOR, position=3, at_us=2, completeness=0.1))
    assert other.refusals == [Refusal.INCOMPLETE, Refusal.EDGE_TOO_SMALL]
    [bet] = desk(slips.game(1, EVEN, position=4, at_us=3))
    assert bet.amount == 50.0
    [gone] = desk(slips.game(1, POOR, position=5, at_us=4))
    assert gone.refusals == [Refusal.EDGE_TOO_SMALL]


def test_of_a_game_one_market_is_staked_and_the_other_outweighed() -> None:
    total = slips.candidate(2.0, 0.55, Market.TOTAL)
    said = {one.market: one for one in Desk()(slips.game(1, EVEN, total))}
    assert said[Market.MONEYLINE].amount == 50.0
    assert said[Market.TOTAL].refusals == [Refusal.OUTWEIGHED]


def test_a_stop_takes_back_what_stands_at_once_and_a_resume_gives_it_back() -> None:
    desk = Desk()
    desk(slips.game(1, EVEN), slips.game(2, EVEN), slips.game(3, POOR))
    stopped = desk(stop(MINUTE))
    assert [(one.amount, one.refusals) for one in stopped] == [
        (0.0, [Refusal.STOPPED]),
        (0.0, [Refusal.STOPPED]),
        (0.0, [Refusal.EDGE_TOO_SMALL, Refusal.STOPPED]),
    ]
    assert {one.decided_us for one in stopped} == {slips.game().now_us + MINUTE}
    assert desk(stop(MINUTE + 1)) == []
    [new] = desk(slips.game(4, EVEN, at_us=2 * MINUTE))
    assert new.refusals == [Refusal.STOPPED]
    back = desk(resume(3 * MINUTE))
    assert [bool(one.amount) for one in back] == [True, True, False, True]
    # The same values as before the stop, and yet another id: readers drop ids they have seen.
    again = [*stopped, *back]
    assert len({one.stake_id for one in again}) == len(again)


def test_a_stop_of_all_and_one_of_a_bankroll_are_two() -> None:
    desk = Desk()
    desk(slips.game(1, EVEN))
    assert desk(stop(1, "main"))[0].refusals == [Refusal.STOPPED]
    assert desk(stop(2)) == []
    assert desk(resume(3)) == []
    [back] = desk(resume(4, "main"))
    assert back.amount == 50.0


def test_an_older_word_changes_nothing() -> None:
    desk = Desk()
    desk(slips.game(1, EVEN), stop(10))
    assert desk(resume(9)) == []
    assert desk(told(20, balance=Decimal(500)), told(19, balance=Decimal(9_000))) == []
    [back] = desk(resume(30))
    assert (back.balance, back.amount) == (500.0, 25.0)


def test_a_balance_moves_the_amounts() -> None:
    desk = Desk()
    desk(slips.game(1, EVEN))
    [more] = desk(told(MINUTE, balance=Decimal("2000.50")))
    assert (more.balance, more.amount) == (2_000.5, 100.02)
    assert desk(told(2 * MINUTE, balance=Decimal("2000.50"))) == []
    assert desk(told(3 * MINUTE, balance=Decimal("2001"))) == []  # a cent more: not worth a word
    [broke] = desk(told(4 * MINUTE, balance=Decimal(0)))
    assert broke.refusals == [Refusal.NO_BALANCE]
    assert broke.balance == 0.0


def test_a_silent_ledger_stakes_nothing() -> None:
    desk = Desk(ledger_minutes=10)
    [unknown] = desk(slips.game(1, EVEN))
    assert unknown.refusals == [Refusal.LEDGER_SILENT]
    [known] = desk(told(0, balance=Decimal(1_000)))
    assert known.amount == 50.0
    assert desk(slips.game(1, EVEN, position=2, at_us=10 * MINUTE)) == []
    [silent] = desk(slips.game(1, EVEN, position=3, at_us=10 * MINUTE + 1))
    assert (silent.refusals, silent.position) == ([Refusal.LEDGER_SILENT], 3)
    [back] = desk(told(11 * MINUTE, balance=Decimal(1_000)))
    assert back.amount == 50.0


def test_a_game_that_nothing_is_heard_of_is_stale() -> None:
    """Its source may be dead: no event of its own would say so."""
    desk = Desk()
    desk(slips.game(1, EVEN), slips.game(2, EVEN))
    assert desk(slips.game(2, EVEN, position=2, at_us=30 * MINUTE)) == []
    stale, alone = desk(slips.game(2, EVEN, position=3, at_us=30 * MINUTE + 1))
    assert (stale.game_id, stale.refusals) == (slips.game(1).game_id, [Refusal.STALE_ODDS])
    assert alone.slate == {}
    assert alone.fraction == pytest.approx(0.05, abs=1e-9)
    back = desk(slips.game(1, EVEN, position=2, at_us=31 * MINUTE))
    assert [one.fraction > 0 for one in back] == [True, True]


LOCK = slips.candidate(None, None, fresh_books=2)


def locked(number: int, at_us: int = 5 * HOUR + 1, **over: Any) -> Priced:
    return slips.game(number, LOCK, at_us=at_us, locked=True, position=9, **over)


def test_a_closed_game_leaves_and_what_stood_counts_against_caps() -> None:
    """5 % of 8 % a day is on: 3 % are left for the evening."""
    desk = Desk(max_day=0.08)
    evening: dict[str, Any] = {
        "start_us": slips.game().start_us + 4 * HOUR,
        "cutoff_us": slips.game().cutoff_us + 4 * HOUR,
    }
    desk(slips.game(1, EVEN))
    [closed] = desk(locked(1))
    assert closed.refusals == [Refusal.LOCKED, Refusal.NO_PREDICTION]
    [left] = desk(slips.game(2, EVEN, at_us=5 * HOUR + 2, **evening))
    assert left.fraction == pytest.approx(0.03, abs=1e-9)
    assert list(left.held or {}) == ["2026-07-20 pinnacle"]
    assert sum((left.held or {}).values()) == pytest.approx(0.05, abs=1e-9)
    assert left.slate == {}
    both = desk(slips.game(3, EVEN, at_us=5 * HOUR + 3, **evening))
    assert sum(one.fraction for one in both) == pytest.approx(0.03, abs=1e-9)
    assert [one.fraction > 0 for one in both] == [True, True]


def test_a_cutoff_that_no_event_of_the_game_tells_closes_it_too() -> None:
    desk = Desk()
    desk(slips.game(1, EVEN), slips.game(2, EVEN, at_us=4 * HOUR + 50 * MINUTE))
    late: dict[str, Any] = {"cutoff_us": slips.game().start_us, "at_us": 5 * HOUR + 1}
    desk(slips.game(1, EVEN, position=2, at_us=5 * HOUR - 1))
    said = desk(slips.game(3, EVEN, **late))
    closed = {one.game_id: one for one in said if one.refusals}
    assert closed.keys() == {slips.game(1).game_id, slips.game(2).game_id}
    assert {tuple(one.refusals) for one in closed.values()} == {(Refusal.LOCKED,)}
    [bet] = [one for one in said if not one.refusals]
    assert sum((bet.held or {}).values()) == pytest.approx(0.1 / 1.04, abs=1e-9)


def test_a_game_that_opens_again_is_not_counted_twice() -> None:
    """Its start moved: what is on is part of what is wanted."""
    desk = Desk(max_total=0.06)
    desk(slips.game(1, EVEN))
    desk(locked(1))
    moved: dict[str, Any] = {
        "start_us": slips.game().start_us + 3 * HOUR,
        "cutoff_us": slips.game().cutoff_us + 3 * HOUR,
    }
    [again] = desk(slips.game(1, EVEN, position=10, at_us=5 * HOUR + 2, **moved))
    assert again.fraction == pytest.approx(0.05, abs=1e-9)
    assert again.held == {}


def test_state_does_not_grow() -> None:
    """Thirty days of five games leave no more than two days."""
    desk, sizes = Desk(), []
    day = 24 * HOUR
    for number in range(30):
        for game in range(5):
            at = {"start_us": slips.game().start_us + number * day}
            at["cutoff_us"] = at["start_us"] - HOUR
            name = f"mlb-2026-07-20-D{number:02d}-N{game:02d}-1"
            desk(slips.game(1, EVEN, game_id=name, at_us=number * day + game, **at))
        if number % 2:
            for game in range(5):
                name = f"mlb-2026-07-20-D{number:02d}-N{game:02d}-1"
                desk(locked(1, game_id=name, at_us=number * day + 5 * HOUR + 1, **at))
        sizes.append(len(desk.step.snapshot()))
    assert max(sizes[10:]) <= max(sizes[:4]) * 1.05


def test_what_cannot_be_proven_is_not_staked_and_the_flow_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(portfolio, "TOLERANCE", -1.0)
    desk = Desk()
    [one] = desk(slips.game(1, EVEN))
    assert one.refusals == [Refusal.UNPROVEN]
    monkeypatch.undo()
    assert [bool(one.amount) for one in desk(slips.game(2, EVEN, at_us=1))] == [True, True]


def test_paper_stakes_are_marked_and_simulated_games_apart() -> None:
    desk = Desk(paper=True)
    [paper] = desk(slips.game(1, EVEN._replace(paper=True)))
    assert paper.paper
    assert paper.stake_id.endswith(":paper")
    [real] = desk(slips.game(2, EVEN))
    assert real.slate == {}
    [simulated] = desk(slips.game(3, EVEN, simulated=True))
    assert simulated.simulated
    assert simulated.slate == {}
    # Promoted: what was paper is real now, and moves the real one.
    promoted, other = desk(slips.game(1, EVEN, position=2, at_us=1))
    assert (promoted.paper, promoted.fraction > 0) == (False, True)
    assert other.slate == {promoted.game_id: 2}


def test_other_settings_size_again_what_stood() -> None:
    desk = Desk()
    desk(slips.game(1, EVEN), slips.game(2, POOR))
    half = Desk(resume=desk.step.snapshot(), fraction=0.125)
    [less] = half(slips.game(2, POOR, position=2, at_us=1))
    assert less.fraction == pytest.approx(0.025, abs=1e-9)


def test_a_stop_outlives_a_restart() -> None:
    desk = Desk()
    desk(slips.game(1, EVEN), stop(1))
    again = Desk(resume=desk.step.snapshot())
    assert again(slips.game(1, EVEN, position=2, at_us=2)) == []
    [new] = again(slips.game(2, EVEN, at_us=3))
    assert new.refusals == [Refusal.STOPPED]
    [first, second] = again(resume(4))
    assert first.amount == second.amount > 0


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(OtherSnapshot):
        AllocateStep(rules(), b"\x81\xa7version\x63")


@st.composite
def candidates(draw: st.DrawFn, market: Market) -> Candidate:
    if not draw(st.booleans()):
        return slips.candidate(None, None, market, fresh_books=0)
    return slips.candidate(
        draw(st.sampled_from([1.8, 2.0, 2.2])),
        draw(st.sampled_from([0.45, 0.5, 0.55, 0.551, 0.6])),
        market,
        book=draw(st.sampled_from(["pinnacle", "circa"])),
        push=draw(st.sampled_from([0.0, 0.1])) if market is Market.TOTAL else 0.0,
        paper=draw(st.sampled_from([False, False, True])),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[News]:
    """Some hours of four games, stops and balances, in the order in which they are read."""
    news: list[News] = []
    positions: dict[int, int] = {}
    at_us = 0
    for _ in range(draw(st.integers(1, 25))):
        at_us += draw(st.sampled_from([0, 1, MINUTE, 20 * MINUTE, HOUR]))
        what = draw(st.sampled_from(["game"] * 8 + ["lock", "stop", "resume", "balance"]))
        if what in ("game", "lock"):
            number = draw(st.integers(1, 4))
            positions[number] = positions.get(number, 0) + draw(st.integers(1, 3))
            late = at_us - draw(st.sampled_from([0, 0, MINUTE]))
            over: dict[str, Any] = {"position": positions[number], "at_us": late}
            over["cutoff_us"] = slips.game().cutoff_us + number * HOUR
            over["start_us"] = over["cutoff_us"] + HOUR
            markets = tuple(draw(candidates(one)) for one in (Market.MONEYLINE, Market.TOTAL))
            news.append(slips.game(number, *markets, **over, locked=what == "lock"))
            continue
        at_us += 1  # two words at one moment would be one word
        if what == "balance":
            news.append(told(at_us, balance=Decimal(draw(st.sampled_from([0, 900, 1_000])))))
        else:
            who = draw(st.sampled_from(["main", ALL_BANKROLLS]))
            news.append(stop(at_us, who) if what == "stop" else resume(at_us, who))
    return news


OVER: dict[str, Any] = {
    "paper": True,
    "max_day": 0.12,
    "max_book": 0.1,
    "min_stake": 5.0,
    "ledger_minutes": 300,
    "min_move": 0.002,
}


def cut(news: Sequence[Numbered], shuffle: random.Random) -> list[list[Numbered]]:
    """In batches as Bytewax gives them: taken apart by game, so in any order inside."""
    batches, left = [], list(news)
    while left:
        size = shuffle.randint(1, len(left))
        batch, left = left[:size], left[size:]
        shuffle.shuffle(batch)
        batches.append(batch)
    return batches


@settings(deadline=None, max_examples=60)
@given(histories(), st.randoms(use_true_random=False))
def test_batches_and_restarts_change_nothing(news: list[News], shuffle: random.Random) -> None:
    numbered = [Numbered(place, one) for place, one in enumerate(news)]
    whole = AllocateStep(rules(**OVER), None).on_batch(numbered)
    out, step = list[Outgoing](), AllocateStep(rules(**OVER), None)
    for batch in cut(numbered, shuffle):
        out += step.on_batch(batch)
        if shuffle.random() < 0.5:
            step = AllocateStep(rules(**OVER), step.snapshot())
    same = out == whole
    assert same
    # One id, one value: and none is said twice, or readers would drop the second.
    assert len({message.message_id for message in whole}) == len(whole)


@settings(deadline=None, max_examples=60)
@given(histories())
def test_every_amount_can_be_computed_from_its_record(news: list[News]) -> None:
    """Bit for bit, as `verify-live` does: candidates at the positions named, balance, settings."""
    staking = rules(**OVER).staking
    priced = {(one.game_id, one.position): one for one in news if isinstance(one, Priced)}
    numbered = [Numbered(place, one) for place, one in enumerate(news)]
    for stake in stakes(AllocateStep(rules(**OVER), None).on_batch(numbered)):
        if stake.slate is None:
            assert stake.fraction == 0.0
            continue
        at = {stake.game_id: stake.position, **stake.slate}
        games = [priced[place] for place in at.items()]
        assert stake.balance is not None
        assert stake.held is not None
        found = allocation(games, stake.balance, stake.held, staking, stake.paper)
        assert len(found) == len(at)
        one = found[stake.game_id, stake.market]
        assert (one.fraction, one.amount) == (stake.fraction, stake.amount)
        assert stake.refusals == ([] if one.refusal is None else [one.refusal])
        # What is held and what is wanted together never exceed a cap.
        wanted = sum(one.fraction for one in found.values())
        assert wanted <= max(staking.max_day - sum(stake.held.values()), 0.0) + 1e-12
