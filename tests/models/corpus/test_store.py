"""What is kept appears whole or not at all, and is used only as it was made."""

from pathlib import Path

import numpy as np
import pytest

from bayes_dsl.errors import FileRefused
from models.corpus.store import ARRAYS, Made, kept


def make(folder: Path) -> Made:
    for number, name in enumerate(ARRAYS.values()):
        np.save(folder / name, np.full((3, 5), number, np.uint16))
    return Made(
        vocabulary=8, context=4, tokenizer_id="none", provenance={"from": "a test"}, bytes_per_token=None
    )


def fail(folder: Path) -> Made:
    make(folder)
    raise ValueError("the source broke off")


def test_it_is_made_once(tmp_path: Path) -> None:
    first = kept(tmp_path, "one", make)
    again = kept(tmp_path, "one", fail)  # not called: it is there
    assert first.sha256 == again.sha256 and again.vocabulary == 8 and again.provenance == {"from": "a test"}
    assert int(again.eval_windows_ExT1[0, 0]) == 2


def test_a_maker_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broke off"):
        kept(tmp_path, "one", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".one.lock"]
    assert kept(tmp_path, "one", make).context == 4


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    kept(tmp_path, "one", make)
    np.save(tmp_path / "one" / ARRAYS["student_tokens"], np.zeros((3, 5), np.uint16))
    with pytest.raises(FileRefused, match=r"student\.npy; a kept corpus is used only as it was made"):
        kept(tmp_path, "one", make)
