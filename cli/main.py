"""The `steamline` command.

Nothing heavy is imported up here: `--help` must answer at once, so each command imports what it
needs when it runs.
"""

import typer

from cli import (
    ab,
    api,
    archive,
    audit,
    backfill,
    backtest,
    bankroll,
    context,
    curate,
    data,
    db,
    demo,
    doctor,
    drift,
    features,
    ingest,
    kelly,
    key,
    leakcheck,
    ledger,
    model,
    monitor,
    odds,
    parity,
    score,
    settle,
    settlement,
    stack,
    stop,
    verify_live,
    webhooks,
)

app = typer.Typer(
    name="steamline",
    help="Real-time odds processor: score every game the moment a line moves.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Boxes and colours would import rich, and --help must answer at once.
    rich_markup_mode=None,
    add_completion=False,
)
app.add_typer(stack.app, name="stack")
app.add_typer(data.app, name="data")
app.add_typer(archive.app, name="archive")
app.add_typer(features.app, name="features")
app.add_typer(model.app, name="model")
app.add_typer(drift.app, name="drift")
app.add_typer(ab.app, name="ab")
app.add_typer(score.app, name="run")
app.add_typer(db.app, name="db")
app.add_typer(key.app, name="key")
app.add_typer(odds.app, name="odds")
app.add_typer(settlement.app, name="settlement")
app.add_typer(bankroll.app, name="bankroll")
score.app.command("context")(context.publish)
score.app.command("curate")(curate.curate)
score.app.command("settle")(settle.settle)
score.app.command("ledger")(ledger.ledger)
score.app.command("monitor")(monitor.monitor)
score.app.command("webhooks")(webhooks.webhooks)
app.command("ingest")(ingest.ingest)
app.command("backfill")(backfill.backfill)
app.command("api")(api.api_command)
app.command("kelly")(kelly.kelly)
app.command("stop")(stop.stop)
app.command("resume")(stop.resume)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("audit")(audit.audit)
app.command("parity")(parity.parity)
app.command("backtest")(backtest.backtest)
app.command("verify-live")(verify_live.verify_live)
app.command("leakcheck")(leakcheck.leakcheck)


def main() -> None:
    """Entry point: an error of ours is one line and exit 1, not a traceback."""
    try:
        app()
    except Exception as problem:
        from schemas.errors import SteamlineError

        if not isinstance(problem, SteamlineError):
            raise
        from cli.logs import tell_failure

        tell_failure(problem)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
