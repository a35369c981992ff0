"""Corpora on the disk: each is made once, appears whole or not at all, and is checked when it is used again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.errors import Fault, FileRefused
from bayes_dsl.files import read_bytes, refused_by_system, sha256_of_bytes, sha256_of_file, shown
from models.corpus.base import Corpus

_FORMAT = 1
_CARD = "corpus.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """What the maker of a corpus says about the files that it wrote; its arrays have the names of `ARRAYS`."""

    vocabulary: int
    context: int
    tokenizer_id: str
    provenance: Mapping[str, str]
    bytes_per_token: float | None


ARRAYS = {
    "teacher_tokens": "teacher.npy",
    "student_tokens": "student.npy",
    "eval_windows_ExT1": "eval.npy",
    "oracle_nll_ExT": "oracle.npy",
}
"""Fields of a corpus and their files; the last one may be missing."""


def kept(folder: Path, corpus_id: str, make: Callable[[Path], Made]) -> Corpus:
    """The corpus called `corpus_id` in `folder`, made there first where it is missing.

    Two processes that ask at once make it once: the second waits for the first. A maker that is killed
    leaves a folder `.CORPUS.*.making` behind, which the next maker removes.

    Parameters
    ----------
    make
        Writes the arrays into the folder that it is given.

    Raises
    ------
    FileRefused
        The kept files are not those that were made, or the disk does not take them.
    """
    home = folder / corpus_id
    try:
        if not home.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder / f".{corpus_id}.lock"):
                if not home.exists():
                    _make(home, make)
    except OSError as error:
        raise refused_by_system(folder, "writing", error) from error
    return _opened(home, corpus_id)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel frees when this process ends, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(home: Path, make: Callable[[Path], Made]) -> None:
    for stale in home.parent.glob(f".{home.name}.*.making"):
        shutil.rmtree(stale)
    temporary = home.with_name(f".{home.name}.{secrets.token_hex(4)}.making")
    temporary.mkdir()
    try:
        made = make(temporary)
        files = sorted(path for path in temporary.iterdir() if path.is_file())
        checksums = {path.name: sha256_of_file(path) for path in files}
        card = {
            "format": _FORMAT,
            "vocabulary": made.vocabulary,
            "context": made.context,
            "tokenizer_id": made.tokenizer_id,
            "bytes_per_token": made.bytes_per_token,
            "provenance": dict(made.provenance),
            "files": checksums,
        }
        text = json.dumps(card, indent=2, ensure_ascii=True)
        (temporary / _CARD).write_text(json.dumps({"sha256": sha256_of_bytes(text.encode()), "card": text}))
        for path in [*temporary.iterdir(), temporary]:
            _sync(path)
        temporary.rename(home)
        _sync(home.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _opened(home: Path, corpus_id: str) -> Corpus:
    card = _card(home)
    changed = [name for name, checksum in card["files"].items() if sha256_of_file(home / name) != checksum]
    if changed:
        raise _refused(home, "checksum", ", ".join(changed), "a kept corpus is used only as it was made")
    missing = [
        name for name in ARRAYS.values() if name not in card["files"] and name != ARRAYS["oracle_nll_ExT"]
    ]
    if missing:
        raise _refused(home, "files", ", ".join(missing), "a kept corpus has these arrays")
    arrays = {field: _array(home / name) for field, name in ARRAYS.items() if name in card["files"]}
    checksums = [card["files"][ARRAYS[field]] for field in arrays]
    return Corpus(
        corpus_id=corpus_id,
        vocabulary=card["vocabulary"],
        context=card["context"],
        sha256=sha256_of_bytes("".join(checksums).encode()),
        tokenizer_id=card["tokenizer_id"],
        provenance=card["provenance"],
        teacher_tokens=arrays["teacher_tokens"],
        student_tokens=arrays["student_tokens"],
        eval_windows_ExT1=arrays["eval_windows_ExT1"],
        oracle_nll_ExT=arrays.get("oracle_nll_ExT"),
        bytes_per_token=card["bytes_per_token"],
    )


def _card(home: Path) -> dict[str, Any]:
    try:
        outer = json.loads(read_bytes(home / _CARD, limit=2**26))
        text = outer["card"]
        whole = sha256_of_bytes(text.encode()) == outer["sha256"]
        card: dict[str, Any] = json.loads(text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _refused(home, _CARD, "unreadable", "it says what the corpus is") from error
    if not whole or card.get("format") != _FORMAT:
        raise _refused(home, _CARD, "changed or of another version", "it says what the corpus is")
    return card


def _array(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def _refused(home: Path, what: str, value: str, rule: str) -> FileRefused:
    remedy = "Remove this folder, and the corpus is made again"
    return FileRefused(Fault(where=shown(home), what=what, value=value, rule=rule, remedy=remedy))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
