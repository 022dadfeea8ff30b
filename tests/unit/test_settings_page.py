from docs.settings_page import PAGE, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


def test_every_key_is_explained_and_secrets_are_marked() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 30
    assert all(cell.strip() for row in rows for cell in row.strip("|").split("| "))
    [dsn] = [row for row in rows if "STEAMLINE_POSTGRES_DSN" in row]
    assert "secret" in dsn
