"""Reductions under a mask. All of them give NaN where the mask is empty.

Only + - * /, comparisons and square roots, which IEEE 754 rounds exactly, each along an axis of
fixed length: a row comes out the same alone or among a thousand.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def known(values: Array) -> Array:
    """Where the values are not NaN."""
    return np.equal(values, values)


def masked_median(values: Array, mask: Array) -> Array:
    """Median over the last axis of the values under the mask."""
    count = mask.sum(axis=-1)
    ordered = np.sort(np.where(mask, values, np.inf), axis=-1)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[..., None], axis=-1)
    high = np.take_along_axis(
        ordered, np.minimum(count // 2, values.shape[-1] - 1)[..., None], axis=-1
    )
    middle = (low[..., 0] + high[..., 0]) * 0.5
    return np.where(count > 0, middle, np.nan)


def masked_mean(values: Array, mask: Array, axis: int = -1) -> Array:
    count = mask.sum(axis=axis)
    total = np.where(mask, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def masked_least(values: Array, mask: Array) -> Array:
    least = np.where(mask, values, np.inf).min(axis=-1)
    return np.where(mask.any(axis=-1), least, np.nan)


def masked_deviation(values: Array, mask: Array) -> Array:
    """Population standard deviation over the last axis; NaN below two values."""
    mean = masked_mean(values, mask)
    squares = np.where(mask, (values - mean[..., None]) ** 2, 0.0).sum(axis=-1)
    count = mask.sum(axis=-1)
    return np.where(count > 1, np.sqrt(squares / np.maximum(count, 1)), np.nan)


def root_mean_square(steps: Array) -> Array:
    """Over axis 1, of the known steps."""
    return np.sqrt(masked_mean(steps * steps, known(steps), axis=1))
