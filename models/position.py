"""How far some runs have come: their states, what a checkpoint holds of them, and where they begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.errors import Fault, FileRefused
from bayes_dsl.files import shown
from models import checkpoints
from models.run import Run
from models.step import State, Student, start


@dataclass
class Position:
    """How far the runs of one call have come.

    Attributes
    ----------
    states : tuple of State
        Of each run.
    losses_SxR : numpy.ndarray
        Next-token loss of each step so far, NaN from `step` on, and from where a run has diverged.
    step : int
        Steps done.
    cpu_seconds, wall_seconds : float
        Spent in training, before the last checkpoint or since.
    resumed : int
        How often the runs went on from a checkpoint.
    started_at : str
        UTC.
    """

    states: tuple[State, ...]
    losses_SxR: np.ndarray
    step: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    resumed: int = 0
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def diverged(self) -> np.ndarray:
        """Of each run, whether its loss ceased to be a number."""
        gone: np.ndarray = np.isnan(self.losses_SxR[: self.step]).any(axis=0)
        return gone


def student_of(run: Run, devices: int = 1) -> Student:
    """What the compiled program needs to know of a run on so many devices."""
    share = run.batch_windows // devices
    micro = max(size for size in range(1, min(run.micro_windows, share) + 1) if share % size == 0)
    return Student(network=run.network, objective=run.objective, micro_windows=micro, devices=devices)


def first_position(runs: Sequence[Run], devices: int = 1) -> Position:
    """Before the first step."""
    states = tuple(start(jax.random.key(run.seed), student_of(run, devices)) for run in runs)
    return Position(states=states, losses_SxR=no_losses(runs))


def no_losses(runs: Sequence[Run]) -> np.ndarray:
    """Room for the loss of each step and run."""
    return np.full((runs[0].steps, len(runs)), np.nan, np.float32)


def state_shapes(run: Run, devices: int = 1) -> Any:
    """The tree of a state, of shapes in place of arrays."""
    return jax.eval_shape(lambda: start(jax.random.key(0), student_of(run, devices)))


def on_device(tree: Any) -> Any:
    """A copy on the device: the program uses its states up, and NumPy's memory is not its own."""
    return jax.tree.map(lambda x: jnp.array(x, copy=True), tree)


def write_checkpoint(path: Path, key: str, position: Position) -> None:
    """Write the position, whole or not at all.

    Raises
    ------
    FileRefused
        The disk does not take it; an earlier checkpoint is intact.
    """
    meta = {
        "key": key,
        "step": position.step,
        "cpu_seconds": position.cpu_seconds,
        "wall_seconds": position.wall_seconds,
        "resumed": position.resumed,
        "started_at": position.started_at,
    }
    checkpoints.save(path, {"states": position.states, "losses": position.losses_SxR}, meta)


def read_checkpoint(path: Path, key: str, runs: Sequence[Run], devices: int = 1) -> Position:
    """The position that `write_checkpoint` wrote, one more time resumed.

    Raises
    ------
    FileRefused
        The file was changed, or is of other runs.
    """
    if checkpoints.read_meta(path).get("key") != key:
        raise foreign(path)
    like = {"states": tuple(state_shapes(run, devices) for run in runs), "losses": no_losses(runs)}
    tree, meta = checkpoints.read(path, like)
    return Position(
        states=on_device(tree["states"]),
        losses_SxR=tree["losses"],
        step=meta["step"],
        cpu_seconds=meta["cpu_seconds"],
        wall_seconds=meta["wall_seconds"],
        resumed=meta["resumed"] + 1,
        started_at=meta["started_at"],
    )


def foreign(path: Path) -> FileRefused:
    """The refusal of a file that other runs left."""
    rule = "it was left by other runs, another corpus, or another teacher"
    remedy = "Choose another folder, or move this one away"
    return FileRefused(Fault(where=shown(path), what="content", value="", rule=rule, remedy=remedy))
