"""Files that an earlier version of a topic's model wrote: what was added since has its default.

Within a version of the wire only optional fields are added, so this is what the model itself makes
of the JSON of that time.
"""

from pathlib import Path

import polars as pl
from pydantic import BaseModel
from pydantic_core import to_json


def aligned(path: Path, schema: pl.Schema, model: type[BaseModel]) -> pl.LazyFrame | None:
    """The file with the columns of today; None where it is no earlier version of them."""
    found = pl.read_parquet_schema(path)
    if found == schema:
        return pl.scan_parquet(path, hive_partitioning=False)
    if any(schema.get(name) != dtype for name, dtype in found.items()):
        return None
    added = []
    for name in schema.keys() - found.keys():
        field = model.model_fields.get(name)
        if field is None or field.is_required() or schema[name].is_nested():
            return None
        default = field.get_default(call_default_factory=True)
        if schema[name] == pl.String() and default is not None and not isinstance(default, str):
            default = to_json(default).decode()
        plain = str(default) if isinstance(default, str) else default
        added.append(pl.lit(plain, dtype=schema[name]).alias(name))
    return pl.scan_parquet(path, hive_partitioning=False).with_columns(added).select(schema.names())
