"""Game records to feature vectors: numpy only, all rows of a batch at once."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np

from models.features.arrays import Array
from models.features.catalogue import CATALOGUE, CONTEXT, NAMES
from models.features.layout import MAX_BOOKS
from models.features.market import MarketView, view_market
from models.features.pricing import pricing
from models.features.sentiment import sentiment
from models.features.temporal import temporal
from models.features.windows import windows
from schemas.sections.scoring import SPLIT_POOLS
from schemas.settings import Settings
from schemas.time import US_PER_MINUTE


@dataclass(frozen=True)
class FeatureSet:
    """The kernel with the settings that change what its numbers mean."""

    stale_us: int
    devig: str
    books: tuple[str, ...]
    sharp_books: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "FeatureSet":
        return cls(
            stale_us=int(settings.score.stale_minutes * US_PER_MINUTE),
            devig=settings.score.devig,
            books=settings.books,
            sharp_books=settings.sharp_books,
        )

    @cached_property
    def hash(self) -> str:
        """What a model must have been trained with to score these vectors."""
        meaning = (CATALOGUE, self.stale_us, self.devig, self.books, SPLIT_POOLS, self.sharp_books)
        return sha256(repr(meaning).encode()).hexdigest()[:16]

    @cached_property
    def _sharp(self) -> Array:
        """(columns,) bool."""
        sharp = np.zeros(MAX_BOOKS, bool)
        sharp[: len(self.books)] = [book in self.sharp_books for book in self.books]
        return sharp

    def view(self, rows: Array) -> MarketView:
        return view_market(rows, self.stale_us)

    def vectors(self, rows: Array, view: MarketView) -> Array:
        """float32, shape (n, features), columns in catalogue order.

        rows: game records, dtype GAME, shape (n,), each at its own as-of.
        """
        # NaN stands for "not known" throughout, and no price divides to infinity.
        with np.errstate(invalid="ignore", divide="ignore"):
            past = windows(rows, view)
            columns = {
                **temporal(rows, view, past, self._sharp),
                **pricing(rows, view, past, self._sharp),
                **sentiment(rows, view, past, self._sharp, self.books),
                **dict(zip(CONTEXT, rows["context"].T, strict=True)),
            }
        table = np.empty((len(rows), len(NAMES)), np.float32)
        for index, name in enumerate(NAMES):
            table[:, index] = columns[name]
        return table
