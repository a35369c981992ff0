"""The verbs that start from a run table, each opening its room only when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayes_dsl.cli.options import (
    LAWS_SHOWN,
    AcceptOption,
    ColumnsOption,
    CountingOption,
    InflateOption,
    JsonOption,
    KindOption,
    LawName,
    PriorFromOption,
    ProbOption,
    QuietOption,
    SeedOption,
    TableArgument,
    WhereOption,
)


def check(
    table: TableArgument,
    columns: ColumnsOption = None,
    where: WhereOption = None,
    counting: CountingOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say what a run table holds and what is wrong with it.

    Keys of --json: source, sha256, rows, used, by_role, by_status, left_out, configurations, teachers,
    groups, evaluations, ranges, largest_compute_flops, counting, notes, warnings.
    """
    from bayes_dsl.cli.check import check_table

    check_table(table, columns=columns, where=where or (), counting=counting, as_json=json, quiet=quiet)


def fit(
    table: TableArgument,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", show_default=False, help="Where to write the posterior."
        ),
    ],
    law: Annotated[
        LawName | None,
        typer.Option(
            metavar=LAWS_SHOWN,
            show_default=False,
            help="Default: distillation where there are distilled rows, otherwise supervised.",
        ),
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(
            metavar="paper|6ND|FILE.toml",
            show_default=False,
            help="What a token costs, kept for decisions. Default: runs.cost.toml beside runs.csv, if there.",
        ),
    ] = None,
    misfit: Annotated[
        bool,
        typer.Option(
            "--misfit/--no-misfit",
            help="Let runs and students leave the law, more so the further beyond the table; or the bare law.",
        ),
    ] = True,
    prior_from: PriorFromOption = None,
    inflate: InflateOption = None,
    accept_unhealthy: AcceptOption = False,
    columns: ColumnsOption = None,
    where: WhereOption = None,
    counting: CountingOption = None,
    seed: SeedOption = 0,
    chains: Annotated[int, typer.Option(metavar="N", help="Independent chains.")] = 4,
    warmup: Annotated[int, typer.Option(metavar="N", help="Iterations of a chain before its draws.")] = 1000,
    draws: Annotated[int, typer.Option(metavar="N", help="Draws of a chain.")] = 1000,
    most_draws: Annotated[
        int,
        typer.Option(
            metavar="N",
            show_default="4 times --draws",
            help="Chains go on up to this length where R-hat or ESS fall short; equal to --draws: never.",
        ),
    ] = 0,
    target_accept: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            show_default="0.95, with a misfit 0.99",
            help="Higher takes smaller steps, against divergences.",
        ),
    ] = None,
    prob: ProbOption = 0.9,
    kind: KindOption = "eti",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fit a law to a run table and save the posterior.

    Ends with exit code 1 where the health gate is not passed; the file is written all the same, and marked.

    Keys of --json: posterior, law, misfit, prior, table, cost_model, seed, health, intervals, notes, warnings.
    """
    from bayes_dsl.cli.fit import fit_table
    from bayes_dsl.cli.prior_option import prior_of
    from bayes_dsl.inference.settings import Settings

    fit_table(
        table,
        columns=columns,
        where=where or (),
        counting=counting,
        law=law,
        misfit=misfit,
        cost=cost,
        prior=prior_of(prior_from, inflate=inflate, accept_unhealthy=accept_unhealthy),
        settings=Settings(
            chains=chains,
            warmup=warmup,
            draws=draws,
            most_draws=most_draws,
            target_accept=target_accept,
        ),
        seed=seed,
        prob=prob,
        kind=kind,
        output=output,
        as_json=json,
        quiet=quiet,
    )


def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to leave the results.")] = Path("demo"),
    seed: SeedOption = 0,
    prob: ProbOption = 0.9,
    quiet: QuietOption = False,
) -> None:
    """Run the main job on a table that ships with the package.

    Leaves posterior.nc, forecast.png and diagnostics.png in the folder, and says what each step finds.
    """
    from bayes_dsl.cli.demo import run_demo

    run_demo(out, seed=seed, prob=prob, quiet=quiet)
