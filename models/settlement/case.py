"""A bet before the rules of its book, and what can come of it."""

from decimal import Decimal
from typing import NamedTuple

from models.settlement.rules import Asked, Rules
from models.settlement.score import outcome, payout, quarters
from schemas.bets import Fill, Outcome
from schemas.events import GameResult, GameUpdate


class Grade(NamedTuple):
    outcome: Outcome
    payout: Decimal
    rule: str
    """book/question of the answer that decided; `any/...` where all books agree."""
    detail: str


class Ungraded(NamedTuple):
    """Not graded, and why; never a guess."""

    reason: str
    """Begins with `cannot be graded:` where a person is asked, with `waits:` where time is."""
    until_us: int | None = None
    """Event time from which to ask again; none where only more facts help."""


class Unanswered(Exception):
    """A question on which the grade hangs has no answer; the text is for a person."""


class Stop(NamedTuple):
    """Where a game stands that is over or has stopped."""

    home: int | None
    away: int | None
    full_home: int | None
    full_away: int | None
    half_innings: int | None

    @classmethod
    def of(cls, told: GameResult | GameUpdate) -> "Stop":
        return cls(
            told.home_score,
            told.away_score,
            told.full_home_score,
            told.full_away_score,
            told.half_innings,
        )

    def now(self) -> tuple[int, int]:
        """Home, away. Raises Unanswered."""
        if self.home is None or self.away is None:
            raise Unanswered("the score at which the game stopped is not known")
        return self.home, self.away

    def reached(self, innings: int) -> bool | None:
        """That many were played, or half of one less with the home side ahead."""
        if self.half_innings is None:
            return None
        if self.half_innings >= 2 * innings:
            return True
        home, away = self.now()
        return self.half_innings == 2 * innings - 1 and home > away

    def score(self, rule: object) -> tuple[int, int]:
        """Home, away, by a rule for games that stop early. Raises Unanswered."""
        home, away = self.now()
        if rule == "final":
            return home, away
        if self.half_innings is None or self.full_home is None or self.full_away is None:
            raise Unanswered("the score of the last full inning is not known")
        in_home_half = self.half_innings % 2 == 1
        kept = in_home_half and (
            (rule == "full_inning_or_home_level" and home >= away)
            or (rule == "full_inning_or_home_lead" and home > away)
        )
        return (home, away) if kept else (self.full_home, self.full_away)


class Case:
    def __init__(self, bet: Fill, rules: Rules) -> None:
        self.bet = bet
        self.rules = rules
        self._notes: list[str] = []

    def ask(self, question: str) -> Asked:
        """Raises Unanswered."""
        answer = self.known(question)
        if answer is None:
            raise Unanswered(f"no rule of {self.bet.book} is known for {question}")
        return answer

    def known(self, question: str) -> Asked | None:
        answer = self.rules.ask(question)
        if answer is not None and answer.remembered:
            self.note(f"{answer.rule} is general knowledge, not read")
        return answer

    def note(self, text: str) -> None:
        """For the detail of whatever grade this comes to."""
        if text not in self._notes:
            self._notes.append(text)

    def graded(self, result: Outcome, rule: str, detail: str) -> Grade:
        paid = payout(self.bet.amount, self.bet.price, result)
        return Grade(result, paid, rule, "; ".join((detail, *self._notes)))

    def void(self, rule: str, detail: str) -> Grade:
        return self.graded(Outcome.VOID, rule, detail)

    def scored(self, score: tuple[int, int], rule: str, detail: str = "") -> Grade:
        """By a score, home first. Raises Unanswered."""
        home, away = score
        told = f"{away}-{home} (away, home)" + (f": {detail}" if detail else "")
        return self.graded(self.outcome_of(score), rule, told)

    def outcome_of(self, score: tuple[int, int]) -> Outcome:
        ahead = quarters(self.bet, *score)
        if ahead is None:
            raise Unanswered(f"line {self.bet.line} is no quarter of a run")
        return outcome(ahead)
