"""What the command line's tests share: a small table, and a posterior as a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bayes_dsl.cli.app import run
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs.table import RunTable

TABLE = """run_id,role,params,tokens,loss,status,batch
a,supervised,1e8,2e9,3.5,ok,1
b,supervised,2e8,4e9,3.2,ok,2
c,supervised,4e8,16e9,2.9,ok,3
[red]d,supervised,8e8,16e9,2.7,ok,4
e,supervised,9e8,20e9,,diverged,5
"""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What one command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def bayes_dsl(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command in this process: `bayes_dsl("check", path)`."""

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Ran(code=code, out=printed.out, err=printed.err)

    return call


@pytest.fixture
def table_file(tmp_path: Path) -> Path:
    """A table of four rows that are used and one that is not."""
    path = tmp_path / "runs.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture(scope="session")
def sampled_table(small_table: RunTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of the small posterior as a file."""
    path = tmp_path_factory.mktemp("cli") / "small.csv"
    small_table.write(path)
    return path


@pytest.fixture(scope="session")
def posterior_file(small_posterior: Posterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small posterior as a file."""
    path = tmp_path_factory.mktemp("cli") / "small.nc"
    small_posterior.save(path)
    return path


@pytest.fixture(scope="session")
def distilled_file(small_distilled: Posterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small posterior of the distillation law as a file; it did not pass its health gate."""
    path = tmp_path_factory.mktemp("cli") / "distilled.nc"
    small_distilled.save(path)
    return path
