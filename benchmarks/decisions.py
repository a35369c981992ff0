"""What does a plan lose at the true coefficients: ours, the plug-in ones, the paper's recipe? Twenty worlds.

`python -m benchmarks.decisions [--workers 2] [--seeds N] [--chains N --warmup N --draws N] [--record] [--ledger]`.
Every world leaves a file of its own under `benchmarks/cache/decisions`, in a folder named after the code and
settings that made it: a run that was cut off goes on where it ended, and changed code starts afresh.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bayes_dsl.errors import NotConverged
from bayes_dsl.files import write_atomically
from benchmarks import ledger
from benchmarks.recovery import ONE_THREAD, settle

CACHE = ledger.ROOT / "benchmarks" / "cache"
RESULTS = ledger.ROOT / "benchmarks" / "results" / "decisions.json"


def one(seed: int, settings: Any) -> dict[str, Any]:
    """Simulate one world's study, believe it in two ways, plan in four, and judge the plans by the truth."""
    from bayes_dsl.inference.fit import fit
    from bayes_dsl.inference.point_fit import point_fit
    from benchmarks import decisions_study

    table = decisions_study.study(seed)
    start = time.perf_counter()
    try:
        posterior = fit(table, misfit=None, seed=seed, settings=settings)
    except NotConverged as error:
        posterior = error.posterior
    fitted = point_fit(table, law=decisions_study.PUBLISHED.law, seed=seed)
    believed = time.perf_counter() - start
    return {
        "seed": seed,
        "regret": decisions_study.regrets(posterior, fitted.parameters, seed),
        "problems": list(posterior.diagnostics.problems()),
        "point_fit_converged": bool(fitted.converged),
        "fit_s": believed,
        "wall_s": time.perf_counter() - start,
    }


def kept(folder: Path, seed: int) -> Path:
    return folder / f"{seed:03d}.json"


def work(folder: Path, seed: int, settings: Any) -> dict[str, Any]:
    """One task of a worker: its record, on disk before it is told."""
    record = one(seed, settings)
    write_atomically(kept(folder, seed), json.dumps(record) + "\n")
    return record


def campaign(folder: Path, seeds: Sequence[int], settings: Any, workers: int) -> list[dict[str, Any]]:
    """The records of every seed, those on disk as they are and the missing ones made now."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [seed for seed in seeds if not kept(folder, seed).is_file()]
    print(f"{len(missing)} of {len(seeds)} worlds to plan in; kept in {folder}", file=sys.stderr)
    for told in _made(folder, missing, settings, workers):
        print(told, file=sys.stderr, flush=True)
    return [json.loads(kept(folder, seed).read_text()) for seed in seeds]


def _made(folder: Path, seeds: Sequence[int], settings: Any, workers: int) -> Iterator[str]:
    """Plan in all worlds, a line of progress for each that ends."""
    if not seeds:
        return
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
    context = get_context("spawn")
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    cores = context.Queue()
    for worker in range(workers):
        cores.put(available[worker % len(available)])
    with ProcessPoolExecutor(workers, mp_context=context, initializer=settle, initargs=(cores,)) as pool:
        futures = [pool.submit(work, folder, seed, settings) for seed in seeds]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                yield f"{done:3d} of {len(seeds)}: {_told(future.result())}"
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _told(record: Mapping[str, Any]) -> str:
    means = {
        name: sum(of[name] for of in record["regret"].values()) / len(record["regret"])
        for name in next(iter(record["regret"].values()))
    }
    regrets = ", ".join(f"{name} {value:.5f}" for name, value in means.items())
    return f"seed {record['seed']}: mean regret in nats {regrets}; {record['wall_s']:.0f} s"


def result(records: Sequence[Mapping[str, Any]], settings: Any) -> dict[str, Any]:
    """What is committed: the sums, and for every world what they are made of."""
    from benchmarks import decisions_study

    return {
        "fingerprint": decisions_study.fingerprint(settings),
        "settings": asdict(settings),
        "noise": asdict(decisions_study.NOISE),
        "summary": decisions_study.summary(records),
        "worlds": [{**record, "truth": decisions_study.truth(int(record["seed"]))} for record in records],
    }


def short(value: Any) -> Any:
    """The same content, its numbers at six digits."""
    if isinstance(value, Mapping):
        return {name: short(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [short(part) for part in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def written(found: Mapping[str, Any]) -> str:
    """The result as JSON, one line a world, so that a difference can be read."""
    head = json.dumps(short({name: value for name, value in found.items() if name != "worlds"}), indent=1)
    lines = ",\n  ".join(json.dumps(short(world)) for world in found["worlds"])
    return f'{head[:-2]},\n "worlds": [\n  {lines}\n ]\n}}\n'


def row(found: Mapping[str, Any], settings: Any) -> dict[str, Any]:
    """The ledger's row."""
    figures: dict[str, Any] = {
        name: found[name] for name in ("seeds", "gates_passed", "least_regret", "median_wall_s", "not_lowest")
    }
    for group, of in found["groups"].items():
        short_name = group.replace("-", "_")
        for planner in ("recommended", "plug_in", "point_fit", "paper"):
            figures[f"{short_name}_{planner}_nats"] = of[planner]["mean"]
            figures[f"{short_name}_{planner}_se_nats"] = of[planner]["se"]
    return {
        "benchmark": "decisions",
        "claim": "Regret at the true coefficients over 20 simulated worlds of 374 runs: recommended, plug-in, paper",
        "figures": figures,
        "target": "the recommended plan has the lowest mean regret in all and in every scenario",
        "met": not found["not_lowest"],
        "settings": asdict(settings),
        "note": "worlds about busbridge_corrected, paper's cost model; seconds on one core each",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Plan in the worlds that are missing, print the sums, and where asked record them."""
    from bayes_dsl.inference.fit import DEFAULT_SETTINGS
    from bayes_dsl.inference.settings import Settings
    from benchmarks import decisions_study

    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=len(decisions_study.SEEDS), help="the first N worlds")
    for name in ("chains", "warmup", "draws"):
        parser.add_argument(f"--{name}", type=int, default=getattr(DEFAULT_SETTINGS, name))
    parser.add_argument("--record", action="store_true", help="write benchmarks/results/decisions.json")
    parser.add_argument("--ledger", action="store_true", help="append a row")
    chosen = parser.parse_args(arguments)
    settings = Settings(chains=chosen.chains, warmup=chosen.warmup, draws=chosen.draws)
    seeds = decisions_study.SEEDS[: chosen.seeds]
    if (chosen.record or chosen.ledger) and (seeds != decisions_study.SEEDS or settings != DEFAULT_SETTINGS):
        parser.error("only the whole campaign with default settings is recorded")
    folder = CACHE / "decisions" / decisions_study.fingerprint(settings)
    found = result(campaign(folder, seeds, settings, chosen.workers), settings)
    print(json.dumps(short(found["summary"]["groups"]), indent=1))
    print(f"not the lowest in: {', '.join(found['summary']['not_lowest']) or 'none'}")
    if chosen.record:
        RESULTS.parent.mkdir(exist_ok=True)
        write_atomically(RESULTS, written(found))
    if chosen.ledger:
        ledger.append(row(found["summary"], settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
