"""kill -9 at random moments: calibrations and back-tests of public tables end with the same bytes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import ledger
from tests.campaign.tools import damaged, kill_one, result_bytes
from tests.real_tables import folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.evidence,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc"),
]
KILLS = int(os.environ.get("CAMPAIGN_KILLS", "2"))
CALIBRATION = """
import sys
from pathlib import Path
from bayes_dsl.validation.calibration import calibrate, campaign_of

calibrate(campaign_of("supervised", replications=15, folder=Path(sys.argv[1]), seed=7), workers=2)
"""
BACKTESTS = """
import sys
from dataclasses import replace
from pathlib import Path
from bayes_dsl.campaign import run
from benchmarks import real_backtests as real

made = real.campaign()
units = tuple(unit for unit in made.units if unit.name in ("olmo-c4-16x", "olmo-pile-16x", "lr-bsz-best-16x"))
run(replace(made, folder=Path(sys.argv[1]), units=units), workers=2, retry_failed=True)
"""


def started(code: str, where: Path) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join([str(ledger.ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", code, str(where)], cwd=ledger.ROOT, env={**os.environ, "PYTHONPATH": paths}
    )


@pytest.mark.parametrize("code", [CALIBRATION, BACKTESTS], ids=["calibration", "back-tests"])
def test_a_campaign_that_is_killed_and_resumed_gives_the_same_bytes(code: str, tmp_path: Path) -> None:
    folder()
    began = time.monotonic()
    assert started(code, tmp_path / "quiet").wait() == 0
    took, expected = time.monotonic() - began, result_bytes(tmp_path / "quiet")
    assert len(expected) == 3
    dice, kills, number = random.Random(11), 0, 0
    while kills < KILLS:
        where, number = tmp_path / str(number), number + 1
        # What is compiled by now makes later runs quicker: some end before they are killed.
        kills += killed(code, where, dice, most=KILLS - kills, longest=0.6 * took)
        assert result_bytes(where) == expected
        assert number < 20


def killed(code: str, where: Path, dice: random.Random, *, most: int, longest: float) -> int:
    """Run a campaign to its end through at most so many kills of its driver, a worker, or both."""
    kills = 0
    while len(result_bytes(where)) < 3:
        driver = started(code, where)
        try:
            driver.wait(dice.uniform(0.2, 1.0) * longest if kills < most else None)
        except subprocess.TimeoutExpired:
            kills += kill_one(driver.pid, dice)
            assert damaged(where) == []
            driver.wait()
    return kills
