"""How many cores this process may use."""

from __future__ import annotations

import os


def workers(most: int) -> int:
    """As many workers as there are cores for, at least one and at most `most`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(most, cores or 1))
