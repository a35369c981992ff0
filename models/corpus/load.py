"""From a plan's [corpus] table to a corpus, made once and kept in a folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from models.corpus.base import Corpus
from models.corpus.markov import Sampler, zipf_source
from models.corpus.specs import CorpusSpec, MarkovSpec, spec_as_json
from models.corpus.store import ARRAYS, Made, kept


def load(spec: CorpusSpec, folder: Path) -> Corpus:
    """The corpus that a specification describes.

    It is made on first use and kept under `folder` by the hash of its specification; after that it is read
    from there, its checksums verified. Two processes may ask for it at once.

    Raises
    ------
    InputError
        The source is missing, empty or malformed, one line for each fault.
    FileRefused
        The kept copy was changed, or the disk does not take it.
    """
    content = json.dumps([_VERSION, spec_as_json(spec)], sort_keys=True)
    corpus_id = f"{spec.kind}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    if not isinstance(spec, MarkovSpec):
        raise NotImplementedError
    return kept(folder, corpus_id, lambda home: _make_markov(spec, home))


_VERSION = 1
"""Raised when the same specification comes to mean other tokens."""


def _make_markov(spec: MarkovSpec, home: Path) -> Made:
    source = zipf_source(spec.vocabulary, strengths=spec.strengths, seed=spec.seed)
    sampler = Sampler.of(source)
    # Each part has random numbers of its own: more training tokens leave the evaluation as it was.
    teacher, student, held_out = (np.random.default_rng([spec.seed, part]) for part in (1, 2, 3))
    windows = max(1, spec.eval_tokens // spec.context)
    windows_ExT1 = sampler.documents(held_out, windows, spec.context + 1)
    arrays = {
        "teacher_tokens": sampler.stream(teacher, spec.teacher_tokens, spec.document_tokens),
        "student_tokens": sampler.stream(student, spec.student_tokens, spec.document_tokens),
        "eval_windows_ExT1": windows_ExT1,
        "oracle_nll_ExT": source.nll(windows_ExT1),
    }
    for field, array in arrays.items():
        np.save(home / ARRAYS[field], array, allow_pickle=False)
    entropies = {f"H{order}": f"{value:.10f}" for order, value in enumerate(source.entropies)}
    return Made(
        vocabulary=spec.vocabulary,
        context=spec.context,
        tokenizer_id="none",
        provenance={"source": "order-2 Zipf Markov language", "seed": str(spec.seed), **entropies},
        bytes_per_token=None,
    )
