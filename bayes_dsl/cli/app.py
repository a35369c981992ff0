"""The command `bayes-dsl`: its verbs, and what every one of them does before and after."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from bayes_dsl import __version__
from bayes_dsl.cli import decision_verbs, laws_verbs, posterior_verbs, table_verbs, validation_verbs
from bayes_dsl.cli.compile_cache import use_compile_cache
from bayes_dsl.cli.failures import DEBUG, exit_code_of

app = typer.Typer(
    name="bayes-dsl",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    table_verbs.demo,
    table_verbs.check,
    table_verbs.fit,
    posterior_verbs.summary,
    posterior_verbs.forecast,
    decision_verbs.allocate,
    decision_verbs.compare,
    decision_verbs.risk,
    decision_verbs.teachers,
    posterior_verbs.score,
    validation_verbs.sensitivity,
    validation_verbs.backtest,
    validation_verbs.calibrate,
):
    app.command()(verb)
app.add_typer(laws_verbs.laws)


def main() -> int:
    """Run the command line of this process and return the exit code."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `bayes-dsl ... | head` ends quietly
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    use_compile_cache(os.environ)
    return run(sys.argv[1:])


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; faults are lines on stderr, never a traceback."""
    command = typer.main.get_command(app)
    with warnings.catch_warnings():
        if not os.environ.get(DEBUG):
            # What there is to say about a table or a forecast is printed by the verb, with its place.
            warnings.simplefilter("ignore")
        return exit_code_of(
            lambda: command.main(args=list(arguments), prog_name="bayes-dsl", standalone_mode=False)
        )


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"bayes-dsl {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _verbs(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Bayesian distillation scaling laws: from a table of training runs to a forecast with an interval.

    Exit codes: 0 fine, 1 a health gate failed, 2 bad input, 3 an error of the program.
    """
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")
