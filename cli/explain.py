"""`steamline model explain`: why the models say what they say of one game."""

from typing import TYPE_CHECKING, Annotated

import typer

from schemas.markets import Target

if TYPE_CHECKING:
    from rich.console import RenderableType

    from schemas.explanation import Explanation


def explain(
    game: Annotated[str, typer.Argument(help="Game id, e.g. mlb-2026-07-28-BOS-NYY-1.")],
    target: Annotated[Target, typer.Option(help="Whose prediction.")] = Target.MONEYLINE,
    top: Annotated[int, typer.Option(min=0, help="List so many features.")] = 10,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """From the no-vig price to the probability, feature by feature, of a game's newest vector."""
    from deploy.stack import resolve
    from flows.connectors.feature_store import FeatureStore
    from models.boosters.explaining import explain as explained
    from models.registry import Registry
    from schemas.errors import DataMissing
    from schemas.settings import Settings

    settings = resolve(Settings.read())
    store = FeatureStore.of(settings)
    stored = store.read([game])
    store.close()
    for refusal in stored.refused.values():
        raise DataMissing(f"{game}: {refusal}")
    if stored.missing:
        raise DataMissing(f"{game}: no vector: never scored, or expired")
    models = Registry.of(settings).nearest()
    [model] = [one for one in models if one.card.target is target]
    found = explained(model, stored.header(0), stored.vectors[0], top)
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        from rich.console import Console

        Console().print(_table(found))


def _table(found: "Explanation") -> "RenderableType":
    from rich.table import Table

    from schemas.time import from_us

    simulated = "  SIMULATED" if found.simulated else ""
    at = "" if found.line is None else f" at {found.line:g}"
    scale = found.scale.replace("_", "-")
    table = Table(
        title=f"{found.game_id}  {found.target}{at}  position {found.position}{simulated}",
        caption=f"as of {from_us(found.as_of_us):%Y-%m-%d %H:%M:%S} UTC, model "
        f"{found.model_version}; {scale} {found.score:+.4f} means {found.raw_probability:.2%}, "
        f"calibrated {found.probability:.2%}",
    )
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column(scale, justify="right")
    price = (f"{found.market_probability:.4f}", "probability", f"{found.market_score:+.4f}")
    table.add_row("no-vig price", *price)
    table.add_row("bias", "", "", f"{found.bias:+.4f}")
    for one in found.contributions:
        value = "-" if one.value is None else f"{one.value:.6g}"
        table.add_row(one.feature, value, one.unit, f"{one.contribution:+.4f}")
    table.add_row("all other features", "", "", f"{found.rest:+.4f}")
    return table
