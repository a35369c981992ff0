"""An error is help: one line a fault, every fault at once, and the evidence on the exception."""

import inspect

import pytest

from bayes_dsl import errors
from bayes_dsl.errors import BayesDslError, Fault, InputError, NotConverged, TableError, UnhealthyPosterior

FAULT = Fault(
    where="runs.csv:3",
    what="loss",
    value="-1",
    rule="a loss is positive",
    remedy="Correct it, or mark the run as diverged",
    line=3,
    column="loss",
)
CLASSES = [value for value in vars(errors).values() if inspect.isclass(value)]


def test_a_fault_is_one_line_of_help() -> None:
    assert str(FAULT) == (
        "runs.csv:3: loss = -1; a loss is positive. Correct it, or mark the run as diverged."
    )


def test_a_fault_without_a_value_names_only_what() -> None:
    fault = Fault(where="runs.csv", what="the file", value="", rule="it is empty", remedy="Write it")
    assert str(fault) == "runs.csv: the file; it is empty. Write it."


def test_a_long_value_is_cut() -> None:
    fault = Fault(where="a", what="b", value="x" * 10_000, rule="c", remedy="d")
    assert "x" * 77 + "..." in str(fault)
    assert len(str(fault)) < 120


def test_every_fault_is_kept_and_shown() -> None:
    error = TableError([FAULT, FAULT])
    assert error.faults == (FAULT, FAULT)
    assert str(error).splitlines() == [str(FAULT)] * 2
    assert isinstance(error, ValueError)


def test_one_fault_needs_no_list() -> None:
    assert InputError(FAULT).faults == (FAULT,)


def test_failed_draws_travel_with_their_error() -> None:
    error = NotConverged("R-hat is 1.2.", diagnostics="d", posterior="p")
    assert (str(error), error.diagnostics, error.posterior) == ("R-hat is 1.2.", "d", "p")


@pytest.mark.parametrize("kind", [one for one in CLASSES if issubclass(one, BayesDslError)])
def test_exit_codes_tell_bad_input_from_bad_health(kind: type[BayesDslError]) -> None:
    assert kind.exit_code == (1 if issubclass(kind, NotConverged | UnhealthyPosterior) else 2)


@pytest.mark.parametrize("kind", [one for one in CLASSES if one.__module__ == errors.__name__])
def test_every_class_says_what_it_is_for(kind: type) -> None:
    assert kind.__doc__ is not None and kind.__doc__.strip().splitlines()[0].endswith(".")
