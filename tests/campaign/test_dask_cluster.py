"""Units on a Dask cluster: the same results, whoever is killed."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bayes_dsl.campaign import by_name, dask_cluster, run, status
from bayes_dsl.campaign.dask_cluster import Cluster, local_cluster, slurm_cluster
from bayes_dsl.errors import InputError
from tests.campaign.tools import WORK, alive, chains, damaged, dummies, result_bytes, until

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
psutil = pytest.importorskip("psutil")
ROOT = Path(__file__).parents[2]
# What Dask leaves behind when it is killed is not ours to judge.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def refusal(address: str, folder: Path) -> tuple[str, float]:
    """The sentence with which a cluster is refused, and after how many seconds."""
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        run(chains(folder, count=2), cluster=address)
    (line,) = str(caught.value).splitlines()
    return line, time.monotonic() - start


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The results of twenty chains on processes of this machine."""
    folder = tmp_path_factory.mktemp("quiet")
    run(chains(folder, count=20))
    return result_bytes(folder)


def dask_workers(parent: int) -> list[int]:
    """The processes below one that serve Dask as workers."""
    below = psutil.Process(parent).children(recursive=True)
    return [one.pid for one in below if alive(one.pid) and "spawn_main" in " ".join(one.cmdline())]


@pytest.mark.slow
def test_a_worker_killed_in_mid_sweep_changes_nothing(tmp_path: Path, expected: dict[str, bytes]) -> None:
    dice, killed = random.Random(1), []

    def assassin() -> None:
        until(lambda: len(result_bytes(tmp_path)) >= 4, 60)
        victim = dice.choice(dask_workers(os.getpid()))
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)

    thread = threading.Thread(target=assassin)
    thread.start()
    told = run(chains(tmp_path, count=20), cluster="local")
    thread.join()
    assert killed and told.counts["done"] == 20 and damaged(tmp_path) == []
    assert result_bytes(tmp_path) == expected


@contextmanager
def dask_processes(
    workers: int,
) -> Iterator[tuple[str, "subprocess.Popen[bytes]", list["subprocess.Popen[bytes]"]]]:
    """A scheduler and workers as on a cluster, each a process of its own: address, scheduler, workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    dask, quiet = [sys.executable, "-m", "dask"], {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    port = address.rpartition(":")[2]
    place: Any = {"cwd": ROOT, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, **quiet}
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"], **place
    )
    serve = ["worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
    hands = [subprocess.Popen([*dask, *serve], **place) for _ in range(workers)]
    try:
        with distributed.Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
        yield address, scheduler, hands
    finally:
        for process in (scheduler, *hands):
            process.kill()
            process.wait()


def kill_after_a_result(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    """Kill a process as soon as the folder holds a result."""

    def wait_and_kill() -> None:
        until(lambda: bool(result_bytes(folder)), 60)
        process.kill()

    threading.Thread(target=wait_and_kill).start()


@pytest.mark.slow
def test_a_scheduler_that_runs_already(tmp_path: Path, expected: dict[str, bytes]) -> None:
    with dask_processes(2) as (address, scheduler, hands):
        kill_after_a_result(tmp_path, hands[0])
        assert run(chains(tmp_path, count=20), cluster=address).counts["done"] == 20
        assert result_bytes(tmp_path) == expected and until(lambda: hands[0].poll() is not None)
        failing = dummies(tmp_path / "bad", bad={"do": "raise"}, good={"do": "fine"})
        told = run(failing, cluster=address)
        assert told.done == ("good",) and told.failed["bad"].startswith("ValueError: the first line")
        with pytest.raises(InputError, match="no_such_module"):
            run(replace(failing, folder=tmp_path / "none", work="no_such_module:f"), cluster=address)
        slow = chains(tmp_path / "lost", count=8, seconds=0.3)
        kill_after_a_result(tmp_path / "lost", scheduler)
        with pytest.raises(InputError, match="the scheduler went away") as caught:
            run(slow, cluster=address)
        assert len(str(caught.value).splitlines()) == 1
    assert status(slow).done and damaged(tmp_path / "lost") == []
    assert run(slow).counts["done"] == 8


def test_a_scheduler_that_goes_away_before_a_result_is_fetched_is_one_sentence(tmp_path: Path) -> None:
    class Finished:
        status = "finished"

        def result(self) -> None:
            raise distributed.comm.CommClosedError(
                "ConnectionResetError: [Errno 104] Connection reset by peer"
            )

    cluster = Cluster(campaign=chains(tmp_path, count=1), workers=1, address="tcp://10.0.0.1:8786")
    cluster._futures["chain-0"] = Finished()
    with pytest.raises(InputError, match="the scheduler went away") as caught:
        cluster._report("chain-0")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.slow
def test_local_workers_listen_to_this_machine_alone_and_use_one_thread() -> None:
    with (
        local_cluster(distributed, 2) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        pids = [os.getpid(), *dask_workers(os.getpid())]
        assert len(pids) == 3
        heard = [
            link.laddr.ip
            for pid in pids
            for link in psutil.Process(pid).net_connections(kind="inet")
            if link.status == psutil.CONN_LISTEN
        ]
        assert len(heard) >= 3 and set(heard) == {"127.0.0.1"}
        assert set(client.run(os.getenv, "OMP_NUM_THREADS").values()) == {"1"}
        assert set(client.nthreads().values()) == {1}


def test_an_address_that_does_not_answer_is_one_sentence_within_seconds(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        line, took = refusal(address, tmp_path)
    assert address in line and "no Dask scheduler answers there within 5 seconds" in line
    assert took < 10
    assert status(chains(tmp_path, count=2)).counts["waiting"] == 2


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits a second for an answer; that it is five seconds otherwise is asserted above."""
    monkeypatch.setattr(dask_cluster, "_ANSWER", 1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\nThis is no scheduler."])
def test_a_stranger_at_the_address_is_one_sentence(answer: bytes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        talks = []

        def talk() -> None:
            while True:
                try:
                    talks.append(server.accept()[0])
                    talks[-1].sendall(answer)
                except OSError:
                    return

        threading.Thread(target=talk, daemon=True).start()
        line, took = refusal(f"tcp://127.0.0.1:{server.getsockname()[1]}", tmp_path)
        assert "no Dask scheduler answers" in line and took < 10
        for one in talks:
            one.close()
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("address", ["kubernetes", "127.0.0.1:8786", "", "http://x"])
def test_what_is_no_cluster_is_one_sentence(address: str, tmp_path: Path) -> None:
    assert "'local', 'slurm', or an address" in refusal(address, tmp_path)[0]


@pytest.mark.parametrize("address", ["local", "slurm", "tcp://127.0.0.1:1"])
def test_a_missing_extra_is_one_sentence(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    line, _ = refusal(address, tmp_path)
    assert line.endswith('Install it: pip install "bayes-dsl[cluster]".')


@pytest.mark.usefixtures("impatient")
def test_it_can_be_called_from_a_notebook_s_thread(tmp_path: Path) -> None:
    async def cell() -> str:
        return refusal("tcp://127.0.0.1:1", tmp_path)[0]

    line = asyncio.run(cell())
    assert "no Dask scheduler" in line and "RuntimeError" not in line


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command called sbatch on the PATH, which is looked for and never called."""
    pytest.importorskip("dask_jobqueue", reason="the extra `cluster` is not whole")
    (tmp_path / "sbatch").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


LOOPBACK = {"scheduler_options": {"host": "127.0.0.1", "dashboard_address": None}}


@pytest.mark.usefixtures("sbatch")
def test_a_job_script_says_what_the_settings_do(tmp_path: Path) -> None:
    wanted = {
        "queue": "long",
        "walltime": "02:00:00",
        "memory": "3GB",
        "job_script_prologue": ["module load x"],
    }
    campaign = replace(chains(tmp_path), settings={"cluster": {**LOOPBACK, **wanted}})
    with slurm_cluster(campaign) as cluster:
        script = cluster.job_script()
    for line in ("#SBATCH -p long", "#SBATCH -t 02:00:00", "#SBATCH --cpus-per-task=1", "#SBATCH --mem=3G"):
        assert line in script
    before, _, command = script.partition("distributed.cli.dask_worker")
    assert "--nthreads 1" in command and command
    lines = before.splitlines()
    assert "module load x" in lines and "export OMP_NUM_THREADS=1" in lines
    assert any(line.startswith("export PYTHONPATH=") and str(ROOT) in line for line in lines)


@pytest.mark.usefixtures("sbatch")
def test_dask_s_own_configuration_counts_where_the_settings_are_silent(tmp_path: Path) -> None:
    dask = pytest.importorskip("dask")
    campaign = replace(chains(tmp_path), settings={"cluster": {**LOOPBACK, "queue": "mine"}})
    theirs = dask.config.set({"jobqueue.slurm.memory": "9GB", "jobqueue.slurm.queue": "theirs"})
    with theirs, slurm_cluster(campaign) as cluster:
        script = cluster.job_script()
    assert "#SBATCH --mem=9G" in script and "#SBATCH -p mine" in script


@pytest.mark.usefixtures("sbatch")
def test_settings_that_dask_jobqueue_does_not_take_are_one_sentence(tmp_path: Path) -> None:
    campaign = replace(chains(tmp_path), settings={"cluster": {**LOOPBACK, "colour": "green"}})
    with pytest.raises(InputError) as caught:
        slurm_cluster(campaign)
    (line,) = str(caught.value).splitlines()
    assert "colour" in line and "dask_jobqueue.SLURMCluster" in line


def test_a_machine_without_slurm_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask_jobqueue", reason="the extra `cluster` is not whole")
    monkeypatch.setenv("PATH", str(tmp_path))
    line, _ = refusal("slurm", tmp_path)
    assert "sbatch" in line and "PATH" in line


def test_where_units_are_made_changes_no_key(tmp_path: Path) -> None:
    campaign = chains(tmp_path, count=2, seconds=0.0)
    run(campaign)
    elsewhere = replace(campaign, settings={**campaign.settings, "cluster": {"memory": "9GB"}})
    assert status(elsewhere).counts["done"] == 2


def test_the_extra_is_opened_by_name_alone() -> None:
    assert by_name.library("distributed", extra="cluster", purpose="test") is distributed
    assert Cluster(chains(Path("x")), 1, "local").address == "local"
    assert WORK
