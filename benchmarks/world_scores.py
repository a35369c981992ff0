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
    floors = {
        least: [w for w, asked in study.floor.items() if asked == least] for least in study.floor.values()
    }
    figures: dict[str, Any] = {"world": list(study.worlds), "tables": [study.tables[w] for w in study.worlds]}
    apart = {
        kind: {world: found[found["target"] == kind] for world, found in rows.items()} for kind in study.apart
    }
    for kind, found in {"": scores, **{f", {kind}": by_world(far) for kind, far in apart.items()}}.items():
        for score, unit, digits in (
            ("coverage", 1.0, 3),
            ("width", 1e3, 1),
            ("crps", 1e3, 2),
            ("healthy", 1.0, 2),
        ):
            for method, word in ((OFF, "off"), (ON, "on")):
                mine = unit * found.xs(method, level="method").loc[list(study.worlds), score]
                label = f"{score}_{word}{'_1e-3' if unit > 1 else ''}{kind}"
                figures[label] = [round(float(value), digits) for value in mine]
    return {
        "benchmark": f"world_backtests_{name}",
        "claim": f"90 % intervals on one next run of simulated tables, {name} worlds, means over tables",
        "figures": figures,
        "target": (
            f"right law: off {study.off[0]} to {study.off[1]}, on {study.on[0]} to {study.on[1]}, at most "
            f"{study.wider}x as wide, CRPS at most {study.worse}x; on at least "
            + "; ".join(f"{least} in {', '.join(worlds)}" for least, worlds in floors.items())
        ),
        "met": met,
        "settings": {"seed": SEED, **asdict(study.sampler)},
    }
