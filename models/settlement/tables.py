"""The rule tables: ours, packaged as TOML files, and the operator's own in their place."""

import tomllib
from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from models.settlement.rules import Rules, RuleTable
from schemas.errors import ConfigError

DEFAULT_KEY = "STEAMLINE_SETTLEMENT_DEFAULT"
TABLES_KEY = "STEAMLINE_SETTLEMENT_TABLES"


class Tables:
    """By book."""

    def __init__(self, own: Path | None = None, default: str | None = None) -> None:
        """own: folder of TOML files that take the place of ours, each for its book.

        default: the table that answers what a book's own leaves open.
        Raises ConfigError for a file that is no table, and for a default that there is not.
        """
        self.known = _read(files("models.settlement").joinpath("books").iterdir(), "package")
        if own is not None:
            if not own.is_dir():
                raise ConfigError(TABLES_KEY, f"{own} is no folder", "Name one with TOML files")
            self.known |= _read(own.iterdir(), TABLES_KEY)
        self.default: RuleTable | None = None
        if default is not None:
            if default not in self.known:
                names = ", ".join(sorted(self.known))
                raise ConfigError(DEFAULT_KEY, f"{default!r} is no table", f"Use one of {names}")
            self.default = self.known[default]

    def of(self, book: str) -> Rules:
        return Rules(book, self.known.get(book), self.default)


def _read(found: Iterable[Traversable], key: str) -> dict[str, RuleTable]:
    tables: dict[str, RuleTable] = {}
    for file in sorted(found, key=lambda one: one.name):
        if not file.name.endswith(".toml"):
            continue
        try:
            table = RuleTable.model_validate(tomllib.loads(file.read_text("utf-8")))
        except ValidationError as bad:
            first = bad.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(
                key, f"{file.name}: {where}: {first['msg']}", "docs/settlement.md has the keys"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as bad:
            raise ConfigError(key, f"{file.name}: {bad}", "It must be a TOML file") from None
        if table.book in tables:
            raise ConfigError(key, f"{file.name}: {table.book} stands twice", "Keep one of them")
        tables[table.book] = table
    return tables
