"""Back-tests that several tests ask questions of."""

import pandas as pd

from bayes_dsl.validation.backtest import Backtest

ROWS = [
    # method, factor, run, cluster, beyond, hit, error, width, crps
    ("misfit", 4.0, "a", "one", 1.5, True, 0.01, 0.05, 0.004),
    ("misfit", 4.0, "b", "one", 1.8, False, 0.03, 0.05, 0.010),
    ("misfit", 4.0, "c", "two", 3.0, True, -0.01, 0.07, 0.002),
    ("bare law", 4.0, "a", "one", 1.5, False, 0.02, 0.02, 0.012),
    ("bare law", 4.0, "b", "one", 1.8, False, 0.04, 0.02, 0.030),
    ("bare law", 4.0, "c", "two", 3.0, True, 0.00, 0.03, 0.001),
]


def made(sha256: str = "0" * 64, law: str = "chinchilla") -> Backtest:
    """Two methods on three runs of two clusters."""
    records = [
        {
            "method": method,
            "factor": factor,
            "run_id": run,
            "cluster": cluster,
            "beyond": beyond,
            "known": 20,
            "actual": 2.5,
            "median": 2.5,
            "lower": 2.4,
            "upper": 2.6,
            "hit": hit,
            "error": error,
            "width": width,
            "crps": crps,
            "healthy": True,
        }
        for method, factor, run, cluster, beyond, hit, error, width, crps in ROWS
    ]
    return Backtest(
        table_sha256=sha256,
        source="runs.csv",
        law=law,
        prior=None,
        by="compute",
        prob=0.9,
        rows=pd.DataFrame(records),
        seed=3,
        notes=("one note",),
    )
