"""`steamline kelly`: growth-optimal stakes for a slate of bets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from schemas.kelly import KellyRequest

_FIX = "docs/staking.md shows the format"


def kelly(
    file: Annotated[
        Path, typer.Argument(help="JSON list of bets, or an object with `bets`; - reads them in.")
    ],
    fraction: Annotated[
        float | None, typer.Option(help="Of full Kelly. Default: the file's, else 0.25.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="How the fraction is taken: scaling (default) or utility.")
    ] = None,
    cap: Annotated[
        list[str] | None,
        typer.Option(help="game=0.05, book=, day= or total=: largest share of the bankroll each."),
    ] = None,
    drawdown: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LEVEL PROBABILITY",
            help="0.7 0.1: wealth ever falls to 70 % with chance 0.1 at most.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Stakes as shares of the bankroll, with the proof that no others grow it faster.

    A bet is {"id", "odds" (decimal), "p", "push"?, "game"?, "outcome"?, "book"?, "day"?, "cap"?}.
    """
    from models.staking.portfolio import allocate

    changes: dict[str, Any] = {}
    if fraction is not None:
        changes["fraction"] = fraction
    if by is not None:
        changes["by"] = by
    if drawdown is not None:
        changes["drawdown"] = {"level": drawdown[0], "probability": drawdown[1]}
    request = _request(file, changes, cap or [])
    answer = allocate(request)
    if as_json:
        print(answer.model_dump_json())
        return
    odds = {bet.id: bet.odds for bet in request.bets}
    for stake in answer.stakes:
        print(f"{stake.id:24} {odds[stake.id]:>8.3f} {stake.fraction:>9.4%}")
    total = sum(stake.fraction for stake in answer.stakes)
    print(
        f"staked {total:.4%}, growth {answer.growth:.6f} a slate, worst case {answer.worst:.4f} "
        f"of the bankroll, KKT residual {answer.kkt_residual:.1e}"
    )
    if answer.binding:
        print("held back by: " + ", ".join(one.limit for one in answer.binding))


def _request(file: Path, changes: dict[str, Any], caps: list[str]) -> "KellyRequest":
    import json
    import sys

    from pydantic import ValidationError

    from schemas.errors import ConfigError
    from schemas.kelly import KellyRequest

    name = "standard input" if str(file) == "-" else str(file)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        given = json.loads(text)
    except (OSError, ValueError) as bad:
        raise ConfigError(name, f"cannot be read as JSON ({bad})", _FIX) from None
    if isinstance(given, list):
        given = {"bets": given}
    if not isinstance(given, dict):
        raise ConfigError(name, "is neither a list of bets nor an object", _FIX)
    if caps:
        shares = dict(given.get("caps") or {})
        for one in caps:
            kind, _, share = one.partition("=")
            shares[kind] = share
        changes["caps"] = shares
    try:
        return KellyRequest.model_validate(given | changes)
    except ValidationError as bad:
        first = bad.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problem = f"{where}: {first['msg']}" if where else first["msg"]
        raise ConfigError(name, problem, _FIX) from None
