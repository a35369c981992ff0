"""`score`: how registered forecasts did, now that the runs are made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from bayes_dsl.cli.json_keys import ScoreKeys, ScoreOneKeys
from bayes_dsl.cli.output import number, percent, print_json, say, say_all, show_table
from bayes_dsl.forecast.register import read_register
from bayes_dsl.forecast.scores import read_outcomes, score_register, summarise_scores


def score_forecasts(register: Path, actual: Path, *, prob: float, as_json: bool, quiet: bool) -> None:
    """Score a register's forecasts on a file of outcomes and print the result."""
    records = read_register(register)
    scores = score_register(records, read_outcomes(actual))
    summary = asdict(summarise_scores(scores, len(records), prob))
    report = ScoreKeys(
        **{**summary, "notes": list(summary["notes"])}, scores=[ScoreOneKeys(**asdict(one)) for one in scores]
    )
    if as_json:
        print_json(report)
    else:
        show_scores(report, quiet=quiet)


def show_scores(report: ScoreKeys, *, quiet: bool) -> None:
    """Print the report for people."""
    rows = [
        (
            str(one.number),
            one.registered_at[:10],
            f"{one.median:.4f}",
            f"{one.lower:.4f} to {one.upper:.4f}",
            f"{percent(one.prob)} {one.kind}",
            f"{one.actual:.4f}",
            "hit" if one.hit else "miss",
            f"{100 * one.log_error:+.2f} %",
            number(one.interval_score, 3),
            number(one.crps, 3),
        )
        for one in report.scores
    ]
    header = ("forecast", "registered", "median", "interval", "prob", "actual", "", "error", "score", "CRPS")
    show_table("Loss of the next run, nats per token: forecast and actual", header, rows, left=2)
    certain = f"{report.coverage_lower:.3f} to {report.coverage_upper:.3f}"
    say()
    say(
        f"{report.hits} of {report.scored} in their interval: coverage {report.coverage:.3f} (exact binomial "
        f"{percent(report.coverage_prob)} interval {certain}); "
        f"the forecasts promised {report.expected_coverage:.3f}."
    )
    crps = "" if report.mean_crps is None else f", mean CRPS {report.mean_crps:.3g}"
    say(
        f"Mean absolute error {100 * report.mean_absolute_log_error:.2f} % of the loss, "
        f"mean interval score {report.mean_interval_score:.3g}{crps} (smaller is better)."
    )
    if not quiet:
        say_all("Notes", report.notes)
