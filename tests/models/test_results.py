"""What becomes of trained states: a row with measures, or one that says diverged and has none."""

from pathlib import Path

import numpy as np
import pytest

from models.position import Position, first_position
from models.results import outcomes_of, parameters_path
from tests.models.tiny import corpus, run

RUNS = [run("a", steps=4, save=True), run("b", steps=4, seed=1, save=True)]


@pytest.fixture(scope="module")
def position() -> Position:
    """Untrained networks that claim to have come to the end, the second of them through a NaN."""
    found = first_position(RUNS)
    found.step = 4
    found.losses_SxR[:] = [[9.0, 9.0], [8.0, 8.0], [7.0, np.nan], [6.0, np.nan]]
    return found


def test_a_run_that_diverged_has_no_loss_and_keeps_no_parameters(position: Position, tmp_path: Path) -> None:
    sound, gone = (one.row() for one in outcomes_of(RUNS, corpus(), position, None, tmp_path))
    assert (sound["run_id"], sound["status"], gone["status"]) == ("a", "ok", "diverged")
    assert sound["loss"] > 0 and gone["loss"] in (None, "")
    assert parameters_path(tmp_path, "a").exists() and not parameters_path(tmp_path, "b").exists()
    assert sound["params"] == RUNS[0].network.architecture.params
    assert sound["flops"] == 3 * RUNS[0].network.architecture.forward_flops * RUNS[0].trained_tokens


def test_time_is_shared_by_flops(position: Position, tmp_path: Path) -> None:
    position.cpu_seconds = 8.0
    rows = [one.row() for one in outcomes_of(RUNS, corpus(), position, None, tmp_path)]
    assert [row["cpu_seconds"] for row in rows] == [4.0, 4.0]
