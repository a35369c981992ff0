"""What trained networks reach on held-out tokens: losses, errors of the losses, and likeness to a teacher."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from models import objectives, transformer
from models.config import Network
from models.corpus.base import Corpus

PASS_TOKENS = 2048
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
    pieces: list[list[dict[str, Any]]] = [[] for _ in networks]
    teachers_pieces = []
    for windows_BxT1 in _passes(corpus):
        tokens_BxT, targets_BxT = windows_BxT1[:, :-1], windows_BxT1[:, 1:]
        teacher_BxTxV = None if teacher is None else _logits(teacher[1], tokens_BxT, teacher[0])
        if teacher_BxTxV is not None:
            teachers_pieces.append(_measures(teacher_BxTxV, None, targets_BxT))
        for mine, (network, params) in zip(pieces, networks, strict=True):
            mine.append(_measures(_logits(params, tokens_BxT, network), teacher_BxTxV, targets_BxT))
    results = tuple(_evaluation(mine, corpus) for mine in pieces)
    return results, _evaluation(teachers_pieces, corpus) if teacher is not None else None


def _passes(corpus: Corpus) -> Iterator[np.ndarray]:
    """The windows in passes of one size, and a smaller last one where they do not divide."""
    windows_ExT1 = corpus.eval_windows_ExT1.astype(np.int32)
    batch = max(1, PASS_TOKENS // corpus.context)
    for start in range(0, len(windows_ExT1), batch):
        yield windows_ExT1[start : start + batch]


# A program for each network and one for the measures: company in a call changes no bit, and compiles nothing.
_logits = jax.jit(transformer.logits, static_argnums=2)


@jax.jit
def _measures(
    logits_BxTxV: jax.Array, teacher_BxTxV: jax.Array | None, targets_BxT: jax.Array
) -> dict[str, jax.Array]:
    measured = {
        "nll": objectives.nll(logits_BxTxV, targets_BxT),
        "calibration": objectives.calibration_sums(logits_BxTxV, targets_BxT),
    }
    if teacher_BxTxV is not None:
        measured["kl"] = objectives.kl(teacher_BxTxV, logits_BxTxV)
        measured["agreement"] = objectives.top1_agreement(teacher_BxTxV, logits_BxTxV)
    return measured


def _evaluation(pieces: Sequence[dict[str, Any]], corpus: Corpus) -> Evaluation:
    """One network's numbers from what each piece of the windows gave."""

    def by_token(name: str) -> np.ndarray:
        return np.concatenate([np.asarray(piece[name], np.float64).ravel() for piece in pieces])

    nll_ExT, oracle_ExT = by_token("nll").reshape(-1, corpus.context), corpus.oracle_nll_ExT
    loss = float(nll_ExT.mean())
    excess_ExT = None if oracle_ExT is None else nll_ExT - oracle_ExT
    sums = [np.asarray(piece["calibration"], np.float64) for piece in pieces]
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
