"""The verbs on laws open no room before they are called."""

from tests.architecture.test_imports import NUMERICS, fresh


def test_the_module_is_light() -> None:
    loaded = fresh("import bayes_dsl.cli.laws_verbs")[1]
    assert not loaded & (NUMERICS | {"pandas", "pydantic", "rich.table"})


def test_the_help_has_every_option_with_a_meaning(bayes_dsl) -> None:
    shown = " ".join(bayes_dsl("laws", "compare", "--help").out.split())
    for flag in ("--laws", "--student", "--tokens", "--teacher-loss", "--holdout", "--by", "--folds"):
        assert flag in shown
    for flag in ("--output", "--columns", "--where", "--counting", "--seed", "--prob", "--json", "--quiet"):
        assert flag in shown


def test_without_a_verb_its_help_is_printed(bayes_dsl) -> None:
    assert "compare" in bayes_dsl("laws", "--help").out
