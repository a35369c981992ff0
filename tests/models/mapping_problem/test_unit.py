"""A small network learns, a student learns from it, and what was interrupted ends on the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

from bayes_dsl.campaign import UnitRefused
from models import mlp
from models.mapping_problem import unit

SETTINGS: dict[str, Any] = {
    "classes": 4,
    "copy_share": 1 / 3,
    "batch": 64,
    "peak_rate": 3e-3,
    "mixing": 1.0,
    "temperature": 1.0,
    "eval_samples": 2048,
    "eval_seed": 0,
}
TEACHER = {"width": 48, "steps": 600, "seed": 0, "data_seed": 0}
STUDENT = {"width": 48, "steps": 300, "seed": 1, "data_seed": 1, "teacher_width": 48}


def made(
    folder: Path, payload: dict[str, Any], teacher: Path | None = None, **changes: Any
) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return unit.work(payload, SETTINGS | changes, folder, {} if teacher is None else {"t": teacher})


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("teacher")
    return folder, made(folder, TEACHER)


def test_a_network_learns_the_task(taught: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    _, result = taught
    untrained = made(tmp_path / "u", TEACHER | {"steps": 1})
    assert result["accuracy"] > 0.9 and result["cross_entropy"] < 0.3
    assert untrained["accuracy"] < 0.5 and untrained["cross_entropy"] > 1.0
    assert result["samples"] == 600 * 64 and result["teacher_kl"] is None
    assert result["params"] == 48 * 9 + 48 * 49 + 4 * 49
    shares = result["copy_accuracy"] / 3 + 2 * result["match_accuracy"] / 3
    assert result["accuracy"] == pytest.approx(shares, abs=0.02)


def test_a_student_comes_near_to_its_teacher(taught: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    result = made(tmp_path / "s", STUDENT, taught[0])
    early = made(tmp_path / "e", STUDENT | {"steps": 5}, taught[0])
    assert result["teacher_kl"] < 0.5 * early["teacher_kl"]
    assert result["cross_entropy"] < early["cross_entropy"] - 0.2


def test_a_student_of_mixing_near_zero_learns_from_labels_alone(
    taught: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """With no weight on the teacher it ends where a network without one does; with all of it elsewhere."""
    alone = made(tmp_path / "a", {k: v for k, v in STUDENT.items() if k != "teacher_width"})
    none = made(tmp_path / "n", STUDENT, taught[0], mixing=0.0)
    full = made(tmp_path / "f", STUDENT, taught[0])
    assert none["cross_entropy"] == pytest.approx(alone["cross_entropy"], rel=1e-4)
    assert abs(full["cross_entropy"] - alone["cross_entropy"]) > 1e-3


def test_the_same_unit_gives_the_same_bits(taught: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    first, again = made(tmp_path / "1", STUDENT, taught[0]), made(tmp_path / "2", STUDENT, taught[0])
    assert first == again
    files = [(tmp_path / name / unit.PARAMETERS).read_bytes() for name in "12"]
    assert files[0] == files[1]
    assert made(tmp_path / "3", STUDENT | {"data_seed": 2}, taught[0]) != first
    assert made(tmp_path / "4", STUDENT | {"seed": 2}, taught[0]) != first


def test_stopped_at_a_checkpoint_it_ends_on_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made(tmp_path / "whole", TEACHER)
    monkeypatch.setattr(unit, "STEPS_BETWEEN_CHECKPOINTS", 170)
    advance, calls = unit._advance, 0

    def stopped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return advance(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(unit, "_advance", stopped)
        with pytest.raises(KeyboardInterrupt):
            made(tmp_path / "cut", TEACHER)
    assert (tmp_path / "cut" / unit.CHECKPOINT).exists()
    assert made(tmp_path / "cut", TEACHER) == whole
    names = {path.name for path in (tmp_path / "cut").iterdir()}
    assert names == {unit.PARAMETERS}
    bits = [(tmp_path / name / unit.PARAMETERS).read_bytes() for name in ("whole", "cut")]
    assert bits[0] == bits[1]


def test_training_that_diverges_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnitRefused, match="diverged"):
        made(tmp_path / "d", TEACHER | {"steps": 40}, peak_rate=1e20)


def test_a_kind_without_samples_has_no_accuracy(tmp_path: Path) -> None:
    result = made(tmp_path / "c", TEACHER | {"steps": 3}, copy_share=1.0)
    assert result["match_accuracy"] is None and result["copy_accuracy"] is not None


def test_the_rate_warms_up_and_falls_as_a_cosine() -> None:
    steps, peak = 1000, 3e-4
    rates = np.asarray(jax.vmap(lambda step: unit.rate(step, steps, peak))(np.arange(steps)))
    np.testing.assert_allclose(rates[:50], peak * np.arange(1, 51) / 50, rtol=1e-5)
    theirs = optax.cosine_decay_schedule(peak, steps - 50)
    np.testing.assert_allclose(rates[50:], [float(theirs(step)) for step in range(steps - 50)], atol=1e-9)
    assert np.asarray(unit.rate(np.int32(0), 1, peak)) == pytest.approx(peak)


def test_the_samples_held_out_are_not_those_trained_on() -> None:
    """Of seed 0, whose training and evaluation would meet if they shared a key."""
    key = jax.random.key(0)
    draws = [jax.random.key_data(jax.random.fold_in(key, use)).tolist() for use in (unit._TRAIN, unit._EVAL)]
    assert draws[0] != draws[1]


def test_parameters_are_those_of_a_perceptron(taught: tuple[Path, dict[str, Any]]) -> None:
    like = mlp.init(jax.random.key(0), inputs=8, width=48, outputs=4)
    params, _ = unit.checkpoints.read(taught[0] / unit.PARAMETERS, like)
    x = np.eye(8, dtype=np.float32)
    assert np.isfinite(np.asarray(mlp.logits(params, x))).all()
