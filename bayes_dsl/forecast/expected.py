"""The expected loss of runs not yet made: the law, and where it has one the misfit, at every draw of the posterior."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from bayes_dsl.errors import ExtrapolationWarning
from bayes_dsl.forecast.extrapolation import extrapolation
from bayes_dsl.forecast.question import Question, question
from bayes_dsl.forecast.result import Forecast
from bayes_dsl.forecast.scatter import scatter
from bayes_dsl.inference.misfit import expected_log_loss
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.laws.base import Law

# Candidates evaluated in one compiled call: 4,000 draws of them take about 16 MB an array.
BLOCK = 512


def expected_loss(
    posterior: Posterior,
    *,
    student_params: ArrayLike,
    student_tokens: ArrayLike,
    teacher_loss: ArrayLike | None = None,
    teacher_params: ArrayLike | None = None,
    teacher_tokens: ArrayLike | None = None,
    unique_tokens: ArrayLike | None = None,
) -> Forecast:
    """Expected loss of students (or, without a teacher, of supervised runs), at every draw.

    Parameters
    ----------
    student_params, student_tokens : array_like
        Parameters (counted as in the posterior's table) and training tokens; scalars or (candidate,).
    teacher_loss : array_like, optional
        The teacher's measured loss, nats per token.
    teacher_params, teacher_tokens : array_like, optional
        In place of its loss, a teacher yet to be trained: its loss is drawn for each draw, seed noise included.
    unique_tokens : array_like, optional
        Distinct tokens among the training tokens: needed by the law of repeated data, and by no other.

    Raises
    ------
    InputError, NotIdentified
        See `question`.

    Warns
    -----
    ExtrapolationWarning
        A candidate lies beyond the posterior's runs.
    """
    asked = question(
        posterior,
        student_params=student_params,
        student_tokens=student_tokens,
        teacher_loss=teacher_loss,
        teacher_params=teacher_params,
        teacher_tokens=teacher_tokens,
        unique_tokens=unique_tokens,
    )
    return expected_of(posterior, asked)


def expected_of(posterior: Posterior, asked: Question) -> Forecast:
    """`expected_loss` of a question that is already checked."""
    teacher_loss = teacher_draws(posterior, asked)
    log_loss = _log_loss(posterior, asked.role, _inputs(asked, teacher_loss))
    typical_teacher = asked.teacher_loss if teacher_loss is None else np.median(teacher_loss, axis=0)
    reach = extrapolation(posterior, asked, typical_teacher)
    sentences = reach.sentences()
    if sentences:
        warnings.warn("beyond the runs: " + "; ".join(sentences), ExtrapolationWarning, stacklevel=3)
    return Forecast(
        inputs=asked.inputs(),
        loss=np.exp(log_loss),
        about="expected",
        extrapolation=reach,
        warnings=sentences,
    )


def teacher_draws(posterior: Posterior, asked: Question) -> np.ndarray | None:
    """Loss of each candidate's teacher, (draw, candidate), where teachers are given by size; otherwise None.

    The candidate's student sees one trained teacher, so the teacher's own scatter is part of its loss.
    """
    if asked.teacher != "size":
        return None
    inputs = {"N": asked.teacher_params, "D": asked.teacher_tokens}
    log_loss = _log_loss(posterior, "supervised", inputs)
    noise = scatter(posterior, role="supervised", tokens=asked.teacher_tokens, stream="teacher")
    return np.asarray(np.exp(log_loss + noise))


def _inputs(asked: Question, teacher_loss: np.ndarray | None) -> dict[str, np.ndarray]:
    if asked.role == "supervised":
        unique = {"unique_tokens"} & set(asked.inputs())
        return {"N": asked.params, "D": asked.tokens, **({"U": asked.unique_tokens} if unique else {})}
    L_T = asked.teacher_loss if teacher_loss is None else teacher_loss
    return {"N_S": asked.params, "D_S": asked.tokens, "L_T": L_T}


def _log_loss(posterior: Posterior, role: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """ln(expected loss), (draw, candidate), in bounded memory; inputs are (candidate,) or (draw, candidate)."""
    size = max(array.shape[-1] for array in inputs.values())
    evaluate = _evaluator(posterior.law, role)
    # Each draw has one path an axis, whatever is asked of it and how often.
    drift = jax.tree.map(lambda array: array[:, None] if np.ndim(array) else array, posterior.drift)
    with jax.enable_x64(True):
        parameters = {name: jnp.asarray(draws)[:, None] for name, draws in posterior.law_draws().items()}
        n_draws = len(next(iter(parameters.values())))
        result = np.empty((n_draws, size))
        # Never one column alone, which XLA computes otherwise, to the last digit.
        width = min(BLOCK, max(2, 1 << (size - 1).bit_length()))
        for begin in range(0, size, width):
            end = min(begin + width, size)
            block = {name: _padded(array[..., begin:end], width) for name, array in inputs.items()}
            result[:, begin:end] = np.asarray(evaluate(parameters, block, drift))[:, : end - begin]
    return result


def _padded(array: np.ndarray, width: int) -> jax.Array:
    """One width for every block, so that one compiled function serves them all."""
    pad = [(0, 0)] * (array.ndim - 1) + [(0, width - array.shape[-1])]
    return jnp.asarray(np.pad(array, pad, mode="edge"))


@lru_cache(maxsize=16)
def _evaluator(law: Law, role: str) -> Any:
    return jax.jit(lambda parameters, inputs, drift: expected_log_loss(law, role, parameters, inputs, drift))
