"""The kept corpus: made once, whole or not at all, checked on reuse; a specification's faults all at once."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bayes_dsl.errors import FileRefused, InputError
from models.corpus import load, parse_spec
from models.corpus import store as store_module
from models.corpus.specs import spec_as_json
from models.corpus.store import Made, kept

SMALL = {
    "kind": "markov",
    "vocabulary": 16,
    "context": 8,
    "teacher_tokens": 5000,
    "student_tokens": 3000,
    "eval_tokens": 800,
    "document_tokens": 500,
}


def test_a_markov_corpus_is_what_its_table_says(tmp_path: Path) -> None:
    corpus = load(parse_spec(SMALL), tmp_path)
    assert corpus.corpus_id.startswith("markov-") and corpus.vocabulary == 16 and corpus.context == 8
    assert len(corpus.teacher_tokens) == 5000 and len(corpus.student_tokens) == 3000
    assert corpus.eval_windows_ExT1.shape == (100, 9)
    assert corpus.oracle_nll_ExT is not None and corpus.oracle_nll_ExT.shape == (100, 8)
    assert corpus.bytes_per_token is None and corpus.tokenizer_id == "none"
    assert float(corpus.provenance["H2"]) < float(corpus.provenance["H1"]) < float(corpus.provenance["H0"])
    assert isinstance(corpus.teacher_tokens, np.memmap) and not corpus.teacher_tokens.flags.writeable
    assert not np.array_equal(corpus.teacher_tokens[:3000], corpus.student_tokens)


def test_the_kept_copy_is_used_again_and_equals_a_fresh_one(tmp_path: Path) -> None:
    first = load(parse_spec(SMALL), tmp_path / "a")
    stamp = (tmp_path / "a" / first.corpus_id).stat().st_mtime_ns
    again, fresh = load(parse_spec(SMALL), tmp_path / "a"), load(parse_spec(SMALL), tmp_path / "b")
    assert (tmp_path / "a" / first.corpus_id).stat().st_mtime_ns == stamp
    assert first.sha256 == again.sha256 == fresh.sha256 and first.eval_id == fresh.eval_id
    assert load(parse_spec({**SMALL, "seed": 1}), tmp_path / "a").sha256 != first.sha256


def test_more_training_tokens_leave_the_evaluation_as_it_was(tmp_path: Path) -> None:
    short = load(parse_spec(SMALL), tmp_path)
    long = load(parse_spec({**SMALL, "teacher_tokens": 9000}), tmp_path)
    assert short.eval_id == long.eval_id and short.sha256 != long.sha256
    assert np.array_equal(long.student_tokens, short.student_tokens)


@pytest.mark.parametrize("name", ["teacher.npy", "student.npy", "eval.npy", "oracle.npy", "corpus.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_changed_file_is_refused_in_one_sentence(tmp_path: Path, name: str, harm: str) -> None:
    corpus = load(parse_spec(SMALL), tmp_path)
    path = tmp_path / corpus.corpus_id / name
    data = bytearray(path.read_bytes())
    data[-7] ^= 1
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(data if harm == "flip" else data[:-9])
    with pytest.raises(FileRefused) as refusal:
        load(parse_spec(SMALL), tmp_path)
    assert len(refusal.value.faults) == 1 and "\n" not in str(refusal.value)


def test_a_card_that_lies_about_its_files_is_refused(tmp_path: Path) -> None:
    corpus = load(parse_spec(SMALL), tmp_path)
    path = tmp_path / corpus.corpus_id / "corpus.json"
    for text in ["[]", "{}", "{" * 90_000, json.dumps({"sha256": "0", "card": "{}"}), "\x00"]:
        path.write_text(text)
        with pytest.raises(FileRefused, match=r"corpus\.json"):
            load(parse_spec(SMALL), tmp_path)


def test_a_maker_that_fails_leaves_nothing_and_the_next_one_clears_what_a_killed_one_left(
    tmp_path: Path,
) -> None:
    def fail(home: Path) -> Made:
        (home / "teacher.npy").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path, "x-1", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".x-1.lock"]
    corpus_id = load(parse_spec(SMALL), tmp_path / "probe").corpus_id
    stale = tmp_path / f".{corpus_id}.0000.making"
    stale.mkdir()
    (stale / "teacher.npy").write_bytes(b"half")
    load(parse_spec(SMALL), tmp_path)
    assert not stale.exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileRefused) as refusal:
        load(parse_spec(SMALL), tmp_path / "file")
    assert "\n" not in str(refusal.value)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(store_module, "_sync", full)
    with pytest.raises(FileRefused, match="The disk is full"):
        load(parse_spec(SMALL), tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_those_who_ask_at_once_have_it_made_once(tmp_path: Path) -> None:
    made = []

    def make(home: Path) -> Made:
        made.append(home)
        time.sleep(0.2)
        for name in ("teacher.npy", "student.npy", "eval.npy"):
            np.save(home / name, np.zeros((3, 3), np.uint16))
        return Made(vocabulary=9, context=2, tokenizer_id="none", provenance={}, bytes_per_token=None)

    # The lock belongs to an open file, not to a process: threads stand in for processes.
    with ThreadPoolExecutor(6) as pool:
        corpora = list(pool.map(lambda _: kept(tmp_path, "both-1", make), range(6)))
    assert len(made) == 1 and {corpus.sha256 for corpus in corpora} == {corpora[0].sha256}


def lines(table: dict) -> list[str]:
    with pytest.raises(InputError) as refusal:
        parse_spec(table, where="plan.toml, [corpus]")
    assert all(
        line.startswith("plan.toml, [corpus]: ") and line.endswith(".")
        for line in str(refusal.value).split("\n")
    )
    return str(refusal.value).split("\n")


def test_all_faults_come_at_once() -> None:
    found = lines(
        {**SMALL, "vocabulry": 1, "context": "8", "seed": -1, "strengths": [1.0, -2.0, 0.0], "eval_tokens": 0}
    )
    assert [line.split(": ")[1].split(" =")[0] for line in found] == [
        "context", "seed", "eval_tokens", "strengths.1", "vocabulry",
    ]  # fmt: skip


def test_a_part_shorter_than_a_window_and_a_vocabulary_that_no_tokenizer_has_are_refused() -> None:
    assert "context + 1 = 9" in lines({**SMALL, "student_tokens": 8})[0]
    assert (
        "has 256 tokens" in lines({"kind": "text", "path": "x", "tokenizer": "bytes", "vocabulary": 512})[0]
    )
    assert "from 257" in lines({"kind": "text", "path": "x", "vocabulary": 256})[0]


@pytest.mark.parametrize(
    "table", [{}, {"kind": "c4"}, {"kind": 3}, {"kind": "text"}, {"kind": "debian", "packages": []}]
)
def test_a_table_without_its_main_key_is_one_line(table: dict) -> None:
    assert len(lines(table)) == 1


@pytest.mark.parametrize("name", ["../x", "-x", "a b", "A", "x=$(id)", "", "x/y", "x\n"])
def test_a_package_name_that_is_not_one_is_refused(name: str) -> None:
    assert "packages.0" in lines({"kind": "debian", "packages": [name]})[0]


def test_a_specification_survives_json_and_writes_out_its_defaults() -> None:
    for table in (SMALL, {"kind": "debian"}, {"kind": "text", "path": "a", "shares": {"eval": 0.5}}):
        spec = parse_spec(table)
        assert parse_spec(json.loads(json.dumps(spec_as_json(spec)))) == spec
    assert parse_spec({"kind": "debian"}).vocabulary == 512
    assert parse_spec({"kind": "text", "path": "a", "tokenizer": "bytes"}).vocabulary == 256
