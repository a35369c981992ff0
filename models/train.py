"""Training some runs together, from the first step or from the last checkpoint, to their rows."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bayes_dsl.files import refused_by_system, write_atomically
from models import checkpoints, trunks
from models.config import Network
from models.corpus.base import Corpus, window_count, window_order
from models.devices import Devices
from models.logit_cache import open_cache
from models.optimiser import settings
from models.outcome import Outcome
from models.position import (
    Position,
    first_position,
    foreign,
    on_device,
    read_checkpoint,
    student_of,
    write_checkpoint,
)
from models.recipe import Recipe
from models.results import outcomes_of
from models.run import Run, check
from models.step import Teacher, program

CHECKPOINT, OUTCOMES = "checkpoint.npz", "outcomes.json"

MOST_STEPS = 128
"""Steps of one dispatch, at most: it holds their windows in memory."""

_DISPATCH_SECONDS = 5.0

Report = Callable[[int, int, tuple[float, ...]], None]
"""Called after each dispatch: steps done, steps in all, the last next-token loss of each run."""


def train(
    runs: Sequence[Run],
    corpus: Corpus,
    folder: Path,
    *,
    teacher: tuple[Network, Any] | None = None,
    trunk: Path | None = None,
    logit_cache: Path | None = None,
    checkpoint_seconds: float = 60.0,
    most_steps: int = MOST_STEPS,
    report: Report | None = None,
    devices: Devices | None = None,
) -> tuple[Outcome, ...]:
    """Train runs that share their batches, and measure them.

    The students of one call share the teacher's forward, in one compiled program. Its numbers do not depend on
    `checkpoint_seconds`, `most_steps`, the clock, or how often it was stopped: on one machine they are the same
    to the last bit. Called again, it goes on where it was stopped; once done, it reads what came of it.

    Parameters
    ----------
    runs
        They share tokens, part, data_seed and batch.
    corpus
        What they are trained and measured on.
    folder
        Where the checkpoint, the outcomes and, of runs that say `save`, the parameters (RUN_ID.npz) are kept;
        it is theirs alone.
    teacher
        The network and parameters that runs with an objective learn from.
    trunk
        Folder of the WSD trunk that the runs branch off. Without it they are trained from the first step, to
        the same bits.
    logit_cache
        Folder where the teacher's logits are kept, rounded to float16, and read instead of running it again
        (`models.logit_cache`). None, the usual choice: the students of a call share the teacher's forward,
        which is cheap, and nothing is rounded.
    checkpoint_seconds
        At most about this much is done again after a crash.
    most_steps
        Steps of one dispatch, at most.
    report
        Told of progress.
    devices
        Several devices that share each batch. Where they belong to several processes, each of these makes the
        same call on a folder that all of them see, and the leading one writes.

    Returns
    -------
    tuple of Outcome
        In the order of the runs.

    Raises
    ------
    InputError
        The runs cannot be trained together on this corpus; every reason is listed.
    FileRefused
        The folder holds what other runs left there, a file is damaged, or the disk does not take one.
    """
    check(runs, corpus, teacher=None if teacher is None else teacher[0], devices=_count(devices))
    _make(folder)
    key = _key(runs, corpus, teacher, logit_cache is not None, devices)
    _meet(devices, "before the folder is read")
    done = _read_outcomes(folder / OUTCOMES, key)
    if done is None and (folder / CHECKPOINT).exists():
        position = read_checkpoint(folder / CHECKPOINT, key, runs, _count(devices))
    elif trunk is None:
        position = first_position(runs, _count(devices))
    else:
        position = trunks.branch_off(runs, trunk, _count(devices))
    _meet(devices, "after the folder was read")
    if done is not None:
        return done
    loop = _Loop(
        runs, corpus, folder, key, teacher, logit_cache, checkpoint_seconds, most_steps, report, devices
    )
    loop.run(position)
    if devices is None or devices.leads:
        outcomes = outcomes_of(runs, corpus, position, teacher, folder, rounded=logit_cache is not None)
        _write_outcomes(folder / OUTCOMES, key, outcomes)
        (folder / CHECKPOINT).unlink(missing_ok=True)
    _meet(devices, "after the outcomes were written")
    written = _read_outcomes(folder / OUTCOMES, key)
    assert written is not None
    return written


def _count(devices: Devices | None) -> int:
    return 1 if devices is None else devices.count


def _meet(devices: Devices | None, where: str) -> None:
    if devices is not None:
        devices.wait(where)


def _teacher_of(runs: Sequence[Run], network: Network, devices: int) -> Teacher:
    shape = network.architecture
    recipe = Recipe(batch_tokens=runs[0].recipe.batch_tokens // devices)
    micro = recipe.micro_windows(params=shape.params, context=runs[0].network.architecture.context)
    return Teacher(network=network, micro_windows=micro, devices=devices)


class _Loop:
    """Dispatches, checkpoints between them, and the trunk's states that branches will need."""

    def __init__(
        self,
        runs: Sequence[Run],
        corpus: Corpus,
        folder: Path,
        key: str,
        teacher: tuple[Network, Any] | None,
        logit_cache: Path | None,
        checkpoint_seconds: float,
        most_steps: int,
        report: Report | None,
        devices: Devices | None,
    ) -> None:
        self.runs, self.folder, self.key, self.devices = runs, folder, key, devices
        self.checkpoint_seconds, self.report = checkpoint_seconds, report
        self.stream, self.context = corpus.stream(runs[0].part), corpus.context
        self.settings = tuple(
            settings(run.recipe, steps=run.steps, mixing=run.mixing, temperature=run.temperature)
            for run in runs
        )
        self.order_SxB = batch_order(runs[0], len(self.stream), corpus.context)
        self.most = max(1, min(most_steps, 2**25 // runs[0].recipe.batch_tokens))
        self.cache, self.teacher_params, shape = None, None, None
        if teacher is not None and any(run.objective is not None for run in runs):
            if logit_cache is None:
                shape, self.teacher_params = (
                    _teacher_of(runs, teacher[0], _count(devices)),
                    self._placed(teacher[1]),
                )
            else:
                alone, params = _teacher_of(runs, teacher[0], 1), on_device(teacher[1])
                digest = checkpoints.digest_of(teacher[1])
                self.cache = open_cache(logit_cache, alone, params, digest, self.stream, self.order_SxB)
                self.most = max(1, min(self.most, 2**25 // (runs[0].recipe.batch_tokens * corpus.vocabulary)))
        students = tuple(student_of(run, _count(devices)) for run in runs)
        self.program = program(students, shape, devices)
        self.pause_steps = sorted({step for run in runs for step in run.branch_steps})

    def run(self, position: Position) -> None:
        """Train from `position`, which moves on, to the last step, or until all runs have diverged."""
        steps, count, timed = self.runs[0].steps, 1, False
        saved = time.monotonic()
        limit = min(_DISPATCH_SECONDS, self.checkpoint_seconds / 4)
        if self.devices is not None:
            position.states = self.devices.place(position.states)
        self._keep(position)
        while position.step < steps and not (position.step and position.diverged.all()):
            pauses = [step for step in self.pause_steps if step > position.step]
            count = min(count, self.most, (pauses[0] if pauses else steps) - position.step)
            seconds = self._dispatch(position, count)
            self._keep(position)
            if self.report is not None:
                last = position.losses_SxR[position.step - 1]
                self.report(position.step, steps, tuple(float(loss) for loss in last))
            ahead = max(limit, seconds) if position.step < steps else self.checkpoint_seconds
            if self._agreed(time.monotonic() - saved + ahead > self.checkpoint_seconds):
                whole = self._whole(position)
                if self.leads:
                    write_checkpoint(self.folder / CHECKPOINT, self.key, whole)
                saved = time.monotonic()
            # The first dispatch is one step and the compilation, which says nothing of the pace.
            count = max(1, min(8 * count, int(limit * count / max(seconds, 1e-6)))) if timed else 1
            count, timed = self._agreed(count), True
        position.states = self._whole(position).states

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return self.devices is None or self.devices.leads

    def _agreed(self, value: int) -> int:
        return value if self.devices is None else self.devices.agreed(value)

    def _placed(self, tree: Any) -> Any:
        return on_device(tree) if self.devices is None else self.devices.place(tree)

    def _whole(self, position: Position) -> Position:
        """The position with states that can be written."""
        if self.devices is None:
            return position
        return replace(position, states=self.devices.fetch(position.states))

    def _keep(self, position: Position) -> None:
        """Keep what branches need where they leave."""
        if position.step in self.pause_steps:
            whole = self._whole(position)
            if self.leads:
                trunks.keep(self.runs, whole, self.folder)

    def _dispatch(self, position: Position, count: int) -> float:
        cpu, wall = time.process_time(), time.monotonic()
        batches = self._batches(position.step, count)
        if self.devices is not None:
            batches = jax.tree.map(self.devices.place_batches, batches)
        position.states, losses_SxR = self.program(
            position.states, batches[0], count, position.step, self.settings, self.teacher_params, batches[1]
        )
        position.losses_SxR[position.step : position.step + count] = np.asarray(losses_SxR)[:count]
        position.step += count
        position.cpu_seconds += time.process_time() - cpu
        position.wall_seconds += time.monotonic() - wall
        return time.monotonic() - wall

    def _batches(self, step: int, count: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Windows of `count` steps from `step` on, and the teacher's logits if they are cached.

        Both are filled up to one shape for all dispatches.
        """
        order_SxB = self.order_SxB[step : step + count]
        windows = np.zeros((self.most, order_SxB.shape[1], self.context + 1), self.stream.dtype)
        starts_SxBx1 = order_SxB[..., None].astype(np.int64) * self.context
        windows[:count] = self.stream[starts_SxBx1 + np.arange(self.context + 1)]
        if self.cache is None:
            return windows, None
        logits = np.zeros((*windows.shape[:2], *self.cache.logits_WxTxV.shape[1:]), np.float16)
        logits[:count] = self.cache.of(order_SxB)
        return windows, logits


def batch_order(run: Run, stream_tokens: int, context: int) -> np.ndarray:
    """Windows of each step (steps x batch): a pure function of the data seed, and of nothing on the way."""
    unique = window_count(stream_tokens, context)
    needed = run.steps * run.batch_windows
    order = window_order(unique, data_seed=run.data_seed, epochs=-(-needed // unique))
    return order[:needed].reshape(run.steps, run.batch_windows)


def _key(
    runs: Sequence[Run],
    corpus: Corpus,
    teacher: tuple[Network, Any] | None,
    rounded: bool,
    devices: Devices | None,
) -> str:
    """Hash of everything that the outcomes depend on."""
    taught_by = None if teacher is None else checkpoints.digest_of(teacher[1])
    content: list[Any] = [[run.record() for run in runs], corpus.sha256, corpus.eval_id, taught_by, rounded]
    if devices is not None:
        content.append([devices.layout, devices.count])
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _write_outcomes(path: Path, key: str, outcomes: Sequence[Outcome]) -> None:
    content = {"key": key, "outcomes": [outcome.record() for outcome in outcomes]}
    write_atomically(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _read_outcomes(path: Path, key: str) -> tuple[Outcome, ...] | None:
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["key"] != key:
        raise foreign(path)
    return tuple(Outcome(**record) for record in content["outcomes"])


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused_by_system(folder, "writing", error) from error
