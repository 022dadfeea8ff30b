"""`steamline ab`: two model versions on the same games, and how many games it takes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.markets import Target

if TYPE_CHECKING:
    from models.evaluation.ab_report import Comparison

app = typer.Typer(help="Compare two model versions on live games.", no_args_is_help=True)


@app.command()
def report(
    archive: Annotated[
        list[Path], typer.Option(help="Archive with games and predictions; may be given again.")
    ],
    target: Annotated[Target, typer.Option(help="What both predict.")] = Target.MONEYLINE,
    experiment: Annotated[
        str | None, typer.Option(help="STEAMLINE_AB_EXPERIMENT of then; without it the newest.")
    ] = None,
    a: Annotated[
        str | None,
        typer.Option("--a", help="Champion's version, as on its predictions; else the newest."),
    ] = None,
    b: Annotated[
        str | None,
        typer.Option("--b", help="Challenger's version. With --a outside of an experiment too."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="Only what was known before then: ISO 8601, UTC unless it says otherwise."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Log-loss, growth and closing line value of the challenger (B) beside the champion (A), with
    intervals: of an experiment as its messages record it, or of any two versions that spoke about
    the same games."""
    import json

    from cli.moments import moment
    from flows.ab import ab_report
    from models.evaluation.ab_report import document
    from models.evaluation.document import plain
    from models.evaluation.trial import Asked
    from schemas.settings import Settings
    from schemas.time import to_us

    until_us = to_us(moment("--until", until)) if until else None
    asked = Asked(target, experiment, a, b)
    found = ab_report(archive, Settings.read(), asked, until_us)
    if as_json:
        print(json.dumps(plain(document(found)), indent=2, allow_nan=False))
    else:
        _show(found)


def _show(found: "Comparison") -> None:
    loss = found.log_loss
    trial = found.trial
    about = f"{trial.experiment} ({trial.mode})" if trial.experiment else trial.mode
    print(f"{trial.target}, {about}: {loss.games} games, {loss.days} days")
    print(f"A {trial.a}, B {trial.b}")
    if trial.others:
        print(f"  not compared, name them with --a and --b: {', '.join(trial.others)}")
    print(f"log-loss, B less A   {loss.difference:+.5f}  (below 0: B is better)")
    print(f"  looked at once     {loss.interval.low:+.5f} to {loss.interval.high:+.5f}")
    print(f"  at any time        {loss.always.low:+.5f} to {loss.always.high:+.5f}")
    low, high = found.growth_interval
    print(f"growth, B less A     {found.growth:+.6f} a game ({low:+.6f} to {high:+.6f})")
    for name, bets in found.arms.items():
        print(
            f"  {name.upper()}: {bets.bets} bets in {bets.games} games, growth {bets.growth:+.6f} "
            f"a game, CLV {bets.clv:+.4f} ({bets.clv_interval.low:+.4f} to "
            f"{bets.clv_interval.high:+.4f}), known for {bets.clv_known:.0%} of the bets"
        )
    if found.strays:
        print(f"{found.strays} games left out: both models spoke about them")
    if loss.settled is not None:
        print(f"settled: {loss.settled.upper()} is better")
    elif found.needed is not None:
        print(
            f"not settled. If this difference is true, it takes about {found.needed.once:,} games "
            f"looked at once, {found.needed.always:,} looked at daily (`steamline ab plan`)"
        )
    else:
        print("not settled")


@app.command()
def plan(
    deviation: Annotated[
        float, typer.Option(min=0.0, help="Of one game's difference in log-loss: see `ab report`.")
    ],
    difference: Annotated[float, typer.Option(help="In log-loss, that should be told from 0.")],
    games_a_day: Annotated[float, typer.Option(min=0.1, help="On average.")] = 12.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """How many games show a difference, with 95 % confidence and a power of 80 %."""
    import json

    from models.evaluation.ab import plan as planned
    from schemas.errors import ConfigError

    if difference == 0.0:
        raise ConfigError("--difference", "no number of games shows one of 0", "Give another")
    found = planned(deviation, difference, games_a_day)
    if as_json:
        print(json.dumps(found._asdict()))
        return
    days = games_a_day
    print(f"looked at once, then:            {found.once:,} games, {found.once / days:,.0f} days")
    print(
        f"looked at daily, stopped at will: {found.always:,} games, {found.always / days:,.0f} days"
    )
