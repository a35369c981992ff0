"""Rows filled up to one of few numbers, so that tables of about one size share their compiled programs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

LEAST = 16


def padded_length(rows: int) -> int:
    """The least number of rows that is compiled for, at or above this one: four to a doubling, from 16 on.

    At most a quarter more than the rows, and a tenth on average: 97 become 112, 240 become 256.
    """
    if rows <= LEAST:
        return LEAST if rows else 0
    step = max(1, 1 << ((rows - 1).bit_length() - 3))
    return -(-rows // step) * step


def padded(values: np.ndarray) -> np.ndarray:
    """Values (..., row), the last one repeated: a real row, where every law and its derivatives are finite."""
    more = padded_length(values.shape[-1]) - values.shape[-1]
    return np.concatenate([values, np.repeat(values[..., -1:], more, axis=-1)], axis=-1)


def padded_weights(weights: np.ndarray, lengths: Iterable[int]) -> np.ndarray:
    """Weights (fit, row) of roles of these lengths, one after another, each followed by zeros for its padding."""
    parts = []
    start = 0
    for length in lengths:
        rows = weights[:, start : start + length]
        parts += [rows, np.zeros((len(weights), padded_length(length) - length), dtype=weights.dtype)]
        start += length
    return np.concatenate(parts, axis=1)
