"""Our trainer against the same network in PyTorch, eager and compiled: a step, and a plan of short runs.

`python -m benchmarks.trainer --torch-python PATH [--rounds N] [--ledger]`, where PATH is a Python with a CPU torch.
Each side is a process of its own with one thread, all on one core, asked in turn. Nothing is timed before the
sides agree on the loss of a batch and of some steps from the same parameters. A plan runs in fresh processes
whose compile caches are empty; the clock starts after the imports, and shapes that repeat are compiled once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bayes_dsl.campaign import one_core
from bayes_dsl.errors import Fault, InputError
from benchmarks.ledger import append
from benchmarks.trainer_figures import (
    BATCH,
    CONTEXT,
    PEAK_SHARE,
    PLAN_RATES,
    PLAN_RATIO,
    PLAN_STEPS,
    PLAN_WIDTHS,
    VOCABULARY,
    WIDTHS,
    figures,
    label,
    rate,
    verdicts,
)

SPEC = {
    "vocabulary": VOCABULARY,
    "context": CONTEXT,
    "student_tokens": 2**18 + 1,
    "teacher_tokens": 2**14,
    "eval_tokens": 2**15,
}
CHUNK = {32: 64, 64: 32, 128: 16, 192: 8}
"""Steps of one timing, by width: a second or so."""


# What serves PyTorch best among what was tried; see the README beside this file. Windows of a pass, of 16.
MICRO_WINDOWS = {
    "eager": {32: 16, 64: 8, 128: 8, 192: 8},
    "compile": {32: 16, 64: 16, 128: 16, 192: 16},
}
TORCH = {"attention": "sdpa", "optimiser": "fused"}

CHECKS: tuple[dict[str, float], ...] = ({}, {"weight_decay": 1.0, "clip": 0.1})
"""As trained, and with decay and clipping so strong that a fault in either shows."""

CHECK_STEPS, FIRST_APART, LATER_APART = 8, 1e-5, 1e-4
HERE = Path(__file__).parent


class Worker:
    """A side in a process of its own: one thread, one core, empty caches."""

    def __init__(self, side: str, torch_python: str, folder: Path, core: int | None) -> None:
        ours = [sys.executable, "-m", "benchmarks.trainer_side"]
        command = ours if side == "ours" else [torch_python, str(HERE / "torch_side.py"), side]
        caches = tempfile.mkdtemp(dir=folder)
        environment = {
            **one_core.environment(os.environ),
            "TORCHINDUCTOR_CACHE_DIR": caches,
            "TORCHINDUCTOR_COMPILE_THREADS": "1",  # compiles in the process whose clock runs
        }
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        self.side = side
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=HERE.parent,
        )
        self.pin(core)

    def pin(self, core: int | None) -> None:
        """Keep all threads of the process on one core (Linux)."""
        if core is not None:
            for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})

    def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """One question, one answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **what}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.side} ended with code {self.process.wait()} when asked to {do}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


class Bench:
    """The cases of all widths in one folder, and workers that know of them."""

    def __init__(self, folder: Path, torch_python: str, plan_steps: int, stack: ExitStack) -> None:
        self.folder, self.torch_python, self.plan_steps, self.stack = folder, torch_python, plan_steps, stack
        self.core = one_core.cores()[-1]
        self.told = {
            str(folder / f"d{width}.npz"): {
                "width": width,
                "steps": self.plan_steps,
                "recipe": {"batch_tokens": BATCH},
            }
            for width in WIDTHS
        }
        with Worker("ours", torch_python, folder, self.core) as worker:
            worker.ask("cases", spec=SPEC, corpus=str(folder), told=self.told)

    def worker(self, side: str) -> Worker:
        """A fresh process of a side, closed at the end."""
        worker = self.stack.enter_context(Worker(side, self.torch_python, self.folder, self.core))
        if side == "ours":
            worker.ask("load", spec=SPEC, corpus=str(self.folder), told=self.told)
        return worker

    def case(self, width: int) -> str:
        return str(self.folder / f"d{width}.npz")

    def prepare(self, worker: Worker, width: int) -> None:
        worker.ask("prepare", case=self.case(width), options=options_of(worker.side, width))

    def train(self, worker: Worker, width: int, steps: int) -> dict[str, Any]:
        return worker.ask("train", case=self.case(width), steps=steps)

    def check(self, workers: Sequence[Worker], width: int) -> float:
        """How far two sides are apart after some steps, relatively; refused where they are not the same network."""
        farthest = 0.0
        for changes in CHECKS:
            answers = [
                worker.ask("check", case=self.case(width), steps=CHECK_STEPS, changes=changes)
                for worker in workers
            ]
            farthest = max(farthest, apart(*answers, width=width))
        return farthest

    def plan(self, worker: Worker) -> dict[str, Any]:
        """Runs of some widths and rates, one after the other, in a process that has compiled nothing."""
        runs = [
            {
                "run_id": f"d{width}-r{rate:g}",
                "case": self.case(width),
                "steps": self.plan_steps,
                "changes": {"peak_rate": rate},
            }
            for width in PLAN_WIDTHS
            for rate in PLAN_RATES
        ]
        options = {self.case(width): options_of(worker.side, width) for width in PLAN_WIDTHS}
        return worker.ask("plan", runs=runs, options=options)


def options_of(side: str, width: int) -> dict[str, Any]:
    """What a rival is told of how to do it; ours has its recipe."""
    return {} if side == "ours" else {**TORCH, "micro_windows": MICRO_WINDOWS[side][width]}


def apart(mine: Mapping[str, Any], theirs: Mapping[str, Any], *, width: int) -> float:
    """Largest relative difference of the losses of some steps.

    Raises
    ------
    RuntimeError
        The sides do not train the same network, so that nothing is worth timing.
    """
    first = abs(mine["first"] / theirs["first"] - 1)
    later = float(np.max(np.abs(np.divide(mine["losses"], theirs["losses"]) - 1)))
    if not (first <= FIRST_APART and later <= LATER_APART):  # a loss that is no number is refused too
        raise RuntimeError(
            f"width {width}: the sides differ by {first:.1e} on the first batch and {later:.1e} after"
            f" {len(mine['losses'])} steps; nothing was timed"
        )
    return later


def torch_version(python: str | None) -> str:
    """The version of torch that a Python has.

    Raises
    ------
    InputError
        None was given, or it does not import torch and NumPy.
    """
    rule, remedy = "must be a Python with torch and numpy", "Make an environment for it, and give its python"
    fault = Fault(where="benchmark", what="--torch-python", value=str(python), rule=rule, remedy=remedy)
    if python is None:
        raise InputError(fault)
    code = "import numpy, torch; print(torch.__version__)"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(fault) from error
    if done.returncode:
        raise InputError(fault)
    return done.stdout.strip()


def measure(
    torch_python: str, *, rounds: int, plan_steps: int = PLAN_STEPS, two_cores: bool = False
) -> dict[str, Any]:
    """Everything that was measured: peaks, plans by side, timings by width and side, distances of the losses.

    With `two_cores`, `torch.compile` has its plan on the first core while the others have theirs on the last.
    """
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        bench = Bench(Path(name), torch_python, plan_steps, stack)
        compiled = bench.worker("compile")
        pool = stack.enter_context(ThreadPoolExecutor(1))
        if two_cores:
            compiled.pin(one_core.cores()[0])
            waiting = pool.submit(bench.plan, compiled)
        ours, eager = bench.worker("ours"), bench.worker("eager")
        distances = []
        for width in WIDTHS:
            for worker in (ours, eager):
                bench.prepare(worker, width)
            distances.append(bench.check((ours, eager), width))
        told(f"eager and ours: losses {max(distances):.1e} apart")
        plans = {}
        for side in ("ours", "eager"):
            plans[side] = bench.plan(bench.worker(side))
            told(f"{side}: plan {json.dumps(plans[side])}")
        plans["compile"] = waiting.result() if two_cores else bench.plan(compiled)
        compiled.pin(bench.core)
        told(f"compile: plan {json.dumps(plans['compile'])}")
        for width in WIDTHS:
            bench.prepare(compiled, width)
            if width not in PLAN_WIDTHS:
                plans["compile"][f"first_step_{label(width)}"] = bench.train(compiled, width, 1)
            distances.append(bench.check((ours, compiled), width))
        told(f"compile and ours: losses {max(distances):.1e} apart")
        timings, peaks = steady(bench, (ours, eager, compiled), rounds)
    return {
        "plans": plans,
        "plan_steps": plan_steps,
        "two_cores": two_cores,
        "timings": timings,
        "peaks": peaks,
        "losses_apart": max(distances),
    }


def steady(
    bench: Bench, workers: Sequence[Worker], rounds: int
) -> tuple[dict[str, dict[int, list[dict[str, Any]]]], dict[str, list[float]]]:
    """Timings by side and width, and each library's peak, one a round; the sides alternate."""
    timings: dict[str, dict[int, list[dict[str, Any]]]] = {
        worker.side: {width: [] for width in WIDTHS} for worker in workers
    }
    peaks: dict[str, list[float]] = {"ours": [], "torch": []}
    for turn in range(rounds):
        for side, worker in zip(peaks, workers, strict=False):
            peaks[side].append(max(worker.ask("peak", size=n, seconds=0.7)["gflops"] for n in (512, 1024)))
        for width in WIDTHS:
            for worker in workers:
                timing = {**bench.train(worker, width, CHUNK[width]), "steps": CHUNK[width]}
                timings[worker.side][width].append({**timing, "load": os.getloadavg()[0]})
        told(f"round {turn}: {line(timings)}")
    return timings, peaks


def line(timings: Mapping[str, Mapping[int, Sequence[Mapping[str, Any]]]]) -> str:
    """The last round, in thousands of tokens a processor second."""
    return "; ".join(
        f"{label(width)} "
        + ", ".join(f"{side} {rate(of[width][-1:]) / 1e3:.1f}" for side, of in timings.items())
        for width in WIDTHS
    )


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def row_of(measured: Mapping[str, Any], *, version: str, rounds: int, note: str = "") -> dict[str, Any]:
    """The ledger's row."""
    found = figures(measured)
    met = verdicts(found)
    usual = (
        "medians over rounds; one core, one thread; ratios above 1 favour ours, in processor seconds; shares are of"
        " the higher of the two libraries' f32 peaks"
    )
    return {
        "benchmark": "trainer_torch",
        "claim": "Our trainer against the same network in PyTorch, eager and torch.compile: a step and a plan of runs",
        "figures": {**found, **met},
        "target": (
            f"a plan >= {PLAN_RATIO:g} times faster than either; a step >= torch.compile's at 100k and below;"
            f" >= {PEAK_SHARE:.0%} of the f32 peak at 900k"
        ),
        "met": all(met.values()),
        "settings": {
            "rounds": rounds,
            "batch_tokens": BATCH,
            "vocabulary": VOCABULARY,
            "context": CONTEXT,
            "plan_widths": list(PLAN_WIDTHS),
            "plan_rates": list(PLAN_RATES),
            "plan_steps": measured["plan_steps"],
            "plans_on_two_cores": measured["two_cores"],
            "torch": version,
            **{f"{side}_micro_windows": list(of.values()) for side, of in MICRO_WINDOWS.items()},
            **{f"torch_{name}": value for name, value in TORCH.items()},
        },
        "note": f"{usual}; {note}" if note else usual,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the row, and append it where that is asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trainer", description=__doc__)
    parser.add_argument("--torch-python", help="a Python with torch (for processors) and numpy")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plan-steps", type=int, default=PLAN_STEPS, help="steps of each run of the plan")
    parser.add_argument("--two-cores", action="store_true", help="torch.compile's plan beside the others'")
    parser.add_argument("--note", default="", help="what the row's note says beside the usual")
    parser.add_argument("--ledger", action="store_true", help="append the figures to the ledger")
    chosen = parser.parse_args(arguments)
    try:
        version = torch_version(chosen.torch_python)
    except InputError as error:
        told(str(error))
        return error.exit_code
    measured = measure(
        chosen.torch_python, rounds=chosen.rounds, plan_steps=chosen.plan_steps, two_cores=chosen.two_cores
    )
    row = row_of(measured, version=version, rounds=chosen.rounds, note=chosen.note)
    print(json.dumps(row, indent=2))
    if chosen.ledger:
        append(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
