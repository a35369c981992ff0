"""What a student is trained to make small, and how it is measured against the data and against its teacher."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from bayes_dsl.costs.checks import as_written, number_faults, whole
from bayes_dsl.errors import Fault, InputError

Number = float | jax.Array


@dataclass(frozen=True, kw_only=True)
class Objective:
    """How a student is compared with its teacher; hashable, as it shapes the compiled program.

    Attributes
    ----------
    divergence : {"forward", "reverse"}
        KL(teacher || student), the paper's, or KL(student || teacher).
    top_k : int or None
        Only the teacher's k likeliest tokens are kept; of equal ones those of the lower number.
    top_p : float or None
        Only the smallest set of its likeliest tokens that reaches this probability is kept, as it is before any
        temperature. With both, the smaller set.

    Raises
    ------
    InputError
        A number is out of its range, or a truncated teacher meets the reverse divergence, which is then
        infinite; every breach is listed.

    Notes
    -----
    The kept probabilities are renormalised. Busbridge et al., arXiv 2502.08606, appendices G.4 and G.5.
    """

    divergence: Literal["forward", "reverse"] = "forward"
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise InputError(faults)

    def _faults(self) -> Iterator[Fault]:
        where, out = "objective", "Leave it out for the full teacher"
        if self.divergence not in ("forward", "reverse"):
            rule, value = "must be forward or reverse", as_written(self.divergence)
            yield Fault(where=where, what="divergence", value=value, rule=rule, remedy="Give one of them")
        if self.top_k is not None and (whole(self.top_k) or 0) < 1:
            rule, value = "must be a whole number of 1 or more", as_written(self.top_k)
            yield Fault(where=where, what="top_k", value=value, rule=rule, remedy=out)
        if self.top_p is not None:
            yield from number_faults(
                self.top_p,
                where=where,
                what="top_p",
                allowed=lambda x: 0 < x <= 1,
                rule="must be above 0 and at most 1",
                remedy=out,
            )
        if self.divergence == "reverse" and (self.top_k is not None or self.top_p is not None):
            what = "top_k" if self.top_k is not None else "top_p"
            value = as_written(getattr(self, what))
            rule = "the reverse divergence from a truncated teacher is infinite"
            remedy = "Take the forward divergence, or the full teacher"
            yield Fault(where=where, what=what, value=value, rule=rule, remedy=remedy)


def student_loss(
    objective: Objective,
    student_BxTxV: jax.Array,
    teacher_BxTxV: jax.Array | None,
    targets_BxT: jax.Array,
    *,
    mixing: Number,
    temperature: Number,
    z_weight: Number,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """(1 - lambda) next token + lambda distillation + z_weight z, in nats, mean over positions; and the parts.

    Parameters
    ----------
    objective : Objective
        Plays no part without a teacher.
    student_BxTxV, teacher_BxTxV : jax.Array
        Logits. Without a teacher (None) the loss is next token + z_weight z, and the part `distillation` is 0.
    targets_BxT : jax.Array
        The tokens that came next.
    mixing, temperature, z_weight : float or jax.Array
        lambda, tau and lambda_Z; may be traced.

    Notes
    -----
    Eqs 4-7 of Busbridge et al., arXiv 2502.08606. No gradient goes to the teacher.
    """
    log_z_BxT = jax.nn.logsumexp(student_BxTxV, axis=-1)
    next_token = jnp.mean(log_z_BxT - _taken(student_BxTxV, targets_BxT))
    z = jnp.mean(jnp.square(log_z_BxT))
    if teacher_BxTxV is None:
        parts = {"next_token": next_token, "distillation": jnp.zeros(()), "z": z}
        return next_token + z_weight * z, parts
    distilled = jnp.mean(distillation(objective, student_BxTxV, teacher_BxTxV, temperature=temperature))
    loss = (1 - mixing) * next_token + mixing * distilled + z_weight * z
    return loss, {"next_token": next_token, "distillation": distilled, "z": z}


def distillation(
    objective: Objective, student_BxTxV: jax.Array, teacher_BxTxV: jax.Array, *, temperature: Number
) -> jax.Array:
    """tau^2 times the cross-entropy from the teacher's distribution at tau to the student's; nats, BxT.

    It is the forward divergence up to the teacher's entropy, in which the student plays no part. The reverse
    one is tau^2 KL(student || teacher), whole.
    """
    teacher_BxTxV = jax.lax.stop_gradient(teacher_BxTxV)
    student_BxTxV = student_BxTxV / temperature
    if objective.divergence == "reverse":
        log_student = jax.nn.log_softmax(student_BxTxV)
        log_ratio = log_student - jax.nn.log_softmax(teacher_BxTxV / temperature)
        return temperature**2 * jnp.sum(jnp.exp(log_student) * log_ratio, axis=-1)
    log_z_BxT = jax.nn.logsumexp(student_BxTxV, axis=-1)
    if objective.top_k is not None or objective.top_p is not None:
        teacher_BxTxV, kept = _truncated(objective, teacher_BxTxV)
        student_BxTxV = jnp.take_along_axis(student_BxTxV, kept, axis=-1)
    teacher = jax.nn.softmax(teacher_BxTxV / temperature)
    return temperature**2 * (log_z_BxT - jnp.sum(teacher * student_BxTxV, axis=-1))


def _truncated(objective: Objective, teacher_BxTxV: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The teacher's largest logits, largest first, with -inf for those that top_p leaves out; their tokens."""
    vocabulary = teacher_BxTxV.shape[-1]
    values, tokens = jax.lax.top_k(teacher_BxTxV, min(objective.top_k or vocabulary, vocabulary))
    if objective.top_p is not None and objective.top_p < 1:
        probability = jnp.exp(values - jax.nn.logsumexp(teacher_BxTxV, axis=-1, keepdims=True))
        before = jnp.cumsum(probability, axis=-1) - probability
        # The likeliest stays, whatever rounding says of the 0 before it.
        in_the_set = (before < objective.top_p).at[..., 0].set(True)
        values = jnp.where(in_the_set, values, -jnp.inf)
    return values, tokens


def _taken(logits_BxTxV: jax.Array, targets_BxT: jax.Array) -> jax.Array:
    return jnp.take_along_axis(logits_BxTxV, targets_BxT[..., None], axis=-1)[..., 0]


def nll(logits_BxTxV: jax.Array, targets_BxT: jax.Array) -> jax.Array:
    """-log p(target), nats, BxT."""
    return jax.nn.logsumexp(logits_BxTxV, axis=-1) - _taken(logits_BxTxV, targets_BxT)


def z_penalty(logits_BxTxV: jax.Array) -> jax.Array:
    """(log sum exp logits)^2, BxT, which keeps the logits from drifting together."""
    return jnp.square(jax.nn.logsumexp(logits_BxTxV, axis=-1))


def kl(teacher_BxTxV: jax.Array, student_BxTxV: jax.Array) -> jax.Array:
    """KL(teacher || student) of the full distributions at temperature 1, nats, BxT."""
    log_teacher = jax.nn.log_softmax(teacher_BxTxV)
    return jnp.sum(jnp.exp(log_teacher) * (log_teacher - jax.nn.log_softmax(student_BxTxV)), axis=-1)


def top1_agreement(teacher_BxTxV: jax.Array, student_BxTxV: jax.Array) -> jax.Array:
    """1.0 where teacher and student think the same token the likeliest, else 0.0; BxT."""
    return (jnp.argmax(teacher_BxTxV, axis=-1) == jnp.argmax(student_BxTxV, axis=-1)).astype(jnp.float32)


def calibration_sums(logits_BxTxV: jax.Array, targets_BxT: jax.Array, *, bins: int = 15) -> jax.Array:
    """Positions, summed confidence and hits of the likeliest token, by bins of confidence; 3 x bins.

    The bins ((i - 1) / bins, i / bins] are equally wide. Sums of several batches add up.
    """
    confidence = jnp.exp(jnp.max(jax.nn.log_softmax(logits_BxTxV), axis=-1)).ravel()
    hits = (jnp.argmax(logits_BxTxV, axis=-1) == targets_BxT).ravel()
    places = jnp.clip(jnp.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    each = jnp.stack([jnp.ones_like(confidence), confidence, hits.astype(confidence.dtype)], axis=-1)
    return jax.ops.segment_sum(each, places, num_segments=bins).T


def expected_calibration_error(sums_3xbins: Any) -> Any:
    """Mean over positions of |confidence - accuracy| of their bin, from `calibration_sums` (JAX or NumPy).

    Notes
    -----
    Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599, Eq. 3.
    """
    count, confidence, hits = sums_3xbins
    return abs(confidence - hits).sum() / count.sum()
