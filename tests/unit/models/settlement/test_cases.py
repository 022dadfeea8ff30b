"""Published house rules, case by case."""

from decimal import Decimal

import pytest

from models.settlement.case import Grade, Ungraded
from models.settlement.grading import grade, grade_without_result
from models.settlement.rules import QUESTIONS, Basis
from models.settlement.tables import Tables
from schemas.bets import Outcome
from schemas.events import GameResult
from tests.unit.models.settlement.cases import CASES, EVERYWHERE, OPEN, Case

TABLES = Tables()


def graded(case: Case) -> Grade | Ungraded:
    rules = TABLES.of(case.bet.book)
    if isinstance(case.told, GameResult):
        return grade(
            case.bet,
            case.told,
            rules,
            listed_start_us=case.listed_start_us,
            stopped=case.stopped,
        )
    assert case.now_us is not None
    return grade_without_result(
        case.bet,
        case.told,
        rules,
        case.now_us,
        listed_start_us=case.listed_start_us,
        stopped=case.stopped,
    )


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{c.bet.book}: {c.what} [{c.source.page}, {c.source.read}]" for c in CASES]
)
def test_as_published(case: Case) -> None:
    made = graded(case)
    if case.rule is None:
        assert isinstance(made, Ungraded)
        assert case.outcome in made.reason
        assert made.reason.startswith(("cannot be graded: ", "waits: "))
        return
    assert isinstance(made, Grade)
    assert case.paid is not None
    assert (made.outcome, made.payout) == (Outcome(case.outcome), Decimal(case.paid))
    assert made.rule == case.rule


def test_enough_of_them_have_a_page() -> None:
    """Sixty that a page decides, not general knowledge and not what every book does."""
    paged = [one for one in CASES if one.source not in (OPEN, EVERYWHERE)]
    assert len(paged) >= 60


@pytest.mark.parametrize(
    "case",
    [one for one in CASES if one.rule is not None and not one.rule.startswith("any/")],
    ids=lambda case: f"{case.rule}: {case.what}",
)
def test_the_rule_that_decided_has_a_source(case: Case) -> None:
    assert case.rule is not None
    book, question = case.rule.split("/")
    table = TABLES.known[book]
    assert getattr(table, question).read.isoformat() == case.source.read
    answers = [getattr(table, one) for one in QUESTIONS]
    assert any(one is not None and case.source.page in one.source for one in answers)


@pytest.mark.parametrize("book", sorted(TABLES.known))
def test_what_was_not_read_says_so(book: str) -> None:
    for question in QUESTIONS:
        rule = getattr(TABLES.known[book], question)
        if rule is not None:
            assert (rule.basis is Basis.REMEMBERED) == ("not re-read" in rule.source), question
            assert (rule.basis is Basis.OURS) == (book == "conservative"), question
