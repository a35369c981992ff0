"""From a shell, on public tables as they lie: check, fit, summary and forecast, with --columns and --where alone.

Only rows at no more than an eighth of the largest compute are fitted; the forecast is of the largest run, whose loss
is known and said beside it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real_tables import folder

pytestmark = [pytest.mark.real_tables, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from bayes_dsl.cli.app import main; sys.exit(main())"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One table, its commands, and what its largest run turned out to be."""

    file: str
    columns: str
    where: str
    rows: int
    fitted: int
    student: str
    tokens: str
    actual: float
    said: tuple[str, ...]
    length: str = ""


CHINCHILLA = Slice(
    file="chinchilla_svg/svg_extracted_data.csv",
    columns="params=Model Size,flops=Training FLOP,tokens=flops/(6 params)",
    where="flops<=1.62e21",
    rows=245,
    fitted=229,
    student="6.796B",
    tokens="317.8B",
    actual=2.0774,
    said=("largest compute", "1.296e22", "there is no role column"),
)
GEMSTONES = Slice(
    file="gemstones/wandb_df_for_fitting_cool_end.csv",
    columns="params=params_active_precise,loss=final_loss,group=run_name,compute=6*params*tokens",
    where="compute<=1.5873e20",
    rows=199,
    fitted=126,
    student="1.924B",
    tokens="110B",
    actual=2.5127,
    said=("groups", "20", "1.27e21"),
    length="--warmup 2000 --draws 2000",
)


def call(place: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run one line as a shell would, `bayes-dsl` being this checkout's."""
    program, *arguments = shlex.split(command)
    assert program == "bayes-dsl"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(place)}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def said(place: Path, command: str) -> str:
    """What a line prints; it must end well and complain of nothing."""
    done = call(place, command)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.evidence
@pytest.mark.parametrize("one", [CHINCHILLA, GEMSTONES], ids=["chinchilla", "gemstones"])
def test_a_public_table_from_a_shell(one: Slice, tmp_path: Path) -> None:
    (tmp_path / "runs.csv").symlink_to(folder() / one.file)

    checked = said(tmp_path, f"bayes-dsl check runs.csv --columns '{one.columns}'")
    assert f"{one.rows} rows, {one.rows} used" in checked
    for phrase in one.said:
        assert phrase in checked

    fitted = said(
        tmp_path,
        f"bayes-dsl fit runs.csv --columns '{one.columns}' --where '{one.where}' {one.length} -o posterior.nc",
    )
    assert f"supervised law, {one.fitted} of {one.fitted} rows" in fitted
    assert f"--where {one.where} left out {one.rows - one.fitted} of {one.rows} rows" in fitted
    assert "Health: passed" in fitted and "Written: posterior.nc" in fitted

    summarised = said(tmp_path, "bayes-dsl summary posterior.nc")
    for phrase in ("posterior.nc: supervised law", "Health: passed", "90 %", "alpha", "Odd rows"):
        assert phrase in summarised

    question = f"bayes-dsl forecast posterior.nc --student {one.student} --tokens {one.tokens}"
    told = said(tmp_path, question)
    for phrase in ("expected loss", "next run", "Health: passed", "times the compute of the largest run"):
        assert phrase in told
    answer = json.loads(said(tmp_path, f"{question} --json"))
    interval = answer["next_run"]
    hit = interval["lower"] <= one.actual <= interval["upper"]
    print(
        f"largest run of {one.file}: forecast {interval['lower']:.3f} to {interval['upper']:.3f}, "
        f"was {one.actual:.3f}: {'hit' if hit else 'miss'}"
    )
    assert answer["health"]["healthy"] is True
    assert answer["extrapolation"]["times_largest_compute"] >= 7.9
    assert interval["lower"] < interval["median"] < interval["upper"]
    assert answer["expected"]["upper"] - answer["expected"]["lower"] < interval["upper"] - interval["lower"]


def test_a_column_that_is_not_there_ends_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").symlink_to(folder() / CHINCHILLA.file)
    done = call(tmp_path, "bayes-dsl check runs.csv --columns 'params=Model Sise'")
    assert done.returncode == 2
    assert "Did you mean: Model Size" in done.stderr and "Traceback" not in done.stderr
