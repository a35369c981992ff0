"""The command line of the trainer: `python -m models sweep PLAN.toml --out DIR`, and its other verbs."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bayes_dsl.campaign import Status
from bayes_dsl.errors import BayesDslError, InputError
from models import kernel_regression, sweep_folder
from models.dry_run import describe
from models.mapping_problem import study
from models.mapping_problem.plan import read_plan as read_mapping_plan
from models.plan import read_plan
from models.progress import duration, in_words, progress
from models.sweep_folder import Train
from models.table import collect_into

FINE, UNITS_FAILED, BAD_INPUT, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130
DEBUG = "BAYES_DSL_DEBUG"

PlanArgument = Annotated[Path, typer.Argument(metavar="PLAN.toml", show_default=False, help="What to train.")]
FolderArgument = Annotated[
    Path, typer.Argument(metavar="DIR", show_default=False, help="The folder given to sweep as --out.")
]
OutOption = Annotated[
    Path, typer.Option("--out", metavar="DIR", show_default=False, help="The folder that keeps everything.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]

app = typer.Typer(
    name="models",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _verbs(context: typer.Context) -> None:
    """Train teachers, students and baselines, and write the run table that bayes-dsl fits laws to.

    Exit codes: 0 fine, 1 some units failed, 2 bad input, 3 an error of the program.
    """
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


@app.command()
def sweep(
    plan: PlanArgument,
    out: OutOption,
    workers: Annotated[int, typer.Option(metavar="N", help="Processes, one on each core.")] = 2,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="tcp://HOST:PORT|slurm|local",
            show_default=False,
            help="Train on a Dask cluster that shares the folder's disk.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and end.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try units again that failed before.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Train every run of a plan that the folder does not hold yet.

    It may be stopped at any moment, and goes on where it was when it is given again.
    """
    wanted = read_plan(plan)
    if dry_run:
        _say(*describe(wanted, workers))
        return
    how = Train(workers=workers, cluster=cluster, retry_failed=retry_failed)
    with progress(wanted=not quiet) as report:
        status = sweep_folder.sweep(wanted, out, how, progress=report, say=_silent if quiet else _note)
    _tell(status, out)
    _say(f"next: python -m models collect {out} -o runs.csv")


@app.command()
def status(folder: FolderArgument) -> None:
    """Say where a sweep stands, while it runs or when it does not."""
    plan, found = sweep_folder.standing(folder)
    _say(
        f"plan {plan.name}: {in_words(found)}",
        f"core time: {duration(found.core_seconds_done)} done, about {duration(found.core_seconds_left)} left"
        if found.core_seconds_left
        else f"core time: {duration(found.core_seconds_done)} done",
        *(f"running: {name}" for name in found.running),
        *(f"failed: {name}: {reason}" for name, reason in found.failed.items()),
        *(f"blocked: {name}" for name in found.blocked),
        *(f"note: {note}" for note in found.notes),
    )


@app.command()
def collect(
    folder: FolderArgument,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="RUNS.csv", show_default=False, help="Where to write the table."
        ),
    ],
    partial: Annotated[
        bool, typer.Option("--partial", help="Write the runs that are done; otherwise all must be.")
    ] = False,
) -> None:
    """Write the run table of a sweep, with its cost model, its provenance and its timings beside it."""
    _say(*collect_into(folder, output, partial=partial))


@app.command()
def corpus(plan: PlanArgument, out: OutOption) -> None:
    """Prepare the corpus of a plan in its folder, and train nothing yet."""
    wanted = read_plan(plan)
    with sweep_folder.alone(out):
        made = sweep_folder.prepare(wanted, out)
    usable = sweep_folder.usable_tokens(made)
    _say(
        f"corpus {made.corpus_id}: {usable['teacher']:,} tokens for teachers, {usable['student']:,} for "
        f"students, {made.eval_windows_ExT1[:, 1:].size:,} to evaluate on",
        f"vocabulary {made.vocabulary}, context {made.context}, tokenizer {made.tokenizer_id}",
        *(f"{key}: {value}" for key, value in made.provenance.items()),
    )


@app.command("kernel-regression")
def kernel_regression_figure(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FIGURE.csv", show_default=False, help="Where to write the data."
        ),
    ],
    seed: Annotated[int, typer.Option(min=0, help="Of the target's coefficients.")] = 0,
) -> None:
    """Write a student's error over its teacher's size, in closed form: the capacity gap without training."""
    _say(*kernel_regression.write_figure(output, seed=seed))


@app.command("mapping-problem")
def mapping_problem(
    plan: PlanArgument,
    out: OutOption,
    workers: Annotated[int, typer.Option(metavar="N", help="Processes, one on each core.")] = 2,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try units again that failed before.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Train the perceptrons of a plan such as models/plans/mapping_fast.toml: the capacity gap on a small task.

    It may be stopped at any moment, and goes on where it was when it is given again.
    """
    wanted = read_mapping_plan(plan)
    with progress(wanted=not quiet) as report:
        status = study.run(wanted, out, workers=workers, retry_failed=retry_failed, progress=report)
    _tell(status, out)
    _say(*study.told(out), f"next: {out / study.FIGURE} has the curves, {out / study.NETWORKS} every network")


def _tell(status: Status, out: Path) -> None:
    """Say how a sweep ended; some failed units are exit code 1."""
    for note in status.notes:
        _note(f"note: {note}")
    for name, reason in status.failed.items():
        _complain(f"failed: {name}: {reason}")
    if status.blocked:
        _complain(f"blocked by a failed teacher: {', '.join(status.blocked)}")
    _say(in_words(status))
    if status.failed:
        _complain(
            f"models: put right what failed, then give the command again with --retry-failed; {out} keeps the rest"
        )
        raise typer.Exit(UNITS_FAILED)


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(_printable(line) + "\n")


def _note(line: str) -> None:
    sys.stderr.write(_printable(line) + "\n")


def _silent(line: str) -> None:
    pass


def _complain(line: str) -> None:
    sys.stderr.write(_printable(line) + "\n")


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; faults are lines on stderr, never a traceback."""
    command = typer.main.get_command(app)
    try:
        code = command.main(args=list(arguments), prog_name="python -m models", standalone_mode=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        if os.environ.get(DEBUG, "") not in ("", "0"):
            traceback.print_exc()
        lines, code = _explained(error)
        for line in lines:
            _complain(line)
        return code
    if code == INTERRUPTED:
        _complain("models: interrupted; what was finished is kept, and the same command goes on from there.")
    return code if isinstance(code, int) else FINE


def _explained(error: Exception) -> tuple[tuple[str, ...], int]:
    match error:
        case InputError():
            return tuple(str(fault) for fault in error.faults), error.exit_code
        case BayesDslError():
            return tuple(str(error).splitlines()), error.exit_code
        case typer.TyperException():
            context = getattr(error, "ctx", None)
            verb = context.command_path if context is not None else "python -m models"
            message = " ".join(error.format_message().split()).rstrip(".")
            return (f"{verb}: {message}; `{verb} --help` lists what it takes.",), BAD_INPUT
        case OSError(strerror=str(reason)):
            return (f"models: {reason}; the system did not let the command finish.",), INTERNAL
    said = " ".join(str(error).split())
    kind = type(error).__name__
    return (
        f"models: {kind}{': ' if said else ''}{said}; this is a fault of the program, not of its input. "
        f"Set {DEBUG}=1 to see where it happened, and report it.",
    ), INTERNAL


def use_compile_cache() -> None:
    """Name this user's cache folder to JAX in the workers, as `bayes-dsl` does, unless one is set."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME", "")) / ".cache")
    if base.is_absolute():
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(base / "bayes_dsl" / "jax"))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def main() -> int:
    """Run the command line of this process and return the exit code."""
    use_compile_cache()
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
