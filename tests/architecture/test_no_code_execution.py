"""Nothing in the package runs code that came in with a file."""

import ast
from pathlib import Path

import pytest

from tests.architecture.source import MODULES, NETWORKS, PACKAGE, dotted, name_of, tree_of

# Calls that turn bytes or text into code, whatever the module is called at the import.
FORBIDDEN_MODULES = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "runpy", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
FORBIDDEN_ATTRIBUTES = {
    "joblib.load",
    "yaml.load",
    "yaml.load_all",
    "yaml.full_load",
    "yaml.unsafe_load",
    "importlib.import_module",
    "importlib.__import__",
    "builtins.eval",
    "builtins.exec",
    "builtins.__import__",
    "pandas.read_pickle",
    "pandas.eval",
}
FORBIDDEN_METHODS = {"read_pickle", "to_pickle", "eval", "exec_module", "load_module", "entry_points"}
FORBIDDEN_IMPORTS = {"import_module", "unsafe_load", "read_pickle", "full_load"}
DOOR = PACKAGE / "__init__.py"
BY_NAME = PACKAGE / "campaign" / "by_name.py"
# Libraries that no extra, or only one extra, brings: imported under a suppressed ImportError.
OPTIONAL = [NETWORKS / "corpus" / name for name in ("hub.py", "tokenizer.py")]
# A share of the documents, by the name that plans give it: no method.
A_NUMBER = "shares.eval"


def origins(tree: ast.Module) -> dict[str, str]:
    """What each imported name of a module stands for, so that an alias hides nothing."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    top = alias.name.partition(".")[0]
                    known[alias.asname or top] = alias.name if alias.asname else top
            case ast.ImportFrom(module=str(module), names=names, level=0):
                known |= {alias.asname or alias.name: f"{module}.{alias.name}" for alias in names}
    return known


def dangers(tree: ast.Module) -> list[tuple[int, str]]:
    """Line and name of everything that could run code out of a file."""
    known = origins(tree)
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                tops = [alias.name.partition(".")[0] for alias in names]
                found += [(node.lineno, top) for top in tops if top in FORBIDDEN_MODULES]
            case ast.ImportFrom(module=module, names=names):
                if (module or "").partition(".")[0] in FORBIDDEN_MODULES:
                    found.append((node.lineno, str(module)))
                found += [(node.lineno, alias.name) for alias in names if alias.name in FORBIDDEN_IMPORTS]
            case ast.Name(id=name, ctx=ast.Load()) if name in FORBIDDEN_CALLS and name not in known:
                found.append((node.lineno, name))
            case ast.Attribute(attr=attribute):
                head, _, rest = dotted(node).partition(".")
                whole = f"{known.get(head, head)}.{rest}"
                if whole in FORBIDDEN_ATTRIBUTES or attribute in FORBIDDEN_METHODS:
                    found.append((node.lineno, whole))
            case ast.keyword(arg="allow_pickle", value=value):
                if not (isinstance(value, ast.Constant) and value.value is False):
                    found.append((value.lineno, "allow_pickle"))
    return sorted(set(found))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_file_can_run_code(path: Path) -> None:
    found = [one for one in dangers(tree_of(path)) if one[1] != A_NUMBER]
    if path in (DOOR, BY_NAME, *OPTIONAL):
        found = [one for one in found if one[1] != "importlib.import_module"]
    assert found == []


def test_the_door_opens_only_rooms_that_it_names_itself() -> None:
    """The lazy door may import by name, from a table of constants in its own text."""
    calls = [
        node
        for node in ast.walk(tree_of(DOOR))
        if isinstance(node, ast.Call) and dotted(node.func).endswith("import_module")
    ]
    assert len(calls) <= 2
    named = {
        dotted(node).rpartition(".")[2] for node in ast.walk(tree_of(DOOR)) if isinstance(node, ast.expr)
    }
    assert not named & {"open", "read_text", "environ", "getenv", "argv", "input"}


@pytest.mark.parametrize("path", OPTIONAL, ids=name_of)
def test_an_optional_library_is_named_in_the_text(path: Path) -> None:
    calls = [
        node
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and dotted(node.func) == "importlib.import_module"
    ]
    assert len(calls) == 1 and all(isinstance(argument, ast.Constant) for argument in calls[0].args)


def test_what_a_campaign_imports_by_name_comes_from_its_caller() -> None:
    """That room has functions alone, which take the name as an argument and read nothing."""
    calls = {dotted(node.func) for node in ast.walk(tree_of(BY_NAME)) if isinstance(node, ast.Call)}
    assert not {call.rpartition(".")[2] for call in calls} & {"open", "read_text", "loads", "load", "getenv"}
    used = {
        alias.name
        for node in ast.walk(tree_of(BY_NAME))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert used == {"importlib"}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "import cloudpickle",
        "import joblib\njoblib.load('f')",
        "from joblib import load",
        "eval('1')",
        "exec('1')",
        "run = eval",
        "compile('1', 'f', 'eval')",
        "__import__('os')",
        "import importlib\nimportlib.import_module(name)",
        "import importlib as i\ni.import_module(name)",
        "from importlib import import_module",
        "from importlib import import_module as f\nf(name)",
        "import yaml\nyaml.load(text)",
        "import yaml as y\ny.unsafe_load(text)",
        "import numpy as np\nnp.load('f', allow_pickle=True)",
        "import numpy as np\nnp.load('f', allow_pickle=flag)",
        "import pandas as pd\npd.read_pickle('f')",
        "import pandas as pd\npd.eval('f')",
        "frame.eval('x')",
        "import builtins\nbuiltins.eval('1')",
    ],
)
def test_each_danger_is_found(text: str) -> None:
    assert dangers(ast.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "import re\nre.compile('x')",
        "import yaml\nyaml.safe_load(text)",
        "import numpy as np\nnp.load('f', allow_pickle=False)",
        "compiled = lowered.compile()",
        "import json\njson.loads(text)",
    ],
)
def test_what_is_safe_passes(text: str) -> None:
    assert dangers(ast.parse(text)) == []
