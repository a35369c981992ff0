"""The user's own text, Parquet columns, and a local copy of a Hugging Face data set in the hub's layout."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bayes_dsl.errors import FileRefused, InputError
from models.corpus import files as files_module
from models.corpus import hub as hub_module
from models.corpus import load, parse_spec
from models.corpus.files import (
    documents_of_json_lines,
    documents_of_parquet,
    documents_of_text,
    files_of,
    shards,
)
from models.corpus.hub import shards_from_hub

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

TEXTS = [f"Document {n} of the small copy, whose square is {n * n}." for n in range(240)]
SMALL = {"context": 16, "tokenizer": "bytes", "shares": {"teacher": 0.4, "student": 0.4, "eval": 0.2}}


def write_c4(folder: Path) -> None:
    """The layout of allenai/c4: `en/c4-train.00000-of-01024.json.gz`, of which a copy may hold a few."""
    for config, offset in (("en", 0), ("en.noblocklist", 100)):
        (folder / config).mkdir(parents=True)
        for shard in range(2):
            rows = TEXTS[offset + shard * 60 : offset + shard * 60 + 60]
            lines = [
                json.dumps({"text": text, "timestamp": "2019-04-25T12:57:54Z", "url": "u"}) for text in rows
            ]
            name = f"c4-train.{shard:05}-of-01024.json.gz"
            (folder / config / name).write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))
        validation = json.dumps({"text": "validation", "timestamp": "", "url": ""}).encode()
        (folder / config / "c4-validation.00000-of-00008.json.gz").write_bytes(gzip.compress(validation))
    (folder / "README.md").write_text("---\nlicense: odc-by\n---\n")


def stream_texts(tokens: np.ndarray) -> list[str]:
    return bytes(tokens.astype(np.uint8)).decode().split("\0")[:-1]


def training_texts(table: dict[str, Any], kept: Path) -> list[str]:
    corpus = load(parse_spec({**SMALL, **table}), kept)
    return stream_texts(corpus.teacher_tokens) + stream_texts(corpus.student_tokens)


def test_a_copy_of_c4_is_streamed_shard_by_shard(tmp_path: Path) -> None:
    write_c4(tmp_path / "c4")
    table = {"kind": "huggingface", "name": "allenai/c4", "path": str(tmp_path / "c4"), "config": "en"}
    corpus = load(parse_spec({**SMALL, **table}), tmp_path / "kept")
    texts = stream_texts(corpus.teacher_tokens) + stream_texts(corpus.student_tokens)
    assert set(texts) < set(TEXTS[:120]) and len(texts) == 120 - int(corpus.provenance["eval_documents"])
    assert corpus.provenance["name"] == "allenai/c4" and corpus.provenance["files_opened"] == "2"
    assert corpus.provenance["last_file"] == "c4-train.00001-of-01024.json.gz"
    assert corpus.bytes_per_token == pytest.approx(1, abs=0.05) and corpus.oracle_nll_ExT is None


def test_reading_stops_when_there_is_enough(tmp_path: Path) -> None:
    write_c4(tmp_path / "c4")
    (tmp_path / "c4/en/c4-train.00001-of-01024.json.gz").write_bytes(b"never opened")
    table = {"kind": "huggingface", "name": "allenai/c4", "path": str(tmp_path / "c4"), "config": "en"}
    corpus = load(parse_spec({**SMALL, **table, "max_bytes": 2500}), tmp_path / "kept")
    total = sum(int(corpus.provenance[f"{split}_bytes"]) for split in ("teacher", "student", "eval"))
    assert 2400 < total <= 2500 and corpus.provenance["files_opened"] == "1"
    with pytest.raises(FileRefused, match="gzip = damaged"):
        load(parse_spec({**SMALL, **table}), tmp_path / "kept")


@pytest.mark.parametrize(
    ("config", "split", "expected"),
    [
        ("en", "train", ["en/c4-train.00000-of-01024.json.gz", "en/train/0000.parquet"]),
        ("en", "validation", ["en/c4-validation.00000-of-00008.json.gz"]),
        ("data", "train", ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002-0a1b.parquet"]),
        ("", "test", ["test.jsonl"]),
        ("de", "train", []),
    ],
)
def test_the_hubs_layouts(config: str, split: str, expected: list[str]) -> None:
    names = [
        "README.md", "en/c4-validation.00000-of-00008.json.gz", "en/c4-train.00000-of-01024.json.gz",
        "en.noblocklist/c4-train.00000-of-01024.json.gz", "en/train/0000.parquet", "en/../../train.jsonl",
        "data/train-00001-of-00002-0a1b.parquet", "data/train-00000-of-00002.parquet", "test.jsonl", "train.py",
        "en/constraint.json",
    ]  # fmt: skip
    assert shards(names, config=config, split=split) == expected


def test_parquet_rows_and_json_rows_give_the_same_corpus(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "j/data").mkdir(parents=True)
    for shard in range(2):
        rows = TEXTS[shard * 120 : shard * 120 + 120]
        content = arrow.table({"text": [*rows, None], "id": range(121)})
        parquet.write_table(content, tmp_path / f"p/part-{shard}.parquet", row_group_size=17)
        lines = [json.dumps({"text": text}) for text in [*rows, None]]
        (tmp_path / f"j/data/train-{shard:05}-of-00002.jsonl").write_text("\n".join(lines))
    from_parquet = training_texts({"kind": "parquet", "path": str(tmp_path / "p")}, tmp_path / "kept")
    pattern = training_texts({"kind": "parquet", "path": str(tmp_path / "p/*.parquet")}, tmp_path / "kept")
    table = {"kind": "huggingface", "name": "some/set", "path": str(tmp_path / "j")}
    assert from_parquet == pattern == training_texts(table, tmp_path / "kept") and len(from_parquet) > 150


def test_text_files_one_document_each_or_cut_by_a_rule(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_text("one\n\ntwo\nlines\n \n\nthree<|endoftext|>four\n<|endoftext|>")
    (folder / "inner/b.md.gz").write_bytes(gzip.compress(b"five"))
    (folder / ".hidden").write_text("no")

    def read(**rule: str) -> list[str]:
        spec = parse_spec({"kind": "text", "path": str(folder), **rule})
        assert spec.kind == "text"
        return [text.strip() for text in documents_of_text(spec, files_of(spec)) if text.strip()]

    assert len(read()) == 2 and read()[1] == "five"
    assert read(document="blank-line") == [
        "one",
        "two\nlines",
        "three<|endoftext|>four\n<|endoftext|>",
        "five",
    ]
    assert read(document="endoftext") == ["one\n\ntwo\nlines\n \n\nthree", "four", "five"]
    assert read(path=str(folder / "**/*.gz")) == ["five"] and len(read(path=str(folder / "a.txt"))) == 1


def test_a_changed_file_is_another_corpus(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("\n\n".join(TEXTS))
    table = {**SMALL, "kind": "text", "path": str(tmp_path / "notes.txt"), "document": "blank-line"}
    first = load(parse_spec(table), tmp_path / "kept")
    (tmp_path / "notes.txt").write_text("\n\n".join(TEXTS[:-1]))
    assert load(parse_spec(table), tmp_path / "kept").corpus_id != first.corpus_id


def test_a_part_that_is_left_without_a_window_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("only one document, though a long one " * 10)
    with pytest.raises(InputError) as refusal:
        load(parse_spec({**SMALL, "kind": "text", "path": str(tmp_path / "one.txt")}), tmp_path / "kept")
    assert len(refusal.value.faults) == 2 and "at least one window of context + 1 = 17" in str(refusal.value)
    assert not [path for path in (tmp_path / "kept").iterdir() if not path.name.endswith(".lock")]


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "text", "path": "/nowhere"},
        {"kind": "parquet", "path": "/nowhere/*.parquet"},
        {"kind": "huggingface", "name": "allenai/c4", "path": "/nowhere", "config": "en"},
    ],
)
def test_a_path_without_files_is_one_sentence(table: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="path = /nowhere") as refusal:
        load(parse_spec(table), tmp_path)
    assert len(refusal.value.faults) == 1


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b'{"txt": "a"}', b'{"text": 3}', b"[" * 50_000, b'"text"', b"\xff\xfe", b'{"text": "a"} x'],
)
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "fine"}\n' + line + b"\n")
    with pytest.raises(FileRefused, match="line 2") as refusal:
        list(documents_of_json_lines(tmp_path / "a.jsonl", "text"))
    assert "\n" not in str(refusal.value)


def test_parquet_that_is_damaged_or_lacks_the_column_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"text": TEXTS, "id": range(240)}), path)
    for column in ("txt", "id"):
        with pytest.raises(FileRefused, match="it has the columns"):
            list(documents_of_parquet(path, column))
    whole = path.read_bytes()
    for damaged in (b"", b"PAR1", whole[:-20], whole[:200] + bytes(400) + whole[600:]):
        path.write_bytes(damaged)
        with pytest.raises(FileRefused, match="Parquet = damaged") as refusal:
            list(documents_of_parquet(path, "text"))
        assert "\n" not in str(refusal.value)


def test_without_pyarrow_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_module, "arrow_parquet", None)
    with pytest.raises(InputError, match=r"bayes-dsl\[parquet\]"):
        list(documents_of_parquet(tmp_path / "a.parquet", "text"))


class Hub:
    """Stands in for `huggingface_hub`: a listing by name, and a copy of one file into a local folder."""

    def __init__(self, remote: Path) -> None:
        self.remote, self.fetched = remote, []

    def HfApi(self) -> Hub:
        return self

    def dataset_info(self, name: str, *, revision: str) -> Any:
        if name != "allenai/c4":
            raise OSError("404 Client Error:\nRepository Not Found.")
        names = [
            path.relative_to(self.remote).as_posix() for path in self.remote.rglob("*") if path.is_file()
        ]
        return SimpleNamespace(
            sha=f"sha-of-{revision}", siblings=[SimpleNamespace(rfilename=name) for name in names]
        )

    def hf_hub_download(self, name: str, file: str, *, repo_type: str, revision: str, local_dir: Path) -> str:
        assert repo_type == "dataset" and revision == "sha-of-main"
        self.fetched.append(file)
        (local_dir / file).parent.mkdir(parents=True, exist_ok=True)
        (local_dir / file).write_bytes((self.remote / file).read_bytes())
        return str(local_dir / file)


def from_hub(tmp_path: Path, **more: Any) -> dict[str, Any]:
    table = {"kind": "huggingface", "name": "allenai/c4", "path": str(tmp_path / "copy"), "config": "en"}
    return {**SMALL, **table, "download": True, **more}


def test_shards_are_fetched_as_they_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_c4(tmp_path / "remote")
    remote = Hub(tmp_path / "remote")
    monkeypatch.setattr(hub_module, "hub", remote)
    few = load(parse_spec(from_hub(tmp_path, max_bytes=2500)), tmp_path / "kept")
    assert remote.fetched == ["en/c4-train.00000-of-01024.json.gz"]
    assert few.provenance["revision"] == "sha-of-main"
    everything = load(parse_spec(from_hub(tmp_path)), tmp_path / "kept")
    # The copy that has come to be is a data set on its own.
    offline = load(parse_spec(from_hub(tmp_path, download=False)), tmp_path / "kept")
    assert offline.sha256 == everything.sha256 != few.sha256 and len(remote.fetched) == 3


def test_a_hub_that_is_missing_unreachable_or_without_the_split_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_c4(tmp_path / "remote")
    monkeypatch.setattr(hub_module, "hub", Hub(tmp_path / "remote"))
    for more, rule in [
        ({"name": "no/such"}, "Repository Not Found"),
        ({"split": "dev"}, "no file of the split dev"),
    ]:
        with pytest.raises(InputError, match=rule) as refusal:
            load(parse_spec(from_hub(tmp_path, **more)), tmp_path / "kept")
        assert "\n" not in str(refusal.value)
    monkeypatch.setattr(hub_module, "hub", None)
    spec = parse_spec(from_hub(tmp_path))
    assert spec.kind == "huggingface"
    with pytest.raises(InputError, match="huggingface_hub, which is not installed"):
        list(shards_from_hub(spec, {}))
