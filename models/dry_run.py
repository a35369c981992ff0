"""What a plan would cost, told without training anything."""

from __future__ import annotations

from collections.abc import Iterator

from bayes_dsl.runs.quantities import format_quantity
from models import estimate
from models.estimate import SAFETY, Cost
from models.plan_tables import Plan
from models.progress import duration
from models.sweep import Group, costs_of, groups_of

FEW_STEPS = 480
"""Steps below which a run says more of its optimiser than of its size and data."""


def describe(plan: Plan, workers: int) -> Iterator[str]:
    """Runs, tokens, FLOPs and core seconds of each block and of the whole, a line each."""
    groups = groups_of(plan)
    costs = costs_of(plan, groups)
    runs = [run for group in groups for run in group.runs]
    distilled = sum(run.role == "distilled" for run in runs)
    yield f"plan {plan.name}: {len(runs)} runs in {len(groups)} units, {distilled} of them distilled"
    header = ("block", "runs", "tokens", "FLOPs", "core seconds")
    rows = _of_blocks(plan, groups, costs)
    whole = estimate.total(costs)
    cells = [header, *(_cells(*row) for row in [*rows, ("all", len(runs), whole)])]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join((row[0].ljust(len(first)), *others))
    yield _time(plan, groups, costs, workers)
    few = [run for run in runs if run.steps < FEW_STEPS]
    if few:
        yield (
            f"note: {len(few)} runs have fewer than {FEW_STEPS} steps, such as {few[0].run_id} with "
            f"{few[0].steps}: they say more of the optimiser than of size and data"
        )


def _of_blocks(plan: Plan, groups: tuple[Group, ...], costs: tuple[Cost, ...]) -> list[tuple[str, int, Cost]]:
    """Each block with its runs and costs; what a unit's runs share is the first one's."""
    found: dict[str, list[Cost]] = {}
    shared: dict[str, Cost] = {}
    for group, cost in zip(groups, costs, strict=True):
        own = [estimate.cost_of_run(plan, run) for run in group.runs]
        for run, its in zip(group.runs, own, strict=True):
            found.setdefault(f"stage {run.stage} {run.block}", []).append(its)
        first = f"stage {group.first.stage} {group.first.block}"
        shared[first] = shared.get(first, Cost()) + cost - estimate.total(own)
    return [(name, len(its), estimate.total([*its, shared.get(name, Cost())])) for name, its in found.items()]


def _cells(name: str, runs: int, cost: Cost) -> tuple[str, ...]:
    flops, seconds = f"{cost.flops:.3g}", f"{cost.core_seconds:,.0f}"
    return name, str(runs), format_quantity(cost.tokens, digits=3), flops, seconds


def _time(plan: Plan, groups: tuple[Group, ...], costs: tuple[Cost, ...], workers: int) -> str:
    """Wall time: the work shared out, never less than the longest teacher with its longest student."""
    of = {group.name: cost.core_seconds for group, cost in zip(groups, costs, strict=True)}
    chains = [of[group.name] + (of[group.teacher.run_id] if group.teacher else 0.0) for group in groups]
    seconds = max(sum(of.values()) / max(1, workers), *chains) * SAFETY
    corpus = estimate.corpus_seconds(plan)
    made = "the corpus comes on top" if corpus is None else f"with {duration(corpus)} for the corpus"
    each = "1 worker" if workers == 1 else f"{workers} workers"
    return (
        f"about {duration(seconds + (corpus or 0.0))} with {each} on cores of 2.1 GHz, {made}; "
        f"a margin of {100 * (SAFETY - 1):.0f} % is in it"
    )
