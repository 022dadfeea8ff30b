"""`steamline features`: what a model sees of a game."""

import typer

from cli import features_build, features_show

app = typer.Typer(
    help="Feature vectors: in the store, live, and from archives.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("show")(features_show.show)
app.command("watch")(features_show.watch)
app.command("build")(features_build.build)
