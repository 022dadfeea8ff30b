"""`steamline features show` and `watch`: what the store holds of a game, for people and bots."""

import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

    from flows.connectors.feature_store import FeatureStore, StoredVectors
    from schemas.decisions import FeatureHeader

Only = Annotated[str, typer.Option(help="Only features whose name contains this.")]


def show(
    game: Annotated[str, typer.Argument(help="Game id, e.g. mlb-2026-07-28-BOS-NYY-1.")],
    only: Only = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """The newest vector of a game: each feature with unit, source and age."""
    from rich.console import Console

    from schemas.errors import DataMissing

    store = _store()
    stored = store.read([game])
    if stored.refused:
        raise DataMissing(f"{game}: {stored.refused[game]}")
    if stored.missing:
        there = ", ".join(store.games()[:20]) or "none"
        raise DataMissing(f"{game}: no vector: never scored, or expired. There are: {there}")
    header = stored.header(0)
    rows = _features(header, stored.vectors[0], only)
    if as_json:
        [expires] = store.expires_seconds([game])
        document = {
            **header.model_dump(mode="json"),
            "expires_seconds": expires,
            "features": rows,
        }
        print(json.dumps(document, indent=2))
    else:
        Console().print(_game(header, rows))


def watch(
    games: Annotated[
        list[str] | None, typer.Argument(help="Game ids; without any, a line for every game.")
    ] = None,
    only: Only = "",
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
) -> None:
    """Follow the vectors as they change, until Ctrl-C; waits for a Redis that is away."""
    import time
    from contextlib import suppress

    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from schemas.errors import DependencyDown

    store = _store()
    seen: Group | None = None
    console = Console()
    with (
        suppress(KeyboardInterrupt),
        Live(console=console, auto_refresh=False, vertical_overflow="crop") as live,
    ):
        while True:
            try:
                seen = looked(store, games or [], only)
                shown: RenderableType = seen
            except DependencyDown as down:
                note = Text(f"{down}: this is what it last said", style="bold red")
                shown = Group(note, seen) if seen is not None else note
            live.update(shown, refresh=True)
            time.sleep(every)


def looked(store: "FeatureStore", games: list[str], only: str) -> "Group":
    """One look at the store. Raises DependencyDown when Redis does not answer."""
    from rich.console import Group
    from rich.text import Text

    stored = store.read(games or store.games())
    parts: list[RenderableType] = []
    if games:
        for row in range(len(stored.games)):
            header = stored.header(row)
            parts.append(_game(header, _features(header, stored.vectors[row], only)))
    else:
        parts.append(_overview(stored))
    parts += [Text(f"{game}: no vector yet, or expired") for game in stored.missing]
    parts += [Text(f"{game}: {why}", style="red") for game, why in stored.refused.items()]
    return Group(*parts)


def _store() -> "FeatureStore":
    from deploy.stack import resolve
    from flows.connectors.feature_store import FeatureStore
    from schemas.settings import Settings

    return FeatureStore.of(resolve(Settings.read()))


def _features(header: "FeatureHeader", vector: Any, only: str) -> list[dict[str, Any]]:
    """One a feature; a value that is missing is None. vector: float32, in catalogue order."""
    from models.features.catalogue import CATALOGUE

    return [
        {
            "name": one.name,
            "value": None if math.isnan(value) else value,
            "unit": one.unit,
            "category": one.category.value,
            "source": one.source.value,
            "age_ms": header.source_age_ms.get(one.source.value),
        }
        for one, value in zip(CATALOGUE, vector.tolist(), strict=True)
        if only in one.name
    ]


def _game(header: "FeatureHeader", rows: list[dict[str, Any]]) -> "RenderableType":
    from rich.table import Table

    from schemas.time import from_us

    simulated = "  SIMULATED" if header.simulated else ""
    shares = ", ".join(f"{name} {share:.0%}" for name, share in header.completeness_by.items())
    table = Table(
        title=f"{header.game_id}  position {header.position}{simulated}",
        caption=f"as of {from_us(header.as_of_us):%Y-%m-%d %H:%M:%S} UTC, "
        f"{header.completeness:.0%} known ({shares}), feature set {header.feature_set}",
    )
    table.add_column("feature")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("source")
    table.add_column("age", justify="right")
    for row in rows:
        value = "-" if row["value"] is None else f"{row['value']:.6g}"
        table.add_row(row["name"], value, row["unit"], row["source"], _age(row["age_ms"]))
    return table


def _overview(stored: "StoredVectors") -> "RenderableType":
    from rich.table import Table

    from models.features.catalogue import Source
    from schemas.time import from_us

    table = Table(title=f"{len(stored.games)} games", caption="ages are those at the as-of")
    table.add_column("game")
    for name in ("position", "as of (UTC)", "known", *(f"{one.value} age" for one in Source)):
        table.add_column(name, justify="right")
    for header in stored.headers:
        table.add_row(
            header.game_id,
            str(header.position),
            f"{from_us(header.as_of_us):%m-%d %H:%M:%S}",
            f"{header.completeness:.0%}",
            *(_age(header.source_age_ms.get(one.value)) for one in Source),
        )
    return table


def _age(milliseconds: int | None) -> str:
    """4s, 12m, 3h 05m; a dash where the source was never heard of."""
    if milliseconds is None:
        return "-"
    seconds = milliseconds // 1_000
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3_600:
        return f"{seconds // 60}m"
    return f"{seconds // 3_600}h {seconds // 60 % 60:02d}m"
