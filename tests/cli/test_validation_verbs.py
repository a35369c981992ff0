"""The verbs of validation open no room before they are called, and know the methods that there are."""

import typing

from bayes_dsl.cli import validation_verbs
from bayes_dsl.validation.forecasters import METHODS
from bayes_dsl.validation.holdouts import Scale
from bayes_dsl.validation.sensitivity import Sampling, Target
from tests.architecture.test_imports import NUMERICS, fresh


def test_the_module_is_light() -> None:
    loaded = fresh("import bayes_dsl.cli.validation_verbs")[1]
    assert not loaded & (NUMERICS | {"pandas", "pydantic", "rich.table"})


def test_the_words_are_the_library_s() -> None:
    assert typing.get_args(validation_verbs.ScaleName) == typing.get_args(Scale)
    assert typing.get_args(validation_verbs.TargetName) == typing.get_args(Target)
    assert typing.get_args(validation_verbs.SamplingName) == typing.get_args(Sampling)


def test_the_help_has_every_option_with_a_meaning(bayes_dsl) -> None:
    shown = " ".join(bayes_dsl("backtest", "--help").out.split())
    assert all(name in shown for name in METHODS)
    for flag in ("--holdout", "--by", "--method", "--output", "--plot", "--columns", "--where", "--json"):
        assert flag in shown
    assert "--prior-from" in shown and "--inflate" in shown and "--accept-unhealthy" in shown


def test_the_help_of_calibrate(bayes_dsl) -> None:
    shown = " ".join(bayes_dsl("calibrate", "--help").out.split())
    for flag in ("--law", "--reps", "--workers", "--misfit", "--no-misfit", "--output", "--seed", "--json"):
        assert flag in shown


def test_the_help_of_sensitivity(bayes_dsl) -> None:
    shown = " ".join(bayes_dsl("sensitivity", "--help").out.split())
    for flag in (
        "--student",
        "--tokens",
        "--teacher-loss",
        "--unique",
        "--floor",
        "--about",
        "--anew",
        "--output",
        "--json",
    ):
        assert flag in shown
