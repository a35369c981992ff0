"""The verbs on a table open no room before they are called."""

from tests.architecture.test_imports import NUMERICS, fresh


def test_the_module_is_light() -> None:
    assert not fresh("import bayes_dsl.cli.table_verbs")[1] & (
        NUMERICS | {"pandas", "pydantic", "rich.table"}
    )
