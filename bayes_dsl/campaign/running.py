"""Running a campaign to its end: what is missing is made, what is there is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from bayes_dsl.campaign import folders
from bayes_dsl.campaign.by_name import no_work
from bayes_dsl.campaign.dask_cluster import Cluster
from bayes_dsl.campaign.making import Job, Report, disk_refusal
from bayes_dsl.campaign.picture import Status
from bayes_dsl.campaign.processes import Processes
from bayes_dsl.campaign.schedule import Schedule
from bayes_dsl.campaign.units import Campaign, check
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.files import shown

_GLANCE = 0.5


class Engine(Protocol):
    """Where units are made."""

    def size(self) -> int:
        """How many units it makes at once."""

    def free(self) -> int:
        """How many more units it takes now."""

    def start(self, job: Job, rank: int) -> None:
        """Take a unit; of several, the one of the least rank goes first."""

    def wait(self, seconds: float) -> list[Report]:
        """The reports that come in, waiting at most so long for the first."""


def run(
    campaign: Campaign,
    *,
    workers: int = 2,
    cluster: str | None = None,
    progress: Callable[[Status], None] | None = None,
    retry_failed: bool = False,
) -> Status:
    """Make every unit that is not done, and say where the campaign stands then.

    The result of a unit is the same on any number of workers, in any order, on this machine or a cluster,
    and after any number of interruptions, as far as the work itself keeps to its inputs. Ctrl-C stops the
    workers; whatever ends this process ends them too (Linux). Call it from a thread that lives as long.

    Parameters
    ----------
    campaign
        The units and the folder that keeps them.
    workers
        Processes of this machine, each on one core and one thread; or workers to ask a cluster for.
    cluster
        None for processes of this machine; otherwise a Dask cluster (extra `cluster`) whose workers share
        the folder's disk: `tcp://HOST:PORT` or `tls://...` of a scheduler that runs, `slurm` for jobs that
        dask-jobqueue submits (keywords in `settings["cluster"]`, or Dask's own configuration), `local`.
    progress
        Called with the state at the start, after changes, and about twice a second.
    retry_failed
        Try units again that failed before.

    Returns
    -------
    Status
        With the units that failed and those that they block; failures do not raise.

    Raises
    ------
    InputError
        The campaign has faults (all of them, before anything starts), the work cannot be imported, another
        run works in the folder, the cluster does not answer, or the disk does not take files. What was
        done stays done in every case.
    """
    check(campaign)
    if workers < 1:
        raise InputError(_no_workers(campaign, workers))
    campaign = replace(campaign, folder=Path(campaign.folder).resolve())
    with folders.alone_in_campaign(campaign.folder):
        schedule = Schedule(campaign, retry_failed=retry_failed)
        workers = max(1, min(workers, schedule.to_make))
        report = progress or _silent
        report(schedule.status(workers))
        if schedule.going:
            with _engine(campaign, workers, cluster) as engine:
                _make_all(campaign.work, schedule, engine, lambda: report(schedule.status(engine.size())))
        status = schedule.status(workers)
        report(status)
        return status


def _make_all(work: str, schedule: Schedule, engine: Engine, tell: Callable[[], None]) -> None:
    told = -math.inf
    while schedule.going:
        for rank, job in schedule.take(engine.free()):
            engine.start(job, rank)
        if time.monotonic() - told >= _GLANCE:
            tell()
            told = time.monotonic()
        for report in engine.wait(_GLANCE):
            if report.kind == "disk":
                raise disk_refusal(report)
            if report.kind == "unusable":
                raise no_work(work, report.sentence)
            schedule.settle(report)


def _engine(campaign: Campaign, workers: int, cluster: str | None) -> AbstractContextManager[Engine]:
    return Processes(campaign, workers) if cluster is None else Cluster(campaign, workers, cluster)


def _silent(status: Status) -> None:
    pass


def _no_workers(campaign: Campaign, workers: int) -> Fault:
    return Fault(
        where=shown(campaign.folder),
        what="workers",
        value=str(workers),
        rule="it takes one worker at least",
        remedy="Ask for 1 or more",
    )
