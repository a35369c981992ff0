"""Warnings about a table that breaks no rule: odd units, and designs that cannot tell coefficients apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.runs.quantities import format_quantity
from bayes_dsl.runs.raw import Floats, visible

FEW_TOKENS = 1e5
"""Fewer training tokens than this are more likely a number of billions (or of steps)."""

FEW_PARAMS = 1e3
HIGH_LOSS = 10.8
"""ln 50,000: what a guess that knows nothing scores with a vocabulary of that size, in nats."""

ODD_COMPUTE = 10.0
"""Factor by which training FLOPs may differ from 6 params tokens before a warning."""

SAME = 0.05
"""Relative spread below which numbers of a design are taken for one number."""


def warnings_of(values: Mapping[str, NDArray[np.generic]]) -> tuple[str, ...]:
    """Return the warnings for the rows that a posterior would condition on, one sentence each.

    Parameters
    ----------
    values
        Columns of the schema by name: floats (NaN where empty), or text.
    """
    names = np.array([visible(name) for name in values["run_id"].tolist()], dtype=object)
    if not len(names):
        return ("no row has status ok: nothing can be learnt from this table",)
    params, tokens, loss = (
        np.asarray(values[name], dtype=np.float64) for name in ("params", "tokens", "loss")
    )
    distilled = np.asarray(values["role"] == "distilled")
    found = [
        _units(
            "tokens", tokens, tokens < FEW_TOKENS, names, "look like billions", "tokens=tokens [billions]"
        ),
        _units(
            "params",
            params,
            params < FEW_PARAMS,
            names,
            "look like millions or billions",
            "params=params [billions]",
        ),
        _high_losses("loss", loss, names),
    ]
    if "teacher_loss" in values:
        teacher_loss = np.asarray(values["teacher_loss"], dtype=np.float64)
        found.append(_high_losses("teacher_loss", teacher_loss, names))
        found.append(_teachers(teacher_loss, distilled))
        if stray := int(np.count_nonzero(~distilled & ~np.isnan(teacher_loss))):
            found.append(f"{_rows(stray)} with a teacher_loss though supervised: it is not used")
    if "unique_tokens" in values:
        found.append(_repeated(tokens, np.asarray(values["unique_tokens"], dtype=np.float64)))
    if "flops" in values:
        flops = np.asarray(values["flops"], dtype=np.float64)
        found.append(_odd_compute(flops[~distilled] / (6 * params * tokens)[~distilled], names[~distilled]))
    if len(names) == 1:
        found.append("there is one row: a scaling law is about how runs differ")
    else:
        for role, rows in (("supervised", ~distilled), ("distilled", distilled)):
            if rows.any():
                found.append(_design(role, params[rows], tokens[rows]))
    return tuple(sentence for sentence in found if sentence)


def _units(
    name: str, values: Floats, odd: NDArray[np.bool_], names: NDArray[np.object_], looks: str, remedy: str
) -> str:
    rows = np.flatnonzero(odd)
    if not len(rows):
        return ""
    limit = format_quantity(FEW_TOKENS if name == "tokens" else FEW_PARAMS)
    return (
        f"{name} {looks}: {_rows(len(rows))} below {limit}, "
        f"such as {name} = {values[rows[0]]:g} in {names[rows[0]]}; if so, say --columns '{remedy}'"
    )


def _high_losses(name: str, values: Floats, names: NDArray[np.object_]) -> str:
    rows = np.flatnonzero(values > HIGH_LOSS)
    if not len(rows):
        return ""
    return (
        f"{name} above {HIGH_LOSS} nats, the log of a vocabulary of 50,000, in {_rows(len(rows))}, such as "
        f"{name} = {values[rows[0]]:g} in {names[rows[0]]}: no better than guessing; is it in nats per token "
        f"(bits: --columns '{name}={name} [bits]'), and did the run end well?"
    )


def _odd_compute(ratio: Floats, names: NDArray[np.object_]) -> str:
    """Say where FLOPs of supervised rows are far from 6 params tokens, as those of one token or step are."""
    rows = np.flatnonzero((ratio > ODD_COMPUTE) | (ratio < 1 / ODD_COMPUTE))
    if not len(rows):
        return ""
    return (
        f"flops are far from 6 params tokens in {_rows(len(rows))}, such as {ratio[rows[0]]:.2g} times in "
        f"{names[rows[0]]}: are they those of the whole training? --columns flops= leaves the column out"
    )


def _repeated(tokens: Floats, unique: Floats) -> str:
    rows = int(np.count_nonzero(tokens > 1.01 * unique))
    if not rows:
        return ""
    most = round(float(np.nanmax(tokens / unique)), 1)
    return (
        f"{_rows(rows)} with repeated data (up to {most:g} times): all laws but "
        "`repetition` are about tokens seen once; --where can leave them out"
    )


def _teachers(teacher_loss: Floats, distilled: NDArray[np.bool_]) -> str:
    losses = teacher_loss[distilled]
    if len(losses) < 2 or np.ptp(np.log(losses)) > 0.001:
        return ""
    return "all distilled rows have one teacher_loss: how the student depends on the teacher cannot be told"


def _design(role: str, params: Floats, tokens: Floats) -> str:
    """Say where the runs of one role vary along one line only, so that coefficients trade off freely."""
    n, d = np.log(params), np.log(tokens)
    one_size, one_length = np.ptp(n) < SAME, np.ptp(d) < SAME
    if one_size and one_length:
        return (
            f"all {role} rows are one configuration (params, tokens): no coefficient of the law can be told"
        )
    if one_size:
        return f"all {role} rows have one size (params): the terms of params and E cannot be told apart"
    if one_length:
        return f"all {role} rows have one length (tokens): the terms of tokens and E cannot be told apart"
    ratio = float(np.exp(np.mean(d - n)))
    if np.ptp(d - n) < 2 * SAME:
        return (
            f"all {role} rows have one tokens-per-parameter ratio, {format_quantity(ratio, digits=3)}: "
            "the terms of params and of tokens cannot be told apart; add runs at other ratios"
        )
    slope, start = np.polyfit(n, d, 1)
    off = d - (start + slope * n)
    if np.sqrt(np.mean(off**2)) < 2 * SAME:
        return (
            f"all {role} rows lie on one line, tokens ~ params^{slope:.2f} (compute-optimal runs alone?): "
            "the terms of params and of tokens cannot be told apart; add runs off that line"
        )
    return ""


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
