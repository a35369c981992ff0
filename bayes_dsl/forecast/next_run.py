"""The loss that the next run will show: its expected loss with the scatter of one run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from bayes_dsl.forecast.expected import expected_of
from bayes_dsl.forecast.question import question
from bayes_dsl.forecast.result import Forecast
from bayes_dsl.forecast.scatter import scatter
from bayes_dsl.inference.posterior import Posterior


def next_run_loss(
    posterior: Posterior,
    *,
    student_params: ArrayLike,
    student_tokens: ArrayLike,
    teacher_loss: ArrayLike | None = None,
    teacher_params: ArrayLike | None = None,
    teacher_tokens: ArrayLike | None = None,
    unique_tokens: ArrayLike | None = None,
) -> Forecast:
    """Loss that one new run will show, at every draw; arguments and errors as in `expected_loss`.

    Noise of the run and of its evaluation, and effects it would share with later ones (of a new group, teacher,
    student configuration or order of the data), are added to the expected loss; the misfit, part of the expected
    loss, is not noise.
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
    expected = expected_of(posterior, asked)
    noise = scatter(posterior, role=asked.role, tokens=asked.tokens, stream="next run")
    return replace(expected, loss=expected.loss * np.exp(noise), about="next_run")
