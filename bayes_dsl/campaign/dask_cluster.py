"""Workers of a Dask cluster: one that runs already, jobs of SLURM, or processes of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import shlex
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from bayes_dsl.campaign import one_core
from bayes_dsl.campaign.by_name import library
from bayes_dsl.campaign.making import Job, Report, make_on_cluster, one_line
from bayes_dsl.campaign.units import CLUSTER, Campaign
from bayes_dsl.errors import Fault, InputError

_ANSWER = 5
_PROTOCOLS = ("tcp://", "tls://", "ucx://", "ws://", "wss://")


@dataclass(eq=False)
class Cluster:
    """A Dask cluster, joined or started on entering, left or stopped on leaving.

    A Dask scheduler carries out whatever it is sent: keep it on a network that you trust, or use TLS.
    """

    campaign: Campaign
    workers: int
    address: str
    _client: Any = None
    _futures: dict[str, Any] = field(default_factory=dict)
    _settled: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _sent: int = 0

    def __enter__(self) -> Cluster:
        try:
            self._join()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future in self._futures.values():
            with contextlib.suppress(Exception):
                future.cancel()
        self._open.close()

    def size(self) -> int:
        """How many units the cluster makes at once, as far as its workers have come."""
        try:
            return sum(self._client.nthreads().values())
        except OSError as error:
            raise InputError(self._lost()) from error

    def free(self) -> int:
        """How many more units keep every thread of the cluster at work."""
        return max(0, self.size() - len(self._futures))

    def start(self, job: Job, rank: int) -> None:
        """Hand a unit to the scheduler."""
        name, self._sent = job["name"], self._sent + 1
        key = f"{name}-{job['key'][:12]}-{self._sent}"
        future = self._client.submit(make_on_cluster, job, key=key, pure=False, priority=-rank)
        self._futures[name] = future
        future.add_done_callback(lambda _: self._settled.put(name))

    def wait(self, seconds: float) -> list[Report]:
        """The reports that come in, waiting at most so long for the first."""
        names = []
        with contextlib.suppress(queue.Empty):
            names.append(self._settled.get(timeout=seconds))
            while True:
                names.append(self._settled.get_nowait())
        if self._client.status != "running":
            raise InputError(self._lost())
        return [self._report(name) for name in names]

    def _report(self, name: str) -> Report:
        future = self._futures.pop(name)
        if future.status == "finished":
            try:
                return Report(**future.result())
            except OSError as error:  # what was made has to be fetched: its holder can go away meanwhile
                raise InputError(self._lost()) from error
        if future.status == "error":
            return Report(name=name, kind="died", sentence=one_line(future.exception()))
        raise InputError(self._lost())

    def _join(self) -> None:
        distributed = library("distributed", extra="cluster", purpose=f"cluster {self.address!r}")
        if self.address == "local":
            cluster = self._open.enter_context(local_cluster(distributed, self.workers))
        elif self.address == "slurm":
            cluster = self._open.enter_context(slurm_cluster(self.campaign))
            cluster.scale(jobs=self.workers)
        elif self.address.startswith(_PROTOCOLS):
            cluster = self.address
        else:
            raise InputError(self._unknown())
        try:
            if cluster is self.address:
                with ThreadPoolExecutor(1) as aside:  # a notebook's thread has an event loop of its own
                    aside.submit(asyncio.run, _knock(distributed, self.address)).result()
            client = distributed.Client(cluster, timeout=_ANSWER, set_as_default=False)
            self._client = self._open.enter_context(client)
        except Exception as error:  # whatever is listening there, it may answer anything
            raise InputError(self._silent(error)) from error

    def _unknown(self) -> Fault:
        return Fault(
            where="campaign",
            what="cluster",
            value=repr(self.address),
            rule=f"a cluster is 'local', 'slurm', or an address that begins with {', '.join(_PROTOCOLS)}",
            remedy="Correct it, or leave it out to work with processes of this machine",
        )

    def _silent(self, error: Exception) -> Fault:
        return Fault(
            where="campaign",
            what="cluster",
            value=repr(self.address),
            rule=f"no Dask scheduler answers there within {_ANSWER} seconds ({type(error).__name__})",
            remedy="Check the address and that the scheduler runs (dask scheduler)",
        )

    def _lost(self) -> Fault:
        return Fault(
            where="campaign",
            what="cluster",
            value=repr(self.address),
            rule="the scheduler went away; what was done stays done",
            remedy="Run the campaign again, which makes only what is missing",
        )


async def _knock(distributed: Any, address: str) -> None:
    """Connect once and hang up: a client that finds nobody would complain for long when it is thrown away."""
    security = distributed.Security().get_connection_args("client")
    async with asyncio.timeout(_ANSWER):  # Dask's own limit forgets one who answers and says nothing
        comm = await distributed.comm.connect(address, timeout=_ANSWER, **security)
        await comm.close()


def local_cluster(distributed: Any, workers: int) -> Any:
    """So many processes of one thread, which listen on this machine's loopback alone."""
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=40,
        env=_environment(),
    )


def slurm_cluster(campaign: Campaign) -> Any:
    """Jobs of SLURM with one worker each, from `settings["cluster"]`, then Dask's configuration, then 1 core and 4 GB.

    The workers are shown this process's path, so that they find the work on the shared disk.
    """
    where = "cluster 'slurm'"
    jobqueue = library("dask_jobqueue", extra="cluster", purpose=where)
    config = library("dask", extra="cluster", purpose=where).config
    given = dict(campaign.settings.get(CLUSTER, {}))
    for keyword, usual in (("cores", 1), ("processes", 1), ("memory", "4GB")):
        if config.get(f"jobqueue.slurm.{keyword}", None) is None:
            given.setdefault(keyword, usual)
    before = given.pop("job_script_prologue", None) or config.get("jobqueue.slurm.job-script-prologue", None)
    prologue = [*(before or ()), *(f"export {name}={shlex.quote(v)}" for name, v in _environment().items())]
    if shutil.which(jobqueue.SLURMCluster.job_cls.submit_command) is None:
        raise InputError(
            Fault(
                where=where,
                what="command",
                value="sbatch",
                rule="it is not on this machine's PATH",
                remedy="Run this where SLURM's commands are, or name another cluster",
            )
        )
    try:
        return jobqueue.SLURMCluster(**given, job_script_prologue=prologue)
    except (TypeError, ValueError) as error:
        rule = f"dask-jobqueue does not take it ({' '.join(str(error).split())})"
        raise InputError(
            Fault(
                where=where,
                what="settings",
                value=repr(given),
                rule=rule,
                remedy="Use the keywords of dask_jobqueue.SLURMCluster",
            )
        ) from error


def _environment() -> dict[str, str]:
    one = one_core.environment({})
    return {**one, "PYTHONPATH": one_core.python_path()}
