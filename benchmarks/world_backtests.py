"""Do forecasts hold in simulated worlds, some of them not the law's? One table after another, misfit off and on.

`python -m benchmarks.world_backtests [--study supervised] [--world NAME ...] [--workers 2] [--partial] [--ledger]`.
The worlds, tables and targets of a study are fixed in `supervised_worlds.py` and `distillation_worlds.py`. Tables that
`benchmarks/results/worlds` has already, of the same program, are not run again; the others are units kept under
`benchmarks/cache`, so that a run that was cut off goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayes_dsl.campaign import Campaign, Unit, results
from bayes_dsl.errors import ExtrapolationWarning, NotConverged
from bayes_dsl.files import write_atomically
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.validation.backtest import log_crps
from bayes_dsl.validation.calibration import fingerprint
from bayes_dsl.validation.worlds import study_of
from benchmarks import distillation_worlds, ledger, supervised_worlds
from benchmarks.running import run_here
from benchmarks.simulated import SEED, Floats, Study, Target
from benchmarks.world_scores import COLUMNS, by_world, ledger_row

CACHE = ledger.ROOT / "benchmarks" / "cache" / "worlds"
RESULTS = ledger.ROOT / "benchmarks" / "results" / "worlds"
STUDIES: Mapping[str, Study] = {
    "supervised": supervised_worlds.STUDY,
    "distillation": distillation_worlds.STUDY,
}
PROB = 0.9
BATCH = 5


def program_of(study: Study) -> str:
    """What is sampled, by the numbers it gives: a record of another program is not gone on with."""
    return " ".join(fingerprint(study_of(study.law, misfit=misfit))[:16] for misfit in study.methods.values())


def make(
    payload: Mapping[str, Any], settings: Mapping[str, Any], folder: Path, needs: Mapping[str, Path]
) -> dict[str, Any]:
    """Some tables of one world: what each method said of every target."""
    study, how = STUDIES[settings["study"]], Settings(**settings["sampler"])
    first = int(payload["first"])
    rows = [
        row
        for number in range(first, first + int(payload["count"]))
        for row in judged(study, payload["world"], number, seed=int(settings["seed"]), settings=how)
    ]
    return {"rows": rows}


def judged(study: Study, world: str, number: int, *, seed: int, settings: Settings) -> list[dict[str, Any]]:
    """Every method and target of one table, as rows of `COLUMNS`."""
    simulated = study.simulated(world, number, seed=seed)
    rows = []
    for method, misfit in study.methods.items():
        healthy = True
        try:
            posterior = fit(simulated.known, misfit=misfit, seed=number, settings=settings)
        except NotConverged as error:
            posterior, healthy = error.posterior, False
        for target in simulated.targets:
            loss = losses(posterior, target)
            lower, median, upper = np.quantile(loss, [(1 - PROB) / 2, 0.5, (1 + PROB) / 2])
            rows.append(
                {
                    "method": method,
                    "table": number,
                    "target": target.kind,
                    "hit": int(lower <= target.loss <= upper),
                    "width": float(f"{np.log(upper / lower):.5g}"),
                    "crps": float(f"{log_crps(np.array([target.loss]), loss[:, None])[0]:.5g}"),
                    "error": float(f"{np.log(target.loss / median):.5g}"),
                    "healthy": int(healthy),
                }
            )
    return rows


def losses(posterior: Posterior, target: Target) -> Floats:
    """Draws of what the target would show as the next run, (draw,) nats per token."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)  # every target lies beyond
        found = next_run_loss(
            posterior,
            student_params=target.params,
            student_tokens=target.tokens,
            teacher_loss=target.teacher_loss,
            teacher_params=target.teacher_params,
            teacher_tokens=target.teacher_tokens,
        )
    return np.asarray(found.loss).reshape(-1)


def campaign_of(name: str, worlds: Sequence[str], *, tables: int | None = None) -> Campaign:
    """The tables of some worlds that are not recorded yet; `tables` of each at most."""
    study = STUDIES[name]
    program, units = program_of(study), []
    for world in worlds:
        have = set(recorded(name, world, program)["table"])
        count = study.tables[world] if tables is None else min(tables, study.tables[world])
        for first in range(0, count, BATCH):
            numbers = range(first, min(first + BATCH, count))
            if not have.issuperset(numbers):
                payload = {"world": world, "first": first, "count": len(numbers)}
                label = f"{world.replace(' ', '-')}-{first:03d}"
                units.append(Unit(name=label, payload=payload, cost=study.seconds * len(numbers)))
    settings = {"study": name, "seed": SEED, "sampler": asdict(study.sampler), "program": program}
    return Campaign(
        folder=CACHE / name, work="benchmarks.world_backtests:make", units=tuple(units), settings=settings
    )


def recorded(name: str, world: str, program: str | None = None) -> pd.DataFrame:
    """The rows of one world as they were recorded, none where there are none or of another `program`."""
    path = RESULTS / f"{name}-{world.replace(' ', '-')}.json"
    told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not told or (program is not None and told["program"] != program):
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.DataFrame(told["rows"], columns=list(COLUMNS))


def record(name: str, made: Campaign, *, partial: bool) -> None:
    """Add what the campaign's units have found to the record."""
    fresh: dict[str, list[dict[str, Any]]] = {}
    for unit, result, _ in results(made, partial=partial):
        fresh.setdefault(unit.payload["world"], []).extend(result["rows"])
    program = str(made.settings["program"])
    RESULTS.mkdir(parents=True, exist_ok=True)
    for world, found in fresh.items():
        rows = pd.concat([recorded(name, world, program), pd.DataFrame(found)], ignore_index=True)
        rows = rows.drop_duplicates(["method", "table", "target"]).sort_values(
            ["table", "method", "target"], kind="stable"
        )
        told = {
            "program": program,
            "seed": SEED,
            "sampler": asdict(STUDIES[name].sampler),
            "columns": list(COLUMNS),
            "asked": STUDIES[name].tables[world],
        }
        lines = ",\n".join(json.dumps(row) for row in rows[list(COLUMNS)].to_numpy(object).tolist())
        head = json.dumps(told, sort_keys=True)[:-1]
        path = RESULTS / f"{name}-{world.replace(' ', '-')}.json"
        write_atomically(path, f'{head}, "rows": [\n{lines}\n]}}\n')


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", choices=list(STUDIES), default="supervised")
    parser.add_argument("--world", action="append", help="default: all of the study")
    parser.add_argument("--tables", type=int, help="of each world, at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--partial", action="store_true", help="only gather what is there already")
    parser.add_argument("--ledger", action="store_true", help="append a row")
    asked = parser.parse_args(arguments)
    study = STUDIES[asked.study]
    worlds = asked.world or list(study.worlds)
    if unknown := set(worlds) - set(study.worlds):
        parser.error(
            f"--world {', '.join(sorted(unknown))}: the {asked.study} study has {', '.join(study.worlds)}"
        )
    made = campaign_of(asked.study, worlds, tables=asked.tables)
    if not asked.partial and made.units:
        run_here(made, workers=asked.workers)
    if made.units:
        record(asked.study, made, partial=asked.partial)
    rows = {world: recorded(asked.study, world) for world in study.worlds}
    print(by_world(rows).to_string(float_format="{:.4f}".format))
    if asked.ledger:
        row = ledger_row(asked.study, study, rows)
        ledger.append(row if made.units and not asked.partial else {**row, "note": ledger.SUMMED_UP})
    return 0


if __name__ == "__main__":
    sys.exit(main())
