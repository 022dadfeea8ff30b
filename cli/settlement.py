"""`steamline settlement`: by which rules bets are graded, and a grade by hand."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.service import wall_clock_us

# Values only, for --help: the packages behind them are imported when a command runs.
from schemas.bets import Outcome

if TYPE_CHECKING:
    from models.settlement.rules import RuleTable

app = typer.Typer(
    help="By which rules bets are graded, and a grade by hand.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


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


@app.command()
def grade(
    fill: Annotated[str, typer.Argument(metavar="FILL", help="Id of the bet.")],
    outcome: Annotated[Outcome, typer.Option(help="What the book made of it.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the settlement.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="The settlement on standard output.")
    ] = False,
) -> None:
    """Settle a bet as its book has: one that was left `ungraded`, or one that was graded otherwise.
    Nothing that is told of the game later changes it; only another grade by hand does."""
    from deploy.stack import resolve
    from flows.connectors.kafka import ConfirmedProducer
    from flows.connectors.topics import ensure_topics
    from flows.graded import graded, known
    from schemas.errors import ConfigError
    from schemas.settings import Settings

    if not 0 < len(reason) <= 500:
        raise ConfigError("--reason", "must have 1 to 500 characters", "Say why in a sentence")
    settings = resolve(Settings.read())
    ensure_topics(settings.kafka)
    bet = known(settings, fill)
    said = graded(bet, outcome, reason, wall_clock_us())
    if said is None:
        assert bet.last is not None, "else there was something to say"
        print(bet.last.model_dump_json() if as_json else f"{fill} is settled so already")
        return
    producer = ConfirmedProducer(settings.kafka)
    producer.send(said)
    producer.confirm()
    print(
        said.value.decode() if as_json else f"settled {fill} as {outcome.value}: {said.message_id}"
    )


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
