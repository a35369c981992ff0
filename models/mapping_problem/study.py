"""A study of the mapping problem: from its plan to units of work, and from their results to the figures' data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from bayes_dsl import campaign
from bayes_dsl.campaign import Campaign, Status, Unit
from bayes_dsl.files import write_atomically
from bayes_dsl.runs.writing import csv_text
from models.mapping_problem.plan import MappingPlan

WORK = "models.mapping_problem.unit:work"
"""The function that trains a unit, imported by the workers alone: this module loads no JAX."""

NETWORKS, FIGURE = "networks.csv", "figure.csv"

NETWORK_COLUMNS = (
    "run_id",
    "role",
    "trial",
    "width",
    "params",
    "steps",
    "samples",
    "teacher_id",
    "teacher_width",
    "teacher_steps",
    "cross_entropy",
    "cross_entropy_se",
    "accuracy",
    "copy_accuracy",
    "match_accuracy",
    "teacher_kl",
)
"""A row for each network trained."""

MEASURES = ("cross_entropy", "accuracy", "copy_accuracy", "match_accuracy")
FIGURE_COLUMNS = (
    "figure",
    "student_width",
    "teacher_width",
    "teacher_steps",
    "trials",
    *(f"student_{name}{end}" for name in MEASURES for end in ("", "_q25", "_q75")),
    *(f"teacher_{name}" for name in MEASURES),
    *(f"supervised_{name}" for name in MEASURES),
)
"""A row for each point of a curve: medians over the trials, quartiles where there are two trials or more."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network of a study; its seeds follow from the trial and the part it plays.

    All students of a trial, and those who learn from labels alone, see the same samples in the same order, and
    those of one width start from the same parameters: along a curve only the teacher differs.
    """

    role: Literal["teacher", "supervised", "distilled"]
    trial: int
    width: int
    steps: int
    teacher: Network | None = None
    by_steps: bool = False

    @property
    def name(self) -> str:
        """Its `run_id`, and the name of its unit."""
        own = f"w{self.width}" + (f"-n{self.steps}" if self.by_steps else "")
        if self.teacher is None:
            return f"{self.role}-{own}-t{self.trial}"
        teacher = self.teacher.name.removeprefix("teacher-").removesuffix(f"-t{self.trial}")
        return f"distilled-{own}-from-{teacher}-t{self.trial}"

    @property
    def seed(self) -> int:
        """Of its initial parameters and its samples; teachers have other ones than students."""
        return 2 * self.trial + (self.role != "teacher")


def networks_of(plan: MappingPlan) -> tuple[Network, ...]:
    """Every network of a plan: by trial the teachers, then each student without and with each of them."""
    return tuple(
        network
        for trial in range(plan.first_trial, plan.first_trial + plan.trials)
        for network in _networks_of_trial(plan, trial)
    )


def _networks_of_trial(plan: MappingPlan, trial: int) -> Iterator[Network]:
    teachers = [
        Network(role="teacher", trial=trial, width=width, steps=plan.steps_of(width))
        for width in plan.teacher_widths
    ]
    if (more := plan.teacher_steps) is not None:
        teachers += [
            Network(role="teacher", trial=trial, width=more.width, steps=steps, by_steps=True)
            for steps in more.steps
        ]
    yield from teachers
    for width in plan.student_widths:
        steps = plan.steps_of(width)
        yield Network(role="supervised", trial=trial, width=width, steps=steps)
        for teacher in teachers:
            yield Network(role="distilled", trial=trial, width=width, steps=steps, teacher=teacher)


def campaign_of(plan: MappingPlan, folder: Path) -> Campaign:
    """The campaign that trains a plan in a folder; a longer plan of the same task keeps what is done."""
    units = tuple(
        Unit(
            name=network.name,
            payload={
                "width": network.width,
                "steps": network.steps,
                "seed": network.seed,
                "data_seed": network.seed,
                **({"teacher_width": network.teacher.width} if network.teacher else {}),
            },
            needs=(network.teacher.name,) if network.teacher else (),
            cost=core_seconds(plan, network),
            stage=0 if network.role == "teacher" else 1,
        )
        for network in networks_of(plan)
    )
    shared = (
        "classes",
        "copy_share",
        "batch",
        "peak_rate",
        "mixing",
        "temperature",
        "eval_samples",
        "eval_seed",
    )
    return Campaign(
        folder=folder, work=WORK, units=units, settings={name: getattr(plan, name) for name in shared}
    )


def core_seconds(plan: MappingPlan, network: Network) -> float:
    """A guess of what a network costs: 8e10 FLOPs and 1000 steps a second of one core, and 3 s to start."""
    flops = 6 * plan.params_of(network.width)
    if network.teacher is not None:
        flops += 2 * plan.params_of(network.teacher.width)
    return 3.0 + network.steps * (1e-3 + plan.batch * flops / 8e10)


def run(
    plan: MappingPlan,
    folder: Path,
    *,
    workers: int = 2,
    retry_failed: bool = False,
    progress: Callable[[Status], None] | None = None,
) -> Status:
    """Train what the folder does not hold yet; write both tables there once nothing failed.

    Raises
    ------
    InputError
        What `bayes_dsl.campaign.run` raises.
    """
    wanted = campaign_of(plan, folder)
    status = campaign.run(wanted, workers=workers, retry_failed=retry_failed, progress=progress)
    if not (status.failed or status.blocked):
        networks = network_table(plan, folder)
        write_atomically(folder / NETWORKS, csv_text(networks))
        write_atomically(folder / FIGURE, csv_text(figure_table(networks)))
    return status


def network_table(plan: MappingPlan, folder: Path) -> pd.DataFrame:
    """A row for each network, columns `NETWORK_COLUMNS`, in the order of `networks_of`.

    Raises
    ------
    InputError
        A network is not trained yet.
    """
    results = campaign.results(campaign_of(plan, folder))
    rows = [
        {
            "run_id": network.name,
            "role": network.role,
            "trial": network.trial,
            "width": network.width,
            "steps": network.steps,
            "teacher_id": network.teacher and network.teacher.name,
            "teacher_width": network.teacher and network.teacher.width,
            "teacher_steps": network.teacher and network.teacher.steps,
            **result,
        }
        for network, (_, result, _) in zip(networks_of(plan), results, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=list(NETWORK_COLUMNS))
    floats = (*NETWORK_COLUMNS[NETWORK_COLUMNS.index("cross_entropy") :],)
    return frame.astype(
        {**dict.fromkeys(("teacher_width", "teacher_steps"), "Int64"), **dict.fromkeys(floats, float)}
    )


def figure_table(networks: pd.DataFrame) -> pd.DataFrame:
    """The curves of Figs 11 and 12, columns `FIGURE_COLUMNS`, from the table of networks."""
    by_id = networks.set_index("run_id")
    distilled = networks[networks["role"] == "distilled"]
    points = distilled.assign(teacher=distilled["teacher_id"].str.replace(r"-t\d+$", "", regex=True))
    rows = [
        _point(str(teacher), int(width), members, by_id)
        for (width, teacher), members in points.groupby(["width", "teacher"], sort=False)
    ]
    # The figures' two curves of a student follow one another.
    frame = pd.DataFrame(rows, columns=list(FIGURE_COLUMNS))
    return frame.sort_values("figure", kind="stable", ignore_index=True)


def _point(teacher: str, width: int, members: pd.DataFrame, by_id: pd.DataFrame) -> dict[str, Any]:
    taught_by = by_id.loc[members["teacher_id"]]
    alone = by_id.loc[[f"supervised-w{width}-t{trial}" for trial in members["trial"]]]
    point: dict[str, Any] = {
        "figure": "teacher steps" if "-n" in teacher else "teacher width",
        "student_width": width,
        "teacher_width": int(members["teacher_width"].iloc[0]),
        "teacher_steps": int(members["teacher_steps"].iloc[0]),
        "trials": len(members),
    }
    for name in MEASURES:
        values = members[name].to_numpy(float)
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        several = len(values) > 1
        point |= {
            f"student_{name}": middle,
            f"student_{name}_q25": low if several else np.nan,
            f"student_{name}_q75": high if several else np.nan,
            f"teacher_{name}": float(np.median(taught_by[name])),
            f"supervised_{name}": float(np.median(alone[name])),
        }
    return point


def told(folder: Path) -> tuple[str, ...]:
    """The summary of the figures' data that `run` wrote into a folder."""
    return summary(pd.read_csv(folder / FIGURE))


def summary(figure: pd.DataFrame) -> tuple[str, ...]:
    """A sentence for each curve: the teacher that helps most, and what the largest (or longest trained) one costs."""
    lines = []
    for (which, width), rows in figure.groupby(["figure", "student_width"], sort=False):
        moving = "teacher_width" if which == "teacher width" else "teacher_steps"
        rows = rows.sort_values(moving)
        best, last = rows.loc[rows["student_cross_entropy"].idxmin()], rows.iloc[-1]
        alone = rows["supervised_cross_entropy"].iloc[0]
        lines.append(
            f"student of width {width}, by {which}: best {best['student_cross_entropy']:.3f} nats at {best[moving]}, "
            f"{last['student_cross_entropy']:.3f} at {last[moving]}, {alone:.3f} from labels alone "
            f"({best['trials']} trial{'s' if best['trials'] > 1 else ''})"
        )
    return tuple(lines)
