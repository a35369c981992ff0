"""ESS per second, compiling included, against PyMC and nutpie in the same coordinates.

`.venv-rivals/bin/python -m benchmarks.rivals [--problem NAME] [--rounds N] [--ledger]` after `make rivals`.
Every side runs in a process of its own on two cores, sides alternate, and each process finds its compile
caches (JAX, PyTensor, numba) empty, samples once, and samples again warm. ESS is the smallest bulk ESS of the
sampled coordinates; seconds run from the table's arrays to the draws, imports before the clock. The posteriors
are checked to be one: log densities equal up to a constant, means within three standard errors.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer.util import log_density

from bayes_dsl.inference.observations import Observations, observe
from bayes_dsl.inference.priors import default_prior
from bayes_dsl.inference.program import program
from benchmarks.ledger import append
from benchmarks.sides import CHAINS, CORES, DRAWS, WARMUP
from benchmarks.tables import PROBLEMS, WORDS, problem

# What serves each side best among what was tried; see the README beside this file.
OPTIONS: dict[str, dict[str, str]] = {
    "ours": {"target": "0.95"},
    "pymc": {"target": "0.9", "backend": "default"},
    "nutpie": {"target": "0.9", "backend": "numba", "adaptation": "low_rank", "tune": "1000"},
}
ASKED = {"pymc": 5.0, "nutpie": 1.5}
POINTS = 20


def without_effects(observations: Observations) -> Observations:
    """The same without effects that rows share: a model that is written by hand in minutes."""
    data = {**observations.data, "effects": {}, "centring": {}, "anchored": {}}
    return replace(observations, structure=replace(observations.structure, effects=()), data=data)


def log_density_of(observations: Observations) -> Callable[[Mapping[str, float]], float]:
    """Our log density at a point given by coordinate."""

    def at(point: Mapping[str, float]) -> float:
        with jax.enable_x64(True):
            data = jax.tree.map(jnp.asarray, observations.data)
            value, _ = log_density(program, (observations.structure, data), {}, dict(point))
            return float(value)

    return at


def arrays_of(name: str) -> dict[str, Any]:
    """What a model of this posterior needs, as plain lists and numbers, and points to compare at."""
    table, law = problem(name)
    prior = default_prior(law, typical_loss=float(np.median(table.used.values("loss"))))
    observations = without_effects(observe(table, law=law, prior=prior))
    structure, data = observations.structure, observations.data
    sites = [site for site, _ in structure.sites]
    rng = np.random.default_rng(0)
    spread = {
        site: prior["c_0" if site == "slope_L_T" else site] for site in sites
    }  # c_0 and its coordinate differ by a shift
    points = [
        {site: float(d.loc + 0.3 * d.scale * rng.standard_normal()) for site, d in spread.items()}
        for _ in range(POINTS)
    ]
    return {
        "problem": name,
        "sites": sites,
        "roles": list(structure.roles),
        "points": points,
        **jax.tree.map(
            lambda leaf: np.asarray(leaf).tolist(),
            {key: data[key] for key in ("center", "inputs", "log_loss", "log_tokens", "token_span", "prior")},
        ),
    }


def one_side(
    side: str, arrays: dict[str, Any], options: Mapping[str, str], seed: int, folder: Path
) -> dict[str, Any]:
    """Report of one fresh process whose compile caches lie in `folder`."""
    (folder / "arrays.json").write_text(json.dumps(arrays))
    environment = {
        **os.environ,
        "JAX_COMPILATION_CACHE_DIR": str(folder / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "PYTENSOR_FLAGS": f"base_compiledir={folder / 'pytensor'}",
        "NUMBA_CACHE_DIR": str(folder / "numba"),
    }
    given = [f"{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "benchmarks.sides", side, str(folder), str(seed), *given]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("REPORT ")]
    if done.returncode or not lines:
        raise RuntimeError(f"{side} ended with code {done.returncode}:\n{done.stderr[-4000:]}")
    report: dict[str, Any] = json.loads(lines[-1].removeprefix("REPORT "))
    return report


def measure(
    name: str, sides: Sequence[str], *, rounds: int, options: Mapping[str, Mapping[str, str]] = OPTIONS
) -> dict[str, list[dict[str, Any]]]:
    """Reports by side, one a round; the sides alternate."""
    arrays = arrays_of(name)
    reports: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for seed in range(rounds):
        for side in sides:
            with tempfile.TemporaryDirectory() as folder:
                report = one_side(side, arrays, options[side], seed, Path(folder))
            reports[side].append(report)
            for state in ("cold", "warm"):
                print(f"{side:7s} round {seed} {state}: {line(report[state])}", file=sys.stderr, flush=True)
    return reports


def line(run: Mapping[str, Any]) -> str:
    return (
        f"{run['wall_s']:.1f} s, {run['cpu_s']:.1f} CPU s, ESS {run['bulk_ess']:.0f}, "
        f"{run['bulk_ess'] / run['wall_s']:.1f}/s, R-hat {run['rhat']:.4f}, "
        f"{run['divergences']} divergences, {run['gradients'] / run['draws']:.1f} gradients a draw, "
        f"gate {'passed' if run['passed'] else 'NOT passed'}, load {run['load']:.1f}"
    )


def spread_of_log_density(reports: Mapping[str, Sequence[Mapping[str, Any]]]) -> float:
    """How far the log densities of any two sides are from equal up to a constant, over the points."""
    values = [np.array(runs[0]["log_density"]) for runs in reports.values()]
    return max((float(np.ptp(one - other)) for one, other in combinations(values, 2)), default=0.0)


def farthest_means(reports: Mapping[str, Sequence[Mapping[str, Any]]]) -> float:
    """Largest difference of two sides' means in combined standard errors, all runs of a side pooled."""
    pooled = {}
    for side, runs in reports.items():
        every = [run[state] for run in runs for state in ("cold", "warm")]
        pooled[side] = {
            site: (
                np.mean([one["mean"][site] for one in every]),
                np.sqrt(np.sum([one["mcse"][site] ** 2 for one in every])) / len(every),
            )
            for site in every[0]["mean"]
        }
    return max(
        (
            float(abs(one[site][0] - other[site][0]) / np.hypot(one[site][1], other[site][1]))
            for one, other in combinations(pooled.values(), 2)
            for site in one
        ),
        default=0.0,
    )


def rate(runs: Sequence[Mapping[str, Any]], state: str, seconds: str = "wall_s") -> float:
    """Median over rounds of ESS per second."""
    return statistics.median(run[state]["bulk_ess"] / run[state][seconds] for run in runs)


def figures(reports: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Medians over rounds for every side, ratios of ours to the others, and checks of one posterior."""
    found: dict[str, Any] = {}
    for side, runs in reports.items():
        both = [run[state] for run in runs for state in ("cold", "warm")]
        for state in ("cold", "warm"):
            found[f"{side}_{state}_ess_per_s"] = rate(runs, state)
            found[f"{side}_{state}_ess_per_cpu_s"] = rate(runs, state, "cpu_s")
            for what in ("wall_s", "cpu_s", "bulk_ess"):
                found[f"{side}_{state}_{what}"] = statistics.median(run[state][what] for run in runs)
        found[f"{side}_ess_per_1000_gradients"] = statistics.median(
            1000 * one["bulk_ess"] / one["gradients"] for one in both
        )
        found[f"{side}_divergences"] = sum(one["divergences"] for one in both)
        found[f"{side}_worst_rhat"] = max(one["rhat"] for one in both)
        found[f"{side}_gates_passed"] = f"{sum(one['passed'] for one in both)} of {len(both)}"
    for side in reports:
        if side != "ours" and "ours" in reports:
            for state in ("cold", "warm"):
                for seconds, suffix in (("wall_s", ""), ("cpu_s", "_cpu")):
                    mine, theirs = (rate(reports[one], state, seconds) for one in ("ours", side))
                    found[f"ratio_{side}_{state}{suffix}"] = mine / theirs
    found["log_density_spread"] = spread_of_log_density(reports)
    found["means_apart_in_mcse"] = farthest_means(reports)
    found["loads"] = [round(run["cold"]["load"], 1) for runs in reports.values() for run in runs]
    return found


def reached(found: Mapping[str, Any], rivals: Sequence[str]) -> bool:
    """Whether every ratio asked for is reached cold, by sides that pass the gate on one posterior."""
    passed = all(
        found[f"{side}_divergences"] == 0 and len(set(found[f"{side}_gates_passed"].split(" of "))) == 1
        for side in ("ours", *rivals)
    )
    same = found["log_density_spread"] < 1e-8 and found["means_apart_in_mcse"] < 3.0
    return passed and same and all(found[f"ratio_{side}_cold"] >= ASKED[side] for side in rivals)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", choices=PROBLEMS, default="supervised_240")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", nargs="+", choices=tuple(OPTIONS), default=list(OPTIONS))
    parser.add_argument("--set", nargs="*", default=[], help="such as nutpie.adaptation=low_rank")
    parser.add_argument("--ledger", action="store_true", help="append the figures to the ledger")
    chosen = parser.parse_args()
    options = {side: dict(of) for side, of in OPTIONS.items()}
    for one in chosen.set:
        path, value = one.split("=", 1)
        side, name = path.split(".", 1)
        options[side][name] = value
    found = figures(measure(chosen.problem, chosen.sides, rounds=chosen.rounds, options=options))
    rivals = [side for side in chosen.sides if side != "ours"]
    row = {
        "benchmark": f"rivals_{chosen.problem}",
        "claim": f"ESS per second from table to draws, compile included: {WORDS[chosen.problem]}",
        "figures": found,
        "target": ", ".join(f">= {ASKED[side]:g} times {side}" for side in rivals) + ", cold",
        "met": reached(found, rivals) if "ours" in chosen.sides else None,
        "settings": {
            "rounds": chosen.rounds,
            "chains": CHAINS,
            "warmup": WARMUP,
            "draws": DRAWS,
            "cores": CORES,
            **{f"{side}_{name}": v for side in chosen.sides for name, v in options[side].items()},
        },
        "note": "medians over rounds; cold: fresh process, empty caches; warm: second run of that process",
    }
    print(json.dumps(row, indent=2))
    if chosen.ledger:
        append(row, rivals=("pymc", "nutpie", "numba", "pytensor"))


if __name__ == "__main__":
    main()
