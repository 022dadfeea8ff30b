"""The report page: complete, self-contained, and safe from what it is told."""

import re

import polars as pl
import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

from models.evaluation.judge import Report, judge
from models.evaluation.page import page
from tests.unit.models.evaluation.seasons import no_references, season

NASTY = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def report() -> Report:
    rows = [season(1, edge=0.3), season(8, edge=0.0, target="total")]
    return judge(pl.concat(rows), no_references())


@pytest.fixture(scope="module")
def text(report: Report) -> str:
    return page(report, [("Archive", NASTY)])


def _texts(node: LexborNode, which: str) -> list[str]:
    return [one.text() for one in node.css(which)]


def cells(tree: LexborHTMLParser, caption: str) -> list[list[str]]:
    (table,) = [one for one in tree.css("table") if caption in _texts(one, "caption")]
    return [[cell.text() for cell in row.css("th, td")] for row in table.css("tbody tr")]


def test_the_tables_carry_the_numbers(report: Report, text: str) -> None:
    tree = LexborHTMLParser(text)
    found = report.targets["moneyline"].references["decision"].comparison
    (row,) = cells(tree, "Moneyline: log-loss and Brier score by reference")
    assert row[0] == "Price at decision time"
    assert float(row[1].replace("\u2212", "-")) == pytest.approx(found.difference, abs=6e-6)
    low, high = (float(end.replace("\u2212", "-")) for end in row[2].split(" to "))
    assert (low, high) == pytest.approx(found.interval, abs=6e-6)
    assert [float(cell) for cell in row[3:5]] == pytest.approx(
        [found.model.log_loss, found.reference.log_loss], abs=6e-6
    )
    assert row[7] == "1,440"
    months = cells(tree, "Moneyline by month, against the price at decision time")
    assert [month[0] for month in months] == ["2026-04", "2026-05", "2026-06", "2026-07"]
    summary = cells(tree, "Every target against the price at decision time")
    assert [row[-1] for row in summary] == [
        "Better than the price",
        "Not told apart from the price",
    ]


def test_nothing_is_fetched_and_every_id_is_one_of_a_kind(text: str) -> None:
    tree = LexborHTMLParser(text)
    # Namespaces are names, not addresses that anyone asks.
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)
    assert tree.css("script, link, img, iframe") == []
    ids = [node.attributes["id"] for node in tree.css("[id]")]
    assert len(ids) == len(set(ids))
    for used in re.findall(r"(?:url\(|href=\")#([^\")]+)", text):
        assert used in ids


def test_a_chart_has_words_and_takes_the_colours_of_the_page(text: str) -> None:
    tree = LexborHTMLParser(text)
    figures = tree.css("figure")
    assert len(figures) == 2 * (1 + 1 + 4)
    for figure in figures:
        assert all(_texts(figure, "figcaption"))
        assert [svg.attributes["aria-hidden"] for svg in figure.css("svg")] == ["true"]
    drawn = "".join(figure.html or "" for figure in figures)
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) <= {"#000000", "#ffffff"}
    assert {"--ink", "--model", "--market"} <= set(re.findall(r"var\((--\w+)\)", drawn))


def test_what_it_is_told_is_text(text: str) -> None:
    assert NASTY not in text
    assert NASTY in [node.text() for node in LexborHTMLParser(text).css("dd")]


def test_equal_reports_give_equal_pages(report: Report, text: str) -> None:
    assert page(report, [("Archive", NASTY)]) == text
