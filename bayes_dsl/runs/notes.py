"""What has to be said about a table though nothing is wrong with it, a line each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bayes_dsl.runs.checks import Values
from bayes_dsl.runs.raw import visible

_NAMED = 20


def notes_of(
    n_rows: int, left_out: Mapping[str, int], values: Mapping[str, Values], counting: str | None
) -> list[str]:
    """What is left out, by condition and by name, and what the table leaves unsaid."""
    notes = [f"--where {visible(text)} left out {count} of {n_rows} rows" for text, count in left_out.items()]
    ended = np.flatnonzero(values["status"] != "ok")
    if len(ended):
        first = ended[:_NAMED].tolist()
        named = [f"{visible(str(values['run_id'][row]))} ({values['status'][row]})" for row in first]
        more = f" and {len(ended) - _NAMED} more" if len(ended) > _NAMED else ""
        notes.append(
            f"status other than ok: {len(ended)} of {len(values['status'])} rows, left out of a posterior: "
            f"{', '.join(named)}{more}"
        )
    if counting is None:
        notes.append(
            "it is not stated whether params count the embeddings (--counting non_embedding | total)"
        )
    return notes
