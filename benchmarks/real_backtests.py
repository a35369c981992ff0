"""How would forecasts of the larger runs of public tables have done, made from the smaller ones alone?

`python -m benchmarks.real_backtests [--workers 1] [--partial] [--recorded] [--ledger]`. Tables are those of
`real_backtests.toml`, each cut at a half, a quarter, an eighth and a sixteenth of its largest compute wherever 14 rows
are left. Units are kept under `benchmarks/cache`: a run that was cut off goes on where it ended. Families are counted,
not rows: a table's figures are the means over its cuts, a family's over its tables.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayes_dsl.campaign import Campaign, Unit, results
from bayes_dsl.errors import InputError
from bayes_dsl.files import write_atomically
from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.inference.settings import Settings
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation.backtest import backtest
from bayes_dsl.validation.calibration import fingerprint
from bayes_dsl.validation.holdouts import holdouts
from bayes_dsl.validation.worlds import study_of
from benchmarks import ledger
from benchmarks.running import run_here

REAL = ledger.ROOT.parent / "shared" / "data" / "real"
TABLES = Path(__file__).with_suffix(".toml")
CACHE = ledger.ROOT / "benchmarks" / "cache" / "real_backtests"
RESULT = ledger.ROOT / "benchmarks" / "results" / "real_backtests.json"
FACTORS = (2.0, 4.0, 8.0, 16.0)
METHODS = ("misfit", "bare law", "point fit", "point fit, gamma 1")
SETTINGS = Settings(chains=2, warmup=500, draws=500, most_draws=2000, target_accept=0.95)
SEED = 0


def listed() -> dict[str, Any]:
    """The file of tables: `table`, a list, and `seen`, families that were looked at before."""
    return tomllib.loads(TABLES.read_text(encoding="utf-8"))


def opened(table: Mapping[str, Any], folder: Path = REAL) -> RunTable:
    """The rows of one entry that take part."""
    read = RunTable.read(
        folder / table["file"],
        columns=table["columns"],
        where=tuple(table.get("where", ())),
        counting=table.get("counting"),
    )
    if not table.get("best"):
        return read
    used = read.used
    frame = pd.DataFrame({name: used.values(name) for name in ("params", "tokens", "loss")})
    best = frame.groupby(["params", "tokens"], as_index=False)["loss"].min().assign(role="supervised")
    return RunTable.from_pandas(best)


def make(
    payload: Mapping[str, Any], settings: Mapping[str, Any], folder: Path, needs: Mapping[str, Path]
) -> dict[str, Any]:
    """One table at one cut: what each method's forecasts were worth, and by distance."""
    (entry,) = (one for one in listed()["table"] if one["name"] == payload["table"])
    how = Settings(**settings["sampler"])
    found = backtest(
        opened(entry), factors=(payload["factor"],), methods=METHODS, seed=int(settings["seed"]), settings=how
    )
    plain = {"summary": found.summary(), "by_distance": found.by_distance()}
    return {
        **{name: json.loads(frame.to_json(orient="records")) for name, frame in plain.items()},
        "known": int(found.rows["known"].iloc[0]),
        "notes": list(found.notes),
    }


def campaign() -> Campaign:
    units = []
    for entry in listed()["table"]:
        table = opened(entry)
        for factor in FACTORS:
            try:
                (cut,) = holdouts(table, (factor,))
            except InputError:
                continue  # fewer than 14 rows are left
            name = f"{entry['name']}-{factor:g}x"
            payload = {"table": entry["name"], "factor": factor, "sha256": table.sha256}
            units.append(Unit(name=name, payload=payload, cost=float(len(cut.known))))
    settings = {"seed": SEED, "sampler": asdict(SETTINGS), "methods": METHODS}
    return Campaign(
        folder=CACHE, work="benchmarks.real_backtests:make", units=tuple(units), settings=settings
    )


def gathered(campaign: Campaign, *, partial: bool = False) -> pd.DataFrame:
    """One row a table, cut and method."""
    families = {entry["name"]: entry["family"] for entry in listed()["table"]}
    rows = [
        {
            "family": families[unit.payload["table"]],
            "table": unit.payload["table"],
            "known": result["known"],
            **row,
        }
        for unit, result, _ in results(campaign, partial=partial)
        for row in result["summary"]
    ]
    return pd.DataFrame(rows)


def by_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over the cuts of each table, (table, method)."""
    return rows.groupby(["family", "table", "method"], sort=False)[
        ["coverage", "crps", "width", "bias"]
    ].mean()


def by_method(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over families: coverage, width and bias; CRPS as a geometric mean, and the tables won."""
    tables = by_table(rows)
    families = tables.groupby(["family", "method"], sort=False).mean()
    shown = families[["coverage", "width", "bias"]].groupby("method", sort=False).mean()
    logs = np.log(tables["crps"]).unstack("method")
    shown["crps"] = np.exp(logs.groupby("family").mean().mean())
    for rival in ("point fit", "point fit, gamma 1"):
        ratio = logs.sub(logs[rival], axis=0)
        shown[f"crps / {rival}"] = np.exp(ratio.groupby("family").mean().mean())
        shown[f"tables won against {rival}"] = (ratio < 0).sum()
    return shown


# What a prototype of the misfit reached on the same tables and cuts, means of logarithms over tables.
PROTOTYPE_CRPS = 0.0037
COVERAGE = (0.80, 0.97)


def by_cut(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over families at each held-out share of the compute, (factor, method); CRPS as a geometric mean."""
    logs = rows.assign(crps=np.log(rows["crps"]))
    families = logs.groupby(["factor", "family", "method"])[["coverage", "crps", "width"]].mean()
    shown = families.groupby(["factor", "method"]).mean()
    return shown.assign(crps=np.exp(shown["crps"]))


def program() -> str:
    """What the posteriors sample, by the numbers it gives, bare law and with misfit."""
    return " ".join(fingerprint(study_of("supervised", misfit=misfit))[:16] for misfit in (None, Misfit()))


def ledger_row(rows: pd.DataFrame) -> dict[str, Any]:
    """The figures, every list by family or in the order of `METHODS`, and whether they are those asked for."""
    shown, tables = by_method(rows).loc[list(METHODS)], by_table(rows)
    crps = np.exp(np.log(tables["crps"]).groupby("method").mean()).loc[list(METHODS)]
    families = tables["coverage"].groupby(["family", "method"]).mean().unstack("method")
    seen = families.index.isin(listed()["seen"])
    won = int(shown.loc["misfit", "tables won against point fit"])
    healthy = rows.groupby("method")["healthy"].sum().loc[list(METHODS)]
    count = rows["table"].nunique()
    covered = float(shown.loc["misfit", "coverage"])
    figures: dict[str, Any] = {
        "method": list(METHODS),
        "coverage": [round(float(value), 3) for value in shown["coverage"]],
        "crps_1e-3": [round(1e3 * float(value), 2) for value in crps],
        "width": [round(float(value), 4) for value in shown["width"]],
        "tables": count,
        "tables_won_against_point_fit": won,
        "family": list(families.index),
        "misfit_coverage_by_family": [round(float(value), 3) for value in families["misfit"]],
        "misfit_coverage_seen": round(float(families["misfit"][seen].mean()), 3),
        "misfit_coverage_others": round(float(families["misfit"][~seen].mean()), 3),
        "crps_over_point_fit": round(float(shown.loc["misfit", "crps / point fit"]), 3),
        "healthy_units": [int(value) for value in healthy],
    }
    for method, cuts in by_cut(rows).groupby("method"):
        for name, unit in (("coverage", 1.0), ("crps_1e-3", 1e3), ("width_1e-3", 1e3)):
            shown_at = unit * cuts[name.partition("_")[0]]
            figures[f"{name}_at_2_4_8_16x, {method}"] = [float(f"{value:.3g}") for value in shown_at]
    return {
        "benchmark": "real_backtests",
        "claim": "90 % intervals on the larger runs of public tables from the smaller ones, means over families",
        "figures": figures,
        "target": "misfit covers .80 to .97, better CRPS than the point fit on most tables, at most 3.7e-3 over all",
        "met": bool(
            COVERAGE[0] <= covered <= COVERAGE[1] and 2 * won > count and crps["misfit"] <= PROTOTYPE_CRPS
        ),
        "settings": {"seed": SEED, "factors": list(FACTORS), **asdict(SETTINGS)},
        "note": "the misfit's prior was set on simulated worlds, its form by a prototype that had every family in view",
    }


def recorded() -> pd.DataFrame:
    """The rows as they were recorded."""
    return pd.DataFrame(json.loads(RESULT.read_text(encoding="utf-8"))["rows"])


def measured(workers: int, *, partial: bool) -> pd.DataFrame:
    """The rows of the campaign, which is run first unless what is there is enough; they are recorded."""
    made = campaign()
    if not partial:
        run_here(made, workers=workers)
    rows = gathered(made, partial=partial)
    have = len(recorded()) if RESULT.is_file() else 0
    if len(rows) < have:
        raise SystemExit(
            f"{len(rows)} rows are under {CACHE.name}, {have} are recorded: --recorded reads these, without --partial "
            "the rest is run first"
        )
    told = {
        "seed": SEED,
        "sampler": asdict(SETTINGS),
        "program": program(),
        "seen": listed()["seen"],
        "units_asked": len(made.units),
        "rows": json.loads(rows.to_json(orient="records")),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(RESULT, json.dumps(told, sort_keys=True, indent=1) + "\n")
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--partial", action="store_true", help="only gather what is there already")
    parser.add_argument("--recorded", action="store_true", help="only read what is recorded")
    parser.add_argument("--ledger", action="store_true", help="append a row")
    asked = parser.parse_args(arguments)
    rows = recorded() if asked.recorded else measured(asked.workers, partial=asked.partial)
    shown, families = by_method(rows), by_table(rows)["coverage"].groupby(["family", "method"]).mean()
    print(by_table(rows).to_string(float_format="{:.4f}".format))
    print(families.unstack("method").to_string(float_format="{:.3f}".format))
    print(shown.to_string(float_format="{:.4f}".format))
    print(by_cut(rows).unstack("factor").to_string(float_format="{:.4f}".format))
    if asked.ledger:
        row = ledger_row(rows)
        ledger.append({**row, "note": f"{row['note']}; {ledger.SUMMED_UP}"} if asked.recorded else row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
