"""`steamline key`: who may use the API."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from api.keystore import KeyStore

app = typer.Typer(
    no_args_is_help=True,
    help="API keys: make, list, rotate, revoke.",
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Name = Annotated[str, typer.Argument(help="Of the key.")]

_ONCE = "This is the only time the key is shown; `sl_` and 12 letters of it name it in logs."

T = TypeVar("T")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="What it is for; no two valid keys share one.")],
    scope: Annotated[list[str], typer.Option(help="read, stake or admin; repeat it for several.")],
    expires: Annotated[
        float | None, typer.Option(min=0.001, max=3650, help="Days that it is good for.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it, once."""
    import json
    import sys

    from api.keys import Scope
    from cli.service import wall_clock_us
    from deploy.stack import resolve
    from flows.connectors.migrations import migrate
    from schemas.errors import ConfigError
    from schemas.settings import Settings
    from schemas.time import US_PER_DAY

    try:
        scopes = {Scope(one) for one in scope}
    except ValueError:
        words = ", ".join(Scope)
        raise ConfigError("--scope", "is none that there is", f"Use {words}") from None
    migrate(resolve(Settings.read()).postgres)
    now_us = wall_clock_us()
    until_us = None if expires is None else now_us + round(expires * US_PER_DAY)
    key_id, key = _with_store(lambda store: store.add(name, scopes, now_us, until_us))
    if as_json:
        print(json.dumps({"id": key_id, "key": key, "expires_us": until_us}))
        return
    print(_ONCE, file=sys.stderr)
    print(key)


@app.command()
def ls(as_json: Json = False) -> None:
    """Every key that was made: scopes, expiry, last use to the hour, and whether it is good."""
    import json

    from cli.service import wall_clock_us

    now_us = wall_clock_us()
    keys = _with_store(lambda store: store.all())
    if as_json:
        rows = [
            {
                "id": key.key_id,
                "name": key.name,
                "scopes": sorted(key.scopes),
                "created_us": key.created_us,
                "expires_us": key.expires_us,
                "revoked_us": key.revoked_us,
                "used_us": key.used_us,
                "state": key.lapsed(now_us) or "valid",
            }
            for key in keys
        ]
        print(json.dumps(rows))
        return
    for key in keys:
        state = key.lapsed(now_us) or "valid"
        times = f"expires {_day(key.expires_us)}  used {_day(key.used_us)}"
        print(f"{key.key_id}  {key.name:20} {','.join(sorted(key.scopes)):16} {state:8} {times}")


@app.command()
def rotate(
    name: Name,
    overlap: Annotated[
        float, typer.Option(min=0.0, max=8760, help="Hours that the old secret stays good.")
    ] = 24.0,
    as_json: Json = False,
) -> None:
    """Give a key a new secret and show it, once; the old one is good for a while yet."""
    import json
    import sys

    from cli.service import wall_clock_us
    from schemas.time import US_PER_HOUR

    now_us = wall_clock_us()
    key = _with_store(lambda store: store.rotate(name, now_us, round(overlap * US_PER_HOUR)))
    if as_json:
        print(json.dumps({"key": key, "old_until_us": now_us + round(overlap * US_PER_HOUR)}))
        return
    print(f"{_ONCE} The old one is good for {overlap:g} h.", file=sys.stderr)
    print(key)


@app.command()
def revoke(name: Name, as_json: Json = False) -> None:
    """Refuse a key from now on: within two seconds, streams that are open too."""
    import json

    from cli.service import wall_clock_us

    key_id = _with_store(lambda store: store.revoke(name, wall_clock_us()))
    print(json.dumps({"revoked": key_id}) if as_json else f"{name} ({key_id}) is revoked")


def _with_store(ask: "Callable[[KeyStore], Awaitable[T]]") -> T:
    import asyncio

    from api.keystore import DOWN, KeyStore, down
    from deploy.stack import resolve
    from schemas.settings import Settings

    async def asked() -> T:
        store = KeyStore(resolve(Settings.read()).postgres)
        try:
            return await ask(store)
        except DOWN as problem:
            raise down(problem) from None
        finally:
            await store.close()

    return asyncio.run(asked())


def _day(us: int | None) -> str:
    from schemas.time import from_us

    return "never" if us is None else f"{from_us(us):%Y-%m-%d %H:%M}Z"
