"""`steamline settlement`: by which rules bets are graded."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from models.settlement.rules import RuleTable

app = typer.Typer(
    help="By which rules bets are graded.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    """A command of its own name, though it is the only one."""


@app.command()
def rules(
    book: Annotated[str | None, typer.Argument(help="Its key; without it, all of them.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """A book's house rules as we know them: what they say, where it stands, and how we know."""
    import json

    from models.settlement.rules import QUESTIONS
    from models.settlement.tables import Tables
    from schemas.errors import ConfigError
    from schemas.settings import Settings

    settings = Settings.read()
    known = Tables(settings.settlement.tables, settings.settlement.default).known
    if book is not None and book not in known:
        raise ConfigError(
            "BOOK",
            f"there is no rule table of {book!r}",
            f"There are {', '.join(sorted(known))}; of others bets wait for a person, or follow "
            "STEAMLINE_SETTLEMENT_DEFAULT",
        )
    tables = [known[one] for one in sorted(known) if book in (None, one)]
    if as_json:
        print(json.dumps({"tables": [one.model_dump(mode="json") for one in tables]}))
        return
    print("\n\n".join("\n".join(_lines(one, QUESTIONS)) for one in tables))
    if settings.settlement.default is not None:
        print(f"\nWhat a book leaves open, {settings.settlement.default} answers.")


def _lines(table: "RuleTable", questions: tuple[str, ...]) -> list[str]:
    lines = [f"{table.book}: {table.name}"]
    for question in questions:
        rule = getattr(table, question)
        if rule is None:
            lines.append(f"  {question}: not known")
            continue
        lines.append(f"  {question} = {rule.value}: {rule.says}")
        lines.append(f"      {rule.basis}, {rule.read}: {rule.source}")
    return lines
