"""Runs that cannot be trained are refused before anything is, with all that is wrong at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bayes_dsl.errors import InputError
from models.config import small
from models.objectives import Objective
from models.recipe import Recipe
from models.run import Run, check
from tests.models import tiny


def faults(*runs: Run, taught: bool = False) -> list[str]:
    """What is wrong, by name."""
    try:
        check(runs, tiny.corpus(), teacher=tiny.network(24) if taught else None)
    except InputError as error:
        return [fault.what for fault in error.faults]
    return []


TAUGHT: dict[str, Any] = {"objective": Objective(), "teacher_id": "teacher"}


def test_sound_runs_pass() -> None:
    assert not faults(tiny.run())
    assert not faults(tiny.run("a", **TAUGHT), tiny.run("b", network=tiny.network(24)), taught=True)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"run_id": "../up"}, ["run_id"]),
        ({"run_id": ""}, ["run_id"]),
        ({"steps": 0}, ["tokens"]),
        ({"steps": float("nan")}, ["tokens"]),
        ({"steps": float("inf")}, ["tokens"]),
        ({"seed": -1, "data_seed": -1}, ["seed", "data_seed"]),
        ({"network": small(16, vocabulary=64, context=16)}, ["vocabulary"]),
        ({"recipe": Recipe(batch_tokens=100)}, ["batch_tokens"]),
        ({"teacher_id": "teacher"}, ["teacher_id"]),
        ({"objective": Objective()}, ["teacher_id", "teacher"]),
        ({**TAUGHT, "mixing": 1.5, "temperature": 0.0}, ["teacher", "mixing", "temperature"]),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, Any], wrong: list[str]) -> None:
    assert faults(tiny.run(**changes)) == wrong


def test_more_tokens_than_unique_ones_need_leave() -> None:
    one_epoch = (len(tiny.corpus().student_tokens) - 1) // tiny.CONTEXT * tiny.CONTEXT
    steps = one_epoch // tiny.BATCH
    assert not faults(tiny.run(steps=steps))
    assert faults(tiny.run(steps=steps + 1)) == ["tokens"]
    assert not faults(tiny.run(steps=steps + 1, most_epochs=2))
    assert faults(tiny.run(steps=2 * steps + 2, most_epochs=2)) == ["tokens"]


def test_a_teacher_with_other_tokens_is_refused() -> None:
    with pytest.raises(InputError, match="a teacher with the same tokens"):
        check([tiny.run(**TAUGHT)], tiny.corpus(), teacher=small(16, vocabulary=64, context=16))


def test_runs_trained_together_share_their_batches() -> None:
    one = tiny.run("one")
    others = [
        tiny.run("two", steps=21),
        tiny.run("two", data_seed=1),
        tiny.run("two", part="teacher"),
        tiny.run("two", recipe=Recipe(batch_tokens=128)),
    ]
    for other, wrong in zip(others, ("tokens", "data_seed", "part", "batch_tokens"), strict=True):
        assert wrong in faults(one, other)
    assert not faults(one, tiny.run("two", seed=1, recipe=replace(tiny.RECIPE, peak_rate=1e-3)))
    assert faults(one, one) == ["run_id"]
    assert faults() == ["runs"]


def test_all_faults_of_all_runs_are_told_at_once() -> None:
    bad = [tiny.run("one", steps=0, seed=-1), tiny.run("two", teacher_id="x")]
    assert faults(*bad) == ["tokens", "seed", "teacher_id", "tokens"]


def test_a_run_counts_what_it_trains() -> None:
    run = replace(tiny.run(), tokens=1000.0)
    assert (run.steps, run.trained_tokens, run.batch_windows) == (3, 768, 16)
