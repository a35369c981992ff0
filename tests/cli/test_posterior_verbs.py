"""The verbs on a posterior open no room before they are called."""

from tests.architecture.test_imports import NUMERICS, fresh


def test_the_module_is_light() -> None:
    loaded = fresh("import bayes_dsl.cli.posterior_verbs")[1]
    assert not loaded & (NUMERICS | {"pandas", "pydantic", "rich.table"})
