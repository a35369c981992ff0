"""From a plan to units of work: which runs are trained together, what they wait for, and what they will cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bayes_dsl.campaign import Campaign, Unit
from models import estimate
from models.corpus.specs import spec_as_json
from models.estimate import Cost
from models.expansion import PlannedRun, runs_of, short
from models.plan_tables import Plan

WORK = "models.unit:work"
"""The function that trains a unit, imported by the workers alone: this module loads no JAX."""

TRAINER = 1
"""Raised when the same plan comes to mean other numbers: then nothing that was trained before counts as done."""

PLAN, CORPUS = "plan.toml", "corpus"
"""In a sweep's folder: the plan as it was given, and the folder of corpora."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Runs that are trained side by side in one unit: students share their teacher's forward passes.

    Attributes
    ----------
    name
        The unit's.
    runs
        One run; or students of one teacher on the same batches.
    teacher
        The run that teaches them, None for supervised runs.
    """

    name: str
    runs: tuple[PlannedRun, ...]
    teacher: PlannedRun | None

    @property
    def first(self) -> PlannedRun:
        """A run that speaks for what all of them share: tokens, order of the data, batch, stage."""
        return self.runs[0]

    @property
    def trunk_id(self) -> str | None:
        """The WSD run that this one branches off."""
        trunk = self.first.trunk_id
        return None if trunk == self.first.run_id else trunk

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the units that it waits for: those of its teacher and its trunk bear the runs' names."""
        teacher = None if self.teacher is None else self.teacher.run_id
        return tuple(name for name in (teacher, self.trunk_id) if name is not None)

    def shape(self) -> tuple[Any, ...]:
        """What its compiled program depends on."""
        students = tuple(
            (
                run.width,
                run.recipe.micro_tokens,
                run.distillation
                and (run.distillation.divergence, run.distillation.top_k, run.distillation.top_p),
            )
            for run in self.runs
        )
        return self.first.recipe.batch_tokens, students, self.teacher and self.teacher.width


def groups_of(plan: Plan) -> tuple[Group, ...]:
    """The units of a plan in the order of its runs."""
    runs = runs_of(plan)
    by_name = {run.run_id: run for run in runs}
    together: dict[str, list[PlannedRun]] = {}
    for run in runs:
        together.setdefault(_unit_name(plan, run), []).append(run)
    return tuple(
        Group(
            name=name,
            runs=tuple(members),
            teacher=by_name[members[0].distillation.teacher_id] if members[0].distillation else None,
        )
        for name, members in together.items()
    )


def _unit_name(plan: Plan, run: PlannedRun) -> str:
    if run.distillation is None:
        return run.run_id
    other_batch = run.recipe.batch_tokens != plan.recipe.batch_tokens
    return "".join(
        (
            f"{short(run.tokens)}-o{run.data_seed}-from-{run.distillation.teacher_id}",
            f"-stage{run.stage}" if run.stage != 1 else "",
            f"-batch{run.recipe.batch_tokens}" if other_batch else "",
        )
    )


def costs_of(plan: Plan, groups: Sequence[Group]) -> tuple[Cost, ...]:
    """What each unit will cost; the first one of a shape pays for the compilation."""
    compiled: set[tuple[Any, ...]] = set()
    costs = []
    for group in groups:
        cost = estimate.total(estimate.cost_of_run(plan, run) for run in group.runs)
        if group.teacher is not None:
            tokens = group.first.steps * group.first.recipe.batch_tokens
            cost += estimate.cost_of_teaching(plan, group.teacher.width, tokens)
        if group.shape() not in compiled:
            compiled.add(group.shape())
            cost += estimate.cost_of_programs(len(group.runs))
        costs.append(cost)
    return tuple(costs)


def campaign_of(plan: Plan, folder: Path, *, cluster: dict[str, Any] | None = None) -> Campaign:
    """The campaign that trains a plan in a folder.

    What a unit is told holds all that its result depends on and no paths: the folder may be moved.
    """
    groups = groups_of(plan)
    branches = _branches(groups)
    units = tuple(
        Unit(
            name=group.name,
            payload={
                "runs": [_told(run, branches.get(run.run_id, [])) for run in group.runs],
                "teacher": group.teacher and group.teacher.run_id,
                "trunk": group.trunk_id,
            },
            needs=group.needs,
            cost=max(0.1, cost.core_seconds),
            stage=group.first.stage,
        )
        for group, cost in zip(groups, costs_of(plan, groups), strict=True)
    )
    settings = {
        "trainer": TRAINER,
        "corpus": spec_as_json(plan.corpus),
        "network": plan.network.model_dump(),
        # Named only where there are several: what one device made keeps its key.
        **({} if plan.devices.layout == "one" else {"devices": plan.devices.layout}),
    }
    return Campaign(
        folder=folder,
        work=WORK,
        units=units,
        settings=settings if cluster is None else {**settings, "cluster": cluster},
    )


def _branches(groups: Sequence[Group]) -> dict[str, list[int]]:
    """For each trunk the tokens of the runs that branch off it."""
    leaving: dict[str, list[int]] = {}
    for group in groups:
        if group.trunk_id is not None:
            leaving.setdefault(group.trunk_id, []).append(group.first.tokens)
    return leaving


def _told(run: PlannedRun, branches: Sequence[int]) -> dict[str, Any]:
    """What the work is told of a run. What only the table says, as its group, is left out: no reason to retrain."""
    return {
        "run_id": run.run_id,
        "width": run.width,
        "tokens": run.tokens,
        "seed": run.seed,
        "data_seed": run.data_seed,
        "part": run.part,
        "recipe": run.recipe.record(),
        "most_epochs": run.epochs,
        "distillation": run.distillation and asdict(run.distillation),
        "trunk_id": None if run.trunk_id == run.run_id else run.trunk_id,
        "branches": sorted(branches),
        "keep": run.keep,
    }
