"""Splits of a budget: ours against SciPy's SLSQP, for speed at every draw and for the loss of random problems.

`python -m benchmarks.allocation [--ledger] [--draws 4000] [--rivals 100]` solves draws x 20 budgets x 4
scenarios x 4 student sizes with ours and a random subset of the same problems with SLSQP, cold (one start,
as the paper does) and warm (from SciPy's own optimum at the neighbouring budget, whose time is not counted).
SLSQP gets what serves it best: gradients by hand in plain floats, logarithms as variables, one thread.
`python -m benchmarks.allocation --problems 200` compares losses instead: on so many random problems in each
scenario with the best of 8 SLSQP starts and of a grid, bounds and caps included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from math import exp, isfinite
from typing import Any

import jax
import numpy as np

from bayes_dsl.costs.flops import PAPER
from bayes_dsl.costs.scenarios import SCENARIOS, Scenario
from bayes_dsl.decisions.allocation import solve
from bayes_dsl.decisions.basis import Basis
from bayes_dsl.decisions.bounds import PAPER_BOUNDS
from bayes_dsl.laws.published import published
from benchmarks.ledger import append
from tests.reference.allocation import Objective, Problem, best_of_grid, best_of_slsqp, middle, slsqp
from tests.reference.problems import Asked, asked

SIZES = (3e8, 1e9, 3e9, 1e10)
BUDGETS = np.geomspace(1e20, 1e26, 20)
# A draw's coefficients scatter as those of a posterior of some hundred runs do.
SPREAD = 0.02
FTOL = 1e-10
TOLERANCE = 1e-6
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def clock() -> np.ndarray:
    return np.array([time.process_time(), time.perf_counter()])


def basis(draws: int) -> Basis:
    known = published("busbridge_corrected")
    rng = np.random.default_rng(0)
    scatter = {name: np.exp(SPREAD * rng.standard_normal(draws)) for name in known.parameters}
    parameters = {name: value * scatter[name] for name, value in known.parameters.items()}
    return Basis(law=known.law, parameters=parameters, cost=PAPER, bounds=PAPER_BOUNDS)


def plain(of: Basis, paid: Scenario, budget: float, size: float, draw: int) -> Problem:
    parameters = {name: float(values[draw]) for name, values in of.parameters.items()}
    given = Asked(
        parameters=parameters,
        scenario=paid,
        model=of.cost,
        bounds=of.bounds,
        budget=budget,
        student_params=size,
    )
    return given.plain


def rival(problem: Problem, neighbour: float) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Seconds (CPU, wall) of SLSQP cold and warm, and the loss that each found."""
    before = Objective(replace(problem, budget=neighbour))
    _, close, _ = slsqp(before, middle(before), ftol=FTOL)
    objective = Objective(problem)
    times, losses = [], []
    for start in (middle(objective), close):
        began = clock()
        value, _, _ = slsqp(objective, start, ftol=FTOL)
        times.append(clock() - began)
        losses.append(exp(value) if isfinite(value) else float("inf"))
    return times[0], times[1], losses


def timed(draws: int, rivals: int) -> dict[str, Any]:
    """Time both sides on the same problems; batches of the two alternate, one scenario and size at a time."""
    of = basis(draws)
    rng = np.random.default_rng(1)
    figures: dict[str, Any] = {}
    totals = np.zeros((3, 2))
    load = os.getloadavg()[0]
    compiling = np.zeros(2)
    excess: list[float] = []
    short = {"cold": 0, "warm": 0}
    for paid in SCENARIOS:
        began = clock()
        jax.block_until_ready(solve(of, paid, BUDGETS[:1], np.array(SIZES[:1])))
        compiling += clock() - began
        ours, cold, warm = np.zeros(2), np.zeros(2), np.zeros(2)
        for size in SIZES:
            began = clock()
            found = jax.block_until_ready(solve(of, paid, BUDGETS, np.full(len(BUDGETS), size)))
            ours += clock() - began
            loss = np.exp(np.asarray(found.log_loss))
            for _ in range(rivals // len(SIZES)):
                problem, draw = int(rng.integers(1, len(BUDGETS))), int(rng.integers(draws))
                asked_for = plain(of, paid, float(BUDGETS[problem]), size, draw)
                cold_s, warm_s, losses = rival(asked_for, float(BUDGETS[problem - 1]))
                cold, warm = cold + cold_s, warm + warm_s
                excess.append(float(loss[problem, draw]) - min(losses))
                for name, value in zip(short, losses, strict=True):
                    short[name] += value > loss[problem, draw] + TOLERANCE
        per = draws * len(BUDGETS) * len(SIZES), rivals // len(SIZES) * len(SIZES)
        each = np.array([ours / per[0], cold / per[1], warm / per[1]])
        totals += each / len(SCENARIOS)
        name = paid.name.replace("-", "_")
        figures[f"ours_cpu_us_{name}"] = float(1e6 * each[0, 0])
        figures[f"ratio_cpu_cold_{name}"] = float(each[1, 0] / each[0, 0])
        figures[f"ratio_cpu_warm_{name}"] = float(each[2, 0] / each[0, 0])
    head = {
        "ratio_cpu_cold": float(totals[1, 0] / totals[0, 0]),
        "ratio_cpu_warm": float(totals[2, 0] / totals[0, 0]),
        "ratio_wall_cold": float(totals[1, 1] / totals[0, 1]),
        "ours_cpu_us": float(1e6 * totals[0, 0]),
        "ours_wall_us": float(1e6 * totals[0, 1]),
        "slsqp_cold_cpu_ms": float(1e3 * totals[1, 0]),
        "slsqp_warm_cpu_ms": float(1e3 * totals[2, 0]),
        "compile_cpu_s": float(compiling[0]),
        "compile_wall_s": float(compiling[1]),
        "ours_excess_nats_max": max(excess),
        "slsqp_cold_worse_share": short["cold"] / len(excess),
        "slsqp_warm_worse_share": short["warm"] / len(excess),
    }
    return {
        "benchmark": "allocation",
        "claim": "the best split of a budget at one draw, against SciPy's SLSQP from one start",
        "figures": head | figures | {"load_average": [load, os.getloadavg()[0]]},
        "target": "at least 100 times less CPU than SLSQP cold-started, loss never worse",
        "met": bool(head["ratio_cpu_cold"] >= 100 and max(excess) <= TOLERANCE),
        "settings": {
            "draws": draws,
            "budgets": len(BUDGETS),
            "sizes": len(SIZES),
            "problems": draws * len(BUDGETS) * len(SIZES) * len(SCENARIOS),
            "rival_problems": len(excess),
            "ftol": FTOL,
        },
        "note": (
            f"time a problem, mean over four scenarios; compiling apart; worse: by more than {TOLERANCE:g} nats"
        ),
    }


def judged(problems: int) -> dict[str, Any]:
    """How far our loss lies above the better of both oracles, in nats, at worst in each scenario."""
    figures: dict[str, Any] = {}
    for paid in SCENARIOS:
        excess = []
        for seed in range(problems):
            problem = asked(paid, seed)
            of = Basis(
                law=published("busbridge_corrected").law,
                parameters={name: np.full(1, value) for name, value in problem.parameters.items()},
                cost=problem.model,
                bounds=problem.bounds,
            )
            size = None if problem.student_params is None else np.full(1, problem.student_params)
            loss = float(np.exp(solve(of, problem.scenario, np.full(1, problem.budget), size).log_loss)[0, 0])
            scipys, _ = best_of_slsqp(problem.plain, starts=8, seed=seed)
            grids, _ = best_of_grid(problem.plain)
            excess.append((loss - exp(scipys), loss - exp(grids)))
        name = paid.name.replace("-", "_")
        figures[f"excess_over_slsqp_{name}"], figures[f"excess_over_grid_{name}"] = np.max(
            excess, axis=0
        ).tolist()
        figures[f"slsqp_worse_share_{name}"] = float(np.mean(np.array(excess)[:, 0] < -TOLERANCE))
    worst = max(value for name, value in figures.items() if name.startswith("excess"))
    return {
        "benchmark": "allocation_oracles",
        "claim": "the loss of our split less that of the best of 8 SLSQP starts, and of a zoomed grid, in nats",
        "figures": {"excess_nats_max": worst, **figures},
        "target": f"never more than {TOLERANCE:g}, bounds and caps included",
        "met": bool(worst <= TOLERANCE),
        "settings": {"problems": problems * len(SCENARIOS), "starts": 8},
        "note": "random problems in large and small worlds; each start tried with the bill met and with it as a cap",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ledger", action="store_true", help="append the figures to the ledger")
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--rivals", type=int, default=100, help="problems a scenario that SLSQP solves, too")
    parser.add_argument("--problems", type=int, help="compare losses on so many random problems a scenario")
    arguments = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):
        command = [sys.executable, "-m", "benchmarks.allocation", *sys.argv[1:]]
        sys.exit(subprocess.call(command, env={**os.environ, **ONE_THREAD}))
    row = judged(arguments.problems) if arguments.problems else timed(arguments.draws, arguments.rivals)
    print(json.dumps(row, indent=2))
    if arguments.ledger:
        append(row, rivals=("scipy",))


if __name__ == "__main__":
    main()
