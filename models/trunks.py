"""WSD trunks: the state that a trunk keeps where branches leave it, and the branch that goes on from there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bayes_dsl.errors import Fault, FileRefused, InputError
from bayes_dsl.files import shown
from models import checkpoints
from models.position import Position, no_losses, on_device, state_shapes
from models.run import Run


def keep(runs: Sequence[Run], position: Position, folder: Path) -> None:
    """Keep the states of those runs that a branch leaves at this step.

    Raises
    ------
    FileRefused
        The disk does not take one.
    """
    for place, run in enumerate(runs):
        if position.step in run.branch_steps:
            tree = {"state": position.states[place], "losses": position.losses_SxR[: position.step, place]}
            meta = {"lineage": _lineage(run), "step": position.step}
            checkpoints.save(_path(folder, run.run_id, position.step), tree, meta)


def branch_off(runs: Sequence[Run], trunk: Path, devices: int = 1) -> Position:
    """The position of runs that leave their trunks, with the trunks' losses behind it.

    Raises
    ------
    InputError
        A run names no trunk, or the runs would leave at different steps.
    FileRefused
        The trunk did not keep its state there, or it is a trunk of other runs.
    """
    steps = {run.recipe.cooldown_start(run.steps) for run in runs}
    if len(steps) > 1 or any(run.trunk_id is None for run in runs):
        rule = "runs that branch off together name their trunks and leave them at one step"
        value = ", ".join(run.run_id for run in runs)
        remedy = "Give each a trunk_id and the same cooldown_share"
        raise InputError(Fault(where="training", what="branches", value=value, rule=rule, remedy=remedy))
    (step,) = steps
    losses_SxR = no_losses(runs)
    states = []
    for place, run in enumerate(runs):
        assert run.trunk_id is not None
        path = _path(trunk, run.trunk_id, step)
        like = {"state": state_shapes(run, devices), "losses": np.empty(step, np.float32)}
        tree, meta = checkpoints.read(path, like)
        if meta.get("lineage") != _lineage(run):
            rule = "its trunk had another seed, recipe, corpus part or teacher"
            remedy = "Name its own trunk, or train it without one"
            raise FileRefused(
                Fault(where=shown(path), what="trunk of", value=run.run_id, rule=rule, remedy=remedy)
            )
        states.append(on_device(tree["state"]))
        losses_SxR[:step, place] = tree["losses"]
    return Position(states=tuple(states), losses_SxR=losses_SxR, step=step)


def _path(folder: Path, run_id: str, step: int) -> Path:
    return folder / f"{run_id}-step{step}.npz"


def _lineage(run: Run) -> str:
    """Hash of what a trunk and its branches have in common."""
    own = ("run_id", "tokens", "trunk_id", "save", "branches", "group", "most_epochs")
    content = {name: value for name, value in run.record().items() if name not in own}
    content["recipe"] = {**content["recipe"], "cooldown_share": None}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
