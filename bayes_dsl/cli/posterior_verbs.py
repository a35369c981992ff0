"""The verbs that start from a saved posterior or a register, each opening its room only when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayes_dsl.cli.options import (
    AcceptOption,
    CountingOption,
    JsonOption,
    KindOption,
    PosteriorArgument,
    ProbOption,
    QuietOption,
    UniqueOption,
)


def summary(
    posterior: PosteriorArgument,
    prob: ProbOption = 0.9,
    kind: KindOption = "eti",
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw rank and trace plots to this file.")
    ] = None,
    accept_unhealthy: AcceptOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say what a saved posterior holds and whether to trust it.

    Keys of --json: law, misfit, prior, table, counting, seed, settings, versions, health, intervals,
    unidentified, odd_rows, predictive, notes.
    """
    from bayes_dsl.cli.summary import summarise

    summarise(
        posterior,
        prob=prob,
        kind=kind,
        plot=plot,
        accept_unhealthy=accept_unhealthy,
        as_json=json,
        quiet=quiet,
    )


def forecast(
    posterior: PosteriorArgument,
    student: Annotated[
        list[str],
        typer.Option(
            metavar="PARAMS", show_default=False, help="Parameters of the run, such as 1B. Can be repeated."
        ),
    ],
    tokens: Annotated[
        list[str],
        typer.Option(
            metavar="TOKENS", show_default=False, help="Its training tokens, such as 20B. Can be repeated."
        ),
    ],
    teacher_loss: Annotated[
        str | None,
        typer.Option(
            metavar="LOSS",
            help="The measured loss of its teacher, nats per token; without one, the run is supervised.",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="PARAMS", help="In place of its loss: parameters of a teacher yet to be trained."
        ),
    ] = None,
    teacher_tokens: Annotated[
        str | None, typer.Option(metavar="TOKENS", help="Training tokens of that teacher.")
    ] = None,
    unique: UniqueOption = None,
    counting: CountingOption = None,
    prob: ProbOption = 0.9,
    kind: KindOption = "eti",
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the band, the runs and the extrapolation zone to this file."),
    ] = None,
    register: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Append the forecast to this register, for `score` to judge later."
        ),
    ] = None,
    backtest: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Quote what this file of `backtest -o` says of such forecasts."),
    ] = None,
    accept_unhealthy: AcceptOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say what loss a run not yet made will reach.

    With an interval, the health of the posterior, and how far beyond its runs the target lies.

    Keys of --json: inputs, expected, next_run, extrapolation, misfit, misfit_share, sensitivity, health,
    warnings, backtest. Both losses have the keys median, lower, upper, prob, kind, about; sensitivity has
    matters, not_told. With several targets it is a list.
    """
    from bayes_dsl.cli.forecast import forecast_loss, questions

    asked = questions(
        student,
        tokens,
        teacher_loss=teacher_loss,
        teacher=teacher,
        teacher_tokens=teacher_tokens,
        unique=unique,
    )
    forecast_loss(
        posterior,
        asked,
        counting=counting,
        prob=prob,
        kind=kind,
        plot=plot,
        register=register,
        backtest=backtest,
        accept_unhealthy=accept_unhealthy,
        as_json=json,
        quiet=quiet,
    )


def score(
    register: Annotated[
        Path,
        typer.Argument(
            metavar="REGISTER", show_default=False, help="What `forecast --register` has written."
        ),
    ],
    actual: Annotated[
        Path,
        typer.Argument(
            metavar="ACTUAL",
            show_default=False,
            help="A CSV file with the columns forecast (its number, or the start of its sha256) and loss.",
        ),
    ],
    prob: ProbOption = 0.9,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say how registered forecasts did, now that the runs are made.

    Keys of --json: registered, scored, hits, coverage, coverage_lower, coverage_upper, coverage_prob,
    expected_coverage, mean_absolute_log_error, mean_interval_score, mean_crps, notes, scores.
    """
    from bayes_dsl.cli.score import score_forecasts

    score_forecasts(register, actual, prob=prob, as_json=json, quiet=quiet)
