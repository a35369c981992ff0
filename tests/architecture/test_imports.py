"""Opening the package is quick, and loads no numerics."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

NUMERICS = {"jax", "jaxlib", "numpyro", "arviz", "arviz_base", "arviz_plots", "arviz_stats", "xarray"}
LOOK = """
import json, sys, time
start = time.perf_counter()
{statement}
took = time.perf_counter() - start
print(json.dumps([took, sorted(sys.modules)]))
"""


def fresh(statement: str) -> tuple[float, set[str]]:
    """Seconds that a statement takes in a new interpreter, and the modules that are loaded after it."""
    command = [sys.executable, "-c", LOOK.format(statement=statement)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    took, loaded = json.loads(done.stdout.splitlines()[-1])
    return took, set(loaded)


def test_the_door_loads_nothing_heavy() -> None:
    loaded = fresh("import bayes_dsl")[1]
    assert "bayes_dsl" in loaded
    assert not loaded & (NUMERICS | {"pandas", "matplotlib", "scipy"})


def test_the_door_opens_within_three_tenths_of_a_second() -> None:
    times = []
    for _ in range(10):
        times.append(fresh("import bayes_dsl")[0])
        if times[-1] < 0.3:
            return
    pytest.fail(f"the quickest of {len(times)} imports took {min(times):.2f} s")


@pytest.mark.parametrize("room", ["errors", "files", "runs"])
def test_reading_a_table_needs_no_jax(room: str) -> None:
    loaded = fresh(f"import bayes_dsl.{room}")[1]
    assert not loaded & NUMERICS


@pytest.mark.parametrize(
    "command", ["--help", "check --help", "fit --help", "check TABLE", "check TABLE --json"]
)
def test_help_and_check_need_no_jax(command: str, tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    table.write_text("run_id,role,params,tokens,loss\na,supervised,1e8,2e9,3.5\nb,supervised,2e8,4e9,3.2\n")
    words = [str(table) if word == "TABLE" else word for word in command.split()]
    loaded = fresh(f"from bayes_dsl.cli.app import run; code = run({words}); assert code == 0")[1]
    assert "bayes_dsl.cli.app" in loaded
    assert not loaded & NUMERICS


def test_a_heavy_import_would_be_seen() -> None:
    assert NUMERICS & fresh("import xarray")[1]
