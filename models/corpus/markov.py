"""A synthetic language whose entropy is known exactly: an order-2 Markov source over Zipf's law.

`p(x | b, a)` is proportional to `zipf(x) exp(s1 G1[a, x] + s2 G2[b, x] + s3 G3[b, a, x])`, where `a` is
the token before `x`, `b` the one before that, and the G are standard normal. Pairs of tokens come up with
very uneven frequency, so that a model learns the frequent ones first.

Array axes: B and A the two tokens of context, V the next one, D documents, L their length, E windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.corpus.base import Tokens, token_dtype

Floats = NDArray[np.float64]
STRENGTHS = (1.2, 0.8, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """An order-2 Markov source in its stationary state.

    Attributes
    ----------
    next_BxAxV
        p(x | b, a); each row sums to 1.
    pairs_BxA
        Stationary law of two tokens in a row.
    """

    next_BxAxV: Floats
    pairs_BxA: Floats

    @property
    def vocabulary(self) -> int:
        """V."""
        return len(self.next_BxAxV)

    @cached_property
    def entropies(self) -> tuple[float, float, float]:
        """H0, H1 and H2: entropy of a token given none, one and two before it, nats. H2 is the entropy rate."""
        unigram_A = self.pairs_BxA.sum(axis=0)
        h0 = -_sum_xlogy(unigram_A, unigram_A)
        h1 = -_sum_xlogy(self.pairs_BxA, self.pairs_BxA) - h0
        triples_BxAxV = self.pairs_BxA[..., None] * self.next_BxAxV
        return h0, h1, -_sum_xlogy(triples_BxAxV, self.next_BxAxV)

    def expected_nll(self, context: int) -> float:
        """Mean loss of the oracle on windows of `context` targets, of which the first has one token before it."""
        _, h1, h2 = self.entropies
        return h2 + (h1 - h2) / context

    def nll(self, windows_ExT1: NDArray[Any]) -> Floats:
        """-log p(target | the tokens before it in its window), exactly, nats; shape (E, T)."""
        windows = windows_ExT1.astype(np.intp)
        before_ExT, last_ExT, targets_ExT = windows[:, :-2], windows[:, 1:-1], windows[:, 2:]
        first_E = self.pairs_BxA[windows[:, 0], windows[:, 1]] / self.pairs_BxA.sum(axis=1)[windows[:, 0]]
        later_ExT = self.next_BxAxV[before_ExT, last_ExT, targets_ExT]
        nll_ExT: Floats = -np.log(np.concatenate([first_E[:, None], later_ExT], axis=1))
        return nll_ExT


def zipf_source(vocabulary: int, *, strengths: tuple[float, float, float] = STRENGTHS, seed: int) -> Source:
    """Draw a language.

    Parameters
    ----------
    vocabulary
        V; memory grows as V cubed (128: 17 MB, 256: 134 MB an array).
    strengths
        s1, s2, s3: how much the last token, the one before it, and the pair bend Zipf's law.
    seed
        Of the three standard normal tables.
    """
    rng = np.random.default_rng([seed, 0])
    s1, s2, s3 = strengths
    V = vocabulary
    log_zipf_V = -np.log(np.arange(1, V + 1))
    last_AxV, before_BxV = s1 * rng.standard_normal((V, V)), s2 * rng.standard_normal((V, V))
    scores_BxAxV = s3 * rng.standard_normal((V, V, V))
    scores_BxAxV += log_zipf_V + last_AxV[None] + before_BxV[:, None]
    scores_BxAxV -= scores_BxAxV.max(axis=-1, keepdims=True)
    next_BxAxV = np.exp(scores_BxAxV)
    next_BxAxV /= next_BxAxV.sum(axis=-1, keepdims=True)
    return Source(next_BxAxV=next_BxAxV, pairs_BxA=stationary_pairs(next_BxAxV))


def stationary_pairs(next_BxAxV: Floats, *, tolerance: float = 1e-14, most: int = 10_000) -> Floats:
    """The law of two tokens in a row that one more token leaves as it is, by power iteration.

    Raises
    ------
    ArithmeticError
        It did not settle within `most` steps (a source that is periodic or falls apart).
    """
    V = next_BxAxV.shape[-1]
    pairs_BxA: Floats = np.full((V, V), 1 / V**2)
    for _ in range(most):
        after_AxV: Floats = np.matmul(pairs_BxA.T[:, None, :], next_BxAxV.transpose(1, 0, 2))[:, 0]
        after_AxV /= after_AxV.sum()
        change = np.abs(after_AxV - pairs_BxA).sum()
        pairs_BxA = after_AxV
        if change < tolerance:
            return pairs_BxA
    raise ArithmeticError(f"the stationary law did not settle in {most} steps")


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampler:
    """Alias tables of a source (Walker 1977): a token costs one uniform number and two look-ups.

    Row `b * V + a` has V slots of equal weight. Slot k gives k with probability `keep`, else `alias`.
    """

    keep_RxV: Floats
    alias_RxV: NDArray[np.int64]
    pairs_cumulative: Floats

    @classmethod
    def of(cls, source: Source) -> Sampler:
        """Tables for every pair of context tokens."""
        V = source.vocabulary
        keep_RxV, alias_RxV = alias_tables(source.next_BxAxV.reshape(V * V, V))
        return cls(
            keep_RxV=keep_RxV, alias_RxV=alias_RxV, pairs_cumulative=np.cumsum(source.pairs_BxA.ravel())
        )

    def documents(self, rng: np.random.Generator, documents: int, length: int) -> Tokens:
        """Independent documents that begin in the stationary state; shape (documents, length), length >= 2."""
        V = self.keep_RxV.shape[1]
        keep, alias = self.keep_RxV.ravel(), self.alias_RxV.ravel()
        uniform_D = rng.random(documents) * self.pairs_cumulative[-1]
        state_D = np.searchsorted(self.pairs_cumulative, uniform_D, side="right")
        tokens_LxD = np.empty((length, documents), token_dtype(V))
        tokens_LxD[0], tokens_LxD[1] = state_D // V, state_D % V
        for position in range(2, length):
            point_D = rng.random(documents) * V
            slot_D = point_D.astype(np.int64)
            cell_D = state_D * V + slot_D
            token_D = np.where(point_D - slot_D < keep[cell_D], slot_D, alias[cell_D])
            tokens_LxD[position] = token_D
            state_D = state_D % V * V + token_D
        return np.ascontiguousarray(tokens_LxD.T)

    def stream(self, rng: np.random.Generator, tokens: int, document_tokens: int) -> Tokens:
        """Documents of `document_tokens` one after the other, the last one cut so that there are `tokens`."""
        most = max(1, _BLOCK_TOKENS // document_tokens)
        stream = np.empty(tokens, token_dtype(self.keep_RxV.shape[1]))
        for start in range(0, tokens, most * document_tokens):
            block = stream[start : start + most * document_tokens]
            needed = -(-len(block) // document_tokens)
            block[:] = self.documents(rng, needed, document_tokens).ravel()[: len(block)]
        return stream


def alias_tables(law_RxV: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Alias tables of many laws at once, each step settling one slot of every row.

    A sweep over the slots with less than the mean weight, in ascending order, and those with more, in
    descending order: the current heavy slot fills up the light ones until it is light itself.
    """
    R, V = law_RxV.shape
    rows = np.arange(R)
    weight_RxV = law_RxV * V
    order_RxV = np.argsort(weight_RxV, axis=1, kind="stable")
    keep_RxV, alias_RxV = np.ones((R, V)), np.tile(np.arange(V), (R, 1))
    light_R, heavy_R = np.zeros(R, np.int64), np.full(R, V - 1)
    heavy_slot_R = order_RxV[:, -1]
    left_R = weight_RxV[rows, heavy_slot_R]
    for _ in range(V - 1):
        gives_R = left_R > 1
        light_slot_R = order_RxV[rows, light_R]
        next_slot_R = order_RxV[rows, heavy_R - 1]
        settled_R = np.where(gives_R, light_slot_R, heavy_slot_R)
        kept_R = np.where(gives_R, weight_RxV[rows, light_slot_R], left_R)
        keep_RxV[rows, settled_R] = kept_R
        alias_RxV[rows, settled_R] = np.where(gives_R, heavy_slot_R, next_slot_R)
        left_R = np.where(gives_R, left_R, weight_RxV[rows, next_slot_R]) - (1 - kept_R)
        heavy_slot_R = np.where(gives_R, heavy_slot_R, next_slot_R)
        light_R, heavy_R = light_R + gives_R, heavy_R - ~gives_R
    return keep_RxV, alias_RxV


_BLOCK_TOKENS = 2**25
"""Tokens sampled side by side; a bound on memory."""


def _sum_xlogy(weights: Floats, values: Floats) -> float:
    """Sum of w log v, where 0 log 0 is 0."""
    logs = np.log(values, where=values > 0, out=np.zeros_like(values))
    return float(np.sum(weights * logs))
