"""What the trainer's benchmark makes of its timings, and that our side trains what the case says, all without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayes_dsl.errors import InputError
from benchmarks import ledger, trainer, trainer_figures, trainer_side

SPEC = {
    "vocabulary": 32,
    "context": 16,
    "student_tokens": 20_000,
    "teacher_tokens": 2_000,
    "document_tokens": 2_000,
    "eval_tokens": 320,
}
TINY = {"width": 16, "steps": 6, "recipe": {"batch_tokens": 64}}


def plan(seconds: float, *, compiling: float = 0.0, loss: float = 3.0) -> dict[str, Any]:
    one = {"cpu_s": seconds, "wall_s": 2 * seconds, "loss": loss}
    first = {**one, "cpu_s": seconds + compiling}
    runs = [
        first if place == 0 else one
        for _ in trainer_figures.PLAN_WIDTHS
        for place, _ in enumerate(trainer_figures.PLAN_RATES)
    ]
    cpu = sum(run["cpu_s"] for run in runs)
    return {"cpu_s": cpu, "wall_s": sum(run["wall_s"] for run in runs), "runs": runs}


def timed(*seconds: float) -> dict[int, list[dict[str, Any]]]:
    return {
        width: [{"cpu_s": s, "wall_s": 2 * s, "steps": trainer.CHUNK[width], "load": 0.5} for s in seconds]
        for width in trainer_figures.WIDTHS
    }


def measured(*, compiled_s: float = 2.0, compiling: float = 30.0, peak: float = 100.0) -> dict[str, Any]:
    return {
        "timings": {"ours": timed(1.0, 1.0, 9.0), "eager": timed(3.0), "compile": timed(compiled_s)},
        "plans": {
            "ours": plan(10.0, compiling=5.0),
            "eager": plan(20.0),
            "compile": plan(9.0, compiling=compiling, loss=3.01),
        },
        "peaks": {"ours": [peak - 1, peak], "torch": [peak / 2]},
        "losses_apart": 1e-7,
        "plan_steps": 64,
        "two_cores": False,
    }


def test_a_ratio_above_one_is_time_that_ours_saves() -> None:
    found = trainer_figures.figures(measured())
    assert found["ratio_step_eager_98k"] == pytest.approx(3.0)
    assert found["ratio_step_compile_25k"] == pytest.approx(2.0)
    assert found["ratio_plan_eager"] == pytest.approx(120 / 75)
    assert found["ratio_plan_compile"] == pytest.approx((54 + 90) / 75)
    assert found["compile_25k_compile_cpu_s"] == pytest.approx(30.0)
    assert found["plan_losses_apart_nats"] == pytest.approx(0.01)


def test_a_share_is_of_the_higher_of_the_two_peaks() -> None:
    found = trainer_figures.figures(measured())
    speed = trainer.CHUNK[192] * trainer_figures.BATCH * trainer_figures.flops_per_token(192) / 1e9
    assert found["ours_886k_share_of_peak"] == pytest.approx(speed / 100)
    swapped = measured()
    swapped["peaks"] = {"ours": [50.0], "torch": [100.0]}
    found = trainer_figures.figures(swapped)
    assert found["ours_886k_share_of_peak"] == pytest.approx(speed / 100)
    assert found["ours_886k_share_of_own_peak"] == pytest.approx(speed / 50)


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, set()),
        ({"compiled_s": 0.9}, {"step_met"}),
        ({"compiling": 1.0}, {"plan_met"}),
        ({"peak": 1000.0}, {"share_met"}),
    ],
    ids=["all reached", "a compiled step is faster", "they compile quickly", "a faster core"],
)
def test_each_goal_can_be_missed_alone(changes: dict[str, float], missed: set[str]) -> None:
    met = trainer_figures.verdicts(trainer_figures.figures(measured(**changes)))
    assert {name for name, reached in met.items() if not reached} == missed


def test_the_row_is_one_that_the_ledger_takes(tmp_path: Path) -> None:
    row = trainer.row_of(measured(), version="2.13.0+cpu", rounds=3, note="made up")
    kept = ledger.append(row, path=tmp_path / "ledger.jsonl")
    assert kept.met is True and kept.note.endswith("made up") and kept.settings["torch"] == "2.13.0+cpu"


def test_the_sizes_are_those_that_were_asked_for() -> None:
    assert [trainer_figures.label(width) for width in trainer_figures.WIDTHS] == [
        "25k",
        "98k",
        "396k",
        "886k",
    ]


def test_sides_that_train_different_networks_are_not_timed() -> None:
    mine = {"first": 4.8, "losses": [4.8, 4.7]}
    assert trainer.apart(mine, {"first": 4.8, "losses": [4.8, 4.7 * (1 + 5e-5)]}, width=32) < 1e-4
    for other in (
        {"first": 4.8 * (1 + 2e-5)},
        {"losses": [4.8, 4.7 * (1 + 2e-4)]},
        {"first": float("nan")},
        {"losses": [4.8, float("nan")]},
    ):
        with pytest.raises(RuntimeError, match="nothing was timed"):
            trainer.apart(mine, {**mine, **other}, width=32)


@pytest.mark.parametrize("python", [None, "no-such-python", sys.executable])
def test_a_python_without_torch_is_refused_in_one_sentence(
    python: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('none here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert trainer.main([] if python is None else ["--torch-python", python]) == InputError.exit_code
    (told,) = capsys.readouterr().err.splitlines()
    assert "must be a Python with torch and numpy" in told


def test_a_case_holds_all_that_another_library_needs(tmp_path: Path) -> None:
    case = str(tmp_path / "d16.npz")
    trainer_side.Side().cases(SPEC, str(tmp_path), {case: TINY})
    with np.load(case) as file:
        numbers = json.loads(str(file["numbers"]))
        assert file["windows"].shape == (6, 4, 17)
        assert file["eval_windows"].shape == (20, 17)
        assert {f"layers/{place}/query" for place in range(2)} <= set(file)
    assert numbers["width"] == 16 and numbers["steps"] == 6 and numbers["warmup"] == 1


@pytest.mark.slow
def test_our_side_answers_line_by_line(tmp_path: Path) -> None:
    case = str(tmp_path / "d16.npz")
    run = {"run_id": "a", "case": case, "steps": 6, "changes": {"peak_rate": 5e-3}}
    asked = [
        {"do": "load", "spec": SPEC, "corpus": str(tmp_path), "told": {case: TINY}},
        {"do": "prepare", "case": case, "options": {}},
        {"do": "check", "case": case, "steps": 4, "changes": {}},
        {"do": "check", "case": case, "steps": 4, "changes": {"clip": 0.1}},
        {"do": "train", "case": case, "steps": 4},
        {"do": "plan", "runs": [run, {**run, "run_id": "b"}], "options": {}},
        {"do": "peak", "size": 16, "seconds": 0.01},
    ]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.trainer_side"],
        input="".join(json.dumps(one) + "\n" for one in asked),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    _, _, usual, clipped, trained, planned, peak = map(json.loads, done.stdout.splitlines())
    assert usual["first"] == clipped["first"] == pytest.approx(usual["losses"][0], abs=0.01)
    assert len(usual["losses"]) == 4 and usual["losses"][0] == clipped["losses"][0]
    assert usual["losses"] != clipped["losses"]
    assert trained["cpu_s"] > 0 and peak["gflops"] > 0
    one, other = planned["runs"]
    assert one["loss"] == other["loss"] and other["cpu_s"] < planned["cpu_s"]
