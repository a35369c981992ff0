"""Stopping and going on: a run that was interrupted, or killed, ends in the bits of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayes_dsl.errors import FileRefused
from models.checkpoints import digest_of, load_parameters, read_meta
from models.results import parameters_path
from models.train import CHECKPOINT, OUTCOMES, train
from tests.models import tiny

# What the clock says, and who commits in the meantime.
TIMES = ("cpu_seconds", "wall_seconds", "resumed", "started_at", "git_rev")


def result(folder: Path) -> tuple[dict[str, Any], str]:
    """What came of the run, less what the clock says, and the digest of its parameters."""
    (record,) = json.loads((folder / OUTCOMES).read_text())["outcomes"]
    kept = {name: value for name, value in record.items() if name not in TIMES}
    return kept, digest_of(load_parameters(parameters_path(folder, "run"))[1])


class Interrupted(Exception):
    pass


def interrupted_at(step: int, folder: Path, **changes: Any) -> None:
    """Train until a step after `step`, writing a checkpoint after every dispatch of 3 steps."""

    def stop(done: int, steps: int, losses: tuple[float, ...]) -> None:
        if done > step:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(
            [tiny.run(save=True, **changes)],
            tiny.corpus(),
            folder,
            checkpoint_seconds=0.0,
            most_steps=3,
            report=stop,
        )


def finished(folder: Path, **changes: Any) -> int:
    """Train to the end; how often it was resumed."""
    (outcome,) = train([tiny.run(save=True, **changes)], tiny.corpus(), folder, most_steps=3)
    return outcome.resumed


def test_resumed_equals_uninterrupted_to_the_last_bit(tmp_path: Path) -> None:
    assert finished(tmp_path / "straight") == 0
    for step in (1, 8, 15):
        interrupted_at(step, tmp_path / "broken")
        assert 0 < read_meta(tmp_path / "broken" / CHECKPOINT)["step"] <= step + 3
    assert finished(tmp_path / "broken") == 3
    assert result(tmp_path / "broken") == result(tmp_path / "straight")
    assert not (tmp_path / "broken" / CHECKPOINT).exists()


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    interrupted_at(8, tmp_path)
    for changes in ({"seed": 1}, {"steps": 21}, {"data_seed": 1}):
        with pytest.raises(FileRefused, match="left by other runs"):
            finished(tmp_path, **changes)
    assert finished(tmp_path) == 1


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    interrupted_at(8, tmp_path)
    content = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(content[: len(content) // 2])
    with pytest.raises(FileRefused, match="Move it away"):
        finished(tmp_path)


def test_checkpoints_are_as_far_apart_as_asked_for(tmp_path: Path) -> None:
    # The promise of at most a minute, at a scale of 0.3 s: a report that takes 0.1 s stands in for slow steps.
    ages: list[float] = []
    begun = time.monotonic()

    def slow(done: int, steps: int, losses: tuple[float, ...]) -> None:
        path = tmp_path / CHECKPOINT
        written = path.stat().st_mtime - time.time() + time.monotonic() if path.exists() else begun
        if done > 3:
            ages.append(time.monotonic() - written)
        time.sleep(0.1)

    train([tiny.run(steps=30)], tiny.corpus(), tmp_path, checkpoint_seconds=0.3, most_steps=3, report=slow)
    assert len(ages) >= 5
    assert np.median(ages) < 0.3


CHILD = """
import sys
from pathlib import Path
from models.train import train
from tests.models import tiny
train([tiny.run(steps=4000, save=True, most_epochs=1000)], tiny.corpus(), Path(sys.argv[1]),
      checkpoint_seconds=0.1, most_steps=20)
"""


def child(folder: Path, cache: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    root = Path(__file__).parents[2]
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], env=environment, cwd=root)


@pytest.mark.slow
@pytest.mark.evidence
def test_a_process_killed_at_random_moments_loses_nothing(tmp_path: Path) -> None:
    kills = int(os.environ.get("TRAINER_KILLS", "4"))
    rng = np.random.default_rng(0)
    assert child(tmp_path / "straight", tmp_path / "cache").wait(300) == 0
    broken, steps = tmp_path / "broken", [0]
    for _ in range(kills):
        process = child(broken, tmp_path / "cache")
        # From before the first import to well into the training, and in the midst of writing.
        deadline = time.monotonic() + rng.choice([1.0, 10.0, 60.0])
        before = (broken / CHECKPOINT).stat().st_mtime_ns if (broken / CHECKPOINT).exists() else 0
        while time.monotonic() < deadline and process.poll() is None:
            if (broken / CHECKPOINT).exists() and (broken / CHECKPOINT).stat().st_mtime_ns > before:
                break
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (broken / OUTCOMES).exists():
            break
        if (broken / CHECKPOINT).exists():
            steps.append(read_meta(broken / CHECKPOINT)["step"])
    # Some were killed while they trained, and none fell behind a checkpoint.
    assert steps == sorted(steps) and steps[-1] > 0
    assert child(broken, tmp_path / "cache").wait(300) == 0
    assert result(broken) == result(tmp_path / "straight")
