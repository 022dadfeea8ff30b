"""What a book's house rules answer, question by question.

A question without an answer is not guessed: what it would have decided is left to a person, or to
the table that the operator named as his default.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Hours = Annotated[int, Field(ge=1, le=24 * 14)]
Innings = Annotated[int, Field(ge=1, le=9)]

Shortened = Literal["final", "full_inning", "full_inning_or_home_level", "full_inning_or_home_lead"]
"""Which score decides a moneyline where a game stops early: the final one, or that of the last full
inning, unless in its half the home side has drawn level or gone ahead, or has gone ahead."""
Stopped = Literal["void", "full_inning", "full_inning_or_home_level", "full_inning_or_home_lead"]


class Basis(StrEnum):
    """How we know a rule."""

    READ = "read"
    """The book's own page."""
    RETOLD = "retold"
    """Somebody who has read it and says so."""
    REMEMBERED = "remembered"
    """General knowledge, not read again."""
    OURS = "ours"
    """No book's: a default of Steamline."""


V = TypeVar("V")


class Rule(BaseModel, Generic[V]):
    model_config = ConfigDict(frozen=True, extra="forbid")

    value: V
    says: str = Field(min_length=1)
    """In our words."""
    source: str = Field(min_length=1)
    read: date
    """When we read the source, or wrote down what we remember."""
    basis: Basis


class RuleTable(BaseModel):
    """A book's answers; a key that is absent is one that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    book: str
    name: str
    moneyline_official: Rule[Innings] | None = None
    """Innings after which a moneyline counts when the game ends early; half of one less with the
    home side ahead."""
    lines_official: Rule[Innings] | None = None
    """The same for run lines and totals."""
    lines_official_of_seven: Rule[Innings] | None = None
    """The same for run lines and totals of a game that was scheduled for seven."""
    decided_totals: Rule[Literal["stand", "void"]] | None = None
    """A total that is decided already, of a game too short to count."""
    called_moneyline: Rule[Shortened] | None = None
    postponed: Rule[Hours | Literal["same_day"]] | None = None
    """Until when a game that does not start in time must: hours after its listed start, or the
    local day."""
    suspended_hours: Rule[Hours] | None = None
    """Hours after its start within which a suspended game must go on."""
    suspended_moneyline: Rule[Stopped] | None = None
    """A moneyline of a game that did not, and was long enough."""
    suspended_lines: Rule[Stopped] | None = None
    """Run lines and totals of a game that did not, and was long enough."""
    suspended_postseason: Rule[Literal["stands", "as_season"]] | None = None
    """After the season a suspended game may take as long as it needs."""
    pitchers: Rule[Literal["action", "as_listed"]] | None = None
    """Whether a bet can ask for starting pitchers."""
    pitcher_change_price: Rule[Literal["as_taken", "adjusted"]] | None = None
    """What an `action` bet pays when a listed pitcher does not start."""
    venue_changed: Rule[Literal["void", "stands"]] | None = None


class Asked(NamedTuple):
    """One answer."""

    rule: str
    """book/question: of the table that answered."""
    value: object
    remembered: bool


class Rules(NamedTuple):
    """Of one book, with the operator's default behind."""

    book: str
    own: RuleTable | None
    default: RuleTable | None = None

    def ask(self, question: str) -> Asked | None:
        """None: nobody knows."""
        for table in (self.own, self.default):
            if table is None:
                continue
            rule = getattr(table, question)
            if rule is not None:
                remembered = rule.basis is Basis.REMEMBERED
                return Asked(f"{table.book}/{question}", rule.value, remembered)
        return None


QUESTIONS: tuple[str, ...] = tuple(
    name for name in RuleTable.model_fields if name not in ("book", "name")
)
