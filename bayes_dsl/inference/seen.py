"""Which runs a prior has seen already: no run may be counted twice, once in the prior and once in the table.

A run is known by its content (role, size, tokens, loss, and the teacher's loss of a student), not by its name, which
another export may have changed; to six digits, so that nearly every run is known through a file that rounds to
float32. Coarser rounding hides a run, and later checkpoints of a run that was seen are rows of their own: what these
share is not known here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from bayes_dsl.errors import Fault, TableError
from bayes_dsl.runs.table import RunTable

NUMBERS = ("params", "tokens", "loss", "teacher_loss")
SHOWN = 3


def digests(table: RunTable) -> tuple[int, ...]:
    """One number for each usable row, in their order: equal for equal runs, others differ but for a chance of 2^-64."""
    used = table.used
    roles, columns = used.values("role"), [used.values(name) for name in NUMBERS]
    found = []
    for row, role in enumerate(roles):
        text = " ".join([str(role), *(f"{float(column[row]):.6g}" for column in columns)])
        found.append(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True))
    return tuple(found)


def refuse_seen(table: RunTable, seen: Sequence[int], origin: str) -> None:
    """Refuse a table that has runs which its prior was learnt from.

    Raises
    ------
    TableError
        Some rows are such runs; the first of them are named.
    """
    twice = np.flatnonzero(np.isin(np.array(digests(table), np.int64), np.array(seen, np.int64)))
    if not twice.size:
        return
    runs = [str(table.used.values("run_id")[row]) for row in twice[:SHOWN]]
    shown = ", ".join(runs) + (", ..." if twice.size > SHOWN else "")
    raise TableError(
        Fault(
            where=table.source,
            what="rows",
            value=f"{twice.size} of {len(table.used)} ({shown})",
            rule=f"the prior ({origin}) was learnt from these runs, and would count them twice",
            remedy="Leave them out (--where), or fit all runs together without this prior",
        )
    )


def joined(*groups: Sequence[int]) -> tuple[int, ...]:
    """Digests of several tables, each once, in rising order."""
    return tuple(sorted(set().union(*groups)))
