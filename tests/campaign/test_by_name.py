"""What is imported by name is there, or one sentence says what to do."""

import os.path

import pytest

from bayes_dsl.campaign.by_name import function, library
from bayes_dsl.errors import InputError


def test_a_function_is_found() -> None:
    assert function("os.path:join") is os.path.join


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("no_such_module:f", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("os.path:nothing", "AttributeError"),
        ("os.path:sep", "it is no function"),
        ("tests.campaign.broken_work:f", "ZeroDivisionError"),
    ],
)
def test_what_is_no_function_is_one_sentence(name: str, rule: str) -> None:
    with pytest.raises(InputError) as caught:
        function(name)
    (line,) = str(caught.value).splitlines()
    assert rule in line and name in line and "PYTHONPATH" in line


def test_a_library_is_found() -> None:
    assert library("os.path", extra="cluster", purpose="test") is os.path


def test_a_missing_library_names_its_extra() -> None:
    with pytest.raises(InputError) as caught:
        library("no_such_library", extra="cluster", purpose="cluster 'local'")
    (line,) = str(caught.value).splitlines()
    assert line.startswith("cluster 'local': library = no_such_library")
    assert line.endswith('Install it: pip install "bayes-dsl[cluster]".')
