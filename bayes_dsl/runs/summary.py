"""What a run table holds, in numbers: rows, configurations, teachers, groups, ranges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.runs.schema import COLUMNS


@dataclass(frozen=True, kw_only=True)
class TableSummary:
    """Counts and ranges of one run table.

    `rows` counts all rows, `used` those with status ok; `left_out` says how many rows each condition of
    `--where`, and each status, leaves out. The counts of distinct configurations (role, params, tokens),
    teachers, groups and evaluations, the ranges and the largest compute (FLOPs; 6 params tokens where
    the table has no flops) are those of the rows with status ok.
    """

    rows: int
    used: int
    by_role: Mapping[str, int]
    by_status: Mapping[str, int]
    left_out: Mapping[str, int]
    configurations: int
    teachers: int
    groups: int
    evaluations: int
    ranges: Mapping[str, tuple[float, float]]
    largest_compute_flops: float


def summarise(values: Mapping[str, NDArray[np.generic]], left_out: Mapping[str, int]) -> TableSummary:
    """Return the summary of the columns of a table, and of what was left out before."""
    status = values["status"]
    by_status = dict(Counter(status.tolist()))
    ok = np.asarray(status == "ok")
    used = {name: column[ok] for name, column in values.items()}
    ranges = {}
    for column in COLUMNS:
        if column.numeric and column.name in used:
            numbers = np.asarray(used[column.name], dtype=np.float64)
            numbers = numbers[~np.isnan(numbers)]
            if len(numbers):
                ranges[column.name] = (float(numbers.min()), float(numbers.max()))
    return TableSummary(
        rows=len(status),
        used=int(ok.sum()),
        by_role=dict(Counter(values["role"].tolist())),
        by_status=by_status,
        left_out={**left_out, **{f"status {name}": n for name, n in by_status.items() if name != "ok"}},
        configurations=_configurations(used),
        teachers=_teachers(used),
        groups=_labels(used, "group"),
        evaluations=_labels(used, "eval_id"),
        ranges=ranges,
        largest_compute_flops=float(compute(used).max(initial=0.0)),
    )


def compute(values: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    """Return the training compute of every row in FLOPs: its flops, 6 params tokens where that is empty."""
    rule = 6.0 * np.asarray(values["params"], np.float64) * np.asarray(values["tokens"], np.float64)
    if "flops" not in values:
        return rule
    flops = np.asarray(values["flops"], dtype=np.float64)
    return np.where(np.isnan(flops), rule, flops)


def _configurations(values: Mapping[str, NDArray[np.generic]]) -> int:
    """Number of distinct (role, params, tokens)."""
    params, tokens = (np.asarray(values[name], dtype=np.float64) for name in ("params", "tokens"))
    roles = values["role"]
    return sum(
        len(np.unique(params[roles == role] + 1j * tokens[roles == role])) for role in set(roles.tolist())
    )


def _labels(values: Mapping[str, NDArray[np.generic]], name: str) -> int:
    return len(set(values[name].tolist()) - {""}) if name in values else 0


def _teachers(values: Mapping[str, NDArray[np.generic]]) -> int:
    """Teachers are told apart by teacher_id, otherwise by their size, tokens and loss."""
    distilled = np.asarray(values["role"] == "distilled")
    if not distilled.any():
        return 0
    labels = (
        values["teacher_id"][distilled].tolist() if "teacher_id" in values else [""] * int(distilled.sum())
    )
    numbers = [
        np.nan_to_num(np.asarray(values[name], dtype=np.float64)[distilled]).tolist()
        for name in ("teacher_params", "teacher_tokens", "teacher_loss")
        if name in values
    ]
    unnamed = zip(*numbers, strict=True)
    return len({label or other for label, other in zip(labels, unnamed, strict=True)})
