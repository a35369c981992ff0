"""The folder of a sweep: its plan, its corpora and its units, worked on by one sweep at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayes_dsl import campaign
from bayes_dsl.campaign import Status
from bayes_dsl.errors import Fault, FileRefused, InputError
from bayes_dsl.files import read_bytes, refused_by_system, shown, write_atomically
from models.corpus import Corpus, load, window_count
from models.plan import LARGEST_BYTES, parse_plan
from models.plan_checks import require_unique
from models.plan_tables import Part, Plan
from models.sweep import CORPUS, PLAN, campaign_of

_LOCK = "sweep.lock"


@dataclass(frozen=True, kw_only=True)
class Train:
    """How a sweep is run: processes of this machine, or workers of a cluster; failed units once more or not."""

    workers: int = 2
    cluster: str | None = None
    retry_failed: bool = False


def sweep(
    plan: Plan,
    folder: Path,
    how: Train,
    *,
    progress: Callable[[Status], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Status:
    """Train every run of a plan that is not there yet.

    The folder keeps the plan, so that `status` and `collect` need no other file. A plan that grew since
    trains what is new; units that it changed are made again, the old ones kept in `units/.replaced`.

    Raises
    ------
    InputError
        The plan repeats tokens of its corpus without saying so, another sweep works in the folder, or the
        campaign refuses (`bayes_dsl.campaign.run`).
    FileRefused
        The disk does not take files.
    """
    with alone(folder):
        corpus = prepare(plan, folder, say=say)
        del corpus  # its workers read it from the disk
        return campaign.run(
            campaign_of(plan, folder),
            workers=how.workers,
            cluster=how.cluster,
            progress=progress,
            retry_failed=how.retry_failed,
        )


def prepare(plan: Plan, folder: Path, *, say: Callable[[str], None] = lambda line: None) -> Corpus:
    """Put the plan and its corpus into the folder, which the caller holds, and check them against each other."""
    say(f"corpus: {plan.corpus.kind}, made or read from {shown(folder / CORPUS)}")
    corpus = load(plan.corpus, folder / CORPUS)
    require_unique(plan, usable_tokens(corpus))
    write_atomically(folder / PLAN, plan.text)
    return corpus


def usable_tokens(corpus: Corpus) -> dict[Part, int]:
    """Tokens of each part that can be targets of training."""
    context = corpus.context
    parts: tuple[Part, Part] = ("teacher", "student")
    return {part: window_count(len(corpus.stream(part)), context) * context for part in parts}


def plan_in(folder: Path) -> Plan:
    """The plan that a folder's sweep was started with.

    Raises
    ------
    FileRefused
        No sweep was started there.
    InputError
        The plan breaks a rule, as one that was edited there may.
    """
    try:
        data = read_bytes(folder / PLAN, LARGEST_BYTES)
    except FileRefused as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            rule, remedy = "no sweep was started in this folder", "Name the folder given to sweep as --out"
            fault = Fault(where=shown(folder), what="plan", value="none", rule=rule, remedy=remedy)
            raise FileRefused(fault) from error
        raise
    return parse_plan(data, PLAN)


def standing(folder: Path) -> tuple[Plan, Status]:
    """The plan of a folder and where its sweep stands, while it runs or when it does not."""
    plan = plan_in(folder)
    return plan, campaign.status(campaign_of(plan, folder))


def results(plan: Plan, folder: Path, *, partial: bool) -> tuple[dict[str, Any], ...]:
    """What the units of a folder recorded, in their order; only those that are done where `partial`."""
    found = campaign.results(campaign_of(plan, folder), partial=partial)
    return tuple(result for _, result, _ in found)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a sweep's folder, made where it is missing; the kernel lets go when this process ends.

    Raises
    ------
    InputError
        Another sweep works in it.
    FileRefused
        It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise refused_by_system(folder, "writing", error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        rule = "another sweep works in this folder, and one at a time may"
        remedy = "Wait until it ends or stop it; what it has finished will be kept"
        raise InputError(
            Fault(where=shown(folder), what="folder of a sweep", value="held", rule=rule, remedy=remedy)
        ) from None
    else:
        yield
    finally:
        os.close(descriptor)
