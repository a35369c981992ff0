"""What trained networks reach on held-out tokens: losses, errors of the losses, and likeness to a teacher."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from models import objectives, transformer
from models.config import Network
from models.corpus.base import Corpus

PASS_TOKENS = 1024
"""Held-out tokens of a pass."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One network on the evaluation windows of a corpus; nats per token.

    Attributes
    ----------
    loss : float
        Mean of -log p(target).
    loss_se : float or None
        Standard error of `excess`, or of `loss` where there is no oracle; windows are its units. None where
        there is a single one.
    excess : float or None
        Mean of the loss above the source's own, token by token; None where the source is unknown.
    bits_per_byte : float or None
        None where tokens stand for no text.
    ece : float
        Expected calibration error of the likeliest token, 15 bins.
    kl_teacher_student, top1_agreement : float or None
        Mean KL(teacher || student); share of positions where both think the same token the likeliest.
    """

    loss: float
    loss_se: float | None
    excess: float | None
    bits_per_byte: float | None
    ece: float
    kl_teacher_student: float | None = None
    top1_agreement: float | None = None


def evaluate(
    networks: Sequence[tuple[Network, Any]], corpus: Corpus, *, teacher: tuple[Network, Any] | None = None
) -> tuple[tuple[Evaluation, ...], Evaluation | None]:
    """Measure some networks, and the teacher, in one pass over the evaluation windows.

    Parameters
    ----------
    networks
        Networks with their parameters, all of the corpus's vocabulary and context.
    corpus
        Where the windows and the source's own losses come from.
    teacher
        Each network is compared with it; it is measured itself.

    Returns
    -------
    tuple
        An evaluation for each network, and the teacher's (None where there is none).
    """
    everyone = (*networks, teacher) if teacher is not None else tuple(networks)
    measure = _program(tuple(network for network, _ in everyone), teacher is not None)
    parts = [measure(tuple(params for _, params in everyone), windows) for windows in _passes(corpus)]
    results = tuple(_evaluation(pieces, corpus) for pieces in zip(*parts, strict=True))
    return (results[:-1], results[-1]) if teacher is not None else (results, None)


def _passes(corpus: Corpus) -> list[np.ndarray]:
    """The windows in equal passes (N x B x T1), and those left over as one smaller pass."""
    windows_ExT1 = corpus.eval_windows_ExT1
    batch = min(len(windows_ExT1), max(1, PASS_TOKENS // corpus.context))
    whole = len(windows_ExT1) // batch * batch
    pieces = [windows_ExT1[:whole].reshape(-1, batch, corpus.context + 1), windows_ExT1[None, whole:]]
    return [piece for piece in pieces if piece.size]


@cache
def _program(networks: tuple[Network, ...], has_teacher: bool) -> Any:
    """The compiled program that measures `networks`, of which the last may be the others' teacher."""

    def one_pass(everyone: tuple[Any, ...], windows_BxT1: jax.Array) -> tuple[dict[str, jax.Array], ...]:
        windows_BxT1 = windows_BxT1.astype(jnp.int32)
        tokens_BxT, targets_BxT = windows_BxT1[:, :-1], windows_BxT1[:, 1:]
        pairs = zip(networks, everyone, strict=True)
        logits = [transformer.logits(params, tokens_BxT, network) for network, params in pairs]
        measured = []
        for place, each_BxTxV in enumerate(logits):
            one = {
                "nll": objectives.nll(each_BxTxV, targets_BxT),
                "calibration": objectives.calibration_sums(each_BxTxV, targets_BxT),
            }
            if has_teacher and place < len(logits) - 1:
                one["kl"] = objectives.kl(logits[-1], each_BxTxV)
                one["agreement"] = objectives.top1_agreement(logits[-1], each_BxTxV)
            measured.append(one)
        return tuple(measured)

    return jax.jit(lambda everyone, windows: jax.lax.map(lambda x: one_pass(everyone, x), windows))


def _evaluation(pieces: Sequence[dict[str, Any]], corpus: Corpus) -> Evaluation:
    """One network's numbers from what each piece of the windows gave."""

    def by_token(name: str) -> np.ndarray:
        return np.concatenate([np.asarray(piece[name], np.float64).ravel() for piece in pieces])

    nll_ExT, oracle_ExT = by_token("nll").reshape(-1, corpus.context), corpus.oracle_nll_ExT
    loss = float(nll_ExT.mean())
    excess_ExT = None if oracle_ExT is None else nll_ExT - oracle_ExT
    sums = [np.asarray(piece["calibration"], np.float64).sum(axis=0) for piece in pieces]
    bytes_per_token = corpus.bytes_per_token
    return Evaluation(
        loss=loss,
        loss_se=standard_error(nll_ExT if excess_ExT is None else excess_ExT),
        excess=None if excess_ExT is None else float(excess_ExT.mean()),
        bits_per_byte=None if bytes_per_token is None else loss / math.log(2) / bytes_per_token,
        ece=float(objectives.expected_calibration_error(np.sum(sums, axis=0))),
        kl_teacher_student=float(by_token("kl").mean()) if "kl" in pieces[0] else None,
        top1_agreement=float(by_token("agreement").mean()) if "agreement" in pieces[0] else None,
    )


def standard_error(values_ExT: np.ndarray) -> float | None:
    """Standard error of the mean, with windows as units: tokens of one window are not independent."""
    means_E = values_ExT.mean(axis=1)
    return float(means_E.std(ddof=1) / math.sqrt(len(means_E))) if len(means_E) > 1 else None
