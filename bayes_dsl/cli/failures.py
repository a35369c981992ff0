"""What a command that fails says on stderr, one line for each fault, and the exit code that goes with it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

import typer

from bayes_dsl.errors import BayesDslError, InputError

FINE, HEALTH_GATE_FAILED, BAD_INPUT, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130
DEBUG = "BAYES_DSL_DEBUG"


def exit_code_of(command: Callable[[], object]) -> int:
    """Run a command and return its exit code; whatever it raises becomes lines on stderr.

    0 fine, 1 a health gate failed, 2 bad input, 3 internal, 130 interrupted. With `BAYES_DSL_DEBUG=1`
    the traceback comes first.
    """
    try:
        result = command()
        sys.stdout.flush()
    except Exception as error:
        if os.environ.get(DEBUG, "") not in ("", "0"):
            traceback.print_exc()
        lines, code = explain(error)
        for line in lines:
            complain(line)
        return code
    except KeyboardInterrupt:
        result = INTERRUPTED
    if result == INTERRUPTED:
        complain("bayes-dsl: interrupted; nothing that was not finished has been written.")
    return result if isinstance(result, int) else FINE


def explain(error: Exception) -> tuple[tuple[str, ...], int]:
    """Return the lines that say what happened, and the exit code."""
    match error:
        case InputError():
            return tuple(str(fault) for fault in error.faults), error.exit_code
        case BayesDslError():
            return tuple(str(error).splitlines()), error.exit_code
        case typer.TyperException():
            return (_usage(error),), BAD_INPUT
        case OSError(strerror=str(reason)):
            return (f"bayes-dsl: {reason}; the system did not let the command finish.",), INTERNAL
    said = " ".join(str(error).split())
    kind = type(error).__name__
    return (
        f"bayes-dsl: {kind}{': ' if said else ''}{said}; this is a fault of the program, not of its input. "
        f"Set {DEBUG}=1 to see where it happened, and report it.",
    ), INTERNAL


def complain(line: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(printable(line) + "\n")


def printable(text: str) -> str:
    """Return a text as one line without control characters, which could rewrite a terminal."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "bayes-dsl"
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{command}: {message}; `{command} --help` lists what it takes."
