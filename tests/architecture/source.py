"""What the architecture's tests read: the modules of the package and of the networks, parsed."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bayes_dsl"
NETWORKS = ROOT / "models"
MODULES = sorted(path for folder in (PACKAGE, NETWORKS) for path in folder.rglob("*.py"))


def name_of(path: Path) -> str:
    """A file's name from the top of the checkout, for test ids and messages."""
    return path.relative_to(ROOT).as_posix()


def mirror_of(path: Path) -> Path:
    """Where the test of a module is: tests/ has the package's rooms, and models/ as one of them."""
    inside = path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT)
    return ROOT / "tests" / inside.with_name(f"test_{inside.name}")


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def dotted(node: ast.expr) -> str:
    """`a.b.c` for a chain of attributes on a name, with every call in it left out; else what can be told."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{dotted(value)}.{name}"
        case ast.Call(func=function):
            return dotted(function)
        case _:
            return "?"
