"""`steamline bankroll`: money in and out, what was bet, and what the ledger holds."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.service import wall_clock_us

# Values only, for --help: the packages behind them are imported when a command runs.
from schemas.markets import Market, Side

if TYPE_CHECKING:
    from decimal import Decimal

    from flows.connectors.ledger_store import LedgerStore
    from flows.steps.ledger import Fact, Told
    from models.staking.ledger import Transaction
    from schemas.bets import Fill
    from schemas.settings import Settings

app = typer.Typer(
    help="The ledger of a bankroll: money in and out, bets, balances.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="Of the bankroll.")]
Amount = Annotated[str, typer.Argument(help="In its currency: 250 or 250.50.")]
Own = Annotated[
    str | None, typer.Option("--id", help="Your own number of it: told twice, it is booked once.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
# An amount of -5 is an argument, not an option.
_SIGNED = {"ignore_unknown_options": True}


@app.command("open")
def open_(
    name: Name,
    currency: Annotated[str, typer.Option(help="Three letters.")] = "USD",
    paper: Annotated[bool, typer.Option(help="Nobody bets it.")] = False,
) -> None:
    """Have the ledger keep a bankroll of the settings; it begins with nothing."""
    import re

    from schemas.errors import ConfigError

    if not re.fullmatch("[A-Z]{3}", currency):
        raise ConfigError("--currency", f"{currency!r} is none", "Give three capitals, as USD")
    settings = _settings()
    names = [one.name for one in settings.all_bankrolls]
    if name not in names:
        # Stakes are sized by the settings alone: a ledger beside them would guard nothing.
        raise ConfigError("NAME", f"{name!r} is no bankroll", f"Name one of {', '.join(names)}")
    if paper is not (name in settings.paper.bankrolls):
        raise ConfigError(
            "--paper",
            f"{name} is {'real' if paper else 'paper'} by STEAMLINE_PAPER_BANKROLLS",
            "Paper and real money never meet in one bankroll",
        )
    now_us = wall_clock_us()

    def make(store: "LedgerStore") -> "tuple[list[Told], list[Fact]]":
        store.open_bankroll(name, currency, paper, now_us)
        return store.said()

    _with_store(settings, make)
    _show([name], settings)


@app.command()
def deposit(name: Name, amount: Amount, own: Own = None) -> None:
    """Money that was brought to the books."""
    from models.staking.ledger import deposited

    cash, now_us = _cash(amount), wall_clock_us()
    _book(name, deposited(name, f"deposit:{name}:{own or now_us}", cash, now_us))


@app.command()
def withdraw(name: Name, amount: Amount, own: Own = None) -> None:
    """Money that was taken out; no more than is free."""
    from models.staking.ledger import deposited

    cash, now_us = _cash(amount), wall_clock_us()
    _book(name, deposited(name, f"withdrawal:{name}:{own or now_us}", -cash, now_us))


@app.command(context_settings=_SIGNED)
def adjust(
    name: Name,
    amount: Annotated[str, typer.Argument(help="What is missing, or with a minus too much.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger.")],
    own: Own = None,
) -> None:
    """Bring the free money to what a book says it is."""
    from models.staking.ledger import adjusted
    from schemas.errors import ConfigError

    if not 0 < len(reason) <= 500:
        raise ConfigError("--reason", "must have 1 to 500 characters", "Say why in a sentence")
    cash, now_us = _cash(amount, signed=True), wall_clock_us()
    _book(name, adjusted(name, f"adjustment:{name}:{own or now_us}", cash, now_us, reason))


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(help="Without it, all of them.")] = None,
    as_json: Json = False,
) -> None:
    """Balances, and what is not booked and why."""
    _show([name], _settings(), as_json)


@app.command()
def history(name: Name, as_json: Json = False) -> None:
    """Every transaction, oldest first."""
    import json

    from flows.connectors.ledger_reports import history as ask

    rows = ask(_settings().postgres, name)
    if as_json:
        print(json.dumps({"bankroll": name, "transactions": rows}, default=_plain))
        return
    print(
        f"{'when (UTC)':19} {'what':10} {'free':>12} {'reserved':>12} {'open':>12} {'balance':>12}"
    )
    for row in rows:
        about = row["settlement_id"] or row["fill_id"] or row["stake_id"] or row["reason"] or ""
        print(
            f"{row['at']:%Y-%m-%d %H:%M:%S} {row['kind']:10} {_money(row['free']):>12} "
            f"{_money(row['reserved']):>12} {_money(row['open']):>12} "
            f"{_money(row['balance']):>12}  {about}"
        )


@app.command(context_settings=_SIGNED)
def fill(
    name: Name,
    game: Annotated[str, typer.Option(help="Its id, as on the board.")],
    market: Annotated[Market, typer.Option()],
    side: Annotated[Side, typer.Option()],
    book: Annotated[str, typer.Option(help="Where it was bet.")],
    price: Annotated[str, typer.Option(help="As got: 1.91, -110 or 10/11.")],
    amount: Annotated[str, typer.Option(help="Stake in the bankroll's currency.")],
    line: Annotated[
        float | None, typer.Option(help="Total, or the home handicap whichever side; no moneyline.")
    ] = None,
    stake_id: Annotated[str | None, typer.Option(help="Of the advice that it follows.")] = None,
    at: Annotated[str | None, typer.Option(help="When, ISO 8601 with zone. Default: now.")] = None,
    terms: Annotated[
        str, typer.Option(help="Of pitchers: action, listed, listed_home or listed_away.")
    ] = "action",
    home_starter: Annotated[str | None, typer.Option(help="Listed, for such terms.")] = None,
    away_starter: Annotated[str | None, typer.Option(help="Listed, for such terms.")] = None,
    own: Own = None,
    source: Annotated[str, typer.Option(help="Who records it.")] = "operator",
) -> None:
    """Record a bet that was really made. Without --id and --at each call is a bet of its own."""
    from pydantic import ValidationError

    from models.odds.convert import read
    from models.staking.recording import content_id, fill_id_of, first_wrong, why_not
    from schemas.bets import Fill
    from schemas.errors import ConfigError

    settings, now_us = _settings(), wall_clock_us()
    try:
        decimal = float(read(price).decimal)
    except ValueError as bad:
        raise ConfigError("--price", str(bad), "Give 1.91, -110 or 10/11") from None
    fields = {
        "fill_id": "none",
        "game_id": game,
        "bankroll": name,
        "market": market,
        "side": side,
        "book": book,
        "line": line,
        "price": decimal,
        "amount": amount,
        "paper": name in settings.paper.bankrolls,
        "stake_id": stake_id,
        "filled_at_us": at or now_us,
        "terms": terms,
        "home_starter": home_starter,
        "away_starter": away_starter,
        "source": source,
    }
    try:
        made = Fill.model_validate(fields)
        fill_id = fill_id_of(source, own) if own else content_id(made)
        made = Fill.model_validate(fields | {"fill_id": fill_id})
    except ValidationError as bad:
        raise ConfigError("fill", first_wrong(bad), "`steamline bankroll fill --help`") from None
    wrong = why_not(made, settings, now_us)
    if wrong is not None:
        raise ConfigError("fill", wrong, "Nothing was recorded")
    _send_fill(made, settings)
    print(f"recorded {made.fill_id}")


def _send_fill(made: "Fill", settings: "Settings") -> None:
    from flows.connectors.kafka import ConfirmedProducer
    from flows.connectors.topics import ensure_topics
    from flows.steps.records import Outgoing
    from schemas.topics import Topic

    ensure_topics(settings.kafka)
    producer = ConfirmedProducer(settings.kafka)
    producer.send(Outgoing.of(Topic.FILLS, made.game_id, made.fill_id, made.filled_at_us, made))
    producer.confirm()


def _book(name: str, change: "Transaction") -> None:
    settings = _settings()

    def book(store: "LedgerStore") -> "tuple[list[Told], list[Fact]]":
        done = store.book(change, change.at_us)
        # Booked before and perhaps not heard: then what was said last is said again.
        return (done.told, done.books.stops(new=True)) if done.told else store.said()

    _with_store(settings, book)
    _show([name], settings)


def _with_store(
    settings: "Settings", act: "Callable[[LedgerStore], tuple[list[Told], list[Fact]]]"
) -> None:
    """One transaction in Postgres, and what came of it said to everybody."""
    from flows.connectors.kafka import ConfirmedProducer
    from flows.connectors.ledger_store import DOWN, LedgerStore
    from flows.connectors.migrations import migrate
    from flows.connectors.topics import ensure_topics
    from flows.ledger import say
    from schemas.errors import DependencyDown, first_line

    # Before anything is booked: a balance that nobody hears of is an old one.
    ensure_topics(settings.kafka)
    migrate(settings.postgres)
    store = LedgerStore(settings.postgres)
    try:
        store.open()
        told, stops = act(store)
    except DOWN as down:
        raise DependencyDown(f"Postgres: {first_line(down)}") from None
    finally:
        store.close()
    say(ConfirmedProducer(settings.kafka), told, stops)


def _show(names: Sequence[str | None], settings: "Settings", as_json: bool = False) -> None:
    import json

    from flows.connectors.ledger_reports import bankrolls

    rows = [row for name in names for row in bankrolls(settings.postgres, name)]
    if as_json:
        print(json.dumps({"bankrolls": rows}, default=_plain))
        return
    for row in rows:
        kind = "paper, " if row["paper"] else ""
        print(f"{row['bankroll']} ({kind}{row['currency']})")
        for account in ("balance", "free", "reserved", "open"):
            print(f"  {account:10}{_money(row[account]):>14}")
        for one in row["unbooked"]:
            stopped = ", the bankroll is stopped" if one["stopped"] else ""
            print(f"  not booked: {one['kind']} {one['id']}: {one['why']}{stopped}")


def _settings() -> "Settings":
    from deploy.stack import resolve
    from schemas.settings import Settings

    return resolve(Settings.read())


def _cash(text: str, signed: bool = False) -> "Decimal":
    from decimal import Decimal

    from pydantic import TypeAdapter, ValidationError

    from flows.steps.ledger import LARGEST
    from schemas.bets import Cash
    from schemas.errors import ConfigError

    try:
        cash: Decimal = TypeAdapter(Cash).validate_python(text)
    except ValidationError as bad:
        raise ConfigError("AMOUNT", bad.errors()[0]["msg"], "Give 250 or 250.50") from None
    if not cash or (cash < 0 and not signed) or abs(cash) > LARGEST:
        kind = "another than" if signed else "more than"
        raise ConfigError("AMOUNT", f"must be {kind} 0, up to {LARGEST}", "Give 250 or 250.50")
    return cash


def _money(amount: "Decimal") -> str:
    """With two places, or as many as it has."""
    from decimal import Decimal

    short = amount.quantize(Decimal("0.01"))
    return f"{short if short == amount else amount.normalize():f}"


def _plain(value: object) -> str:
    """Money and times as text."""
    return f"{value:f}" if hasattr(value, "quantize") else str(value)
