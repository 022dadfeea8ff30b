"""Which rows, read in bulk, are surely what the topic's model would have made of them.

A model call costs ten times what a column costs. So columns are read first, and a record passes
when its bytes are the canonical JSON of its row and every value is one that the model allows; all
others are asked of the model itself. To pass is a proof, not to pass says nothing.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import polars as pl

from schemas.events import MAX_DECIMAL_ODDS, MAX_OVERROUND, MIN_OVERROUND, QuoteStatus
from schemas.markets import Market
from schemas.odds import OddsFormat
from schemas.topics import CONTRACTS, Topic

_PLAIN = ("string", "integer", "number", "boolean")
_SAYS_NOTHING = {"title", "default", "examples", "description", "type"}

_LIMITS: dict[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "minimum": lambda value, limit: value >= limit,
    "ge": lambda value, limit: value >= limit,
    "maximum": lambda value, limit: value <= limit,
    "le": lambda value, limit: value <= limit,
    "exclusiveMinimum": lambda value, limit: value > limit,
    "exclusiveMaximum": lambda value, limit: value < limit,
    "minLength": lambda value, limit: value.str.len_chars() >= limit,
    "maxLength": lambda value, limit: value.str.len_chars() <= limit,
    "pattern": lambda value, pattern: value.str.contains(pattern),
    "enum": lambda value, names: value.is_in(names),
}
"""JSON Schema's words, and pydantic's own where a validator stands before the limits."""


def _possible() -> pl.Expr:
    """`LineMovement._possible`."""
    first, second, line = pl.col("price_home_over"), pl.col("price_away_under"), pl.col("line")
    market = pl.col("market")
    prices = [price.is_not_null() & (price > 1.0) for price in (first, second)]
    below = [price <= MAX_DECIMAL_ODDS for price in (first, second)]
    open_ = pl.all_horizontal(
        *prices,
        *below,
        line.is_null() == (market == Market.MONEYLINE.value),
        line.is_null() | (market != Market.TOTAL.value) | (line > 0.0),
        (1.0 / first + 1.0 / second).is_between(MIN_OVERROUND, MAX_OVERROUND),
    )
    withdrawn = first.is_null() & second.is_null()
    return pl.when(pl.col("status") == QuoteStatus.WITHDRAWN.value).then(withdrawn).otherwise(open_)


_RULES: Mapping[str, Callable[[], pl.Expr]] = {
    # American prices are converted, so they are never the row's own JSON.
    "_to_decimal": lambda: pl.col("odds_format") == OddsFormat.DECIMAL.value,
    "_possible": _possible,
    "_says_something": lambda: (
        pl.col("tickets_home_over_pct").is_not_null() | pl.col("handle_home_over_pct").is_not_null()
    ),
}
"""Validator of a model -> the same as columns."""


@cache
def allowed(topic: Topic) -> list[pl.Expr] | None:
    """All true for rows that the model takes as they are; one null or false for all others.

    None where that cannot be said in columns: a field that is nested, a rule not known here.
    """
    model = CONTRACTS[topic].model
    decorators = model.__pydantic_decorators__
    if decorators.field_validators or decorators.model_validators.keys() - _RULES.keys():
        return None
    schema = model.model_json_schema()
    found = [
        _field(pl.col(name), said, schema.get("$defs", {}))
        for name, said in schema["properties"].items()
    ]
    rules = [_RULES[name]() for name in decorators.model_validators]
    if any(one is None for one in found):
        return None
    return [*(one for one in found if one is not None), *rules]


def _field(value: pl.Expr, said: dict[str, Any], named: dict[str, Any]) -> pl.Expr | None:
    if "$ref" in said:
        said = {**named[said["$ref"].rpartition("/")[2]], **said}
        said.pop("$ref")
    if "anyOf" in said:
        one, *other = said["anyOf"]
        if other != [{"type": "null"}] or said.keys() - {"anyOf"} - _SAYS_NOTHING:
            return None
        inner = _field(value, one, named)
        return None if inner is None else value.is_null() | inner
    limits = said.keys() - _SAYS_NOTHING
    if limits - _LIMITS.keys() or said.get("type") not in (
        "string",
        "integer",
        "number",
        "boolean",
    ):
        return None
    return pl.all_horizontal(
        value.is_not_null(), *(_LIMITS[word](value, said[word]) for word in sorted(limits))
    )
