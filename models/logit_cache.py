"""A teacher's logits for the windows of a run, rounded to float16 and kept in a file, for teachers dear to run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.files import refused_by_system, write_atomically
from models.step import Teacher, teacher_logits

_PASS_WINDOWS = 64

_forward = jax.jit(teacher_logits, static_argnums=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class LogitCache:
    """Logits of some windows, read from the disk as they are needed.

    Every logit is kept, none is left out: the only change is the rounding to float16, about one part in 2000.
    A file takes 2 * context * vocabulary bytes a window.

    Attributes
    ----------
    windows_W : numpy.ndarray
        Numbers of the windows, rising.
    logits_WxTxV : numpy.ndarray
        Memory-mapped float16.
    """

    windows_W: np.ndarray
    logits_WxTxV: np.ndarray

    def of(self, order_SxB: np.ndarray) -> np.ndarray:
        """The logits (S x B x T x V) of windows by their numbers."""
        return np.asarray(self.logits_WxTxV[np.searchsorted(self.windows_W, order_SxB)])


def open_cache(
    folder: Path, teacher: Teacher, params: Any, digest: str, stream: np.ndarray, order_SxB: np.ndarray
) -> LogitCache:
    """The cache for the windows of an order, made on first use.

    Parameters
    ----------
    folder
        Where caches are kept; several processes may share it.
    teacher, params, digest
        The network, its parameters, and their hash.
    stream, order_SxB
        Tokens of the part, and the windows of each step.

    Raises
    ------
    InputError
        A logit is too large for float16.
    FileRefused
        The disk does not take the file.
    """
    windows_W = np.unique(order_SxB)
    shape = teacher.network.architecture
    name = hashlib.sha256(
        f"{digest} {shape.context} {hashlib.sha256(np.ascontiguousarray(stream)).hexdigest()}".encode()
        + windows_W.tobytes()
    ).hexdigest()[:24]
    path = folder / f"logits-{name}.npy"
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refused_by_system(folder, "writing", error) from error
        write_atomically(path, lambda temporary: _fill(temporary, teacher, params, stream, windows_W))
    return LogitCache(windows_W=windows_W, logits_WxTxV=np.load(path, mmap_mode="r", allow_pickle=False))


def _fill(path: Path, teacher: Teacher, params: Any, stream: np.ndarray, windows_W: np.ndarray) -> None:
    shape = teacher.network.architecture
    size = (len(windows_W), shape.context, shape.vocabulary)
    cached = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=size)
    passes = -(-_PASS_WINDOWS // teacher.micro_windows)
    step = passes * teacher.micro_windows
    for start in range(0, len(windows_W), step):
        some_W = windows_W[start : start + step]
        # The last pass is filled up with copies, so that one program serves all.
        places = np.resize(some_W, step).astype(np.int64)[:, None] * shape.context
        windows = stream[places + np.arange(shape.context + 1)].astype(np.int32)
        with np.errstate(over="ignore"):
            logits = np.asarray(_forward(teacher, params, windows))[: len(some_W)].astype(np.float16)
        if not np.isfinite(logits).all():
            rule = "float16 holds logits of up to 65504"
            remedy = "Train without the cache"
            raise InputError(
                Fault(where="cache", what="teacher's logits", value="", rule=rule, remedy=remedy)
            )
        cached[start : start + len(some_W)] = logits
    cached.flush()
