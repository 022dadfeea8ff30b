"""Writes docs/settings.md from the settings themselves: `python -m docs.settings_page`."""

import ast
import inspect
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from schemas.kelly import Drawdown
from schemas.sections.base import PREFIX, Section
from schemas.sections.staking import StakingSettings
from schemas.sections.webhooks import Endpoint
from schemas.settings import Settings

PAGE = Path(__file__).parent / "settings.md"

TITLES = {
    "mlflow": "MLflow",
    "ab": "A/B",
    "api": "API",
    "mlbstats": "MLB Stats",
    "oddsapi": "The Odds API",
    "actionnetwork": "Action Network",
    "vsin": "VSIN",
    "sbd": "SportsBettingDime",
}

HEAD = """\
# Settings

Every key is an environment variable or a line in `.env`; the environment wins. A wrong value or an
unknown `STEAMLINE_` key in `.env` stops the start with one line that names it. Secrets are never
printed or logged.

This page is generated: edit `schemas/settings.py` or `schemas/sections/`, then run `make docs`.
"""


def page() -> str:
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterator[str]:
    plain = {
        name: field
        for name, field in Settings.model_fields.items()
        if not _is_section(field.annotation)
    }
    yield from _table("General", PREFIX, Settings, plain)
    for name, field in Settings.model_fields.items():
        if _is_section(field.annotation):
            section: type[BaseModel] = field.annotation  # type: ignore[assignment]
            prefix = f"{PREFIX}{name.upper()}_"
            yield from _table(
                TITLES.get(name, name.capitalize()), prefix, section, section.model_fields
            )


def _table(
    title: str, prefix: str, model: type[BaseModel], fields: dict[str, FieldInfo]
) -> Iterator[str]:
    meanings = _meanings(model)
    yield f"## {title}\n"
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in fields.items():
        kind, default = _type(field), _default(field.get_default(call_default_factory=True))
        yield f"| `{prefix}{name.upper()}` | {kind} | {default} | {meanings[name]} |"
    yield ""


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """The string under each field, which Python itself throws away: {field: meaning}."""
    # A base's words hold where a class changes no more than the default.
    kinds = [kind for kind in reversed(model.__mro__) if kind.__module__.startswith("schemas.")]
    body = [line for kind in kinds for line in _body(kind)]
    meanings: dict[str, str] = {}
    for field, below in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            meanings[field.target.id] = " ".join(str(below.value.value).split())
    return meanings


def _body(kind: type) -> list[ast.stmt]:
    [written] = ast.parse(inspect.getsource(kind)).body
    assert isinstance(written, ast.ClassDef)
    return written.body


def _type(field: FieldInfo) -> str:
    if _holds(field.annotation, SecretStr):
        return "secret text"
    if isinstance(field.annotation, type) and not get_args(field.annotation):
        name = {str: "text", float: "number", int: "integer"}.get(field.annotation)
        kind = name or field.annotation.__name__.lower()
    elif field.annotation == str | None:
        kind = "text"
    elif _holds(field.annotation, Path):
        kind = "path"
    elif _holds(field.annotation, dict) or _holds(field.annotation, Drawdown):
        kind = "JSON object"
    elif _holds(field.annotation, StakingSettings) or _holds(field.annotation, Endpoint):
        kind = "JSON list of objects"
    elif _holds(field.annotation, tuple):
        kind = "JSON list of text"
    elif field.annotation in (float | None, int | None):
        kind = "number" if _holds(field.annotation, float) else "integer"
    else:
        kind = " or ".join(f"`{choice}`" for choice in get_args(field.annotation))
    bounds = [_bound(rule) for rule in field.metadata]
    return ", ".join([kind, *filter(None, bounds)])


def _bound(rule: Any) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    for attribute, sign in signs.items():
        if hasattr(rule, attribute):
            return f"{sign} {getattr(rule, attribute):g}"
    pattern = getattr(rule, "pattern", None)
    return f"matching `{pattern}`" if pattern else ""


def _default(value: Any) -> str:
    if value is None or value == {}:
        return "none"
    if isinstance(value, tuple):
        return f"`{json.dumps(value)}`"
    return f"`{value}`"


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _holds(annotation: Any, wanted: type) -> bool:
    """`wanted` itself, or a union or generic of it."""
    if annotation is wanted or getattr(annotation, "__origin__", None) is wanted:
        return True
    return any(_holds(part, wanted) for part in get_args(annotation) if part is not annotation)


if __name__ == "__main__":
    PAGE.write_text(page())
