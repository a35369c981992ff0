"""Arguments and options that several verbs share, each with its help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Counting = Literal["non_embedding", "total"]
Kind = Literal["eti", "hdi"]
LawName = Literal[
    "supervised", "chinchilla", "tied", "interaction", "repetition", "distillation", "exponential"
]
LAWS_SHOWN = "supervised|chinchilla|tied|interaction|repetition|distillation|exponential"


def probability(value: float) -> float:
    if not 0 < value < 1:
        raise typer.BadParameter(f"{value:g} is not between 0 and 1; write 0.9 for 90 %")
    return value


TableArgument = Annotated[
    Path, typer.Argument(metavar="TABLE", show_default=False, help="The run table: a CSV or Parquet file.")
]
PosteriorArgument = Annotated[
    Path, typer.Argument(metavar="POSTERIOR", show_default=False, help="A file that `fit` has written.")
]
ColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=COLUMN,...",
        show_default=False,
        help="Which of the file's columns, or which formula of them, a column is: loss=eval/ce, "
        "params=N [billions], tokens=flops/(6 params), role='supervised'. Can be repeated.",
    ),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        show_default=False,
        help="Read only the rows that meet this, such as 'tokens>=1e9'. Can be repeated.",
    ),
]
CountingOption = Annotated[
    Counting | None,
    typer.Option(
        metavar="non_embedding|total",
        show_default=False,
        help="Whether params count the embeddings (total) or not (non_embedding).",
    ),
]
ProbOption = Annotated[
    float, typer.Option(metavar="P", callback=probability, help="Probability of each interval.")
]
KindOption = Annotated[
    Kind, typer.Option(metavar="eti|hdi", help="Equal-tailed or highest-density intervals.")
]
AcceptOption = Annotated[
    bool, typer.Option("--accept-unhealthy", help="Use a posterior that failed its health gate.")
]
PriorFromOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.nc|published:NAME",
        show_default=False,
        help="Start from another study's posterior, or from hoffmann, besiroglu, busbridge_table6 or "
        "busbridge_corrected. Default: the package's prior.",
    ),
]
InflateOption = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        show_default=False,
        help="Multiply that prior's standard deviations: above 1 where this study is only alike.",
    ),
]
UniqueOption = Annotated[
    str | None,
    typer.Option(
        metavar="TOKENS",
        show_default=False,
        help="Distinct tokens among those; for the law of repeated data.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")]
SeedOption = Annotated[
    int,
    typer.Option(
        min=0, max=2**32 - 1, metavar="N", help="The same seed gives the same draws to the last bit."
    ),
]
