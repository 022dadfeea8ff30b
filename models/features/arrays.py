"""Reductions under a mask. All of them give NaN where the mask is empty.

Only + - * /, comparisons and square roots, which IEEE 754 rounds exactly, each along an axis of
fixed length: a row comes out the same alone or among a thousand.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def count(mask: Array) -> Array:
    """True values along the last axis, whose length is a multiple of 8.

    numpy sums short rows one by one; eight flags read as one word take a tenth of the time.
    """
    words = np.ascontiguousarray(mask).view(np.uint64)
    found: Array = np.bitwise_count(words).sum(axis=-1, dtype=np.intp)
    return found


def greatest(values: Array) -> Array:
    """Maximum along the last axis, whose length is a power of two; halving it beats `max`."""
    while values.shape[-1] > 1:
        half = values.shape[-1] // 2
        values = np.maximum(values[..., :half], values[..., half:])
    return values[..., 0]


def known(values: Array) -> Array:
    """Where the values are not NaN."""
    return np.equal(values, values)


def masked_median(values: Array, mask: Array) -> Array:
    """Median over the last axis of the values under the mask."""
    found = count(mask)
    ordered = np.sort(np.where(mask, values, np.inf), axis=-1)
    low = np.take_along_axis(ordered, np.maximum((found - 1) // 2, 0)[..., None], axis=-1)
    high = np.take_along_axis(
        ordered, np.minimum(found // 2, values.shape[-1] - 1)[..., None], axis=-1
    )
    middle = (low[..., 0] + high[..., 0]) * 0.5
    return np.where(found > 0, middle, np.nan)


def masked_mean(values: Array, mask: Array, axis: int = -1) -> Array:
    found = mask.sum(axis=axis)
    total = np.where(mask, values, 0.0).sum(axis=axis)
    return np.where(found > 0, total / np.maximum(found, 1), np.nan)


def masked_least(values: Array, mask: Array) -> Array:
    least = -greatest(np.where(mask, -values, -np.inf))
    return np.where(count(mask) > 0, least, np.nan)


def masked_deviation(values: Array, mask: Array) -> Array:
    """Population standard deviation over the last axis; NaN below two values."""
    mean = masked_mean(values, mask)
    squares = np.where(mask, (values - mean[..., None]) ** 2, 0.0).sum(axis=-1)
    found = count(mask)
    return np.where(found > 1, np.sqrt(squares / np.maximum(found, 1)), np.nan)


def root_mean_square(steps: Array) -> Array:
    """Over axis 1, of the known steps."""
    return np.sqrt(masked_mean(steps * steps, known(steps), axis=1))
