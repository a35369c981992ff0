"""Plans: what they may say, all their faults at once, and the runs that they spell out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayes_dsl.errors import FileRefused, InputError
from models.expansion import runs_of
from models.plan import parse_plan, read_plan
from models.plan_tables import Plan

PLANS = Path(__file__).parents[2] / "models" / "plans"

TINY = """
name = "tiny"
[corpus]
kind = "markov"
teacher_tokens = 300_000
student_tokens = 300_000
[[supervised]]
widths = [16, 24]
tokens = ["0.1M", 0.2e6]
seeds = [0, 1]
[[teachers]]
name = "T"
width = 16
tokens = "0.2M"
[[students]]
teachers = ["T"]
widths = [16, 24]
tokens = [100_000]
"""

LONG = ", ".join(f"{key} = 0.123456789" for key in ("peak_rate", "final_rate", "beta1", "weight_decay"))


def plan_of(text: str) -> Plan:
    return parse_plan(text.encode(), "plan.toml")


def faults_of(text: str) -> list[str]:
    with pytest.raises(InputError) as refused:
        plan_of(text)
    return [str(fault) for fault in refused.value.faults]


def changed(old: str, new: str) -> str:
    assert TINY.count(old) == 1, f"{old!r} does not stand once in the plan"
    return TINY.replace(old, new)


def test_all_faults_come_at_once() -> None:
    text = """
name = "two words"
colour = "red"
[corpus]
kind = "markov"
teacher_tokens = 300_000
student_tokens = 300_000
volume = 3
[recipe]
peakrate = 0.1
beta1 = 2
[network]
layers = 0
[[supervised]]
widths = [16, 17]
tokens = [-3, "abc", nan, 1.5, 1e5]
seeds = [0, 0]
[[teachers]]
tokens = "0.1M"
[[students]]
teachers = ["T"]
widths = 16
tokens = []
mixing = 0
temperature = inf
"""
    found = "\n".join(faults_of(text))
    for expected in (
        "plan.toml: colour = red;",
        "plan.toml: name = two words;",
        "plan.toml: [corpus]: volume = 3;",
        "plan.toml: [recipe]: peakrate = 0.1;",
        "plan.toml: [recipe]: beta1 = 2;",
        "plan.toml: [network]: layers = 0;",
        "plan.toml: [[supervised]] 1: widths = 17;",
        "plan.toml: [[supervised]] 1: tokens = -3;",
        "plan.toml: [[supervised]] 1: tokens = abc;",
        "plan.toml: [[supervised]] 1: tokens = nan;",
        "plan.toml: [[supervised]] 1: tokens = 1.5;",
        "plan.toml: [[supervised]] 1: seeds = [0, 0];",
        "plan.toml: [[teachers]] 1: width;",
        "plan.toml: [[students]] 1: widths = 16;",
        "plan.toml: [[students]] 1: tokens = [];",
        "plan.toml: [[students]] 1: mixing = 0;",
        "plan.toml: [[students]] 1: temperature = inf;",
    ):
        assert expected in found
    assert len(found.splitlines()) == 17


def test_what_is_wrong_between_blocks_is_told_beside_what_is_wrong_in_them() -> None:
    text = changed("seeds = [0, 1]", 'seeds = [0, 1]\ncolour = "red"').replace('["T"]', '["T", "Q"]')
    first, second = faults_of(text)
    assert first.startswith("plan.toml: [[supervised]] 1: colour = red; there is no such key here.")
    assert second.startswith("plan.toml: [[students]] 1: teacher = Q; the teachers of this plan are T.")


def test_a_refused_teacher_is_not_told_as_a_missing_one() -> None:
    (only,) = faults_of(changed('width = 16\ntokens = "0.2M"', 'width = 17\ntokens = "0.2M"'))
    assert "[[teachers]] 1: widths" not in only and "[[teachers]] 1: width = 17" in only


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('name = "T"\n', 'name = "T"\npart = "student"\n', "[[teachers]] 1: part = student;"),
        ('teachers = ["T"]', 'teachers = ["T"]\npart = "teacher"', "[[students]] 1: part = teacher;"),
        ('teachers = ["T"]', 'teachers = ["U"]', "[[students]] 1: teacher = U;"),
        ("[100_000]", "[500_000]", "[[students]] 1: tokens = 500000; the student's part of the corpus has"),
        ("[100_000]", "[1023]", "[[students]] 1: tokens = 1023; one step takes batch_tokens = 1024."),
        ("[100_000]", "[100_000, 100_100]", "run = d16-0.1001M-s0-from-T; [[students]] 1 has the same"),
        ("0.2e6]", "1e5]", "[[supervised]] 1: tokens"),
        ('name = "T"\n', 'name = "sup-d16-0.1M-s0"\n', "a run of this name"),
        ("[100_000]", f"[100_000]\nrecipe = {{ {LONG} }}", "it names files: at most 90"),
        ("[100_000]", "[100_000]\ntop_k = 129", "[[students]] 1: top_k = 129; the vocabulary has 128"),
        ("[100_000]", '[100_000]\ntop_p = 0.5\ndivergence = "reverse"', "1: divergence = reverse; the"),
        ("[100_000]", "[100_000]\nrecipe = { batch_tokens = 1000 }", "[[students]] 1 recipe: batch_tokens"),
        ("[100_000]", "[100_000]\nrecipe = { rate = 1 }", "[[students]] 1 recipe: rate = 1; there is no"),
        ('kind = "markov"', 'kind = "poem"', "[corpus]"),
        ("seeds = [0, 1]", "seeds = [true]", "[[supervised]] 1: seeds = True;"),
        ("seeds = [0, 1]", "seeds = [-1]", "[[supervised]] 1: seeds = -1;"),
        ('["0.1M", 0.2e6]', '["0.1M", "1e400"]', "[[supervised]] 1: tokens = 1e400;"),
        ("[[teachers]]", "[teachers]", "plan.toml: teachers ="),
        ('name = "tiny"', "", "plan.toml: name; this key has no default."),
        ('name = "tiny"', "name = ", "plan.toml: content ="),
    ],
)
def test_one_fault_gives_its_line(old: str, new: str, expected: str) -> None:
    found = faults_of(changed(old, new))
    assert any(expected in line for line in found), found
    assert all("\n" not in line and line.endswith(".") for line in found)


def test_a_file_is_named_by_its_last_part_only(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(changed("[100_000]", "[1]"), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_plan(path)
    assert str(refused.value).startswith("mine.toml: [[students]] 1")
    with pytest.raises(FileRefused):
        read_plan(tmp_path / "none.toml")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError, match="could not be read as TOML"):
        parse_plan(b"\xff\xfe", "plan.toml")


@pytest.mark.parametrize("name", ["quick", "demo", "study_synthetic", "study_text"])
def test_the_plans_that_ship_are_sound(name: str) -> None:
    plan = read_plan(PLANS / f"{name}.toml")
    assert plan.name == name
    assert len(runs_of(plan)) > 12
