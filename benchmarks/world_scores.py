"""What the back-tests in simulated worlds come to: every table counted once, standard errors by table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from benchmarks.simulated import SEED, Study

COLUMNS = ("method", "table", "target", "hit", "width", "crps", "error", "healthy")
RIGHT = "right law"
OFF, ON = "bare law", "misfit"


def scored(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a method: means over tables of coverage (with its standard error), width, CRPS and bias."""
    tables = rows.groupby(["method", "table"], sort=False)[
        ["hit", "width", "crps", "error", "healthy"]
    ].mean()
    groups = tables.groupby("method", sort=False)
    shown = groups.mean().rename(columns={"hit": "coverage", "error": "bias"})
    shown.insert(0, "tables", groups.size())
    shown.insert(2, "se", groups["hit"].std() / shown["tables"] ** 0.5)
    return shown


def by_world(rows: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The scores of every world that has rows, (world, method)."""
    return pd.concat({world: scored(found) for world, found in rows.items() if len(found)}, names=["world"])


def judged(study: Study, rows: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, bool]:
    """The scores of all targets but those reported apart, and whether they are what the study asks for."""
    near = {world: found[~found["target"].isin(study.apart)] for world, found in rows.items()}
    scores = by_world(near)
    off, on = scores.loc[(RIGHT, OFF)], scores.loc[(RIGHT, ON)]
    fine = (
        study.off[0] <= off["coverage"] <= study.off[1]
        and study.on[0] <= on["coverage"] <= study.on[1]
        and on["width"] <= study.wider * off["width"]
        and on["crps"] <= study.worse * off["crps"]
        and all(scores.loc[(world, ON), "coverage"] >= least for world, least in study.floor.items())
        and all(len(set(found["table"])) == study.tables[world] for world, found in rows.items())
    )
    return scores, bool(fine)


def ledger_row(name: str, study: Study, rows: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """The figures of a study, lists in the order of its worlds."""
    scores, met = judged(study, rows)
    figures: dict[str, Any] = {"world": list(study.worlds), "tables": [study.tables[w] for w in study.worlds]}
    for method, word in ((OFF, "off"), (ON, "on")):
        mine = scores.xs(method, level="method").loc[list(study.worlds)]
        figures[f"coverage_{word}"] = [round(float(value), 3) for value in mine["coverage"]]
        figures[f"width_{word}_1e-3"] = [round(1e3 * float(value), 1) for value in mine["width"]]
        figures[f"crps_{word}_1e-3"] = [round(1e3 * float(value), 2) for value in mine["crps"]]
        figures[f"healthy_{word}"] = [round(float(value), 2) for value in mine["healthy"]]
    for kind in study.apart:
        far = by_world({world: found[found["target"] == kind] for world, found in rows.items()})
        for method, word in ((OFF, "off"), (ON, "on")):
            mine = far.xs(method, level="method").loc[list(study.worlds)]
            figures[f"coverage_{word}, {kind}"] = [round(float(value), 3) for value in mine["coverage"]]
    return {
        "benchmark": f"world_backtests_{name}",
        "claim": "90 % intervals on one next run of simulated tables, means over tables",
        "figures": figures,
        "target": (
            f"right law: off {study.off[0]} to {study.off[1]}, on {study.on[0]} to {study.on[1]}, at most "
            f"{study.wider}x as wide, CRPS at most {study.worse}x; other worlds on at least .85, a bend .80"
        ),
        "met": met,
        "settings": {"seed": SEED, **asdict(study.sampler)},
    }
