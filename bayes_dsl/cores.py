"""How many cores this process may use, and where it must use one."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import threadpool_limits


def workers(most: int) -> int:
    """As many workers as there are cores for, at least one and at most `most`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(most, cores or 1))


def one_blas_thread() -> AbstractContextManager[Any]:
    """Linear algebra on one thread until the block ends: its bits depend on the number of threads."""
    held: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return held
