"""Rule tables: ours, the operator's own, and his default."""

from pathlib import Path
from typing import Any

import pytest

from models.settlement.case import Grade, Ungraded
from models.settlement.grading import grade
from models.settlement.rules import Basis
from models.settlement.tables import Tables
from schemas.bets import Outcome
from schemas.errors import ConfigError
from schemas.sections.scoring import KNOWN_BOOKS
from tests.unit.models.settlement.bets import bet, result

RULE = """
[{question}]
value = {value}
says = "As our state has it."
source = "their page"
read = 2026-11-24
basis = "read"
"""


def write(folder: Path, book: str, text: str) -> None:
    (folder / f"{book}.toml").write_text(f'book = "{book}"\nname = "A book"\n{text}')


def test_every_file_is_of_a_book_that_there_is() -> None:
    known = Tables().known
    assert known.keys() - set(KNOWN_BOOKS) == {"conservative"}
    assert set(KNOWN_BOOKS) - known.keys() == {"lowvig", "mybookieag", "betus"}
    assert all(table.book == book for book, table in known.items())


def test_what_is_remembered_says_so_in_the_grade() -> None:
    made = grade(bet("home", -1.5, book="circa"), result(3, 9, 14), Tables().of("circa"))
    assert isinstance(made, Grade)
    assert "circa/lines_official is general knowledge, not read" in made.detail


def test_what_is_taken_for_granted_says_so_in_the_grade() -> None:
    made = grade(bet("home"), result(3, 5, None), Tables().of("draftkings"))
    assert isinstance(made, Grade)
    assert "taken for nine innings" in made.detail


def test_a_price_that_may_have_changed_says_so_in_the_grade() -> None:
    made = grade(bet("home", book="pinnacle"), result(3, 5), Tables().of("pinnacle"))
    assert isinstance(made, Grade)
    assert "whether a listed pitcher has changed is not known" in made.detail
    known: dict[str, Any] = {"home_starter": "Gerrit Cole", "away_starter": "Brayan Bello"}
    taken = bet("home", book="pinnacle", **known)
    made = grade(taken, result(3, 5, 18, **known), Tables().of("pinnacle"))
    assert isinstance(made, Grade)
    assert "pitcher" not in made.detail


def test_a_default_answers_what_is_open() -> None:
    open_, answered = Tables(), Tables(default="conservative")
    over = bet("over", 7.5, book="bet365")
    assert isinstance(grade(over, result(4, 5, 14), open_.of("bet365")), Ungraded)
    made = grade(over, result(4, 5, 14), answered.of("bet365"))
    assert isinstance(made, Grade)
    assert made.outcome is Outcome.VOID
    nobody = grade(bet("home", book="mybookieag"), result(3, 5), answered.of("mybookieag"))
    assert isinstance(nobody, Grade)
    assert nobody.outcome is Outcome.WIN


def test_a_default_changes_nothing_that_is_known() -> None:
    taken = bet("over", 7.5)
    made = grade(taken, result(4, 5, 14), Tables(default="conservative").of("draftkings"))
    assert isinstance(made, Grade)
    assert (made.outcome, made.rule) == (Outcome.WIN, "draftkings/decided_totals")


def test_a_default_that_there_is_not() -> None:
    with pytest.raises(
        ConfigError, match=r"STEAMLINE_SETTLEMENT_DEFAULT.*'cautious'.*conservative"
    ):
        Tables(default="cautious")


def test_own_tables_take_the_place_of_ours(tmp_path: Path) -> None:
    write(tmp_path, "draftkings", RULE.format(question="lines_official", value=5))
    write(tmp_path, "mybookieag", RULE.format(question="postponed", value='"same_day"'))
    own = Tables(tmp_path)
    made = grade(bet("home", -1.5), result(3, 9, 14), own.of("draftkings"))
    assert isinstance(made, Grade)
    assert (made.outcome, made.rule) == (Outcome.WIN, "draftkings/lines_official")
    assert own.known["draftkings"].pitchers is None
    rule = own.known["mybookieag"].postponed
    assert rule is not None
    assert (rule.value, rule.basis) == ("same_day", Basis.READ)
    assert own.known["fanduel"] == Tables().known["fanduel"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (RULE.format(question="postponned", value=12), "x.toml: postponned"),
        (RULE.format(question="lines_official", value=0), "x.toml: lines_official.value"),
        (RULE.format(question="decided_totals", value='"maybe"'), "decided_totals.value"),
        (RULE.format(question="postponed", value=12).replace("source", "page"), "postponed.source"),
        ("[lines_official", "x.toml"),
    ],
)
def test_a_file_that_is_no_table(tmp_path: Path, text: str, says: str) -> None:
    write(tmp_path, "x", text)
    with pytest.raises(ConfigError, match="STEAMLINE_SETTLEMENT_TABLES") as refused:
        Tables(tmp_path)
    assert says in str(refused.value)


def test_a_book_twice(tmp_path: Path) -> None:
    write(tmp_path, "a", "")
    (tmp_path / "b.toml").write_text('book = "a"\nname = "Again"\n')
    with pytest.raises(ConfigError, match="stands twice"):
        Tables(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder"):
        Tables(tmp_path / "nowhere")
