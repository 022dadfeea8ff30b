"""One pitcher under several spellings."""

import pytest

from models.settlement.starters import same


@pytest.mark.parametrize(
    ("listed", "started", "told"),
    [
        ("Gerrit Cole", "Gerrit Cole", True),
        ("José Berríos", "Jose Berrios", True),
        ("A WAINWRIGHT", "Adam Wainwright", True),
        ("A. Wainwright", "adam wainwright", True),
        ("Lance McCullers Jr.", "Lance McCullers", True),
        ("Hyun-Jin Ryu", "Hyun Jin Ryu", True),
        ("Gerrit Cole", "Carlos Rodón", False),
        ("A Wainwright", "M Wacha", False),
        ("Will Smith", "Wade Smith", None),
        ("Matt Boyd", "Matthew Boyd", None),
        ("J Smith", "Will Smith", False),
        ("Smith", "Will Smith", None),
        ("?", "Will Smith", None),
    ],
)
def test_same(listed: str, started: str, told: bool | None) -> None:
    assert same(listed, started) is told
    assert same(started, listed) is told
