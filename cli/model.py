"""`steamline model`: what is known of the models."""

import typer

from cli.evaluate import evaluate

app = typer.Typer(help="Models: how good they are.", no_args_is_help=True)

app.command()(evaluate)
