"""How a worker keeps to one core and one thread, and ends with the process that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Mapping

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_XLA = "--xla_cpu_multi_thread_eigen=false"
_PR_SET_PDEATHSIG = 1


def environment(of: Mapping[str, str]) -> dict[str, str]:
    """An environment in which numerical libraries, imported later, use one thread each."""
    flags = of.get("XLA_FLAGS", "")
    one = flags if "xla_cpu_multi_thread_eigen" in flags else f"{flags} {_XLA}".strip()
    return {**of, **dict.fromkeys(_THREADS, "1"), "XLA_FLAGS": one}


def python_path() -> str:
    """This process's module path, for another one that shall find the same work."""
    return os.pathsep.join(os.path.abspath(entry or os.curdir) for entry in sys.path)


def cores() -> tuple[int | None, ...]:
    """The cores that this process may use; one unknown core where the system does not tell."""
    if not hasattr(os, "sched_getaffinity"):
        return (None,)
    return tuple(sorted(os.sched_getaffinity(0)))


def pin(core: int | None) -> None:
    """Keep this process, and the threads that it starts later, on one core."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def end_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends, however that happens (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it had ended before the kernel was told
        os._exit(1)
