"""Our trainer as `benchmarks.trainer` drives it, line by line, and the cases that both sides are given.

A line of JSON asks, a line of JSON answers, as in `torch_side.py`, which knows nothing of this project.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from models import transformer
from models.config import small
from models.corpus.base import Corpus
from models.corpus.load import load
from models.corpus.specs import parse_spec
from models.objectives import Objective, student_loss
from models.optimiser import settings
from models.position import student_of
from models.recipe import Recipe
from models.run import Run
from models.step import program, start
from models.train import MOST_STEPS, batch_order, train

SCHEDULE = ("peak_rate", "final_rate", "weight_decay", "beta1", "beta2", "epsilon", "clip")


def corpus_of(spec: Mapping[str, Any], folder: str) -> Corpus:
    """The synthetic language of a benchmark, made on first use."""
    return load(parse_spec({"kind": "markov", **spec}), Path(folder))


def run_of(told: Mapping[str, Any], corpus: Corpus) -> Run:
    """A run of the trainer, told by width, steps and changes to the recipe."""
    network = small(told["width"], vocabulary=corpus.vocabulary, context=corpus.context)
    recipe = Recipe(**told["recipe"])
    return Run(
        run_id=told.get("run_id", f"d{told['width']}"),
        network=network,
        tokens=told["steps"] * recipe.batch_tokens,
        recipe=recipe,
    )


def write_case(path: Path, run: Run, corpus: Corpus) -> None:
    """What another library needs to train the same network on the same batches."""
    params = start(jax.random.key(run.seed), student_of(run))["params"]
    arrays = {"embedding": params["embedding"], "norm": params["norm"]}
    for place, layer in enumerate(params["layers"]):
        arrays |= {f"layers/{place}/{name}": x for name, x in layer.items()}
    shape, recipe, network = run.network.architecture, run.recipe, run.network
    if shape.heads != shape.kv_heads or network.compute != "float32":
        raise ValueError("the other side knows neither shared key heads nor rounded inputs")
    numbers = {
        **{name: getattr(shape, name) for name in ("layers", "width", "heads", "head_size", "context")},
        **{name: getattr(network, name) for name in ("rope_base", "base_width", "norm_epsilon")},
        **{name: getattr(recipe, name) for name in (*SCHEDULE, "z_weight")},
        "steps": run.steps,
        "warmup": recipe.warmup(run.steps),
    }
    np.savez(
        path,
        numbers=json.dumps(numbers),
        windows=windows_of(run, corpus),
        eval_windows=corpus.eval_windows_ExT1,
        **{name: np.asarray(x) for name, x in arrays.items()},
    )


def windows_of(run: Run, corpus: Corpus) -> np.ndarray:
    """The batches of a run in their order; steps x batch x (context + 1)."""
    stream = corpus.stream(run.part)
    starts_SxB = batch_order(run, len(stream), corpus.context).astype(np.int64) * corpus.context
    windows: np.ndarray = stream[starts_SxB[..., None] + np.arange(corpus.context + 1)]
    return windows


_logits = jax.jit(transformer.logits, static_argnums=2)


class Steps:
    """One network and its compiled program; dispatches hold as many steps as the trainer's do."""

    def __init__(self, run: Run, corpus: Corpus) -> None:
        self.run, self.windows = run, windows_of(run, corpus)
        self.program = program((student_of(run),), None)
        self.begin({})

    def begin(self, changes: Mapping[str, Any]) -> None:
        self.numbers = settings(replace(self.run.recipe, **changes), steps=self.run.steps)
        self.states = (start(jax.random.key(self.run.seed), student_of(self.run)),)
        self.step = 0
        self.losses: list[float] = []

    def first_loss(self) -> float:
        """The whole loss of the first batch, before any step."""
        windows = jnp.asarray(self.windows[0], jnp.int32)
        logits = _logits(self.states[0]["params"], windows[:, :-1], self.run.network)
        z_weight = self.run.recipe.z_weight
        loss, _ = student_loss(
            Objective(), logits, None, windows[:, 1:], mixing=1.0, temperature=1.0, z_weight=z_weight
        )
        return float(loss)

    def train(self, steps: int) -> None:
        """So many more steps; the batches begin anew where they end."""
        done = 0
        while done < steps:
            count = min(MOST_STEPS, steps - done)
            chosen = np.arange(self.step, self.step + MOST_STEPS) % len(self.windows)
            self.states, losses_Sx1 = self.program(
                self.states, self.windows[chosen], count, self.step, (self.numbers,), None, None
            )
            self.losses += [float(loss) for loss in np.asarray(losses_Sx1)[:count, 0]]
            self.step, done = self.step + count, done + count


class Side:
    """What can be asked of this side."""

    def __init__(self) -> None:
        self.steps: dict[str, Steps] = {}
        self.runs: dict[str, Run] = {}

    def cases(self, spec: dict[str, Any], corpus: str, told: dict[str, Any]) -> dict[str, Any]:
        """Write a case for each path; nothing that is timed later is compiled, as a process of its own does it."""
        corpus_made = corpus_of(spec, corpus)
        for path, one in told.items():
            write_case(Path(path), run_of(one, corpus_made), corpus_made)
        return {}

    def load(self, spec: dict[str, Any], corpus: str, told: dict[str, Any]) -> dict[str, Any]:
        """Learn of corpus and runs, before any clock."""
        self.corpus = corpus_of(spec, corpus)
        self.runs = {path: run_of(one, self.corpus) for path, one in told.items()}
        return {}

    def prepare(self, case: str, options: dict[str, Any]) -> dict[str, Any]:
        """A network, unless it is there already; compiled at its first step."""
        if case not in self.steps:
            self.steps[case] = Steps(self.runs[case], self.corpus)
        return {}

    def check(self, case: str, steps: int, changes: dict[str, Any]) -> dict[str, Any]:
        """Whole loss of the first batch, and next-token losses of some steps."""
        mine = self.steps[case]
        mine.begin(changes)
        first = mine.first_loss()
        mine.train(steps)
        losses = mine.losses
        mine.begin({})
        return {"first": first, "losses": losses}

    def train(self, case: str, steps: int) -> dict[str, Any]:
        """Goes on with `steps` steps."""
        return clocked(lambda: self.steps[case].train(steps))

    def plan(self, runs: list[dict[str, Any]], options: dict[str, Any]) -> dict[str, Any]:
        """Runs through the trainer itself, one after the other, from nothing compiled to their outcomes."""
        each: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory() as folder:
            whole = clocked(lambda: each.extend(self._run(run, Path(folder)) for run in runs))
        return {**whole, "runs": each}

    def _run(self, told: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        usual = self.runs[told["case"]]
        recipe = replace(usual.recipe, **told["changes"])
        tokens = told["steps"] * recipe.batch_tokens
        run = replace(usual, run_id=told["run_id"], recipe=recipe, tokens=tokens)
        losses: list[float] = []

        def all_of_it() -> None:
            (outcome,) = train([run], self.corpus, folder / run.run_id)
            losses.append(math.nan if outcome.loss is None else outcome.loss)

        return {**clocked(all_of_it), "loss": losses[0]}

    def peak(self, size: int, seconds: float) -> dict[str, Any]:
        """GFLOPs a processor second of f32 products of square matrices, the best of some batches of them."""
        keys = jax.random.split(jax.random.key(0))
        left, right = (jax.random.normal(key, (size, size)) for key in keys)
        products = jax.jit(lambda x, y: jax.lax.fori_loop(0, 8, lambda _, z: z @ y, x))
        right = right / math.sqrt(size)
        left = products(left, right).block_until_ready()
        best, end = 0.0, time.monotonic() + seconds
        while time.monotonic() < end:
            begun = cpu_seconds()
            left = products(left, right).block_until_ready()
            best = max(best, 8 * 2 * size**3 / max(1e-9, cpu_seconds() - begun) / 1e9)
        return {"gflops": best}

    def about(self) -> dict[str, Any]:
        return {"version": jax.__version__}


def cpu_seconds() -> float:
    """Of this process and of the children that it has waited for."""
    own, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + theirs.ru_utime + theirs.ru_stime


def clocked(work: Callable[[], Any]) -> dict[str, Any]:
    """Processor and wall seconds of some work."""
    cpu, wall = cpu_seconds(), time.monotonic()
    work()
    return {"cpu_s": cpu_seconds() - cpu, "wall_s": time.monotonic() - wall}


def main() -> None:
    """Answer line by line; what libraries print goes to the standard error."""
    side = Side()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        answer = getattr(side, asked.pop("do"))(**asked)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
