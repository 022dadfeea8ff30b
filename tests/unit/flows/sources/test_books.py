"""One key a book."""

import pytest

from flows.sources.books import book_named, book_of_action_network
from schemas.sections.scoring import KNOWN_BOOKS


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Caesars", "williamhill_us"),
        (" DK ", "draftkings"),
        ("CIRCA", "circa"),
        ("bet365", "bet365"),
    ],
)
def test_names(name: str, key: str) -> None:
    assert book_named(name) == key
    assert key in KNOWN_BOOKS


@pytest.mark.parametrize(
    ("book_id", "key"),
    [("68", "draftkings"), ("69", "fanduel"), ("123", "williamhill_us"), ("280", "betmgm")],
)
def test_ids(book_id: str, key: str) -> None:
    assert book_of_action_network(book_id) == key
    assert key in KNOWN_BOOKS


def test_strangers() -> None:
    assert book_named("Some Book") is None
    assert book_of_action_network("15") is None
