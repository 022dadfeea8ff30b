"""Tear sheets of a folder: what `steamline backtest --out` wrote there, a folder each."""

import json
import re
from pathlib import Path as Folder
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.paging import Page
from api.problems import Problem
from api.said import known
from api.tags import Tagged
from schemas.settings import Settings

SUMMARY, PAGE = "summary.json", "tear-sheet.html"
MOST_BYTES = 32 * 1_024 * 1_024
"""Of one file: what is larger was not written by a backtest."""
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)
"""The page shows itself: it runs nothing, loads nothing and sends nothing."""
SHOWN = {"Content-Security-Policy": POLICY, "X-Frame-Options": "SAMEORIGIN"}
"""In a frame of our own page too."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")]
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
BacktestId = Annotated[Name, Path(examples=["season-2026"], description="Name of the folder")]
_NONE: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "No backtest of that name"},
    503: {"model": Problem, "description": "Its files cannot be read"},
}


class BacktestRow(BaseModel):
    id: str
    written_us: int
    """When its summary was written, by the clock of that machine."""
    wrong: str | None
    """Why it cannot be read; then all that follows is none."""
    source: str | None = None
    simulated: bool | None = None
    bankroll: str | None = None
    first_day: str | None = None
    last_day: str | None = None
    bets: int | None = None
    balance_start: float | None = None
    balance_end: float | None = None
    drawdown: float | None = None
    """Largest, as a share of the peak before it."""
    roi: float | None = None
    """Profit per unit staked."""
    roi_interval: tuple[float, float] | None = None
    warnings: list[str] = []
    """Read them before any number."""


class Backtests(Page[BacktestRow]):
    """By name."""


class Backtest(BaseModel):
    """`numbers` is summary.json: docs/backtest.md describes it, and `sheet` in it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "about": {"id": "season-2026", "written_us": 1784580000000000, "wrong": None},
                "numbers": {"source": "oddsapi", "sheet": {"bets": 812, "warnings": []}},
            }
        }
    )

    about: BacktestRow
    numbers: dict[str, Any]


def build(settings: Settings) -> APIRouter:
    router = APIRouter(tags=["backtests"], route_class=Tagged)
    root = settings.api.backtests or settings.home / "backtests"

    @router.get("/v1/backtests", summary="Backtests, by name")
    def list_backtests(
        limit: Annotated[int, Query(ge=1, le=100, description="Rows a page, at most")] = 50,
        cursor: Annotated[
            Name | None, Query(description="`next` of the page before, as it is")
        ] = None,
    ) -> Backtests:
        """What `steamline backtest --out` wrote under STEAMLINE_API_BACKTESTS."""
        names = [name for name in _names(root) if cursor is None or name > cursor]
        rows = [_row(root, name) for name in names[:limit]]
        more = len(names) > limit
        return Backtests(items=rows, next=names[limit - 1] if more else None)

    @router.get("/v1/backtests/{id}", summary="A tear sheet in numbers", responses=_NONE)
    def get_backtest(id: BacktestId) -> Backtest:
        """All that the run wrote down, the tear sheet under `sheet`."""
        _there(root, id)
        try:
            numbers = _numbers(root / id)
            return Backtest(about=_about(root / id, numbers), numbers=numbers)
        except Unreadable as bad:
            raise HTTPException(503, f"{id}: {bad}") from None

    @router.get(
        "/v1/backtests/{id}/page",
        summary="A tear sheet as a page",
        response_class=HTMLResponse,
        responses=_NONE,
    )
    def get_backtest_page(id: BacktestId) -> Response:
        """One HTML file that needs nothing else, and may run nothing."""
        _there(root, id)
        try:
            text = _bytes(root / id / PAGE)
        except Unreadable as bad:
            raise HTTPException(503, f"{id}: {bad}") from None
        return HTMLResponse(text, headers=SHOWN)

    return router


class Unreadable(Exception):
    """A file is not what a backtest wrote."""


def _names(root: Folder) -> list[str]:
    """Folders with a summary, sorted; none where there is no such root."""
    if not root.is_dir():
        return []
    return sorted(
        one.name
        for one in root.iterdir()
        if _NAME.fullmatch(one.name) and (one / SUMMARY).is_file()
    )


def _there(root: Folder, name: str) -> None:
    """Raises HTTPException 404."""
    if not (root / name / SUMMARY).is_file():
        raise HTTPException(404, f"no backtest {name}: `steamline backtest --out` makes one")


def _row(root: Folder, name: str) -> BacktestRow:
    try:
        return _about(root / name, _numbers(root / name))
    except Unreadable as bad:
        return BacktestRow(id=name, written_us=_written_us(root / name), wrong=str(bad))


def _bytes(path: Folder) -> bytes:
    """Raises Unreadable."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Unreadable(f"{path.name} is larger than {MOST_BYTES} bytes")
        return path.read_bytes()
    except OSError as bad:
        raise Unreadable(f"{path.name}: {type(bad).__name__}") from None


def _numbers(folder: Folder) -> dict[str, Any]:
    """Raises Unreadable."""
    try:
        found = json.loads(_bytes(folder / SUMMARY), parse_constant=_refused)
    except (ValueError, RecursionError) as bad:
        raise Unreadable(f"{SUMMARY} is no JSON: {type(bad).__name__}") from None
    if not isinstance(found, dict):
        raise Unreadable(f"{SUMMARY} is no summary of a backtest")
    return found


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _about(folder: Folder, numbers: dict[str, Any]) -> BacktestRow:
    """Raises Unreadable."""
    try:
        sheet = numbers["sheet"]
        roi = sheet["roi"] or {}
        return BacktestRow(
            id=folder.name,
            written_us=_written_us(folder),
            wrong=None,
            source=numbers["source"],
            simulated=numbers["simulated"],
            bankroll=numbers["bankroll"]["name"],
            first_day=sheet["first_day"],
            last_day=sheet["last_day"],
            bets=sheet["bets"],
            balance_start=sheet["balance"]["start"],
            balance_end=sheet["balance"]["end"],
            drawdown=sheet["balance"]["drawdown"],
            roi=roi.get("value"),
            roi_interval=known(roi.get("interval") or (None, None)),
            warnings=sheet["warnings"],
        )
    except (KeyError, TypeError, AttributeError, ValidationError):
        raise Unreadable(f"{SUMMARY} is no summary of a backtest of this version") from None


def _written_us(folder: Folder) -> int:
    try:
        return (folder / SUMMARY).stat().st_mtime_ns // 1_000
    except OSError:
        return 0
