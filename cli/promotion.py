"""`steamline model list|show|compare|promote|rollback`: the versions, and which of them scores."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.games import Archives, Postgres, games
from schemas.errors import ModelRefused
from schemas.markets import Target

if TYPE_CHECKING:
    from models.provenance import Logged
    from models.registry import Registry, Version
    from schemas.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Targets = Annotated[
    list[Target] | None, typer.Option("--target", help="Only this one; may be repeated.")
]
WHICH = "champion, challenger, previous, or a number of `steamline model list`"
TOP = 15


def list_versions(target: Targets = None, as_json: Json = False) -> None:
    """Every version: what it is now, how it came to be that, and its scores."""
    registry = _registry()
    found = [one for each in target or Target for one in registry.versions(each)]
    if as_json:
        _print([_about(one) for one in found])
        return
    rows = []
    for one in found:
        logged = registry.logged(one)
        rows.append(
            (
                one.target.value,
                one.name,
                ", ".join(one.aliases) or "-",
                _standing(one),
                _when(one),
                f"{logged.metrics['model_log_loss']:.5f}",
                f"{logged.metrics['market_log_loss']:.5f}",
            )
        )
    _table(("target", "version", "is", "stakes", "made (UTC)", "log-loss", "market"), rows)


def show(
    version: Annotated[str, typer.Argument(help=WHICH)] = "champion",
    target: Targets = None,
    as_json: Json = False,
) -> None:
    """All that is known of a version of each target."""
    registry = _registry()
    found = [(one, registry.logged(one)) for one in _found(registry, target, version)]
    if as_json:
        _print([_about(one) | _logged(logged) for one, logged in found])
        return
    for one, logged in found:
        rows = [
            ("version", one.name),
            ("is", ", ".join(one.aliases) or "-"),
            ("stakes", _standing(one)),
            ("made (UTC)", _when(one)),
            *((name, text) for name, text in sorted(one.tags.items())),
            *((name, f"{number:g}") for name, number in sorted(logged.metrics.items())),
            *((name, text) for name, text in sorted(logged.parameters.items())),
            *((f"gain {name}", f"{gain:.1f}") for name, gain in _top(logged)),
        ]
        _table((one.target.value, ""), rows)


def compare(
    first: Annotated[str, typer.Argument(help=WHICH)],
    second: Annotated[str, typer.Argument(help=WHICH)],
    archive: Annotated[
        list[Path], typer.Option(help="Games to walk both forward on; may be repeated.")
    ],
    target: Targets = None,
    as_json: Json = False,
) -> None:
    """Walk the settings of two versions forward on the same games: log-loss, first less second,
    with its interval by days."""
    from cli.progress import stages
    from deploy.stack import resolve
    from flows.promotion import Evidence, differences
    from schemas.settings import Settings

    settings = resolve(Settings.read())
    registry = _registry()
    pairs = zip(_found(registry, target, first), _found(registry, target, second), strict=True)
    evidence, found = Evidence(archive, settings), []
    with stages("compare") as tell:
        for one, other in pairs:
            tell(f"walk {one.target} forward: {one.name}, {other.name}")
            found.append(differences(registry, one, other, evidence))
    if as_json:
        _print(found)
        return
    _table(
        ("target", "first", "second", "log-loss", "log-loss", "difference", "interval", "games"),
        [
            (
                one["target"],
                one["first"],
                one["second"],
                f"{one['first_log_loss']:.5f}",
                f"{one['second_log_loss']:.5f}",
                f"{one['difference']:+.5f}",
                f"{one['interval'][0]:+.5f} to {one['interval'][1]:+.5f}",
                str(one["games"]),
            )
            for one in found
        ],
    )


def promote(
    version: Annotated[str, typer.Argument(help=WHICH)] = "challenger",
    archive: Archives = None,
    postgres: Postgres = False,
    target: Targets = None,
    force: Annotated[bool, typer.Option("--force", help="Past the gate; needs --reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why by force; kept with the version.")] = "",
    as_json: Json = False,
) -> None:
    """Ask the gate, and make what passes the champion, its stakes real.

    Running workers take it at their next look (STEAMLINE_MLFLOW_POLL_SECONDS). Exits with 1 where
    one is refused.
    """
    from cli.progress import stages
    from deploy.stack import resolve
    from flows import promotion
    from schemas.settings import Settings

    if force and not reason.strip():
        raise typer.BadParameter("--force needs --reason: it is kept with the version")
    if force == bool(archive or postgres):
        raise typer.BadParameter(
            "give games on which the gate judges (--archive, --postgres), or else --force"
        )
    settings = resolve(Settings.read())
    registry = _registry()
    found = []
    candidates = _found(registry, target, version)
    with stages("promote") as tell, _to_judge_on(archive, postgres, settings) as archives:
        evidence = promotion.Evidence(archives, settings)
        for one in candidates:
            about: dict[str, Any] = {"target": one.target, "version": one.name}
            if force:
                promotion.force(registry, one, reason)
                about |= {"promoted": True, "forced": True, "reasons": [reason.strip()]}
            else:
                tell(f"gate {one.target} {one.name}")
                verdict = promotion.promote(registry, one, evidence)
                about |= {
                    "promoted": verdict.promote,
                    "forced": False,
                    "reasons": verdict.reasons,
                    "numbers": verdict.numbers,
                }
            found.append(about)
    if as_json:
        _print(found)
    else:
        for about in found:
            what = "champion" if about["promoted"] else "refused"
            what += " by force" if about["forced"] else ""
            print(f"{about['target']} {about['version']}: {what}")
            for why in about["reasons"]:
                print(f"  {why}")
    if not all(one["promoted"] for one in found):
        raise typer.Exit(1)


def rollback(target: Targets = None, as_json: Json = False) -> None:
    """Make the previous champion the champion again; running workers take it at their next look.

    Of every target that has one, unless some are named. Twice is as if never.
    """
    registry = _registry()
    wanted = target or [one for one in Target if registry.find(one, "previous") is not None]
    if not wanted:
        raise ModelRefused("no target has a previous champion to go back to")
    back = [registry.rollback(one) for one in wanted]
    if as_json:
        _print([{"target": one.target, "version": one.name, "paper": one.paper} for one in back])
        return
    for one in back:
        print(f"{one.target} {one.name} is the champion again, stakes {_standing(one)}")


def _to_judge_on(
    archive: list[Path] | None, postgres: bool, settings: "Settings"
) -> AbstractContextManager[list[Path]]:
    """Nothing where a person's word is enough."""
    return games(archive, postgres, settings) if archive or postgres else nullcontext([])


def _registry() -> "Registry":
    from deploy.stack import resolve
    from models.registry import Registry
    from schemas.settings import Settings

    return Registry.of(resolve(Settings.read()))


def _found(registry: "Registry", targets: list[Target] | None, version: str) -> "list[Version]":
    """Raises ModelRefused where a target that is named, or every target, lacks it.

    A number means something else for each target, so one target must be named with it.
    """
    if version.isdecimal() and len(targets or ()) != 1:
        raise typer.BadParameter("a number counts one target's versions: name it with --target")
    found = [(one, registry.find(one, version)) for one in targets or Target]
    missing = [one.value for one, there in found if there is None]
    if missing and (targets or len(missing) == len(found)):
        raise ModelRefused(
            f"no version {version!r} of {', '.join(missing)}: see `steamline model list`"
        )
    return [there for _, there in found if there is not None]


def _standing(version: "Version") -> str:
    from models.registry import FORCED, GATE, REASON

    if version.paper:
        return "paper"
    if version.tags[GATE] == FORCED:
        return f"real, forced: {version.tags.get(REASON, '')}"
    return "real, passed the gate"


def _when(version: "Version") -> str:
    from schemas.time import from_us

    return f"{from_us(version.created_us):%Y-%m-%d %H:%M}"


def _about(version: "Version") -> dict[str, Any]:
    return {
        "target": version.target,
        "number": version.number,
        "version": version.name,
        "aliases": version.aliases,
        "paper": version.paper,
        "created_us": version.created_us,
        "tags": dict(version.tags),
    }


def _logged(logged: "Logged") -> dict[str, Any]:
    return {
        "parameters": dict(logged.parameters),
        "metrics": dict(logged.metrics),
        "importances": dict(logged.importances),
    }


def _top(logged: "Logged") -> list[tuple[str, float]]:
    return sorted(logged.importances.items(), key=lambda one: -one[1])[:TOP]


def _print(document: object) -> None:
    import json

    print(json.dumps(document, indent=2, allow_nan=False))


def _table(heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads)
    for row in rows:
        # A reason is a person's text, not markup.
        table.add_row(*map(Text, row))
    Console().print(table)
