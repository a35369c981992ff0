"""The scatter of a run not yet made: its noise, its evaluation's, and the shared effects that it is new in.

Those are of a group, a teacher, a student configuration, an order of the data.
"""

from __future__ import annotations

import numpy as np

from bayes_dsl.inference.posterior import Posterior

# Effects that a new run of each role brings: it is new in every one of them.
EFFECTS_OF = {
    "supervised": ("group", "replicate", "evaluation", "data_order"),
    "distilled": ("group", "teacher", "student", "data_order"),
}
STREAMS = {"next run": 1, "teacher": 2}


def scatter(posterior: Posterior, *, role: str, tokens: np.ndarray, stream: str) -> np.ndarray:
    """ln(loss of one run / its expected loss), (draw, candidate), seeded by the posterior.

    Each draw has one random number for all candidates, so that a candidate's scatter is the same asked alone
    or among others. A role without runs in the table scatters as the other role does. The next run's loss is
    measured as the table's were: the relative standard error of its evaluation is the median over its role's rows.
    """
    scale, variance = scales(posterior, role=role, tokens=tokens)
    if stream == "next run":
        scale = np.hypot(scale, _evaluation_error(posterior, role))
    nu = posterior.draws("nu")
    rng = np.random.default_rng((posterior.seed, STREAMS[stream]))
    normal = rng.standard_normal(len(nu))
    student_t = normal / np.sqrt(rng.gamma(nu / 2.0, 2.0 / nu))
    shared = np.sqrt(variance) * rng.standard_normal(len(nu))
    return np.asarray(scale * student_t[:, None] + shared[:, None])


def scales(posterior: Posterior, *, role: str, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What scatters a new run: its noise scale (draw, candidate), and the variance of its new effects (draw,).

    A role without runs in the table scatters as the other role does.
    """
    own = "" if role == "supervised" else f"_{role}"
    suffix = own if posterior.has(f"sigma{own}") else "_distilled" if role == "supervised" else ""
    sigma = posterior.draws(f"sigma{suffix}")
    variance = sum(
        (
            posterior.draws(f"sd_{effect}") ** 2
            for effect in EFFECTS_OF[role]
            if posterior.has(f"sd_{effect}")
        ),
        start=np.zeros(len(sigma)),
    )
    return _token_scale(posterior, role, suffix, sigma, tokens), np.asarray(variance)


def _evaluation_error(posterior: Posterior, role: str) -> float:
    """Relative standard error of one measured loss; rows that state none have it in their noise, and count as 0."""
    used = posterior.table.used
    mine = used.values("role") == role
    relative = np.nan_to_num(used.values("loss_se") / used.values("loss"))
    return float(np.median(relative[mine] if mine.any() else relative))


def _token_scale(
    posterior: Posterior, role: str, suffix: str, sigma: np.ndarray, tokens: np.ndarray
) -> np.ndarray:
    """The row's noise scale, (draw, candidate): as the program's `token_scale`, held outside the table's tokens."""
    span = posterior.token_span.get(role)
    if span is None:
        return np.broadcast_to(sigma[:, None], (len(sigma), len(tokens)))
    offset = np.clip(np.log(tokens), span["low"], span["high"]) - span["center"]
    return np.asarray(
        sigma[:, None] * np.exp(-posterior.draws(f"noise_slope{suffix}")[:, None] * offset[None])
    )
