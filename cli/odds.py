"""`steamline odds`: prices converted, and the bookmaker's margin taken out of them."""

from typing import TYPE_CHECKING, Annotated

import typer

# Values only, for --help: the packages behind them are imported when a command runs.
from schemas.odds import Notation

if TYPE_CHECKING:
    from models.odds.convert import Price

app = typer.Typer(
    help="Convert prices and take the margin out of them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

# A price of -110 is an argument, not an option.
_PRICES = {"ignore_unknown_options": True}

Odds = Annotated[
    list[str],
    typer.Argument(help="Prices as written: -110, 1.91 or 10/11; 100 and more is American."),
]
As = Annotated[
    Notation | None, typer.Option("--as", help="How they are written. Default: as they look.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


def _read(odds: list[str], notation: Notation | None) -> "list[Price]":
    from models.odds.convert import read
    from schemas.errors import ConfigError

    try:
        return [read(text, notation) for text in odds]
    except ValueError as bad:
        raise ConfigError("ODDS", str(bad), "Give -110, 1.91 or 10/11; --as tells which") from None


@app.command(context_settings=_PRICES)
def convert(odds: Odds, notation: As = None, as_json: Json = False) -> None:
    """American, decimal, fractional and implied probability of each price."""
    import json

    rows = [price.report() for price in _read(odds, notation)]
    if as_json:
        print(json.dumps({"prices": rows}))
        return
    print(f"{'american':>10} {'decimal':>10} {'fractional':>12} {'probability':>12}")
    for row in rows:
        print(
            f"{row['american']:>+10.6g} {row['decimal']:>10.6g} {row['fractional']:>12} "
            f"{row['probability']:>12.6f}"
        )


@app.command(context_settings=_PRICES)
def devig(
    odds: Odds,
    method: Annotated[
        str | None,
        typer.Option(help="See docs/staking.md. Default: STEAMLINE_SCORE_DEVIG."),
    ] = None,
    notation: As = None,
    as_json: Json = False,
) -> None:
    """Fair probabilities of one market, a price for each of its outcomes."""
    import json
    from typing import get_args

    import numpy as np

    from models.odds import n_way
    from schemas.errors import ConfigError
    from schemas.sections.scoring import DevigMethod
    from schemas.settings import Settings

    known: tuple[DevigMethod, ...] = get_args(DevigMethod)
    wanted = method or Settings.read().score.devig
    chosen = next((one for one in known if one == wanted), None)
    if chosen is None:
        raise ConfigError("--method", f"{wanted!r} is none of them", f"Use {', '.join(known)}")
    prices = np.array([float(price.decimal) for price in _read(odds, notation)])
    if len(prices) < 2:
        raise ConfigError("ODDS", "one price is no market", "Give a price for every outcome")
    fair = n_way.devig(prices, chosen)
    if np.isnan(fair).any():
        raise ConfigError(
            "--method",
            f"{chosen} leaves an outcome of this market no probability",
            "Use power, shin or odds_ratio, which always do",
        )
    overround = float(n_way.overround(prices))
    if as_json:
        print(
            json.dumps({"method": chosen, "probabilities": fair.tolist(), "overround": overround})
        )
        return
    for text, probability in zip(odds, fair.tolist(), strict=True):
        print(f"{text:>10} {probability:.6f}  fair {1.0 / probability:.4f}")
    print(f"overround {overround:.6f}, {chosen}")
