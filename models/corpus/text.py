"""From documents to a kept corpus of text: split, learn a tokenizer, encode, choose evaluation windows."""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.errors import Fault, InputError
from models.corpus.base import Tokens, token_dtype, window_count
from models.corpus.readers import cleaned
from models.corpus.specs import AnyTextSpec, Shares
from models.corpus.splits import SPLITS, Split, digest_of, in_sample, part_of
from models.corpus.store import ARRAYS, Made
from models.corpus.tokenizer import Bytes, Tokenizer, train_byte_pairs

_BATCH_BYTES = 2**22


def make_text_corpus(
    spec: AnyTextSpec, home: Path, documents: Iterable[str], provenance: Mapping[str, str]
) -> Made:
    """Write the arrays of a corpus of these documents into `home`.

    A document is cleaned of control characters and surplus blanks first; one that repeats another to the
    letter is left out.

    Parameters
    ----------
    provenance
        Read once the documents are at an end, so that their source may fill it as it goes.

    Raises
    ------
    InputError
        A part has no whole window, one line for each such part.
    """
    spool = _spooled(documents, home / "spool", spec)
    tokenizer = _tokenizer(spec, spool)
    streams = {split: _encoded(spool, split, tokenizer, home) for split in SPLITS}
    short = [split for split in SPLITS if window_count(len(streams[split]), spec.context) == 0]
    if short:
        raise InputError(_too_short(split, len(streams[split]), spec) for split in short)
    windows_ExT1 = _eval_windows(streams["eval"], spec)
    np.save(home / ARRAYS["eval_windows_ExT1"], windows_ExT1, allow_pickle=False)
    (home / "tokenizer.json").write_text(tokenizer.content(), encoding="utf-8")
    shutil.rmtree(spool.folder)
    (home / _stream_name("eval")).unlink()
    return Made(
        vocabulary=tokenizer.vocabulary,
        context=spec.context,
        tokenizer_id=tokenizer.tokenizer_id,
        provenance={**provenance, **spool.counted()},
        bytes_per_token=bytes_per_token(tokenizer, windows_ExT1[:, 1:]),
    )


def bytes_per_token(tokenizer: Tokenizer, tokens: NDArray[Any]) -> float:
    """Bytes of text behind a token, on average; end marks count as tokens, since a model must foresee them."""
    return float(tokenizer.bytes_of_tokens()[tokens].mean())


@dataclass(kw_only=True)
class _Spool:
    """Documents on the disk, one file a part, so that the source is read once and memory stays small."""

    folder: Path
    seed: int
    sizes: dict[Split, array[int]] = field(default_factory=lambda: {split: array("Q") for split in SPLITS})
    copies: int = 0
    content: Any = field(default_factory=sha256)

    def bytes_of(self, *splits: Split) -> int:
        return sum(sum(self.sizes[split]) for split in splits)

    def documents(self, split: Split) -> Iterator[bytes]:
        with (self.folder / split).open("rb") as file:
            for size in self.sizes[split]:
                yield file.read(size)

    def counted(self) -> dict[str, str]:
        counts = {f"{split}_documents": str(len(self.sizes[split])) for split in SPLITS}
        sizes = {f"{split}_bytes": str(self.bytes_of(split)) for split in SPLITS}
        copies = {"copies_left_out": str(self.copies), "documents_sha256": self.content.hexdigest()}
        return {**counts, **sizes, **copies}


def _spooled(documents: Iterable[str], folder: Path, spec: AnyTextSpec) -> _Spool:
    folder.mkdir()
    spool = _Spool(folder=folder, seed=spec.seed)
    files = {split: (folder / split).open("wb") for split in SPLITS}
    seen: set[bytes] = set()
    total = 0
    try:
        for document in documents:
            text = cleaned(document).encode()
            digest = digest_of(text, spec.seed)
            if not text or digest[:16] in seen:
                spool.copies += bool(text)
                continue
            if total + len(text) > spec.max_bytes:
                break
            seen.add(digest[:16])
            total += len(text)
            split = part_of(digest, spec.shares)
            files[split].write(text)
            spool.sizes[split].append(len(text))
            spool.content.update(digest)
    finally:
        for file in files.values():
            file.close()
    return spool


def _tokenizer(spec: AnyTextSpec, spool: _Spool) -> Tokenizer:
    if spec.tokenizer == "bytes":
        return Bytes()
    assert spec.vocabulary is not None
    share = spec.tokenizer_sample_bytes / max(1, spool.bytes_of("teacher", "student"))
    splits: tuple[Split, ...] = ("teacher", "student")
    everything = (document for split in splits for document in spool.documents(split))
    sample = (text.decode() for text in everything if in_sample(digest_of(text, spool.seed), share))
    return train_byte_pairs(sample, spec.vocabulary)


def _encoded(spool: _Spool, split: Split, tokenizer: Tokenizer, home: Path) -> Tokens:
    """Write the tokens of a part as one array, batch by batch, and open it."""
    raw, path = spool.folder / f"{split}.raw", home / _stream_name(split)
    dtype = np.dtype(token_dtype(tokenizer.vocabulary))
    with raw.open("wb") as file:
        for batch in _batches(spool.documents(split)):
            tokenizer.encode(batch).astype(dtype).tofile(file)
    shape = (raw.stat().st_size // dtype.itemsize,)
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with raw.open("rb") as tokens, path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        shutil.copyfileobj(tokens, file, 2**20)
    raw.unlink()
    stream: Tokens = np.load(path, mmap_mode="r", allow_pickle=False)
    return stream


def _stream_name(split: Split) -> str:
    return "eval-stream.npy" if split == "eval" else ARRAYS[f"{split}_tokens"]


def _batches(documents: Iterator[bytes]) -> Iterator[list[str]]:
    batch, size = [], 0
    for document in documents:
        batch.append(document.decode())
        size += len(document)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _eval_windows(stream: Tokens, spec: AnyTextSpec) -> Tokens:
    """As many windows as asked for, drawn at random from those of the whole part, in the order of the text."""
    there = window_count(len(stream), spec.context)
    wanted = min(there, max(1, spec.eval_tokens // spec.context))
    chosen_E = np.sort(np.random.default_rng([spec.seed, 3]).permutation(there)[:wanted])
    windows: Tokens = stream[chosen_E[:, None] * spec.context + np.arange(spec.context + 1)]
    return windows


def _too_short(split: Split, tokens: int, spec: AnyTextSpec) -> Fault:
    return Fault(
        where="[corpus]",
        what=f"tokens of the part {split}",
        value=f"{tokens:,}",
        rule=f"a part holds at least one window of context + 1 = {spec.context + 1:,} tokens",
        remedy=f"Give it more documents, or a larger share ({_shares(spec.shares)})",
    )


def _shares(shares: Shares) -> str:
    return f"teacher {shares.teacher:g}, student {shares.student:g}, eval {shares.eval:g}"
