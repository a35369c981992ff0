"""A study becomes units, and their results the figures' data; killed and run again it gives the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_dsl import campaign
from models.__main__ import run
from models.mapping_problem import study
from models.mapping_problem.plan import MappingPlan, TeacherSteps

ROOT = Path(__file__).parents[3]
TINY = MappingPlan(
    name="tiny",
    classes=3,
    trials=2,
    student_widths=(4,),
    teacher_widths=(4, 8),
    teacher_steps=TeacherSteps(width=8, steps=(2, 40)),
    batch=32,
    least_steps=30,
    eval_samples=256,
)
SMALL = TINY.model_copy(
    # One shape, so that there is little to compile; steps enough for a kill to come in between.
    update={"student_widths": (8,), "teacher_widths": (8,), "least_steps": 2000}
)
SMALL_TOML = """
name = "small"
classes = 3
trials = 2
student_widths = [8]
teacher_widths = [8]
batch = 32
least_steps = 2000
eval_samples = 256
[teacher_steps]
width = 8
steps = [2, 40]
"""
COMMAND = """
import sys
from pathlib import Path
from models.mapping_problem import study
from models.mapping_problem.plan import MappingPlan
study.run(MappingPlan.model_validate_json(sys.argv[1]), Path(sys.argv[2]), workers=1)
"""


def test_a_trial_trains_teachers_then_each_student_with_and_without_them() -> None:
    names = [network.name for network in study.networks_of(TINY)]
    assert names[: len(names) // 2] == [
        "teacher-w4-t0",
        "teacher-w8-t0",
        "teacher-w8-n2-t0",
        "teacher-w8-n40-t0",
        "supervised-w4-t0",
        "distilled-w4-from-w4-t0",
        "distilled-w4-from-w8-t0",
        "distilled-w4-from-w8-n2-t0",
        "distilled-w4-from-w8-n40-t0",
    ]
    assert len(set(names)) == len(names) == 18


def test_along_a_curve_only_the_teacher_differs() -> None:
    units = {unit.name: unit for unit in study.campaign_of(TINY, Path("out")).units}
    small, large = units["distilled-w4-from-w4-t0"], units["distilled-w4-from-w8-t0"]
    assert small.payload == large.payload | {"teacher_width": 4}
    assert small.payload["seed"] == units["supervised-w4-t0"].payload["seed"]
    assert small.needs == ("teacher-w4-t0",) and small.stage == 1
    seeds = {(unit.payload["seed"], name[:7], name[-2:]) for name, unit in units.items()}
    assert len({seed for seed, _, _ in seeds}) == 4  # two trials, teachers apart from students


def test_more_trials_keep_those_that_are_done() -> None:
    more = TINY.model_copy(update={"trials": 3, "name": "longer"})
    first, longer = (study.campaign_of(plan, Path("out")) for plan in (TINY, more))
    assert first.units == longer.units[: len(first.units)] and first.settings == longer.settings


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("whole")
    with (
        pytest.MonkeyPatch.context() as patch
    ):  # what one worker has compiled, the next ones of this file use
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        status = study.run(SMALL, folder, workers=1)
        assert len(status.done) == 14
        yield folder


def test_the_tables_have_their_columns(whole: Path) -> None:
    networks, figure = (pd.read_csv(whole / name) for name in (study.NETWORKS, study.FIGURE))
    assert tuple(networks.columns) == study.NETWORK_COLUMNS and len(networks) == 14
    assert tuple(figure.columns) == study.FIGURE_COLUMNS and len(figure) == 3
    assert figure["figure"].tolist() == ["teacher steps", "teacher steps", "teacher width"]
    assert (figure["trials"] == 2).all() and not figure.isna().any().any()
    alone = networks[networks["role"] == "supervised"]
    assert alone[["teacher_id", "teacher_kl"]].isna().all().all()
    assert networks[networks["role"] == "distilled"]["teacher_kl"].gt(0).all()
    assert ".0" not in "".join((whole / study.NETWORKS).read_text().split(",")[7:10])


def test_a_point_is_the_median_over_its_trials(whole: Path) -> None:
    networks, figure = (pd.read_csv(whole / name) for name in (study.NETWORKS, study.FIGURE))
    row = figure[(figure["figure"] == "teacher width")].iloc[0]
    of = networks.set_index("run_id")["cross_entropy"]
    students = of[["distilled-w8-from-w8-t0", "distilled-w8-from-w8-t1"]].to_numpy()
    assert row["student_cross_entropy"] == pytest.approx(students.mean())
    assert row["student_cross_entropy_q75"] == pytest.approx(np.quantile(students, 0.75))
    assert row["teacher_cross_entropy"] == pytest.approx(of[["teacher-w8-t0", "teacher-w8-t1"]].mean())
    assert row["supervised_cross_entropy"] == pytest.approx(
        of[["supervised-w8-t0", "supervised-w8-t1"]].mean()
    )


def test_one_trial_has_no_quartiles(whole: Path) -> None:
    networks = pd.read_csv(whole / study.NETWORKS)
    figure = study.figure_table(networks[networks["trial"] == 0])
    bands = [name for name in figure.columns if name.endswith(("_q25", "_q75"))]
    assert len(bands) == 8 and figure[bands].isna().all().all()
    assert figure["student_cross_entropy"].notna().all()


def test_the_summary_says_best_and_last(whole: Path) -> None:
    lines = study.told(whole)
    assert lines == study.summary(pd.read_csv(whole / study.FIGURE))
    assert len(lines) == 2
    assert lines[0].startswith("student of width 8, by teacher steps: best ") and "(2 trials)" in lines[0]


def test_the_summary_tells_the_best_teacher_from_the_largest() -> None:
    """Of a made-up U: the least loss is at 16, the largest teacher is 32."""
    rows = [
        {
            "figure": "teacher width",
            "student_width": 8,
            "teacher_width": width,
            "teacher_steps": 100,
            "trials": 1,
            "student_cross_entropy": loss,
            "supervised_cross_entropy": 1.25,
        }
        for width, loss in [(32, 1.5), (8, 1.2), (16, 1.0)]
    ]
    (line,) = study.summary(pd.DataFrame(rows))
    assert line.endswith("best 1.000 nats at 16, 1.500 at 32, 1.250 from labels alone (1 trial)")


def test_the_verb_trains_what_is_missing_and_says_what_it_shows(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(SMALL_TOML)
    before = (whole / study.FIGURE).read_bytes()
    assert run(["mapping-problem", str(plan), "--out", str(whole), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("14 of 14 units done")
    assert all(line in said for line in study.told(whole))
    assert (whole / study.FIGURE).read_bytes() == before


def test_killed_and_run_again_it_writes_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMMAND, SMALL.model_dump_json(), str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, env=dict(os.environ)) as process:
        stop = time.monotonic() + 300
        while not any(tmp_path.glob("units/*/result.json")) and time.monotonic() < stop:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    done = campaign.status(study.campaign_of(SMALL, tmp_path)).done
    assert 0 < len(done) < 14
    study.run(SMALL, tmp_path, workers=1)
    for name in (study.NETWORKS, study.FIGURE):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()
