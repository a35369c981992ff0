"""What CI does with real runs: every step there, in order, and none whose failure is passed over."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
STEPS = ("sweep", "collect", "check", "fit", "forecast")
STANDS_IN = '#!/usr/bin/env bash\necho "$@" >>"$SAID"\ncase " $* " in *" $FAILS "*) exit 1;; esac\n'


def _quick(folder: Path, fails: str) -> tuple[int, list[str]]:
    """Run `.ci/quick` on commands that only note their arguments; the one named ends with 1."""
    (folder / ".ci").mkdir()
    (folder / ".ci/quick").write_text((ROOT / ".ci/quick").read_text())
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("python", "bayes-dsl"):
        command = folder / ".venv/bin" / name
        command.write_text(STANDS_IN)
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    said = folder / "said"
    environment = {**os.environ, "SAID": str(said), "FAILS": fails}
    ended = subprocess.run(["bash", folder / ".ci/quick"], env=environment, capture_output=True, check=False)
    lines = said.read_text().splitlines()
    return ended.returncode, [next(step for step in STEPS if step in line.split()) for line in lines]


def test_every_step_is_taken_in_order(tmp_path: Path) -> None:
    assert _quick(tmp_path, "nothing") == (0, list(STEPS))


def test_a_step_that_fails_ends_it(tmp_path: Path) -> None:
    for step in STEPS:
        folder = tmp_path / step
        folder.mkdir()
        code, taken = _quick(folder, step)
        assert code == 1 and taken == list(STEPS[: STEPS.index(step) + 1])


def test_ci_runs_it() -> None:
    assert "\nbash .ci/quick\n" in (ROOT / ".ci/run").read_text()
    assert os.access(ROOT / ".ci/quick", os.X_OK)
