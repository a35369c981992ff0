"""From timings of the trainer and its rivals to ratios, shares of the peak, and what of the goals is met."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from models.accounting import count
from models.config import small

WIDTHS = (32, 64, 128, 192)
VOCABULARY, CONTEXT, BATCH = 128, 64, 1024
PLAN_WIDTHS, PLAN_RATES, PLAN_STEPS = (32, 64, 128), (5e-3, 1e-2), 192
RIVALS = ("eager", "compile")
PLAN_RATIO, SMALL, PEAK_SHARE = 1.5, 100_000, 0.45


def label(width: int) -> str:
    """A network by its parameters without the embedding, in thousands."""
    return f"{round(params(width) / 1000)}k"


def params(width: int) -> int:
    return small(width, vocabulary=VOCABULARY, context=CONTEXT).architecture.params


def flops_per_token(width: int) -> float:
    """Model FLOPs of a training step: three forward passes."""
    return 3 * count(small(width, vocabulary=VOCABULARY, context=CONTEXT)).forward_flops


def rate(runs: Sequence[Mapping[str, Any]], seconds: str = "cpu_s") -> float:
    """Median over rounds of tokens per second."""
    return statistics.median(run["steps"] * BATCH / run[seconds] for run in runs)


def figures(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens per second by side and size, ratios of ours to the others, shares of the peak, plans."""
    found: dict[str, Any] = {}
    timings, plans = measured["timings"], measured["plans"]
    for rival in RIVALS:
        for seconds, suffix in (("cpu_s", ""), ("wall_s", "_wall")):
            found[f"ratio_plan_{rival}{suffix}"] = plans[rival][seconds] / plans["ours"][seconds]
    for width in WIDTHS:
        for rival in RIVALS:
            mine, theirs = (rate(timings[side][width]) for side in ("ours", rival))
            found[f"ratio_step_{rival}_{label(width)}"] = mine / theirs
    peaks = {side: max(values) for side, values in measured["peaks"].items()}
    found |= {f"peak_{side}_gflops": value for side, value in peaks.items()}
    for width in WIDTHS:
        for side, of in timings.items():
            found[f"{side}_{label(width)}_tokens_per_cpu_s"] = rate(of[width])
            found[f"{side}_{label(width)}_tokens_per_s"] = rate(of[width], "wall_s")
            speed = rate(of[width]) * flops_per_token(width) / 1e9
            found[f"{side}_{label(width)}_share_of_peak"] = speed / max(peaks.values())
        mine = found[f"ours_{label(width)}_tokens_per_cpu_s"] * flops_per_token(width) / 1e9
        found[f"ours_{label(width)}_share_of_own_peak"] = mine / peaks["ours"]
    for side, plan in plans.items():
        found |= plan_figures(side, plan)
    found["plan_losses_apart_nats"] = losses_apart(plans)
    found["losses_apart"] = measured["losses_apart"]
    loads = [run["load"] for of in timings.values() for runs in of.values() for run in runs]
    found["loads"] = [round(min(loads), 1), round(max(loads), 1)]
    return found


def plan_figures(side: str, plan: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of a plan, of the first run of each shape, and of compiling: what a first run takes beyond the next."""
    found = {f"{side}_plan_cpu_s": plan["cpu_s"], f"{side}_plan_wall_s": plan["wall_s"]}
    each, repeats = plan["runs"], len(PLAN_RATES)
    for place, width in enumerate(PLAN_WIDTHS):
        first, again = each[place * repeats], each[place * repeats + 1]
        found[f"{side}_{label(width)}_short_run_cpu_s"] = first["cpu_s"]
        found[f"{side}_{label(width)}_short_run_wall_s"] = first["wall_s"]
        found[f"{side}_{label(width)}_compile_cpu_s"] = first["cpu_s"] - again["cpu_s"]
    for name, first in plan.items():
        if name.startswith("first_step_"):
            found[f"{side}_{name.removeprefix('first_step_')}_first_step_cpu_s"] = first["cpu_s"]
    return found


def losses_apart(plans: Mapping[str, Any]) -> float:
    """Largest difference of two sides' losses at the end of one run of the plan."""
    ends = [[run["loss"] for run in plan["runs"]] for plan in plans.values()]
    return max(max(of) - min(of) for of in zip(*ends, strict=True))


def verdicts(found: Mapping[str, Any]) -> dict[str, bool]:
    """What was asked, one by one, in processor seconds, which other work on the machine disturbs least."""
    light = [label(width) for width in WIDTHS if params(width) <= SMALL]
    return {
        "plan_met": all(found[f"ratio_plan_{rival}"] >= PLAN_RATIO for rival in RIVALS),
        "step_met": all(found[f"ratio_step_compile_{one}"] >= 1.0 for one in light),
        "share_met": found[f"ours_{label(WIDTHS[-1])}_share_of_peak"] >= PEAK_SHARE,
    }
