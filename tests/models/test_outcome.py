"""The row of a run: the run table takes it as it is, and what there is none of is an empty cell."""

from __future__ import annotations

import csv
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bayes_dsl.runs.schema import COLUMN
from bayes_dsl.runs.table import RunTable
from models.objectives import Objective
from models.outcome import Outcome, made_by
from models.position import Position, student_of
from models.results import outcomes_of
from models.run import Run
from models.step import start
from tests.models import tiny


def outcomes(*runs: Run, losses: float = 6.0) -> tuple[Outcome, ...]:
    """What comes of runs that learnt nothing."""
    states = tuple(start(jax.random.key(run.seed), student_of(run)) for run in runs)
    losses_SxR = np.full((runs[0].steps, len(runs)), losses, np.float32)
    position = Position(states=states, losses_SxR=losses_SxR, step=runs[0].steps, cpu_seconds=8.0)
    teacher: Any = tiny.teacher() if any(run.objective for run in runs) else None
    return outcomes_of(runs, tiny.corpus(), position, teacher, Path("unused"))


def test_the_run_table_takes_the_rows(tmp_path: Path) -> None:
    taught = tiny.run("taught", objective=Objective(top_k=4), teacher_id="teacher", group="g")
    good = outcomes(taught, tiny.run("data"))
    (bad,) = outcomes(tiny.run("bad"), losses=np.nan)
    rows = [outcome.row() for outcome in (*good, bad)]
    with (tmp_path / "runs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    table = RunTable.read(tmp_path / "runs.csv")
    assert list(table.values("run_id")) == ["taught", "data", "bad"]
    assert list(table.values("status")) == ["ok", "ok", "diverged"]
    assert list(table.values("role")) == ["distilled", "supervised", "supervised"]
    assert np.isnan(table.values("loss")[2]) and np.isnan(table.values("teacher_loss")[1])
    assert {"excess", "ece", "data_seed", "peak_rate"} <= set(table.free)


def test_columns_of_the_schema_carry_its_names() -> None:
    names = [field.name for field in fields(Outcome)]
    assert set(COLUMN) <= set(names)


def test_an_outcome_survives_json() -> None:
    (outcome,) = outcomes(tiny.run())
    assert Outcome(**json.loads(json.dumps(outcome.record(), allow_nan=False))) == outcome


def test_time_is_shared_by_flops() -> None:
    small, wide = outcomes(tiny.run("small"), tiny.run("wide", network=tiny.network(24)))
    assert small.cpu_seconds + wide.cpu_seconds == 8.0
    assert abs(wide.cpu_seconds / small.cpu_seconds - wide.flops / small.flops) < 1e-3


def test_flops_are_those_of_the_cost_model() -> None:
    (outcome,) = outcomes(tiny.run(steps=3, objective=Objective(), teacher_id="teacher"))
    forward = tiny.network().architecture.forward_flops
    assert outcome.flops == 3 * forward * 3 * tiny.BATCH
    assert outcome.flops_teacher_forward == tiny.network(24).architecture.forward_flops * 3 * tiny.BATCH
    assert outcome.unique_tokens == outcome.tokens == 3 * tiny.BATCH


def test_made_by_names_versions() -> None:
    made = made_by()
    assert made["jax_version"] == jax.__version__ and made["device"]


def test_a_second_epoch_has_no_new_tokens() -> None:
    run = replace(tiny.run(steps=200), most_epochs=2)
    (outcome,) = outcomes(run)
    assert outcome.tokens == 200 * tiny.BATCH
    assert outcome.unique_tokens == (len(tiny.corpus().student_tokens) - 1) // 16 * 16
