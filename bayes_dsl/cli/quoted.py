"""What a back-test says of a forecast: its record at that distance, where it is of the posterior's own table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bayes_dsl.inference.misfit import BARE_LAW
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.prior_for import prior_told
from bayes_dsl.validation.backtest import Backtest
from bayes_dsl.validation.backtest_file import read_backtest


def quote(posterior: Posterior, path: Path, inputs: Mapping[str, float]) -> str:
    """One sentence; of a back-test of another table, law or prior it says that and nothing more.

    Raises
    ------
    FileRefused
        The file is no back-test, or a damaged one.
    """
    found = read_backtest(path)
    other = _other(posterior, found)
    if other:
        return f"back-test {path.name}: not quoted, for {other}"
    method = "bare law" if posterior.misfit == BARE_LAW else "misfit"
    return found.quoted(method, _beyond(posterior, found, inputs))


def _other(posterior: Posterior, found: Backtest) -> str:
    """What the back-test was of, where that is not what the posterior is of."""
    if found.table_sha256 != posterior.table_sha256:
        return (
            f"it is of {found.source} (sha256 {found.table_sha256[:12]}), and the posterior's table is "
            f"{posterior.table.source} (sha256 {posterior.table_sha256[:12]})"
        )
    if found.law != posterior.law.name:
        return f"its posteriors are of the {found.law} law, and this one is of the {posterior.law.name} law"
    ours = prior_told(posterior.prior, posterior.law, posterior.table)
    if found.prior != ours:
        theirs, ours = (origin or "the package's own" for origin in (found.prior, ours))
        return f"the prior of its posteriors is another (theirs: {theirs}; this one's: {ours})"
    return ""


def _beyond(posterior: Posterior, found: Backtest, inputs: Mapping[str, float]) -> float:
    """The target's scale over the largest of all runs; compute by params x tokens, whatever FLOPs the table states."""
    used = posterior.table.used
    names = ("params", "tokens") if found.by == "compute" else (found.by,)
    asked = np.prod([inputs[name] for name in names])
    return float(asked / np.max(np.prod([used.values(name) for name in names], axis=0)))
