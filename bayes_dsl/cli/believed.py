"""What several verbs say about a posterior: where it comes from, its health, and its intervals."""

from __future__ import annotations

from bayes_dsl.cli.json_keys import HealthKeys, IntervalKeys, TableKeys
from bayes_dsl.cli.output import interval_in_words, number, say, show_table
from bayes_dsl.inference.posterior import Posterior

WITH = "misfit: every draw's world leaves its law, the further the more beyond the runs"
WITHOUT = "no misfit: the law is taken to hold, however far a plan lies beyond the runs"


def table_of(posterior: Posterior) -> TableKeys:
    """Return where the posterior's rows come from."""
    table = posterior.table
    return TableKeys(
        source=table.source, rows=len(table), used=len(table.used), sha256=posterior.table_sha256
    )


def health_of(posterior: Posterior) -> HealthKeys:
    """Return the diagnostics of the draws and what is wrong with them."""
    diagnostics = posterior.diagnostics
    return HealthKeys(
        healthy=posterior.healthy,
        rhat=diagnostics.rhat,
        bulk_ess=diagnostics.bulk_ess,
        tail_ess=diagnostics.tail_ess,
        divergences=diagnostics.divergences,
        ebfmi=diagnostics.ebfmi,
        draws=diagnostics.draws,
        problems=list(diagnostics.problems()),
        line=diagnostics.line(),
    )


def intervals_of(posterior: Posterior, *, prob: float, kind: str) -> list[IntervalKeys]:
    """Return the intervals of the law's parameters, of what is derived from them, and of the noise."""
    frame = posterior.interval(prob=prob, kind=kind)
    return [
        IntervalKeys(parameter=str(name), **{str(k): float(v) for k, v in row.items()}, prob=prob, kind=kind)
        for name, row in frame.iterrows()
    ]


def show_health(health: HealthKeys, *, problems: bool = True) -> None:
    """Print the health line and, unless stderr tells them, a sentence for every gate that was not passed."""
    say(f"Health: {'passed' if health.healthy else 'NOT PASSED'} ({health.line})")
    for problem in health.problems if problems else ():
        say(f"  {problem}")


def show_intervals(intervals: list[IntervalKeys]) -> None:
    """Print the table of intervals, their probability and kind in its title."""
    prob, kind = intervals[0].prob, intervals[0].kind
    rows = [
        (one.parameter, *(number(value) for value in (one.mean, one.sd, one.median, one.lower, one.upper)))
        for one in intervals
    ]
    title = f"Parameters and noise, {interval_in_words(prob, kind)}"
    show_table(title, ("parameter", "mean", "sd", "median", "lower", "upper"), rows)
