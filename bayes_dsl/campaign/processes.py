"""Workers as processes of this machine, each pinned to a core of its own."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from types import TracebackType

from bayes_dsl.campaign import one_core
from bayes_dsl.campaign.making import Job, Report
from bayes_dsl.campaign.units import Campaign
from bayes_dsl.campaign.worker import READY
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.files import refused_by_system, shown

_START = "from bayes_dsl.campaign.worker import main; main()"
_FAREWELL = 5.0
_STILLBORN = 3


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    core: int | None
    ready: bool = False
    job: Job | None = None
    pending: bytes = b""


@dataclass(eq=False)
class Processes:
    """So many workers, started on entering and stopped on leaving; a dead one is replaced."""

    campaign: Campaign
    workers: int
    _alive: list[_Worker] = field(default_factory=list)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _stillborn: int = 0

    def __enter__(self) -> Processes:
        available = one_core.cores()
        try:
            for place in range(self.workers):
                self._hire(available[place % len(available)])
        except BaseException:
            self._dismiss()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dismiss()

    def size(self) -> int:
        """How many units are made at once."""
        return self.workers

    def free(self) -> int:
        """How many workers wait for a unit."""
        return sum(worker.ready and worker.job is None for worker in self._alive)

    def start(self, job: Job, rank: int) -> None:
        """Hand a unit to a worker that waits for one."""
        worker = next(worker for worker in self._alive if worker.ready and worker.job is None)
        worker.job = job
        assert worker.process.stdin is not None
        try:
            worker.process.stdin.write(json.dumps(job).encode() + b"\n")
            worker.process.stdin.flush()
        except BrokenPipeError:
            pass  # it is dead, as `wait` will hear

    def wait(self, seconds: float) -> list[Report]:
        """The reports that come in, waiting at most so long for the first."""
        reports = []
        for key, _ in self._selector.select(seconds):
            worker: _Worker = key.data
            data = os.read(key.fd, 65536)
            if not data:
                reports += self._bury(worker)
                continue
            *lines, worker.pending = (worker.pending + data).split(b"\n")
            reports += [report for line in lines if (report := self._heard(worker, line)) is not None]
        return reports

    def _heard(self, worker: _Worker, line: bytes) -> Report | None:
        said = json.loads(line)
        if "name" not in said:
            worker.ready = said["kind"] == READY
            self._stillborn = 0
            return None if worker.ready else Report(name="", kind="unusable", sentence=said["sentence"])
        worker.job = None
        return Report(**said)

    def _bury(self, worker: _Worker) -> list[Report]:
        """Replace a worker that ended by itself, and report the unit that it had."""
        self._selector.unregister(worker.process.stdout)  # type: ignore[arg-type]
        self._alive.remove(worker)
        _close(worker)
        code = worker.process.wait()
        self._stillborn += not worker.ready
        if self._stillborn >= _STILLBORN:
            raise InputError(self._no_start(code))
        self._hire(worker.core)
        if worker.job is None:
            return []
        return [Report(name=worker.job["name"], kind="died", sentence=f"its worker {_ending(code)}")]

    def _hire(self, core: int | None) -> None:
        mine, which = str(os.getpid()), "" if core is None else str(core)
        log = self.campaign.folder / "workers.log"
        try:
            with log.open("ab") as errors:
                process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-P", "-c", _START, mine, which, self.campaign.work],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=one_core.environment({**os.environ, "PYTHONPATH": one_core.python_path()}),
                    process_group=0,  # Ctrl-C is for the parent, which then stops its workers
                )
        except OSError as error:
            raise refused_by_system(log, "writing", error) from error
        worker = _Worker(process=process, core=core)
        self._alive.append(worker)
        assert process.stdout is not None
        self._selector.register(process.stdout, selectors.EVENT_READ, worker)

    def _dismiss(self) -> None:
        for worker in self._alive:
            worker.process.terminate()
        for worker in self._alive:
            try:
                worker.process.wait(_FAREWELL)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            _close(worker)
        self._alive.clear()
        self._selector.close()

    def _no_start(self, code: int) -> Fault:
        return Fault(
            where=shown(self.campaign.folder / "workers.log"),
            what="worker",
            value=_ending(code),
            rule=f"{_STILLBORN} workers ended before their first unit",
            remedy="Read the log, put right what it says, then run the campaign again",
        )


def _close(worker: _Worker) -> None:
    for stream in (worker.process.stdin, worker.process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    hint = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-code).name}{hint}"
