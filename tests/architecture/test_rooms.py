"""Every file of the package keeps to its room: a purpose, a size, a test of its own, arrows in sight."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import MODULES, PACKAGE, ROOT, mirror_of, name_of, tree_of

LONGEST_FILE = 320
FILES_BEYOND_THEIR_PURPOSE = [path for path in MODULES if path.read_text(encoding="utf-8").strip()]
TESTED = [path for path in MODULES if path.name not in ("__init__.py", "__main__.py")]


def lacks_purpose(tree: ast.Module) -> str | None:
    """Why the opening of a module is not one sentence of purpose; None where it is."""
    opening = ast.get_docstring(tree)
    if not opening:
        return "it has no docstring"
    first = " ".join(opening.split("\n\n", maxsplit=1)[0].split())
    if not first.endswith((".", "?")):
        return f"its first paragraph does not end as a sentence: {first!r}"
    if re.search(r"(?<!e\.g)(?<!i\.e)(?<!Eq)(?<!et al)[.?!]\s+[A-Z]", first):
        return f"its first paragraph is more than one sentence: {first!r}"
    return None


def hidden_imports(tree: ast.Module) -> list[int]:
    """Lines of the imports that run only when a function does, or only for a type checker."""
    found = []
    for node in ast.walk(tree):
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if inside or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)):
            found += [x.lineno for x in ast.walk(node) if isinstance(x, ast.Import | ast.ImportFrom)]
    return sorted(set(found))


@pytest.mark.parametrize("path", FILES_BEYOND_THEIR_PURPOSE, ids=name_of)
def test_a_file_opens_with_its_purpose_in_one_sentence(path: Path) -> None:
    assert lacks_purpose(tree_of(path)) is None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("x = 1", "no docstring"),
        ('"""Reads tables"""', "does not end"),
        ('"""Reads tables. Writes them."""', "more than one"),
        ('"""Reads tables, e.g. CSV.\n\nAnd here. Is more."""', None),
        ('"""What was trained?"""', None),
    ],
)
def test_the_purpose_is_judged_as_said(text: str, wrong: str | None) -> None:
    said = lacks_purpose(ast.parse(text))
    assert said is None if wrong is None else said is not None and wrong in said


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_file_is_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines; the limit is {LONGEST_FILE}: split it by its questions"


@pytest.mark.parametrize("path", TESTED, ids=name_of)
def test_a_file_has_a_test_of_the_same_name(path: Path) -> None:
    test = mirror_of(path)
    assert test.is_file(), f"{name_of(test)} is missing"
    assert "def test_" in test.read_text(encoding="utf-8"), f"{name_of(test)} tests nothing"


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent.name != "cli"], ids=name_of)
def test_no_import_hides(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        pytest.skip("the door opens each room when its name is first asked for")
    assert hidden_imports(tree_of(path)) == []


def test_a_hidden_import_is_found() -> None:
    text = """
import os
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import jax
def f():
    from json import loads
class C:
    async def g(self):
        import numpy
"""
    assert hidden_imports(ast.parse(text)) == [5, 7, 10]


def test_arrows_point_down() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
