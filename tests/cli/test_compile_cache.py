"""The compile cache goes to a folder of the user's, and only where the user has named none."""

import os
import subprocess
import sys

import pytest

from bayes_dsl.cli.compile_cache import FOLDER, LEAST_SECONDS, use_compile_cache


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ({"HOME": "/h"}, "/h/.cache/bayes_dsl/jax"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/c"}, "/c/bayes_dsl/jax"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "relative"}, "/h/.cache/bayes_dsl/jax"),
        ({"HOME": "/h", FOLDER: "/mine"}, "/mine"),
        ({"HOME": "/h", FOLDER: ""}, ""),
        ({}, None),
        ({"HOME": ""}, None),
    ],
)
def test_the_folder(given: dict[str, str], folder: str | None) -> None:
    environment = dict(given)
    use_compile_cache(environment)
    assert environment.get(FOLDER) == folder


def test_quick_compilations_are_kept_unless_the_user_says_otherwise() -> None:
    ours, theirs = {"HOME": "/h"}, {"HOME": "/h", LEAST_SECONDS: "2"}
    use_compile_cache(ours)
    use_compile_cache(theirs)
    assert (ours[LEAST_SECONDS], theirs[LEAST_SECONDS]) == ("0", "2")


def test_jax_reads_both_names() -> None:
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    read = f"import jax; print(*(getattr(jax.config, name) for name in {names}))"
    environment = {**os.environ, FOLDER: "/a/folder", LEAST_SECONDS: "0.25"}
    done = subprocess.run(
        [sys.executable, "-c", read], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["/a/folder", "0.25"]
