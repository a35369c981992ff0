"""kill -9 at random moments: nothing is lost, and what comes out in the end is the same to the last byte."""

import random
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from bayes_dsl.campaign import run
from tests.campaign.tools import chains, damaged, kill_one, result_bytes, start_driver, until

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
UNITS = 40


def kill_at_random(folder: Path, function: str, seed: int, most: int) -> int:
    """Run a campaign to its end through at most so many kills of its driver, a worker, or both."""
    dice, kills = random.Random(seed), 0
    while len(result_bytes(folder)) < UNITS:
        driver = start_driver(folder, function, UNITS)
        assert driver.pid is not None
        try:
            while driver.is_alive() and kills < most:
                if dice.random() < 0.8:  # the others meet workers that are only starting
                    before = steps(folder)
                    until(partial(stepped, driver, folder, before))
                driver.join(dice.uniform(0.0, 0.15))
                kills += kill_one(driver.pid, dice)
                assert damaged(folder) == []
            driver.join(60)
        finally:
            driver.kill()
            driver.join()
    return kills


def stepped(driver: ForkServerProcess, folder: Path, before: tuple[int, int]) -> bool:
    """Whether the work has taken a step since, or will take no more."""
    return not driver.is_alive() or steps(folder) != before


def steps(folder: Path) -> tuple[int, int]:
    """Something that changes whenever the work takes a step."""
    checkpoints = [path.stat() for path in folder.glob("units/*/checkpoint.txt")]
    return len(result_bytes(folder)), max((one.st_mtime_ns for one in checkpoints), default=0)


@pytest.mark.slow
@pytest.mark.evidence
def test_fifty_kills_change_no_byte(tmp_path: Path) -> None:
    run(chains(tmp_path / "quiet", count=UNITS))
    expected = result_bytes(tmp_path / "quiet")
    assert len(expected) == UNITS
    kills = 0
    for number in range(50):
        folder = tmp_path / str(number)
        kills += kill_at_random(folder, "chain", seed=number, most=50 - kills)
        assert result_bytes(folder) == expected
        if kills >= 50:
            break
    assert kills >= 50


@pytest.mark.slow
@pytest.mark.evidence
def test_a_checkpoint_that_is_not_atomic_is_caught(tmp_path: Path) -> None:
    run(chains(tmp_path / "quiet", "torn_chain", UNITS))
    expected = result_bytes(tmp_path / "quiet")
    for seed in range(20):
        folder = tmp_path / str(seed)
        kill_at_random(folder, "torn_chain", seed=seed, most=8)
        if result_bytes(folder) != expected:
            return
    pytest.fail("half-written checkpoints went unnoticed: the test above shows nothing")
