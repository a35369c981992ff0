"""The verbs on laws, `laws compare`, opening their room only when they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayes_dsl.cli.options import (
    ColumnsOption,
    CountingOption,
    JsonOption,
    ProbOption,
    QuietOption,
    SeedOption,
    TableArgument,
    UniqueOption,
    WhereOption,
)
from bayes_dsl.cli.validation_verbs import ScaleName

laws = typer.Typer(
    name="laws",
    no_args_is_help=True,
    help="Ask which law a run table supports.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@laws.callback()
def _verbs() -> None:
    """Ask which law a run table supports."""


@laws.command()
def compare(
    table: TableArgument,
    laws: Annotated[
        str | None,
        typer.Option(
            metavar="LAW,LAW,...",
            show_default="all that explain the table's rows",
            help="The laws to compare, such as supervised,chinchilla.",
        ),
    ] = None,
    student: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PARAMS",
            show_default=False,
            help="Ask what each law expects of a run of this size. Can be repeated.",
        ),
    ] = None,
    tokens: Annotated[
        list[str] | None,
        typer.Option(metavar="TOKENS", show_default=False, help="Its training tokens. Can be repeated."),
    ] = None,
    teacher_loss: Annotated[
        str | None,
        typer.Option(
            metavar="LOSS", show_default=False, help="The loss of its teacher; without one it is supervised."
        ),
    ] = None,
    unique: UniqueOption = None,
    holdout: Annotated[
        list[str] | None,
        typer.Option(
            metavar="8x",
            show_default="4x, 8x where rows are enough",
            help="Hold out the runs above this share of the largest: 8x, above an eighth. Can be repeated.",
        ),
    ] = None,
    by: Annotated[
        ScaleName,
        typer.Option(metavar="compute|params|tokens", help="The scale by which runs are held out."),
    ] = "compute",
    folds: Annotated[
        int,
        typer.Option(metavar="N", min=2, help="Folds of the clusters, where rows share a group or teacher."),
    ] = 5,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write what --json prints to this file."),
    ] = None,
    columns: ColumnsOption = None,
    where: WhereOption = None,
    counting: CountingOption = None,
    seed: SeedOption = 0,
    prob: ProbOption = 0.9,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say which law a table supports, and whether laws that it supports alike agree about a target.

    Each law is sampled bare, without misfit, and scored on rows left out and on the largest runs. Ends with exit
    code 1 where a law's posterior of the table fails its health gate.

    Keys of --json: table, table_sha256, prob, seed, method, laws, held_out, targets, sentences, written, notes.
    """
    from bayes_dsl.cli.backtest import factors_of
    from bayes_dsl.cli.forecast import questions
    from bayes_dsl.cli.laws import compare_table, complete
    from bayes_dsl.inference.settings import Settings

    complete(student, tokens, teacher_loss, unique)
    compare_table(
        table,
        columns=columns,
        where=where or (),
        counting=counting,
        laws=laws,
        targets=questions(
            student or (),
            tokens or (),
            teacher_loss=teacher_loss,
            teacher=None,
            teacher_tokens=None,
            unique=unique,
        ),
        factors=factors_of(holdout) if holdout else None,
        by=by,
        folds=folds,
        prob=prob,
        seed=seed,
        settings=Settings(),
        output=output,
        as_json=json,
        quiet=quiet,
    )
