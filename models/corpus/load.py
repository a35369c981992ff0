"""From a plan's [corpus] table to a corpus, made once and kept in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeGuard

import numpy as np

from models.corpus.base import Corpus
from models.corpus.debian import documents_of, packages_at
from models.corpus.files import documents_of_shard, documents_of_text, files_of
from models.corpus.hub import shards_from_hub
from models.corpus.markov import Sampler, zipf_source
from models.corpus.specs import CorpusSpec, DebianSpec, HuggingFaceSpec, MarkovSpec, TextSpec, spec_as_json
from models.corpus.store import ARRAYS, Made, kept
from models.corpus.text import make_text_corpus


def load(spec: CorpusSpec, folder: Path) -> Corpus:
    """The corpus that a specification describes.

    It is made on first use and kept under `folder` by the hash of its specification; after that it is read
    from there, its checksums verified. The user's own files are part of the hash by name, size and time of
    change. Two processes may ask for it at once.

    Parameters
    ----------
    spec
        From `parse_spec`.
    folder
        Where corpora are kept, and Debian packages in `packages` under it.

    Raises
    ------
    InputError
        The source is missing, empty or malformed, one line for each fault.
    FileRefused
        The kept copy was changed, a file is damaged, or the disk does not take the corpus.
    """
    paths = () if isinstance(spec, MarkovSpec | DebianSpec) or _from_hub(spec) else files_of(spec)
    content = json.dumps([_VERSION, spec_as_json(spec), _stamps(paths)], sort_keys=True)
    corpus_id = f"{spec.kind}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    return kept(folder, corpus_id, lambda home: _make(spec, home, folder / "packages", paths))


_VERSION = 1
"""Raised when the same specification comes to mean other tokens."""


def _make(spec: CorpusSpec, home: Path, packages: Path, paths: Sequence[Path]) -> Made:
    if isinstance(spec, MarkovSpec):
        return _make_markov(spec, home)
    provenance: dict[str, str] = {}
    documents: Iterator[str]
    if isinstance(spec, DebianSpec):
        found = packages_at(spec.packages, packages)
        provenance |= {name: value for package in found for name, value in package.as_provenance().items()}
        documents = chain.from_iterable(documents_of(package, packages) for package in found)
        return make_text_corpus(spec, home, documents, provenance)
    if isinstance(spec, TextSpec):
        documents = documents_of_text(spec, _noted(paths, provenance))
    else:
        shards = shards_from_hub(spec, provenance) if _from_hub(spec) else paths
        noted = _noted(shards, provenance)
        documents = chain.from_iterable(documents_of_shard(path, spec.column) for path in noted)
    provenance |= {"name": spec.name} if isinstance(spec, HuggingFaceSpec) else {}
    return make_text_corpus(spec, home, documents, provenance)


def _from_hub(spec: CorpusSpec) -> TypeGuard[HuggingFaceSpec]:
    return isinstance(spec, HuggingFaceSpec) and spec.download


def _stamps(paths: Sequence[Path]) -> list[tuple[str, int, int]]:
    """What tells that a file was changed, without reading it."""
    return [(str(path), status.st_size, status.st_mtime_ns) for path in paths for status in [path.stat()]]


def _noted(paths: Iterable[Path], provenance: dict[str, str]) -> Iterator[Path]:
    """The paths, of which the first and the last that are opened, and their number, are written down."""
    for number, path in enumerate(paths, start=1):
        provenance.setdefault("first_file", path.name)
        provenance |= {"last_file": path.name, "files_opened": str(number)}
        yield path


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
