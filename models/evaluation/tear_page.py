"""A tear sheet as a page, as plain data and as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from markupsafe import Markup

from models.evaluation.document import Document, plain
from models.evaluation.intervals import CONFIDENCE
from models.evaluation.metrics import Reliability
from models.evaluation.page import render
from models.evaluation.tear_charts import chart, drawn, parts_chart, picture
from models.evaluation.tear_sheet import TearSheet, Yield, tally
from schemas.time import from_us

_COLUMNS = 125
"""Characters that a line of the picture holds."""


@dataclass(frozen=True)
class Setting:
    """What the sheet stands in: told at its top and in its tables."""

    facts: Sequence[tuple[str, str]]
    refused: Mapping[str, int]
    unstaked: Mapping[str, int]
    unfilled: Mapping[str, int]
    open_bets: Sequence[tuple[str, str, str]]
    """Game, market and why it is not graded."""


def document(sheet: TearSheet) -> Document:
    """Keys are described in docs/backtest.md; what is not known is None."""
    equity, growth, clv = sheet.equity, sheet.growth, sheet.clv
    found: Document = plain(
        {
            "bets": sheet.bets,
            "graded": sheet.graded,
            "void": sheet.void,
            "open": sheet.open,
            "first_day": sheet.first_day,
            "last_day": sheet.last_day,
            "confidence": CONFIDENCE,
            "balance": {
                "start": float(equity.balance[0]),
                "end": float(equity.balance[-1]),
                "drawdown": equity.drawdown,
                "peak": _day(equity.peak_us),
                "trough": _day(equity.trough_us),
                "largest_open": equity.largest_open,
            },
            "roi": None if sheet.total is None else _yield(sheet.total),
            "flat": [_yield(one) for one in sheet.flat],
            "ahead_of": [_yield(one) for one in sheet.ahead],
            "by": {kind: [_yield(one) for one in rows] for kind, rows in sheet.parts.items()},
            "luck": [one._asdict() | {"z": one.z} for one in sheet.luck],
            "growth": growth
            and {
                "balance": growth.balance,
                "actual": float(growth.actual[-1]),
                "expected": float(growth.expected[-1]),
                "deviation": float(growth.deviation[-1]),
            },
            "calibration": _curve(sheet.calibration),
            "market_calibration": _curve(sheet.market_calibration),
            "clv": {
                "coverage": clv.coverage,
                "bets": clv.bets,
                "known": clv.known,
                "missing": clv.missing,
                "mean": None if clv.value is None else clv.value.value,
                "interval": None if clv.value is None else clv.value.interval,
                "beat": clv.beat,
                "quantiles": clv.quantiles,
                "seconds_before_start": clv.seconds,
            },
            "bets_needed": sheet.needed and sheet.needed._asdict(),
            "warnings": sheet.warnings,
        }
    )
    return found


def page(sheet: TearSheet, setting: Setting) -> str:
    """One HTML file that needs nothing else."""
    return render(
        "tear_sheet.html.j2",
        sheet=sheet,
        equity=sheet.equity,
        setting=setting,
        confidence=CONFIDENCE,
        charts={name: Markup(chart(sheet, name)) for name in drawn(sheet)},
        parts=[
            {"kind": kind, "rows": rows, "chart": Markup(parts_chart(rows, kind))}
            for kind, rows in sheet.parts.items()
        ],
        day=_day,
        tally=tally,
    )


def image(sheet: TearSheet, title: str) -> bytes:
    """As PNG; the warnings stand in it, for pictures travel alone."""
    said = [line for text in sheet.warnings for line in wrap(text, _COLUMNS)]
    return picture(sheet, title, said)


def _day(us: int) -> str:
    return from_us(us).date().isoformat()


def _yield(one: Yield) -> Document:
    return one._asdict()


def _curve(curve: Reliability | None) -> Document | None:
    if curve is None:
        return None
    return {"error": curve.error, **{name: getattr(curve, name).tolist() for name in curve._fields}}
