"""The verbs of decisions open no room before they are called, and pass on what was asked."""

import inspect

from bayes_dsl.cli import decision_verbs
from bayes_dsl.cli.decision_question import numbers
from bayes_dsl.decisions.recommended import WITHIN
from tests.architecture.test_imports import NUMERICS, fresh


def test_the_module_is_light() -> None:
    loaded = fresh("import bayes_dsl.cli.decision_verbs")[1]
    assert not loaded & (NUMERICS | {"pandas", "pydantic", "rich.table"})


def test_the_defaults_are_the_library_s() -> None:
    defaults = {
        name: one.default for name, one in inspect.signature(decision_verbs.allocate).parameters.items()
    }
    assert defaults["within"] == WITHIN and defaults["rule"] == "mean"
    assert (defaults["prob"], defaults["kind"]) == (0.9, "eti")


def test_the_help_has_every_option_with_a_meaning(bayes_dsl) -> None:
    shown = bayes_dsl("allocate", "--help").out
    for flag in (
        "--budget",
        "--student",
        "--scenario",
        "--cost",
        "--stored-logits",
        "--within",
        "--rule",
        "--json",
    ):
        assert flag in shown
    assert shown.startswith("Usage: bayes-dsl allocate")


def test_every_bad_number_of_a_question_is_a_line(bayes_dsl, table_file) -> None:
    # Before the posterior is opened: this file is none.
    given = {
        "--budget": "x",
        "--student": "1,3B",
        "--serving": "q",
        "--max-student": "0",
        "--max-tokens": "-1",
    }
    ran = bayes_dsl("allocate", table_file, *(word for pair in given.items() for word in pair))
    assert (ran.code, ran.out) == (2, "")
    lines = ran.err.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        f"allocate: {flag} = {text}" for flag, text in given.items()
    ]
    assert numbers({"--budget": "1e21"}, "allocate") == {"--budget": [1e21]}


def test_a_student_above_its_cap_is_refused(bayes_dsl, table_file) -> None:
    asked = ["--budget", "1e21", "--student", "2B", "--max-student", "1B"]
    ran = bayes_dsl("allocate", table_file, *asked)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("allocate: --student = 2B; --max-student is 1B. ") and ran.err.count("\n") == 1


def test_what_is_no_posterior_is_refused(bayes_dsl, table_file) -> None:
    ran = bayes_dsl("allocate", table_file, "--budget", "1e21")
    assert (ran.code, ran.out) == (2, "") and ran.err.count("\n") == 1


def test_each_verb_tells_every_bad_number_before_a_file_is_opened(bayes_dsl, tmp_path) -> None:
    for verb in ("allocate", "compare", "risk"):
        wrong = ("--budget", "x", "--student", "y", "--max-tokens", "q", "--max-teacher-tokens", "0")
        ran = bayes_dsl(verb, tmp_path / "none.nc", *wrong)
        assert (ran.code, ran.out) == (2, "")
        told = [line.split(" = ")[0] for line in ran.err.splitlines()]
        flags = ("--budget", "--student", "--max-tokens", "--max-teacher-tokens")
        assert told == [f"{verb}: {flag}" for flag in flags]
