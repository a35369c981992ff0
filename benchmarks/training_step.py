"""A training step on whatever device JAX has, by width: `python -m benchmarks.training_step [--ledger]`.

Prints a line of JSON a network. A machine without this checkout's tools writes them to a file; with `--from FILE
--ledger` they are appended to the ledger here, with that machine's name and versions.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.ledger import append
from models.accounting import count
from models.config import small
from models.optimiser import settings
from models.outcome import made_by
from models.position import student_of
from models.recipe import Recipe
from models.run import Run
from models.step import program, start
from models.train import MOST_STEPS

WIDTHS = (32, 64, 128, 192)
CALLS = 3
WHOLE = "whole batch"


def timed(width: int, *, micro_tokens: int | None) -> dict[str, Any]:
    """Seconds a step of a width, the best of some dispatches of 128 steps; `micro_tokens` as in `Recipe`."""
    recipe = Recipe(micro_tokens=micro_tokens)
    network = small(width)
    run = Run(run_id="timed", network=network, tokens=MOST_STEPS * recipe.batch_tokens, recipe=recipe)
    shape = network.architecture
    batch = (MOST_STEPS, recipe.batch_tokens // shape.context, shape.context + 1)
    windows = np.random.default_rng(0).integers(0, shape.vocabulary, size=batch, dtype=np.int32)
    compiled, numbers = program((student_of(run),), None), settings(recipe, steps=run.steps)
    begun = time.monotonic()
    states: Any = (start(jax.random.key(0), student_of(run)),)
    states, losses = compiled(states, windows, 1, 0, (numbers,), None, None)
    jax.block_until_ready(losses)
    compile_s, best = time.monotonic() - begun, np.inf
    for _ in range(CALLS):
        begun = time.monotonic()
        states, losses = compiled(states, windows, MOST_STEPS, 0, (numbers,), None, None)
        jax.block_until_ready((states, losses))
        best = min(best, (time.monotonic() - begun) / MOST_STEPS)
    flops = 3.0 * count(network).forward_flops * recipe.batch_tokens
    return {
        "width": width,
        "passes": WHOLE if micro_tokens == recipe.batch_tokens else "recipe",
        "ms_step": 1e3 * best,
        "ktok_s": recipe.batch_tokens / best / 1e3,
        "tflops": flops / best / 1e12,
        "compile_s": compile_s,
    }


def row_of(about: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The ledger's row for lines of one machine."""
    figures: dict[str, Any] = {}
    for passes, ending in (("recipe", ""), (WHOLE, "_whole_batch")):
        chosen = [line for line in lines if line["passes"] == passes]
        if chosen:
            figures[f"width{ending}"] = [line["width"] for line in chosen]
            figures[f"ktok_per_s{ending}"] = [round(line["ktok_s"], 1) for line in chosen]
            figures[f"tflops_per_s{ending}"] = [round(line["tflops"], 3) for line in chosen]
    return {
        "benchmark": "training_step",
        "claim": f"Thousand training tokens a second of one network on {about['device']}, by width",
        "figures": figures,
        "settings": {"batch_tokens": Recipe().batch_tokens, "compute": "float32", "calls": CALLS},
        "note": "wall time, the best of three dispatches of 128 steps, compiled; products at JAX's default precision",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ledger", action="store_true", help="append the figures to the ledger")
    parser.add_argument("--from", dest="file", type=Path, help="lines that another machine printed")
    asked = parser.parse_args(arguments)
    if asked.file is not None:
        about, *lines = [json.loads(line) for line in asked.file.read_text(encoding="utf-8").splitlines()]
    else:
        made = made_by()
        about = {"device": made["device"], "jax": made["jax_version"], "python": platform.python_version()}
        print(json.dumps(about), flush=True)
        lines = []
        for width in WIDTHS:
            for micro_tokens in (None, Recipe().batch_tokens):
                lines.append(timed(width, micro_tokens=micro_tokens))
                print(json.dumps(lines[-1]), flush=True)
    if asked.ledger:
        append(row_of(about, lines), elsewhere=None if asked.file is None else about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
