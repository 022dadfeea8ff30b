"""A drift report as plain data and as a page."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from models.evaluation.charts import over_time
from models.evaluation.document import Document, plain
from models.evaluation.drift import Calibration, Shift
from models.evaluation.monitor import DriftReport, TargetDrift, largest
from models.evaluation.page import TITLES, render

LISTED = 15
_KINDS = {
    "missing": "Share of vectors that lack a feature",
    "stability": "Distribution of a feature",
    "outliers": "Share of strange vectors",
    "log_loss": "Log-loss above the price",
    "calibration": "Calibration",
    "importance": "Importance moved",
}


def monitor_document(report: DriftReport, names: Sequence[str]) -> Document:
    """Keys are described in docs/evaluation.md; what is not known is None."""
    found: Document = plain(
        {
            "days": report.days,
            "first_recent": report.first_recent.isoformat(),
            "last_day": report.last_day.isoformat(),
            "reference_games": report.reference_games,
            "recent_games": report.recent_games,
            "findings": [{"about": about, **finding._asdict()} for about, finding in report.found],
            "unknown": report.unknown,
            "stability": _stability(report, names, len(names)),
            "outliers": report.outliers
            and [{"game_id": game, "chance": chance} for game, chance in report.outliers],
            "targets": {name: _target(one, names) for name, one in report.targets.items()},
        }
    )
    return found


def monitor_page(
    report: DriftReport, names: Sequence[str], facts: Sequence[tuple[str, str]]
) -> str:
    """facts: as in `page.page`."""
    return render(
        "drift.html.j2",
        report=report,
        facts=facts,
        titles=TITLES,
        kinds=_KINDS,
        stability=_stability(report, names, LISTED) or [],
        outliers=(report.outliers or [])[:LISTED],
        targets=[
            {
                "drift": one,
                "chart": one.speech and Markup(over_time(one.speech.rolling, f"{name}-rolling")),
                "last": one.speech and one.speech.rolling.row(-1, named=True),
                "shifts": [
                    (kind, shift, _changes(shift, names, LISTED))
                    for kind, shift in _shifts(one)
                    if shift is not None
                ],
            }
            for name, one in report.targets.items()
        ],
    )


def _stability(report: DriftReport, names: Sequence[str], count: int) -> list[Document] | None:
    if report.stability is None:
        return None
    found = report.stability
    return [
        {
            "feature": names[at],
            "index": float(found.index[at]),
            "usual": float(report.usual[at]),
            "p_value": float(found.p_value[at]),
            "used": bool(report.used[at]),
            "missing_then": float(found.missing_then[at]),
            "missing_now": float(found.missing_now[at]),
        }
        for at in largest(found.index, count)
    ]


def _target(one: TargetDrift, names: Sequence[str]) -> Document:
    speech = one.speech
    return {
        "games": speech and speech.games,
        "rolling": speech
        and [
            {**row, "day": row["day"].isoformat()} for row in speech.rolling.iter_rows(named=True)
        ],
        "calibration": speech and _calibration(speech.now),
        "calibration_before": speech and _calibration(speech.before),
        "importance": {
            kind: shift and {"moved": shift.moved, "changes": _changes(shift, names, len(names))}
            for kind, shift in _shifts(one)
        },
    }


def _calibration(found: Calibration | None) -> Document | None:
    return None if found is None else found._asdict()


def _shifts(one: TargetDrift) -> list[tuple[str, Shift | None]]:
    if one.weight is None:
        return []
    return [("contribution", one.weight.contribution), ("gain", one.weight.gain)]


def _changes(shift: Shift, names: Sequence[str], count: int) -> dict[str, Any]:
    """Largest first; features whose share is the same are left out."""
    return {
        names[at]: float(shift.changes[at])
        for at in largest(shift.changes, count)
        if shift.changes[at] != 0.0
    }
