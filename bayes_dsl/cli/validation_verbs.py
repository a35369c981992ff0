"""The verbs that hold forecasts against what happened, each opening its room only when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bayes_dsl.cli.options import (
    LAWS_SHOWN,
    AcceptOption,
    ColumnsOption,
    CountingOption,
    InflateOption,
    JsonOption,
    LawName,
    PosteriorArgument,
    PriorFromOption,
    ProbOption,
    QuietOption,
    SeedOption,
    TableArgument,
    UniqueOption,
    WhereOption,
)

ScaleName = Literal["compute", "params", "tokens"]
TargetName = Literal["expected", "next_run"]
SamplingName = Literal["never", "needed", "all"]


def backtest(
    table: TableArgument,
    holdout: Annotated[
        list[str] | None,
        typer.Option(
            metavar="8x",
            show_default="2x, 4x, 8x, 16x",
            help="Hold out the runs above this share of the largest: 8x, above an eighth. Can be repeated.",
        ),
    ] = None,
    by: Annotated[
        ScaleName,
        typer.Option(metavar="compute|params|tokens", help="The scale by which runs are held out."),
    ] = "compute",
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            show_default="all",
            help="misfit, bare law, point fit, or 'point fit, gamma 1'. Can be repeated.",
        ),
    ] = None,
    law: Annotated[
        LawName | None,
        typer.Option(
            metavar=LAWS_SHOWN,
            show_default=False,
            help="Of the posteriors; default as in fit.",
        ),
    ] = None,
    prior_from: PriorFromOption = None,
    inflate: InflateOption = None,
    accept_unhealthy: AcceptOption = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Keep it, for `forecast --backtest FILE`."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw coverage and CRPS by distance to this file.")
    ] = None,
    columns: ColumnsOption = None,
    where: WhereOption = None,
    counting: CountingOption = None,
    seed: SeedOption = 0,
    prob: ProbOption = 0.9,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say how forecasts of the larger runs would have done, made from the smaller runs alone.

    Ours with and without misfit, and the literature's point fits with bootstrap, on the same runs. The prior of
    --prior-from is that of ours, and must come from runs that are not in the table.

    Keys of --json: table, table_sha256, law, prior, by, prob, seed, reach, by_holdout, by_distance, backtest,
    notes.
    """
    from bayes_dsl.cli.backtest import backtest_table, factors_of
    from bayes_dsl.cli.prior_option import prior_of
    from bayes_dsl.inference.settings import Settings

    backtest_table(
        table,
        columns=columns,
        where=where or (),
        counting=counting,
        factors=factors_of(holdout or ("2x", "4x", "8x", "16x")),
        by=by,
        methods=method,
        law=law,
        prior=prior_of(prior_from, inflate=inflate, accept_unhealthy=accept_unhealthy, verb="backtest"),
        prob=prob,
        seed=seed,
        settings=Settings(),
        output=output,
        plot=plot,
        as_json=json,
        quiet=quiet,
    )


def calibrate(
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Keeps every replication; the same command goes on from it."
        ),
    ],
    law: Annotated[LawName, typer.Option(metavar=LAWS_SHOWN, help="The law to calibrate.")] = "supervised",
    reps: Annotated[int, typer.Option(metavar="N", help="Worlds drawn from the prior.")] = 100,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Processes, one a core.")] = 1,
    misfit: Annotated[
        bool, typer.Option("--misfit/--no-misfit", help="Let the world leave the law, or not.")
    ] = False,
    seed: SeedOption = 0,
    prob: ProbOption = 0.9,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say whether intervals are right: truths drawn from the prior, ranked among the draws of their posteriors.

    Keys of --json: law, misfit, prob, seed, fingerprint, replications, refused, diverged, quantities, folder, notes.
    """
    from bayes_dsl.cli.calibrate import calibrate_law

    calibrate_law(
        law,
        replications=reps,
        workers=workers,
        misfit=misfit,
        folder=output,
        prob=prob,
        seed=seed,
        as_json=json,
        quiet=quiet,
    )


def sensitivity(
    posterior: PosteriorArgument,
    student: Annotated[
        str, typer.Option(metavar="PARAMS", show_default=False, help="Parameters of the run, such as 1B.")
    ],
    tokens: Annotated[
        str, typer.Option(metavar="TOKENS", show_default=False, help="Its training tokens, such as 20B.")
    ],
    teacher_loss: Annotated[
        str | None, typer.Option(metavar="LOSS", help="The measured loss of its teacher, nats per token.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(metavar="PARAMS", help="In place of its loss: its teacher's parameters.")
    ] = None,
    teacher_tokens: Annotated[
        str | None, typer.Option(metavar="TOKENS", help="Training tokens of that teacher.")
    ] = None,
    unique: UniqueOption = None,
    floor: Annotated[
        list[float] | None,
        typer.Option(
            metavar="E",
            show_default="5, 50 and 95 % of its posterior",
            help="Fix E at this loss, nats per token. Can be repeated.",
        ),
    ] = None,
    about: Annotated[
        TargetName,
        typer.Option(metavar="expected|next_run", help="The law's loss, or with the scatter of one run."),
    ] = "expected",
    anew: Annotated[
        SamplingName,
        typer.Option(
            metavar="never|needed|all",
            help="Sample alternatives anew: none, those too far from the draws to reweigh them, or all.",
        ),
    ] = "needed",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Keep it as JSON.")
    ] = None,
    counting: CountingOption = None,
    prob: ProbOption = 0.9,
    accept_unhealthy: AcceptOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say how far a forecast moves under other priors, with E fixed, other tails, or another misfit.

    The draws are reweighed where that can be relied on; elsewhere the posterior's own table is sampled anew.

    Keys of --json: inputs, about, prob, forecast, alternatives, matters, not_told, not_asked, power_scaling,
    diagnoses, health, sensitivity.
    """
    from bayes_dsl.cli.forecast import questions
    from bayes_dsl.cli.sensitivity import forecast_sensitivity

    (asked,) = questions(
        [student],
        [tokens],
        teacher_loss=teacher_loss,
        teacher=teacher,
        teacher_tokens=teacher_tokens,
        unique=unique,
    )
    forecast_sensitivity(
        posterior,
        asked,
        E=floor or (),
        about=about,
        anew=anew,
        counting=counting,
        prob=prob,
        output=output,
        accept_unhealthy=accept_unhealthy,
        as_json=json,
        quiet=quiet,
    )
