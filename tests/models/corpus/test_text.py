"""Documents become three disjoint streams; a part without a window is refused."""

from pathlib import Path

import numpy as np
import pytest

from bayes_dsl.errors import InputError
from models.corpus import parse_spec
from models.corpus.store import ARRAYS
from models.corpus.text import make_text_corpus

SPEC = parse_spec({"kind": "text", "path": "unused", "tokenizer": "bytes", "context": 8, "eval_tokens": 64})
DOCUMENTS = [f"document {number} says {number * number} and nothing else" for number in range(300)]


def test_every_document_is_in_one_stream_and_copies_are_counted(tmp_path: Path) -> None:
    made = make_text_corpus(SPEC, tmp_path, [*DOCUMENTS, *DOCUMENTS[:7]], {"source": "made up"})
    teacher, student = (
        np.load(tmp_path / ARRAYS[name]).astype(np.uint8).tobytes()
        for name in ("teacher_tokens", "student_tokens")
    )
    found = [(text.encode() in teacher, text.encode() in student) for text in DOCUMENTS]
    assert not any(both == (True, True) for both in found)
    assert sum(map(any, found)) > 0.8 * len(DOCUMENTS)
    assert made.provenance["source"] == "made up" and made.provenance["copies_left_out"] == "7"
    assert np.load(tmp_path / ARRAYS["eval_windows_ExT1"]).shape == (8, 9)


def test_a_part_without_a_window_is_a_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        make_text_corpus(SPEC, tmp_path, ["one"], {})
    assert len(caught.value.faults) >= 2
    assert "holds at least one window of context + 1 = 9 tokens" in str(caught.value)
