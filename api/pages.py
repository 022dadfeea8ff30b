"""The pages: one shell around a fragment each; scripts fill them from the feed and the API.

Put together once, at start: no template engine, no build step, and every page has its title and
its headings before a script runs.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"

PAGES = {
    "board": ("/", "Board"),
    "game": ("/games/{game_id}", "Game"),
    "models": ("/models", "Models"),
    "bankrolls": ("/bankrolls", "Bankrolls"),
    "backtests": ("/backtests", "Backtests"),
    "system": ("/system", "System"),
}
"""{name: (route, title)}; the fragment is `pages/NAME.html`, its script `pages/NAME.js`."""

# Asked for again each time, and answered 304 while nothing has changed: after an upgrade no page
# mixes old scripts with new ones.
_FRESH = {"Cache-Control": "no-cache"}


class Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_FRESH)
        return response


def compose(name: str) -> str:
    """One whole page."""
    shell = (STATIC / "shell.html").read_text("utf-8")
    fragment = (STATIC / "pages" / f"{name}.html").read_text("utf-8")
    # Which link is the current page; a game belongs to the board.
    route = PAGES[name if name != "game" else "board"][0]
    shell = shell.replace(f'<a href="{route}">', f'<a href="{route}" aria-current="page">')
    parts = {"title": PAGES[name][1], "page": name, "content": fragment}
    for part, text in parts.items():
        shell = shell.replace(f"{{{{{part}}}}}", text)
    return shell


def install(app: FastAPI) -> None:
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    for name, (route, _) in PAGES.items():
        router.add_api_route(route, _shows(compose(name)), name=name)
    app.include_router(router)
    app.mount("/static", Files(directory=STATIC), name="static")


def _shows(page: str) -> Callable[[], Awaitable[HTMLResponse]]:
    async def show() -> HTMLResponse:
        return HTMLResponse(page, headers=_FRESH)

    return show
