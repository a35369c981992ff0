"""What the campaigns' tests share: small campaigns, a driver process to kill, and a look at what is left."""

import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from bayes_dsl.campaign import Campaign, Unit, run
from bayes_dsl.campaign.folders import Damaged, unsealed

WORK = "tests.campaign.dummy_work"
# Drivers are forked from a process that has imported the package, so that fifty of them start quickly.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__, "bayes_dsl.campaign"])


def chains(folder: Path, function: str = "chain", count: int = 12, **more: Any) -> Campaign:
    """Chains of hashes of about a tenth of a second, every other one with checkpoints, some needing others."""
    units = tuple(
        Unit(
            name=f"chain-{i}",
            payload={"steps": 5, "seconds": 0.02, "number": i, "checkpoints": i % 2 == 0, **more},
            needs=(f"chain-{i // 4}", f"chain-{i // 2}") if i >= 8 and i % 3 == 0 else (),
            cost=0.1,
        )
        for i in range(count)
    )
    return Campaign(folder=folder, work=f"{WORK}:{function}", units=units, settings={"kind": "test"})


def dummies(folder: Path, **what: dict[str, Any]) -> Campaign:
    """Units of `mixed` work, by name."""
    units = tuple(Unit(name=name, payload=payload) for name, payload in what.items())
    return Campaign(folder=folder, work=f"{WORK}:mixed", units=units)


def result_bytes(folder: Path) -> dict[str, bytes]:
    """Every result file of a campaign, byte for byte."""
    return {path.parent.name: path.read_bytes() for path in sorted(folder.glob("units/*/result.json"))}


def damaged(folder: Path) -> list[str]:
    """The records of a campaign that are not whole."""
    found = []
    for path in folder.glob("units/*/[a-z]*.json"):
        try:
            unsealed(path.read_bytes())
        except Damaged:
            found.append(str(path))
    return found


def start_driver(folder: Path, function: str, count: int, workers: int = 2) -> ForkServerProcess:
    """A process of its own that runs `chains`, failed ones again."""
    driver = FORKS.Process(target=_drive, args=(folder, function, count, workers))
    driver.start()
    return driver


def _drive(folder: Path, function: str, count: int, workers: int) -> None:
    run(chains(folder, function, count), workers=workers, retry_failed=True)


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended and waits to be heard does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait for something; whether it came."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_one(driver: int, dice: random.Random) -> bool:
    """Kill a driver, one of its workers, or both; whether there was anybody to kill."""
    workers = children(driver)
    whom = dice.choice(["driver", "worker", "worker", "both"])
    if not workers:
        return False
    if whom != "driver":
        kill(dice.choice(workers))
    if whom != "worker":
        kill(driver)
        assert until(lambda: not any(map(alive, [driver, *workers])), 5), "workers outlive the driver"
    return True
