"""Does the posterior of a simulated study hold the truth as often as it says? Forty seeds in two worlds.

`python -m benchmarks.recovery [--workers 2] [--world NAME ...] [--seeds N] [--chains N --warmup N --draws N]
[--record] [--ledger]`. Every posterior leaves a file of its own under `benchmarks/cache/recovery`, in a
folder named after the code and settings that made it: a run that was cut off goes on where it ended, and
changed code starts afresh. One process a core, one thread each; how many there are changes no number.
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
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from bayes_dsl.errors import NotConverged
from bayes_dsl.files import write_atomically
from benchmarks import ledger, recovery_study

CACHE = ledger.ROOT / "benchmarks" / "cache"
RESULTS = ledger.ROOT / "benchmarks" / "results" / "recovery.json"
# Read by JAX when a worker imports it, which is after this process has set them.
ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "JAX_COMPILATION_CACHE_DIR": str(CACHE / "jax"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
}
WORDS = {
    "independent": "Truth inside 90 % intervals over 40 simulated studies of 374 runs, rows independent",
    "teacher_effect": "The same with an effect of .4 % of the loss shared by the students of one teacher",
}


def one(world: str, seed: int, settings: Any) -> dict[str, Any]:
    """Simulate, sample and judge one study; an unhealthy posterior is judged too, its problems are kept."""
    from bayes_dsl.inference.compiled import compiled_for
    from bayes_dsl.inference.fit import fit

    table = recovery_study.study(world, seed)
    compiled = compiled_for.cache_info().misses
    cpu, start = time.process_time(), time.perf_counter()
    try:
        posterior = fit(table, misfit=None, seed=seed, settings=settings)
    except NotConverged as error:
        posterior = error.posterior
    seconds = {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
    found = posterior.diagnostics
    return {
        "world": world,
        "seed": seed,
        "quantities": recovery_study.quantities(posterior),
        "rhat": found.rhat,
        "bulk_ess": found.bulk_ess,
        "tail_ess": found.tail_ess,
        "divergences": found.divergences,
        "target_accept": posterior.settings["target_accept"],
        "ebfmi": found.ebfmi,
        "problems": list(found.problems()),
        "gradients_a_draw": float(posterior.tree["sample_stats"]["n_steps"].mean()),
        **seconds,
        "compiled": compiled_for.cache_info().misses > compiled,
        "load": os.getloadavg()[0],
    }


def kept(folder: Path, world: str, seed: int) -> Path:
    return folder / f"{world}-{seed:03d}.json"


def work(folder: Path, world: str, seed: int, settings: Any) -> dict[str, Any]:
    """One task of a worker: its record, on disk before it is told."""
    record = one(world, seed, settings)
    write_atomically(kept(folder, world, seed), json.dumps(record) + "\n")
    return record


def settle(cores: Queue[int]) -> None:
    """Give a worker a core of its own, where the system lets it choose."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cores.get()})


def campaign(
    folder: Path, worlds: Sequence[str], seeds: Sequence[int], settings: Any, workers: int
) -> dict[str, list[dict[str, Any]]]:
    """The records of every world and seed, those on disk as they are and the missing ones made now."""
    folder.mkdir(parents=True, exist_ok=True)
    # Worlds take turns, so that a run that is cut off has some of each.
    wanted = [(world, seed) for seed in seeds for world in worlds]
    missing = [task for task in wanted if not kept(folder, *task).is_file()]
    print(f"{len(missing)} of {len(wanted)} posteriors to sample; kept in {folder}", file=sys.stderr)
    for told in _sampled(folder, missing, settings, workers):
        print(told, file=sys.stderr, flush=True)
    return {world: [json.loads(kept(folder, world, seed).read_text()) for seed in seeds] for world in worlds}


def _sampled(folder: Path, tasks: Sequence[tuple[str, int]], settings: Any, workers: int) -> Iterator[str]:
    """Sample all tasks, a line of progress for each that ends."""
    if not tasks:
        return
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
    context = get_context("spawn")
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    cores: Queue[int] = context.Queue()
    for worker in range(workers):
        cores.put(available[worker % len(available)])
    start = time.monotonic()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=settle, initargs=(cores,)) as pool:
        futures = [pool.submit(work, folder, *task, settings) for task in tasks]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                left = (time.monotonic() - start) / done * (len(tasks) - done)
                yield f"{done:3d} of {len(tasks)}, {left / 60:4.0f} min left: {_told(future.result())}"
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _told(record: Mapping[str, Any]) -> str:
    outside = [name for name, found in record["quantities"].items() if not found["inside"]]
    return (
        f"{record['world']} seed {record['seed']}: outside {', '.join(outside) or 'nothing'}; "
        f"R-hat {record['rhat']:.4f}, ESS {record['bulk_ess']:.0f}/{record['tail_ess']:.0f}, "
        f"{record['divergences']} divergences, {record['gradients_a_draw']:.1f} gradients a draw, "
        f"{record['wall_s']:.1f} s wall, {record['cpu_s']:.1f} s processor"
        f"{', compile included' if record['compiled'] else ''}"
    )


def result(records: Mapping[str, Sequence[Mapping[str, Any]]], settings: Any) -> dict[str, Any]:
    """What is committed: the sums, and for every seed what they are made of."""
    return {
        "fingerprint": recovery_study.fingerprint(settings),
        "settings": asdict(settings),
        "noise": {world: asdict(recovery_study.WORLDS[world]) for world in records},
        "targets": [asdict(target) for target in recovery_study.TARGETS],
        "truth": {name: _short(value) for name, value in recovery_study.true_values().items()},
        "prob": recovery_study.PROB,
        "summary": {world: recovery_study.summary(found) for world, found in records.items()},
        "posteriors": [_brief(record) for found in records.values() for record in found],
    }


def _brief(record: Mapping[str, Any]) -> dict[str, Any]:
    brief = {name: _short(value) for name, value in record.items() if name not in ("quantities", "load")}
    for name, found in record["quantities"].items():
        brief[name] = [_short(found[end]) for end in ("lower", "median", "upper")] + [found["inside"]]
    return brief


def _short(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def written(found: Mapping[str, Any]) -> str:
    """The result as JSON, one line a posterior, so that a difference can be read."""
    head = json.dumps({name: value for name, value in found.items() if name != "posteriors"}, indent=1)
    lines = ",\n  ".join(json.dumps(posterior) for posterior in found["posteriors"])
    return f'{head[:-2]},\n "posteriors": [\n  {lines}\n ]\n}}\n'


def row(world: str, found: Mapping[str, Any], settings: Any) -> dict[str, Any]:
    """The ledger's row of one world."""
    figures = {f"{name}_inside": count for name, count in found["inside"].items()}
    figures |= {name: value for name, value in found.items() if name not in ("inside", "met")}
    low, high = recovery_study.POOLED
    return {
        "benchmark": f"recovery_{world}",
        "claim": WORDS[world],
        "figures": figures,
        "target": f"each >= {recovery_study.LEAST_INSIDE} of 40, pooled {low} to {high}, 0 divergences",
        "met": found["met"],
        "settings": asdict(settings),
        "note": "busbridge_corrected, seeds 0 to 39, default law and prior; seconds on one core each; "
        "sampled_again counts studies whose first draws diverged",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Sample what is missing, print the counts, and where asked record them."""
    from bayes_dsl.inference.fit import DEFAULT_SETTINGS
    from bayes_dsl.inference.settings import Settings

    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--world", nargs="+", choices=tuple(WORDS), default=list(WORDS))
    parser.add_argument("--seeds", type=int, default=len(recovery_study.SEEDS), help="the first N seeds")
    for name in ("chains", "warmup", "draws"):
        parser.add_argument(f"--{name}", type=int, default=getattr(DEFAULT_SETTINGS, name))
    parser.add_argument("--record", action="store_true", help="write benchmarks/results/recovery.json")
    parser.add_argument("--ledger", action="store_true", help="append a row for each world")
    chosen = parser.parse_args(arguments)
    settings = Settings(chains=chosen.chains, warmup=chosen.warmup, draws=chosen.draws)
    folder = CACHE / "recovery" / recovery_study.fingerprint(settings)
    seeds = recovery_study.SEEDS[: chosen.seeds]
    records = campaign(folder, chosen.world, seeds, settings, chosen.workers)
    found = result(records, settings)
    print(json.dumps(found["summary"], indent=1))
    whole = seeds == recovery_study.SEEDS and settings == DEFAULT_SETTINGS
    if (chosen.record or chosen.ledger) and not whole:
        parser.error("only the whole campaign with default settings is recorded")
    if chosen.record:
        if list(records) != list(WORDS):
            parser.error("both worlds are recorded together")
        RESULTS.parent.mkdir(exist_ok=True)
        write_atomically(RESULTS, written(found))
    if chosen.ledger:
        for world in records:
            ledger.append(row(world, found["summary"][world], settings))
    return 0 if all(world["met"] for world in found["summary"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
