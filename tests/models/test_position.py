"""Where runs have come to is kept whole, and goes on only with the same runs."""

from pathlib import Path

import jax
import numpy as np
import pytest

from bayes_dsl.errors import FileRefused
from models.position import first_position, read_checkpoint, write_checkpoint
from tests.models.tiny import run

RUNS = [run("a", steps=5, seed=1), run("b", steps=5, seed=2)]


def test_a_position_comes_back_to_the_bit(tmp_path: Path) -> None:
    position = first_position(RUNS)
    position.step, position.cpu_seconds = 2, 1.5
    position.losses_SxR[:2] = [[3.0, 3.1], [2.9, 3.0]]
    write_checkpoint(tmp_path / "c.npz", "key", position)
    again = read_checkpoint(tmp_path / "c.npz", "key", RUNS)
    assert (again.step, again.cpu_seconds, again.resumed) == (2, 1.5, 1)
    assert np.array_equal(again.losses_SxR, position.losses_SxR, equal_nan=True)
    pairs = zip(jax.tree.leaves(again.states), jax.tree.leaves(position.states), strict=True)
    assert all(np.array_equal(ours, theirs) for ours, theirs in pairs)


def test_seeds_begin_apart() -> None:
    first, second = (jax.tree.leaves(state["params"]) for state in first_position(RUNS).states)
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_other_runs_are_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c.npz", "key", first_position(RUNS))
    with pytest.raises(FileRefused, match="left by other runs"):
        read_checkpoint(tmp_path / "c.npz", "another key", RUNS)


def test_a_loss_that_is_no_number_is_a_divergence() -> None:
    position = first_position(RUNS)
    assert not position.diverged.any()  # steps to come are NaN, too
    position.step = 2
    position.losses_SxR[:2] = [[3.0, 3.1], [np.nan, 3.0]]
    assert position.diverged.tolist() == [True, False]
