"""A worker keeps to its core and thread, and does not outlive its parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bayes_dsl.campaign import one_core
from tests.campaign.tools import alive, until


def test_libraries_are_told_to_use_one_thread() -> None:
    told = one_core.environment({"HOME": "here", "OMP_NUM_THREADS": "8", "XLA_FLAGS": "--xla_dump_to=x"})
    assert told["HOME"] == "here" and told["OMP_NUM_THREADS"] == told["OPENBLAS_NUM_THREADS"] == "1"
    assert told["XLA_FLAGS"] == "--xla_dump_to=x --xla_cpu_multi_thread_eigen=false"
    assert one_core.environment({})["XLA_FLAGS"] == "--xla_cpu_multi_thread_eigen=false"
    assert one_core.environment(told) == told


def test_the_path_holds_whole_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "sub", os.sep + "x"])
    assert one_core.python_path().split(os.pathsep) == [str(tmp_path), str(tmp_path / "sub"), os.sep + "x"]


def test_a_process_is_pinned() -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system pins no process")
    core = one_core.cores()[-1]
    code = f"from bayes_dsl.campaign.one_core import *; pin({core}); print(cores())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"({core},)"


def test_a_system_that_pins_nothing_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert one_core.cores() == (None,)
    one_core.pin(None)
    one_core.pin(0)


CHILD = "import time; from bayes_dsl.campaign.one_core import end_with; {end}; print('up', flush=True); time.sleep(60)"
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {child!r}.replace("PARENT", str(os.getpid()))], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does this on Linux")
@pytest.mark.parametrize(("end", "outlives"), [("end_with(PARENT)", False), ("pass", True)])
def test_a_killed_parent_takes_its_workers_along(end: str, outlives: bool) -> None:
    code = PARENT.format(child=CHILD.format(end=end))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.kill()
        parent.wait()
    try:
        assert until(lambda: not alive(child), 0.5 if outlives else 5) is not outlives
    finally:
        if outlives:
            os.kill(child, signal.SIGKILL)


def test_a_worker_whose_parent_has_gone_already_ends() -> None:
    code = "from bayes_dsl.campaign.one_core import end_with; end_with(1 << 22); print('still here')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
