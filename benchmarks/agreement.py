"""What PyMC says of three tables: `.venv-rivals/bin/python -m benchmarks.agreement [NAME ...]` after `make rivals`.

The model is `pymc_models.py`, none of the package's code; its long chains are summarised with their errors in
`benchmarks/results/pymc/NAME.json`. The tests sample the same posteriors with the package and compare.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from arviz_stats.base import array_stats

from bayes_dsl.files import write_atomically
from benchmarks import ledger
from benchmarks.rivals import arrays_of
from benchmarks.tables import WORDS

FOLDER = ledger.ROOT / "benchmarks" / "results" / "pymc"
TABLES = ("supervised_240", "porian_rw", "study")
CHAINS, TUNE, DRAWS, TARGET, SEED = 4, 1500, 2500, 0.95, 20261127


def moments(draws: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation of draws (chain, draw), each with its Monte Carlo standard error."""
    return {
        "mean": float(draws.mean()),
        "sd": float(draws.std(ddof=1)),
        "mcse_mean": float(array_stats.mcse(draws, method="mean")),
        "mcse_sd": float(array_stats.mcse(draws, method="sd")),
    }


def summary_of(name: str) -> dict[str, Any]:
    """Sample a table's posterior with PyMC, and say what it found and what found it."""
    import pymc as pm

    from benchmarks.pymc_models import model

    arrays = arrays_of(name)
    with model(arrays) as made:
        tree = pm.sample(
            DRAWS,
            tune=TUNE,
            chains=CHAINS,
            cores=2,
            random_seed=SEED,
            target_accept=TARGET,
            progressbar=False,
            nuts_sampler="pymc",
            compute_convergence_checks=False,
        )
        log_density = made.compile_logp()
    found = {site: np.asarray(tree["posterior"][site]) for site in arrays["sites"]}
    at = [{site: np.asarray(value) for site, value in point.items()} for point in arrays["points"]]
    return {
        "table": WORDS[name],
        "sites": {site: moments(draws) for site, draws in found.items()},
        "log_density": [float(log_density(point)) for point in at],
        "rhat": max(float(array_stats.rhat(draws)) for draws in found.values()),
        "ess": min(float(array_stats.ess(draws)) for draws in found.values()),
        "divergences": int(np.asarray(tree["sample_stats"]["diverging"]).sum()),
        "settings": {"chains": CHAINS, "tune": TUNE, "draws": DRAWS, "target_accept": TARGET, "seed": SEED},
        "versions": {one: version(one) for one in ("pymc", "pytensor", "numpy", "arviz-stats")},
    }


def recorded(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """A summary as it was written."""
    told: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(TABLES), metavar="NAME", help=", ".join(TABLES))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args(arguments).names:
        told = summary_of(name)
        write_atomically(FOLDER / f"{name}.json", json.dumps(told, indent=1, sort_keys=True) + "\n")
        said = f"R-hat {told['rhat']:.4f}, ESS {told['ess']:.0f}, {told['divergences']} divergences"
        print(f"{name}: {said}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
