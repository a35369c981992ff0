"""What a process with several devices trains for `test_devices`."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from models.devices import Devices, devices, join
from models.objectives import Objective
from models.optimiser import settings
from models.position import student_of
from models.run import Run
from models.step import Teacher, program, start
from models.train import train
from tests.models import tiny

STEPS = 6
RECIPE = replace(tiny.RECIPE, micro_tokens=32)
TAUGHT = tiny.run(
    "taught", steps=STEPS, recipe=RECIPE, objective=Objective(), teacher_id="teacher", mixing=0.5
)
ALONE = tiny.run("alone", steps=STEPS, save=True)


def curve(run: Run, on: Devices | None, windows_SxBxT1: np.ndarray) -> tuple[dict[str, Any], Any]:
    """Losses and final parameters of a distilled run, and the states as they lie."""
    count = 1 if on is None else on.count
    student = student_of(run, count)
    network, params = tiny.teacher()
    states: Any = (start(jax.random.key(0), student),)
    batches: Any = windows_SxBxT1
    if on is not None:
        states, params, batches = on.place(states), on.place(params), on.place_batches(batches)
    teacher = Teacher(network=network, micro_windows=2, devices=count)
    numbers = (settings(run.recipe, steps=STEPS, mixing=run.mixing),)
    states, losses = program((student,), teacher, on)(states, batches, STEPS, 0, numbers, params, None)
    whole = states if on is None else on.fetch(states)
    flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(whole[0]["params"])])
    return {"losses": np.asarray(losses)[:, 0].tolist(), "params": flat.tolist()}, states


def held(states: Any) -> list[int]:
    """Numbers that the first device holds of the parameters and of the moments."""
    parts = [states[0]["params"], states[0]["optimiser"]]
    return [sum(leaf.addressable_data(0).size for leaf in jax.tree.leaves(part)) for part in parts]


def one_process(folder: Path) -> None:
    """Both layouts against one device; and one device with a quarter of each batch, which must differ."""
    rng = np.random.default_rng(0)
    windows = rng.integers(0, tiny.VOCABULARY, (STEPS, 16, tiny.CONTEXT + 1)).astype(np.int32)
    told: dict[str, Any] = {}
    for layout in (None, "data", "full"):
        on = None if layout is None else devices(layout)
        told[layout or "one"], states = curve(TAUGHT, on, windows)
        told[layout or "one"]["held"] = held(states)
    quarter = replace(TAUGHT, recipe=replace(RECIPE, batch_tokens=tiny.BATCH // 4), tokens=STEPS * 64)
    told["quarter"], _ = curve(quarter, None, windows[:, :4])
    (folder / "told.json").write_text(json.dumps(told))


def trained(folder: Path, on: Devices | None) -> None:
    """One run through `train`, with a checkpoint at each dispatch."""
    losses = []
    told = {"checkpoint_seconds": 0.0, "most_steps": 2, "devices": on}
    (outcome,) = train(
        [ALONE], tiny.corpus(), folder / "run", report=lambda _1, _2, last: losses.append(last[0]), **told
    )
    name = f"process{jax.process_index()}.json"
    (folder / name).write_text(json.dumps({"losses": losses, "loss": outcome.loss}))


def main() -> None:
    """Train what the arguments say."""
    what, folder, *group = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
    if what == "layouts":
        one_process(folder)
    elif what == "alone":
        trained(folder, None)
    else:
        coordinator, process = group
        join(coordinator, processes=2, process=int(process))
        trained(folder, devices("full"))


if __name__ == "__main__":
    main()
