"""`backtest`: how forecasts of larger runs would have done, from the smaller runs of a table alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bayes_dsl.cli.backtest_keys import BacktestKeys, ScoresKeys
from bayes_dsl.cli.output import number, percent, print_json, say, say_all, show_table
from bayes_dsl.cli.progress import problem_progress
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.carried import CarriedPrior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.registry import law as law_of
from bayes_dsl.runs.quantities import number_of
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation.backtest import Backtest, backtest
from bayes_dsl.validation.backtest_file import write_backtest
from bayes_dsl.validation.holdouts import Scale


def factors_of(texts: Sequence[str]) -> list[float]:
    """`8x` or `8` as numbers; every fault at once.

    Raises
    ------
    InputError
        A text is no number above 1.
    """
    found, faults = [], []
    for text in texts:
        value = number_of(re.sub(r"[x×]$", "", text.strip()), suffixes=False)
        if value is None or not 1 < value < np.inf:
            rule = "must be a number above 1: 8x holds out the runs above an eighth of the largest scale"
            remedy = "Write it like 8x"
            faults.append(Fault(where="backtest", what="--holdout", value=text, rule=rule, remedy=remedy))
        else:
            found.append(value)
    if faults:
        raise InputError(faults)
    return found


def backtest_table(
    path: Path,
    *,
    columns: Sequence[str] | None,
    where: Sequence[str],
    counting: str | None,
    factors: Sequence[float],
    by: Scale,
    methods: Sequence[str] | None,
    law: str | None,
    prior: CarriedPrior | None,
    prob: float,
    seed: int,
    settings: Settings,
    output: Path | None,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Back-test a table, and print, write and draw what came out."""
    table = RunTable.read(path, columns=columns, where=where, counting=counting)
    with problem_progress("forecasting", wanted=not quiet) as progress:
        found = backtest(
            table,
            factors=factors,
            by=by,
            methods=methods or None,
            law=None if law is None else law_of(law),
            prior=prior,
            prob=prob,
            seed=seed,
            settings=settings,
            progress=progress,
        )
    if output is not None:
        write_backtest(found, output)
    if plot is not None:
        from bayes_dsl.reporting.plots import plot_backtest  # Matplotlib is slow to load

        plot_backtest(found, plot)
    report = report_of(found, output)
    if as_json:
        print_json(report)
        return
    show_backtest(report, quiet=quiet)
    for made in (output, plot):
        if made is not None:
            say(f"Written: {made}")


def report_of(found: Backtest, output: Path | None) -> BacktestKeys:
    """The back-test as it is printed."""
    by_factor = found.summary().rename(columns={"factor": "holdout"})
    by_factor["holdout"] = [f"{factor:g}x" for factor in by_factor["holdout"]]
    return BacktestKeys(
        table=found.source,
        table_sha256=found.table_sha256,
        law=found.law,
        prior=found.prior,
        by=found.by,
        prob=found.prob,
        seed=found.seed,
        reach=found.reach,
        by_holdout=_scores(by_factor, "holdout"),
        by_distance=_scores(found.by_distance(), "distance"),
        backtest=None if output is None else str(output),
        notes=list(found.notes),
    )


def _scores(frame: pd.DataFrame, what: str) -> list[ScoresKeys]:
    return [
        ScoresKeys.model_validate(
            {
                "where": row[what],
                **{
                    str(name): None if value != value else value
                    for name, value in row.items()
                    if name != what
                },
            }
        )
        for row in frame.to_dict("records")
    ]


def show_backtest(report: BacktestKeys, *, quiet: bool) -> None:
    """Print the report for people."""
    header = (
        "method",
        "where",
        "runs",
        "clusters",
        "coverage",
        "90 % binomial",
        "CRPS",
        "bias",
        "width",
        "gate",
    )
    for title, scores in (
        (f"Held out by {report.by}: rows at no more than the largest over this", report.by_holdout),
        (f"By distance beyond the largest known {report.by}, all holdouts together", report.by_distance),
    ):
        show_table(title, header, [_cells(one) for one in scores], left=2)
    say()
    say(
        f"Coverage of {percent(report.prob)} equal-tailed intervals of the next run's loss, every cluster counted "
        "once; CRPS, bias (actual over median) and width (median) of ln loss, in 1/1000. Smaller CRPS is better. "
        f"The posteriors are of the {report.law} law, their prior {report.prior or "is the package's own"}."
    )
    if not quiet:
        say_all("Notes", report.notes)


def _cells(one: ScoresKeys) -> tuple[str, ...]:
    return (
        one.method,
        one.where,
        str(one.runs),
        str(one.clusters),
        f"{one.coverage:.2f}",
        f"{one.coverage_lower:.2f} to {one.coverage_upper:.2f}",
        "-" if one.crps is None else number(1e3 * one.crps, 3),
        f"{1e3 * one.bias:+.1f}",
        number(1e3 * one.width, 3),
        "passed" if one.healthy else "not passed",
    )
