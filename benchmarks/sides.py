"""One side of the comparison in a process of its own: from a table's arrays to draws, cold and then warm.

`rivals.py` starts it, with compile caches in a folder of its own: `python -m benchmarks.sides NAME FOLDER SEED
[OPTION=VALUE ...]` reads FOLDER/arrays.json and prints one line of JSON. Imports come before the clock on every
side.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_dsl.inference.diagnostics import diagnose

CHAINS, WARMUP, DRAWS, CORES = 4, 1000, 1000, 2
Draws = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
# A side: (warm or cold run, its seed) -> draws by coordinate and statistics, arrays (chain, draw).
Sampler = Callable[[int], Draws]
LogDensity = Callable[[dict[str, float]], float]


def ours(arrays: dict[str, Any], options: dict[str, str]) -> tuple[Sampler, LogDensity]:
    import jax

    from bayes_dsl.inference.observations import observe
    from bayes_dsl.inference.priors import default_prior
    from bayes_dsl.inference.sampler import sample
    from bayes_dsl.inference.settings import Settings
    from benchmarks.rivals import log_density_of, without_effects
    from benchmarks.tables import problem

    table, law = problem(arrays["problem"])
    prior = default_prior(law, typical_loss=float(np.median(table.used.values("loss"))))
    jax.random.PRNGKey(0)

    def run(seed: int) -> Draws:
        observations = without_effects(observe(table, law=law, prior=prior))
        settings = Settings(chains=CHAINS, warmup=WARMUP, draws=DRAWS, target_accept=float(options["target"]))
        sampled = sample(observations, settings=settings, seed=seed)
        return sampled.sites, sampled.stats

    return run, log_density_of(without_effects(observe(table, law=law, prior=prior)))


def pymc(arrays: dict[str, Any], options: dict[str, str]) -> tuple[Sampler, LogDensity]:
    import pymc as pm

    from benchmarks.pymc_models import model

    def run(seed: int) -> Draws:
        with model(arrays):
            kind = {"backend": options["backend"]} if options["backend"] != "default" else {}
            tree = pm.sample(
                DRAWS,
                tune=WARMUP,
                chains=CHAINS,
                cores=CORES,
                random_seed=seed,
                target_accept=float(options["target"]),
                progressbar=False,
                quiet=True,
                compute_convergence_checks=False,
                nuts_sampler="pymc",
                **kind,
            )
        return _of_tree(tree, arrays["sites"])

    return run, _pymc_log_density(arrays)


def nutpie(arrays: dict[str, Any], options: dict[str, str]) -> tuple[Sampler, LogDensity]:
    import nutpie as library

    from benchmarks.pymc_models import model

    kept: list[Any] = []

    def run(seed: int) -> Draws:
        if not kept:  # a second run samples the model that the first one compiled
            kept.append(library.compile_pymc_model(model(arrays), backend=options["backend"]))
        tree = library.sample(
            kept[0],
            draws=DRAWS,
            tune=int(options["tune"]),
            chains=CHAINS,
            cores=CORES,
            seed=seed,
            save_warmup=False,
            progress_bar=False,
            adaptation=options["adaptation"],
            target_accept=float(options["target"]),
        )
        return _of_tree(tree, arrays["sites"])

    return run, _pymc_log_density(arrays)


def _of_tree(tree: xr.DataTree, names: list[str]) -> Draws:
    stats = tree["sample_stats"].to_dataset()
    return (
        {name: np.asarray(tree["posterior"][name]) for name in names},
        {name: np.asarray(stats[name]) for name in ("diverging", "energy", "n_steps")},
    )


def _pymc_log_density(arrays: dict[str, Any]) -> LogDensity:
    def log_density(point: dict[str, float]) -> float:
        from benchmarks.pymc_models import model

        if not compiled:
            compiled.append(model(arrays).compile_logp())
        return float(compiled[0]({name: np.asarray(value) for name, value in point.items()}))

    compiled: list[Any] = []
    return log_density


def summary(draws: Draws) -> dict[str, Any]:
    """The gate and the posterior of one run."""
    sites, stats = draws
    shape = next(iter(sites.values())).shape
    coords = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1])}
    data = xr.Dataset({name: (("chain", "draw"), values) for name, values in sites.items()}, coords=coords)
    deep = {**stats, "reached_max_tree_depth": stats["n_steps"] >= 1023}
    numbers = xr.Dataset({name: (("chain", "draw"), values) for name, values in deep.items()}, coords=coords)
    found = diagnose(data, data, numbers)
    return {
        "rhat": found.rhat,
        "bulk_ess": found.bulk_ess,
        "tail_ess": found.tail_ess,
        "divergences": found.divergences,
        "ebfmi": found.ebfmi,
        "passed": not found.problems(),
        "gradients": int(stats["n_steps"].sum()),
        "draws": found.draws,
        **_moments(data),
    }


def _moments(data: xr.Dataset) -> dict[str, dict[str, float]]:
    from arviz_stats import mcse

    error = mcse(data, method="mean")
    return {
        "mean": {str(name): float(values.mean()) for name, values in data.items()},
        "mcse": {str(name): float(values) for name, values in error.items()},
    }


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def main() -> None:
    name, folder, seed, *given = sys.argv[1:]
    options = dict(one.split("=", 1) for one in given)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    arrays = json.loads((Path(folder) / "arrays.json").read_text())
    run, log_density = {"ours": ours, "pymc": pymc, "nutpie": nutpie}[name](arrays, options)
    report: dict[str, Any] = {}
    for state in ("cold", "warm"):
        load, cpu, start = os.getloadavg()[0], _cpu_s(), time.perf_counter()
        draws = run(2 * int(seed) + (state == "warm"))
        wall = time.perf_counter() - start
        report[state] = {"wall_s": wall, "cpu_s": _cpu_s() - cpu, "load": load, **summary(draws)}
    report["log_density"] = [log_density(point) for point in arrays["points"]]
    print("REPORT " + json.dumps(report))


if __name__ == "__main__":
    main()
