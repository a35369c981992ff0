"""The folder of a sweep: held by one, prepared before anything trains, and clear about what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayes_dsl.errors import FileRefused, InputError
from models.sweep_folder import Train, alone, plan_in, prepare, results, standing, sweep, usable_tokens
from tests.models.small_plans import SMALL, is_root, plan_of

TEXT = (
    SMALL.replace('kind = "markov"\nvocabulary = 16', 'kind = "text"\ntokenizer = "bytes"\npath = "PATH"')
    .replace("teacher_tokens = 20_000\nstudent_tokens = 20_000\ndocument_tokens = 512\n", "")
    .replace("context = 16", "context = 16\nshares = { teacher = 1, student = 1, eval = 1 }")
)


def line_of(error: pytest.ExceptionInfo[InputError]) -> str:
    (fault,) = error.value.faults
    return str(fault)


def test_preparing_makes_the_corpus_and_keeps_the_plan(tmp_path: Path) -> None:
    said: list[str] = []
    corpus = prepare(plan_of(SMALL), tmp_path, say=said.append)
    assert usable_tokens(corpus) == {"teacher": 19_984, "student": 19_984}
    assert said == [f"corpus: markov, made or read from {tmp_path / 'corpus'}"]
    assert plan_in(tmp_path).sha256 == plan_of(SMALL).sha256
    plan, status = standing(tmp_path)
    assert plan.name == "small" and status.counts["waiting"] == 4 and status.seconds_left is None
    assert results(plan, tmp_path, partial=True) == ()


def test_text_that_is_too_short_is_refused_before_anything_trains(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(60):
        (notes / f"{number}.txt").write_text(f"note {number}: nothing new today. " * 10, encoding="utf-8")
    plan = plan_of(TEXT.replace("PATH", str(notes)))
    with pytest.raises(InputError) as refused:
        sweep(plan, tmp_path / "out", Train())
    lines = [str(fault) for fault in refused.value.faults]
    assert lines and all("part of the corpus has" in line and "write epochs = " in line for line in lines)
    assert not (tmp_path / "out" / "units").exists() and not (tmp_path / "out" / "plan.toml").exists()


def test_a_folder_is_held_by_one_sweep_and_let_go_of(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with alone(folder):
        with pytest.raises(InputError) as held, alone(folder):
            pass
        assert "another sweep works in this folder, and one at a time may." in line_of(held)
        with pytest.raises(InputError, match="another sweep works"):
            sweep(plan_of(SMALL), folder, Train())
    with alone(folder):
        pass


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(FileRefused) as refused:
        sweep(plan_of(SMALL), tmp_path / "file" / "out", Train())
    assert "A part of the path is a file: name a folder there." in line_of(refused)


@pytest.mark.skipif(is_root(), reason="root writes where nobody else may")
def test_a_read_only_folder_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FileRefused) as refused:
        sweep(plan_of(SMALL), tmp_path, Train())
    assert "Choose a folder that you may write to" in line_of(refused)


def test_a_folder_without_a_sweep_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileRefused) as refused:
        standing(tmp_path)
    assert "plan = none; no sweep was started in this folder. Name the folder given to sweep" in line_of(
        refused
    )
    (tmp_path / "plan.toml").mkdir()
    with pytest.raises(FileRefused, match="only a regular file"):
        plan_in(tmp_path)


def test_a_plan_that_was_edited_in_the_folder_is_checked_again(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(SMALL.replace('["T"]', '["U"]'), encoding="utf-8")
    with pytest.raises(InputError, match=r"plan.toml: \[\[students\]\] 1: teacher = U"):
        standing(tmp_path)
