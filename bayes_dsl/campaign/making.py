"""How one unit is made, in whatever process: its folder held alone, the work called, its result recorded."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from bayes_dsl.campaign import folders, one_core
from bayes_dsl.campaign.by_name import function
from bayes_dsl.campaign.units import canonical
from bayes_dsl.errors import BayesDslError, FileRefused, InputError
from bayes_dsl.files import refused_by_system

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}


class Job(TypedDict):
    """What a worker is told about a unit: plain JSON."""

    root: str
    name: str
    key: str
    work: str
    payload: dict[str, Any]
    settings: dict[str, Any]
    needs: list[str]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of a unit: plain JSON once it is a dict.

    done: its result is on disk. failed: the sentence says why. disk: the disk does not take files (`errno`,
    `path`), which says nothing about the unit. unusable: the work cannot be imported. died: the worker ended
    in the middle.
    """

    name: str
    kind: Literal["done", "failed", "disk", "unusable", "died"]
    sentence: str = ""
    errno: int = 0
    path: str = ""


def make(job: Job, output_to: Callable[[Path], AbstractContextManager[None]] | None = None) -> Report:
    """Make a unit unless it is made already; what goes wrong is told in the report, never raised.

    `output_to` sends what the work prints to a file.
    """
    root, name = Path(job["root"]), job["name"]
    try:
        work = function(job["work"])
        with folders.alone_in_unit(root, name) as alone:
            if not alone:
                sentence = "another process has held its folder for ten minutes"
                return Report(name=name, kind="failed", sentence=sentence)
            if folders.look(root, name, job["key"]).state == "done":
                return Report(name=name, kind="done")
            folder = folders.prepare(root, name, job["key"])
            with contextlib.nullcontext() if output_to is None else output_to(folder / folders.LOG):
                return _call(work, job, folder)
    except FileRefused as error:  # one of our own writes, so that the next unit would fare no better
        refusal = _from_disk(name, error, any_reason=True)
        return refusal or Report(name=name, kind="failed", sentence=one_line(error))
    except InputError as error:
        return Report(name=name, kind="unusable", sentence=error.faults[0].rule)


def make_on_cluster(job: Job) -> dict[str, Any]:
    """Make a unit inside a worker of a cluster; a report as a dict."""
    # The libraries read these when the work first imports them.
    os.environ.update(one_core.environment(os.environ))
    return dict(vars(make(job)))


def disk_refusal(report: Report) -> FileRefused:
    """The exception that tells a report of kind "disk"."""
    error = OSError(report.errno, os.strerror(report.errno))
    return refused_by_system(Path(report.path), "writing", error)


def one_line(error: BaseException) -> str:
    """An exception in one line: its own words where the package wrote them, with its kind otherwise."""
    said = " ".join(str(error).split())
    whole = said if isinstance(error, BayesDslError) else f"{type(error).__name__}: {said}".rstrip(": ")
    return whole if len(whole) <= 400 else whole[:397] + "..."


def _call(work: Callable[..., Any], job: Job, folder: Path) -> Report:
    root, name, key = Path(job["root"]), job["name"], job["key"]
    needs = {need: folders.folder_of(root, need) for need in job["needs"]}
    core, wall = time.process_time(), time.monotonic()
    try:
        result = work(job["payload"], job["settings"], folder, needs)
        if not isinstance(result, Mapping):
            raise TypeError(f"the work gave {type(result).__name__}, not a dict of JSON")
        plain = json.loads(canonical(dict(result)))
    except (Exception, SystemExit) as error:
        on_disk = _from_disk(name, error)
        if on_disk is not None:
            return on_disk
        sentence = one_line(error)
        with contextlib.suppress(OSError), (folder / folders.LOG).open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        folders.write_failure(root, name, key, sentence)
        return Report(name=name, kind="failed", sentence=sentence)
    took = {"core_seconds": time.process_time() - core, "wall_seconds": time.monotonic() - wall}
    folders.write_result(root, name, key, plain, took)
    return Report(name=name, kind="done")


def _from_disk(name: str, error: BaseException, *, any_reason: bool = False) -> Report | None:
    """A report of kind "disk", where an error or one that it came from is the disk's."""
    cause: BaseException | None = error
    path = error.faults[0].where if isinstance(error, FileRefused) else ""
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno and (any_reason or cause.errno in _DISK):
            where = path or str(cause.filename or "the disk")
            return Report(name=name, kind="disk", sentence=one_line(cause), errno=cause.errno, path=where)
        cause = cause.__cause__
    return None
