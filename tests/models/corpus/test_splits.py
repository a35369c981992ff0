"""Documents are split, not windows: no document and no copy of one lies in two parts."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.corpus import Corpus, load, parse_spec
from models.corpus.specs import Shares
from models.corpus.splits import digest_of, in_sample, part_of


@given(document=st.binary(max_size=50), seed=st.integers(0, 2**62))
def test_what_a_document_says_decides_its_part(document: bytes, seed: int) -> None:
    shares = Shares()
    assert part_of(digest_of(document, seed), shares) == part_of(digest_of(bytes(document), seed), shares)


@pytest.mark.statistical
def test_parts_hold_documents_in_the_ratio_of_the_shares_and_the_sample_is_drawn_apart() -> None:
    shares = Shares(teacher=3.0, student=2.0, eval=5.0)
    digests = [digest_of(str(number).encode(), 7) for number in range(20_000)]
    counts = Counter(part_of(digest, shares) for digest in digests)
    for split, share in (("teacher", 0.3), ("student", 0.2), ("eval", 0.5)):
        assert abs(counts[split] - 20_000 * share) < 4 * np.sqrt(20_000 * share * (1 - share))
    sampled = [digest for digest in digests if in_sample(digest, 0.25)]
    inside = Counter(part_of(digest, shares) for digest in sampled)
    assert abs(len(sampled) - 5000) < 4 * np.sqrt(5000 * 0.75)
    assert abs(inside["teacher"] / len(sampled) - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 5000)
    # Control: these bounds tell another split of the same documents apart.
    assert abs(counts["teacher"] - 20_000 * 0.32) > 4 * np.sqrt(20_000 * 0.32 * 0.68)


def test_another_seed_splits_anew() -> None:
    parts = [[part_of(digest_of(str(n).encode(), seed), Shares()) for n in range(200)] for seed in (0, 1)]
    assert parts[0] != parts[1]


def documents_of(stream: np.ndarray) -> list[bytes]:
    """Documents of a stream of bytes, each closed by a 0."""
    return bytes(stream.astype(np.uint8)).split(b"\0")[:-1]


def pieces(documents: list[bytes], size: int = 24) -> set[bytes]:
    """Every run of `size` bytes within a document."""
    return {document[at : at + size] for document in documents for at in range(len(document) - size + 1)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """300 unlike documents of hexadecimal letters; every third is there twice, under another name."""
    folder = tmp_path_factory.mktemp("text")
    for number in range(300):
        text = "".join(hashlib.sha256(f"{number}/{part}".encode()).hexdigest() for part in range(6))
        (folder / f"{number}.txt").write_text(text)
        if number % 3 == 0:
            (folder / f"copy of {number}.txt").write_text(text + "\n")
    table = {"kind": "text", "path": str(folder), "tokenizer": "bytes", "context": 32}
    shares = {"teacher": 0.4, "student": 0.4, "eval": 0.2}
    return load(parse_spec({**table, "shares": shares}), tmp_path_factory.mktemp("kept"))


def test_no_document_and_no_copy_lies_in_two_parts(corpus: Corpus) -> None:
    teacher, student = (documents_of(stream) for stream in (corpus.teacher_tokens, corpus.student_tokens))
    assert len(teacher) > 80 and len(student) > 80
    assert len(set(teacher)) == len(teacher) and not set(teacher) & set(student)
    assert corpus.provenance["copies_left_out"] == "100"
    counts = [int(corpus.provenance[f"{split}_documents"]) for split in ("teacher", "student", "eval")]
    assert sum(counts) == 300 and counts[:2] == [len(teacher), len(student)]
    held_out = [part for row in corpus.eval_windows_ExT1.astype(np.uint8) for part in bytes(row).split(b"\0")]
    assert len(pieces(held_out)) > 1000
    assert not pieces(teacher) & pieces(student)
    assert not pieces(held_out) & (pieces(teacher) | pieces(student))


def test_control_windows_dealt_out_at_random_leak_documents(corpus: Corpus) -> None:
    stream = np.concatenate([corpus.teacher_tokens, corpus.student_tokens])
    windows = stream[: len(stream) // 33 * 33].reshape(-1, 33)
    side = np.random.default_rng(0).random(len(windows)) < 0.5
    whole = {document: number for number, document in enumerate(documents_of(stream))}

    def touched(chosen: np.ndarray) -> set[int]:
        found = {piece for row in chosen.astype(np.uint8) for piece in pieces([bytes(row)], 33)}
        return {number for document, number in whole.items() if pieces([document], 33) & found}

    assert len(touched(windows[side]) & touched(windows[~side])) > 100
