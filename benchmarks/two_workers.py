"""How much sooner does a campaign end with two workers than with one, and does it find the same?

`python -m benchmarks.two_workers [--rounds 2] [--ledger]`. The same calibration (320 worlds of the supervised law, 5 a
unit) in fresh folders, one worker and two in turn; compile included. Results are compared byte for byte.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bayes_dsl.campaign import run
from bayes_dsl.validation.calibration import campaign_of
from benchmarks import ledger

REPLICATIONS, SEED = 320, 11


def timed(folder: Path, workers: int) -> tuple[float, dict[str, bytes]]:
    """Seconds that the calibration takes, and every unit's result."""
    campaign = campaign_of("supervised", replications=REPLICATIONS, folder=folder, seed=SEED)
    began = time.perf_counter()
    run(campaign, workers=workers)
    took = time.perf_counter() - began
    return took, {path.parent.name: path.read_bytes() for path in folder.glob("units/*/result.json")}


def measured(rounds: int) -> dict[str, Any]:
    """Seconds of each round, with one worker and with two; results that differ are an error."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    found = []
    for _ in range(rounds):
        for workers, times in seconds.items():
            with tempfile.TemporaryDirectory() as folder:
                took, results = timed(Path(folder), workers)
            times.append(round(took, 1))
            found.append(results)
            print(f"{workers} worker(s): {took:.1f} s", file=sys.stderr)
    if any(one != found[0] for one in found) or not found[0]:
        raise AssertionError("results differ with the number of workers")
    ratio = float(np.median(seconds[1]) / np.median(seconds[2]))
    return {
        "one_worker_s": seconds[1],
        "two_workers_s": seconds[2],
        "ratio_one_over_two": round(ratio, 2),
        "units": len(found[0]),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--ledger", action="store_true", help="append a row")
    asked = parser.parse_args(arguments)
    figures = measured(asked.rounds)
    print(figures)
    if asked.ledger:
        ledger.append(
            {
                "benchmark": "two_workers",
                "claim": "A calibration of 320 worlds with two workers against one, the same results byte for byte",
                "figures": figures,
                "target": "about half the time: ratio at least 1.7",
                "met": figures["ratio_one_over_two"] >= 1.7,
                "settings": {"rounds": asked.rounds, "seed": SEED, "order": "in turn"},
                "note": "wall time, every worker's compiles included; a worker is pinned to one core",
            }
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
