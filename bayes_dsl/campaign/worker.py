"""A worker process: it makes unit after unit on one core, told through a pipe, so that imports are paid once."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from bayes_dsl.campaign import one_core
from bayes_dsl.campaign.by_name import function
from bayes_dsl.campaign.making import make
from bayes_dsl.errors import InputError
from bayes_dsl.files import refused_by_system

READY, UNUSABLE = "ready", "unusable"


def main() -> None:
    """Serve the process that started this one: a job a line comes in, a report a line goes out."""
    parent, core, work = sys.argv[1:4]
    one_core.end_with(int(parent))
    one_core.pin(int(core) if core else None)
    # What the work and its children print or read must not get between the jobs and the reports.
    jobs = os.fdopen(os.dup(0), encoding="utf-8")
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    try:
        function(work)
    except InputError as error:
        print(json.dumps({"kind": UNUSABLE, "sentence": error.faults[0].rule}), file=reports)
        return
    print(json.dumps({"kind": READY}), file=reports)
    for line in jobs:
        print(json.dumps(vars(make(json.loads(line), output_to))), file=reports)


@contextlib.contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Send what this process and its children print to the end of a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise refused_by_system(path, "writing", error) from error
    kept = os.dup(1), os.dup(2)
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        yield
    finally:
        # A full disk may refuse the last lines of a log; that is no reason to lose the unit.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        for descriptor, number in zip(kept, (1, 2), strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.close(log)
