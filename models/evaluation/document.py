"""A report as plain data, for `--json` and for whoever keeps it."""

import math
from typing import Any

from models.evaluation.compare import Forecast
from models.evaluation.judge import Reference, Report, TargetReport
from models.evaluation.metrics import Reliability

Document = dict[str, Any]


def document(report: Report) -> Document:
    """JSON has no NaN: what is not known is None. Keys are described in docs/evaluation.md."""
    found: Document = plain(
        {
            "games": report.games,
            "first_day": report.first_day,
            "last_day": report.last_day,
            "confidence": report.confidence,
            "targets": {name: _target(one) for name, one in report.targets.items()},
        }
    )
    return found


def _target(report: TargetReport) -> Document:
    ranked = report.ranked
    return {
        "market": report.market,
        "notes": [{"kind": note.kind.value, "text": note.text} for note in report.notes],
        "model": _forecast(report.model)
        | {"auc": report.auc, "calibration_error": report.calibration.error},
        "references": {name: _reference(one) for name, one in report.references.items()},
        "ranked_probability": ranked and ranked.__dict__,
        "segments": [segment.__dict__ for segment in report.segments],
        "reliability": {
            "model": _curve(report.calibration),
            "market": _curve(report.market_calibration),
        },
    }


def _forecast(found: Forecast) -> Document:
    return {
        "log_loss": found.log_loss,
        "brier": found.brier,
        "n": found.n,
        "rows": found.rows,
        "days": found.days,
        "log_loss_interval": found.log_loss_interval,
        "brier_interval": found.brier_interval,
    }


def _reference(found: Reference) -> Document:
    compared = found.comparison
    return _forecast(compared.reference) | {
        "model_log_loss": compared.model.log_loss,
        "model_brier": compared.model.brier,
        "difference": compared.difference,
        "interval": compared.interval,
        "p_value": compared.p_value,
        "brier_difference": compared.brier_difference,
        "brier_difference_interval": compared.brier_interval,
        "coverage": found.coverage,
        "same_line": found.same_line,
        "seconds_before_start": found.seconds_before_start,
        "books": found.books,
    }


def _curve(curve: Reliability | None) -> list[Document]:
    if curve is None:
        return []
    rows = zip(*(column.tolist() for column in curve), strict=True)
    return [dict(zip(curve._fields, row, strict=True)) for row in rows]


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
