"""Writes docs/features.md from the feature catalogue: `python -m docs.features_page`."""

from collections.abc import Iterator
from pathlib import Path

from models.features.catalogue import CATALOGUE, Category

PAGE = Path(__file__).parent / "features.md"

HEAD = """\
# Features

{count} features in {categories} categories, in the order of the vector. A value that cannot be
known is NaN, never 0 or 50 %. "Consensus" is the median fair probability, of the home or over side,
over the fresh books at the line that most of them have. Windows end at the newest event and begin
at a tile bound: tiles are 1 minute wide for windows up to 15 minutes, 15 minutes wide beyond.

This page is generated: edit `models/features/catalogue.py`, then run `make docs`.
"""


def page() -> str:
    return "\n".join([HEAD.format(count=len(CATALOGUE), categories=len(Category)), *_sections()])


def _sections() -> Iterator[str]:
    for category in Category:
        features = [feature for feature in CATALOGUE if feature.category is category]
        yield f"## {category.value.capitalize()} ({len(features)})\n"
        yield "| feature | unit | topic | formula |"
        yield "|---|---|---|---|"
        for one in features:
            yield f"| `{one.name}` | {one.unit} | `{one.source.value}` | {one.formula} |"
        yield ""


if __name__ == "__main__":
    PAGE.write_text(page())
