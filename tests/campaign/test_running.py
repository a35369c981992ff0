"""A campaign from beginning to end: the same results whatever happens on the way."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bayes_dsl.campaign import Campaign, Status, Unit, folders, results, run, status
from bayes_dsl.campaign.units import keys
from bayes_dsl.errors import BayesDslError, FileRefused, InputError
from tests.campaign.tools import WORK, chains, children, damaged, dummies, result_bytes, start_driver, until


def one_sentence(what: Callable[[], object]) -> str:
    with pytest.raises(BayesDslError) as caught:
        what()
    (line,) = str(caught.value).splitlines()
    return line


def test_results_are_the_same_on_any_number_of_workers_in_any_order(tmp_path: Path) -> None:
    whole = chains(tmp_path / "1", seconds=0.0)
    assert run(whole, workers=1).counts["done"] == 12
    expected = result_bytes(tmp_path / "1")
    assert len(expected) == 12
    for workers in (2, 3):
        units = [*whole.units]
        random.Random(workers).shuffle(units)
        units = [replace(unit, cost=1.0 + i, stage=i % 2) for i, unit in enumerate(units)]
        run(replace(whole, folder=tmp_path / str(workers), units=tuple(units)), workers=workers)
        assert result_bytes(tmp_path / str(workers)) == expected
    run(replace(whole, folder=tmp_path / "other", settings={"kind": "other"}))
    assert result_bytes(tmp_path / "other") != expected


def counted(tmp_path: Path, names: str, **units: dict[str, object]) -> Campaign:
    return Campaign(
        folder=tmp_path / "campaign",
        work=f"{WORK}:counted",
        units=tuple(Unit(name=n, payload={"name": n, **units.get(n, {})}) for n in names),
        settings={"tally": str(tmp_path / "tally")},
    )


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "tally").read_text().split()


def test_only_what_is_missing_is_made(tmp_path: Path) -> None:
    run(counted(tmp_path, "ab"))
    told = run(counted(tmp_path, "abcd"))
    assert sorted(calls(tmp_path)) == ["a", "b", "c", "d"]
    assert told.done == ("a", "b", "c", "d")
    run(counted(tmp_path, "abcd"))
    assert len(calls(tmp_path)) == 4


def test_needs_come_first(tmp_path: Path) -> None:
    campaign = counted(tmp_path, "abcd")
    needs = {"a": ("b",), "b": ("c", "d"), "c": ("d",)}
    units = tuple(replace(unit, needs=needs.get(unit.name, ())) for unit in campaign.units)
    run(replace(campaign, units=units), workers=3)
    assert calls(tmp_path) == ["d", "c", "b", "a"]


def test_a_failed_unit_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    campaign = dummies(
        tmp_path, bad={"do": "raise"}, good={"do": "fine"}, dead={"do": "die"}, once={"do": "die once"}
    )
    more = (
        Unit(name="child", payload={}, needs=("bad",)),
        Unit(name="grandchild", payload={}, needs=("child",)),
    )
    campaign = replace(campaign, units=campaign.units + more)
    told = run(campaign)
    assert told.failed["bad"] == "ValueError: the first line and the second"
    assert (
        told.failed["dead"].startswith("its worker was killed by SIGKILL")
        and "2 times" in told.failed["dead"]
    )
    assert told.done == ("good", "once") and told.blocked == ("child", "grandchild")
    assert "Traceback" in (tmp_path / "units" / "bad" / "log.txt").read_text()
    assert "bad and 3 more" in one_sentence(lambda: results(campaign))
    assert [unit.name for unit, _, _ in results(campaign, partial=True)] == ["good", "once"]
    assert replace(status(campaign), notes=()) == told


def test_a_failed_unit_is_tried_again_when_asked(tmp_path: Path) -> None:
    campaign = dummies(tmp_path, once={"do": "fine"})
    folders.write_failure(tmp_path, "once", keys(campaign)["once"], "it did not go")
    assert run(campaign).failed == {"once": "it did not go"}
    assert run(campaign, retry_failed=True).done == ("once",)


def test_a_flipped_byte_is_told_and_the_unit_made_again(tmp_path: Path) -> None:
    campaign = counted(tmp_path, "abc")
    run(campaign)
    expected = result_bytes(campaign.folder)
    result = campaign.folder / "units" / "b" / "result.json"
    data = bytearray(result.read_bytes())
    data[-30] ^= 4
    result.write_bytes(data)
    assert status(campaign).waiting == ("b",)
    told = run(campaign)
    (note,) = told.notes
    assert note.startswith("unit b: ") and "checksum" in note and "made again" in note and "\n" not in note
    assert sorted(calls(tmp_path)) == ["a", "b", "b", "c"]
    assert result_bytes(campaign.folder) == expected
    assert (campaign.folder / "units" / ".replaced" / "b.1" / "result.json").read_bytes() == data
    assert run(campaign).notes == ()


def test_a_changed_payload_moves_the_old_folder_aside(tmp_path: Path) -> None:
    run(counted(tmp_path, "ab"))
    old = result_bytes(tmp_path / "campaign")
    told = run(counted(tmp_path, "ab", b={"more": 1}))
    (note,) = told.notes
    assert note.startswith("unit b: ") and "has changed" in note and ".replaced" in note
    assert calls(tmp_path).count("a") == 1 and calls(tmp_path).count("b") == 2
    kept = tmp_path / "campaign" / "units" / ".replaced" / "b.1" / "result.json"
    assert kept.read_bytes() == old["b"] != result_bytes(tmp_path / "campaign")["b"]


def test_two_runs_on_one_folder(tmp_path: Path) -> None:
    driver = start_driver(tmp_path, "chain", 12)
    try:
        assert until(lambda: bool(result_bytes(tmp_path)))
        line = one_sentence(lambda: run(chains(tmp_path)))
        assert f"process {driver.pid}" in line and "another run works in this folder" in line
        assert status(chains(tmp_path)).running
        driver.join(60)
    finally:
        driver.kill()
    assert driver.exitcode == 0
    assert len(result_bytes(tmp_path)) == 12 and damaged(tmp_path) == []
    assert run(chains(tmp_path)).counts["done"] == 12


def test_a_disk_that_takes_no_more_is_one_sentence_and_the_next_run_goes_on(tmp_path: Path) -> None:
    small = tuple(Unit(name=f"u{i}", payload={"bytes": 10_000}, stage=0) for i in range(3))
    units = (*small, Unit(name="starved", payload={"bytes": 3000}, stage=1))
    campaign = Campaign(folder=tmp_path, work=f"{WORK}:limited", units=units)
    line = one_sentence(lambda: run(campaign, workers=1))
    assert "File too large" in line and "starved" in line and "result.json" in line
    assert damaged(tmp_path) == [] and not list(tmp_path.glob("units/*/failure.json"))
    assert status(campaign).done == ("u0", "u1", "u2")
    before = result_bytes(tmp_path)
    (tmp_path / "more room").touch()
    assert run(campaign).counts["done"] == 4
    assert result_bytes(tmp_path).items() > before.items()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_work_is_one_sentence(tmp_path: Path) -> None:
    campaign = dummies(tmp_path, full={"do": "full"})
    line = one_sentence(lambda: run(campaign))
    assert "No space left on device" in line and "free some space" in line
    assert status(campaign).waiting == ("full",)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileRefused):
        run(chains(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "x"


READ_ONLY = """
import os, sys
from pathlib import Path
from bayes_dsl.campaign import run, status
from bayes_dsl.errors import InputError
from tests.campaign.tools import chains
if os.geteuid() == 0:
    os.seteuid(65534)
for count in (12, 13):
    try:
        print(run(chains(Path(sys.argv[1]), count=count, seconds=0.0)).counts)
    except InputError as error:
        print(error)
print(status(chains(Path(sys.argv[1]), seconds=0.0)).counts["done"])
"""


def test_a_read_only_folder_is_one_sentence(tmp_path: Path) -> None:
    """For one who may read and not write, which root becomes first; so it lies where anybody may look."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(chains(folder, seconds=0.0))
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for path in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
            path.chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY, name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        first, second, count = done.stdout.splitlines()
        assert first == second and "Permission denied" in first and "Choose a folder" in first
        assert count == "12"
        assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        folder.chmod(0o755)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_workers_and_damages_nothing(number: int, tmp_path: Path) -> None:
    driver = start_driver(tmp_path, "chain", 20)
    try:
        assert until(lambda: len(result_bytes(tmp_path)) >= 3)
        assert driver.pid is not None
        workers = children(driver.pid)
        os.kill(driver.pid, number)
        driver.join(10)
        assert driver.exitcode not in (None, 0)
        assert len(workers) == 2 and until(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 5
        )
    finally:
        driver.kill()
    assert damaged(tmp_path) == [] and 3 <= len(result_bytes(tmp_path)) < 20
    assert run(chains(tmp_path, count=20)).counts["done"] == 20


def test_progress_is_told(tmp_path: Path) -> None:
    campaign = chains(tmp_path, count=8, seconds=0.1)
    seen: list[Status] = []
    final = run(campaign, progress=seen.append)
    assert seen[-1] == final and final.counts["done"] == 8 and final.seconds_left == 0.0
    assert seen[0].counts["waiting"] == 8 and seen[0].seconds_left is None
    middle = [one for one in seen if one.done and one.running]
    assert middle and all(len(one.running) <= 2 and one.seconds_left for one in middle)
    done = [len(one.done) for one in seen]
    assert done == sorted(done)
    assert final.core_seconds_done > 0 and final.core_seconds_left == 0


def test_time_left_comes_true(tmp_path: Path) -> None:
    """Eight units of half a second whose costs are guessed ten times too high."""
    units = tuple(Unit(name=f"u{i}", payload={"name": "x", "seconds": 0.5}, cost=5.0) for i in range(8))
    campaign = Campaign(
        folder=tmp_path / "c",
        work=f"{WORK}:counted",
        units=units,
        settings={"tally": str(tmp_path / "tally")},
    )
    guesses: list[tuple[float, float]] = []

    def note(one: Status) -> None:
        if one.done and one.seconds_left:
            guesses.append((time.monotonic(), one.seconds_left))

    run(campaign, progress=note)
    end = time.monotonic()
    at, guess = guesses[0]
    assert abs(guess - (end - at)) < 0.6 * (end - at) + 0.5


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_refused(workers: int, tmp_path: Path) -> None:
    assert "1 or more" in one_sentence(lambda: run(chains(tmp_path), workers=workers))


def test_work_that_cannot_be_imported_is_refused(tmp_path: Path) -> None:
    campaign = replace(chains(tmp_path), work="no_such_module:f")
    line = one_sentence(lambda: run(campaign))
    assert "'no_such_module:f'" in line and "PYTHONPATH" in line
    assert status(campaign).counts["waiting"] == 12


def test_it_runs_in_a_thread(tmp_path: Path) -> None:
    told: list[Status] = []
    thread = threading.Thread(target=lambda: told.append(run(chains(tmp_path, seconds=0.0))))
    thread.start()
    thread.join(60)
    assert told[0].counts["done"] == 12


def test_a_relative_folder_is_taken_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    run(chains(Path("here"), count=2, seconds=0.0))
    assert len(results(chains(tmp_path / "here", count=2, seconds=0.0))) == 2


@pytest.mark.slow
def test_two_workers_take_about_half_the_time_of_one(tmp_path: Path) -> None:
    """Units that sleep, so that it is the engine that is measured, not how busy the machine is."""
    took = {}
    for workers in (1, 2):
        start = time.monotonic()
        run(chains(tmp_path / str(workers), count=16, steps=1, seconds=0.2), workers=workers)
        took[workers] = time.monotonic() - start
    assert took[2] < 0.75 * took[1], json.dumps(took)


def test_the_door_is_light() -> None:
    heavy = "{'jax', 'numpy', 'pandas', 'dask', 'distributed', 'arviz', 'xarray'}"
    code = f"import sys, bayes_dsl.campaign; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_fault_comes_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        run(Campaign(folder=tmp_path / "none", work="", units=(Unit(name="", payload={}),)))
    assert len(caught.value.faults) == 2 and not (tmp_path / "none").exists()
