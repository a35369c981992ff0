"""A corpus as the trainer sees it: two token streams, evaluation windows, and the order of the windows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Part = Literal["teacher", "student"]
Tokens = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Tokens of three disjoint sets of documents: the teacher's, the student's, and the evaluation's.

    Attributes
    ----------
    corpus_id
        Kind of the source and the short hash of its specification, for instance `markov-1f0c2a9b3d4e`.
    vocabulary
        V: tokens are 0 .. V - 1.
    context
        T: a model sees T tokens and predicts T.
    sha256
        Of all arrays, 64 hexadecimal digits.
    tokenizer_id
        What made tokens of the text; `none` where the source speaks tokens.
    provenance
        What the corpus was made from: packages with versions and checksums, counts of documents and bytes.
    teacher_tokens, student_tokens
        1-D streams, one document after the other, read from the disk as they are needed.
    eval_windows_ExT1
        E windows of T + 1 tokens, each a context and its targets.
    oracle_nll_ExT
        -log p(target | the tokens before it in its window) under the source itself, nats, exactly;
        None where the source is unknown.
    bytes_per_token
        Bytes of text behind one target token of the evaluation windows; None for a source of tokens.
    """

    corpus_id: str
    vocabulary: int
    context: int
    sha256: str
    tokenizer_id: str
    provenance: Mapping[str, str]
    teacher_tokens: Tokens
    student_tokens: Tokens
    eval_windows_ExT1: Tokens
    oracle_nll_ExT: NDArray[np.float64] | None
    bytes_per_token: float | None

    @cached_property
    def eval_id(self) -> str:
        """Short hash of the evaluation windows: losses are comparable where it is the same."""
        windows = np.ascontiguousarray(self.eval_windows_ExT1, dtype="<u4")
        return hashlib.sha256(repr(windows.shape).encode() + windows.tobytes()).hexdigest()[:12]

    def stream(self, part: Part) -> Tokens:
        """The tokens that a teacher, or a student, is trained on."""
        return {"teacher": self.teacher_tokens, "student": self.student_tokens}[part]


def token_dtype(vocabulary: int) -> type[np.uint16] | type[np.uint32]:
    """The smaller of two and four bytes that holds every token."""
    return np.uint16 if vocabulary <= 2**16 else np.uint32


def window_count(tokens: int, context: int) -> int:
    """Training windows in a stream: window i is the `context + 1` tokens from i * context on."""
    return max(0, (tokens - 1) // context)


def window_order(n_windows: int, *, data_seed: int, epochs: int) -> NDArray[np.int32]:
    """The windows in the order of training: each epoch shows every window once, in an order of its own.

    A pure function of its arguments, and a longer order begins with the shorter one; so a run that is
    resumed needs no state of an iterator. NumPy may change the order between its versions.

    Parameters
    ----------
    n_windows
        Windows of the stream (`window_count`).
    data_seed
        Zero or more.
    epochs
        Passes over the stream.
    """
    if not 0 < n_windows < 2**31 or epochs < 1 or data_seed < 0:
        raise ValueError(f"no order of {n_windows} windows over {epochs} epochs with data seed {data_seed}")
    orders = [np.random.default_rng([data_seed, epoch]).permutation(n_windows) for epoch in range(epochs)]
    return np.concatenate(orders).astype(np.int32)
