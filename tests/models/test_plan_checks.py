"""What blocks say together: teachers, parts, repeated tokens, copies, and how much a plan may ask for."""

from __future__ import annotations

import pytest

from bayes_dsl.errors import InputError
from models.corpus.base import window_count
from models.expansion import runs_of
from models.plan_checks import require_unique, unique_tokens
from tests.models.small_plans import HEAD, SMALL, plan_of

STUDENTS = "widths = [8, 16]\ntokens = [6400]"
USABLE = window_count(20_000, 16) * 16


def lines_of(text: str) -> list[str]:
    with pytest.raises(InputError) as refused:
        plan_of(text)
    return str(refused.value).splitlines()


def test_a_plan_without_networks_and_one_with_too_many() -> None:
    (nothing,) = lines_of(HEAD)
    assert "plan.toml: blocks = none; a plan trains at least one network." in nothing
    (many,) = lines_of(
        SMALL.replace("tokens = [6400, 12_800]", f"tokens = [6400]\nseeds = {list(range(30_000))}")
    )
    assert "plan.toml: runs = 30003; a plan has at most 20000." in many


def test_repeating_tokens_is_allowed_when_it_is_said() -> None:
    assert unique_tokens(plan_of(SMALL)) == {"teacher": USABLE, "student": USABLE}
    more = SMALL.replace(STUDENTS, "widths = [8]\ntokens = [38_400]\nepochs = 2")
    assert runs_of(plan_of(more))[-1].epochs == 2
    (line,) = lines_of(more.replace("epochs = 2", "epochs = 1"))
    assert f"[[students]] 1: tokens = 38400; the student's part of the corpus has {USABLE} tokens." in line
    assert "write epochs = 2 to repeat it" in line
    (line,) = lines_of(more.replace("38_400", "76_800"))
    assert "epochs = 2 allows that many times as much. " in line and "write epochs = 4" in line


def test_the_last_whole_step_may_use_the_last_token_and_no_more() -> None:
    whole = USABLE // 64 * 64
    plan_of(SMALL.replace(STUDENTS, f"widths = [8]\ntokens = [{whole + 63}]"))
    assert lines_of(SMALL.replace(STUDENTS, f"widths = [8]\ntokens = [{whole + 64}]"))


def test_unique_tokens_of_text_are_checked_once_the_corpus_is_there() -> None:
    text = SMALL.replace(
        'kind = "markov"\nvocabulary = 16', 'kind = "text"\npath = "notes"\nvocabulary = 300'
    )
    text = text.replace("teacher_tokens = 20_000\nstudent_tokens = 20_000\ndocument_tokens = 512\n", "")
    plan = plan_of(text)
    assert unique_tokens(plan) is None
    require_unique(plan, {"teacher": USABLE, "student": USABLE})
    with pytest.raises(
        InputError, match=r"\[\[teachers\]\] 1: tokens = 12800; the teacher's part"
    ) as refused:
        require_unique(plan, {"teacher": 9000, "student": 9000})
    assert len(refused.value.faults) == 2  # the teacher, and the longer of the supervised runs


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('name = "T"\n', 'name = "T"\npart = "student"\n', "[[teachers]] 1: part = student; what a student"),
        ('["T"]', '["T"]\npart = "teacher"', "[[students]] 1: part = teacher; a student reads"),
        ('["T"]', '["U"]', "[[students]] 1: teacher = U; the teachers of this plan are T."),
        (STUDENTS, STUDENTS + "\ntop_k = 17", "[[students]] 1: top_k = 17; the vocabulary has 16"),
        (STUDENTS, "widths = [8]\ntokens = [63]", "tokens = 63; one step takes batch_tokens = 64."),
        (STUDENTS, "widths = [8]\ntokens = [6400, 6401]", "run = d8-6401-s0-from-T; [[students]] 1 has the"),
        ('name = "T"\n', 'name = "SUP-d16-6400-s0"\n', "[[supervised]] 1 has a run of this name."),
    ],
)
def test_each_breach_has_a_line(old: str, new: str, expected: str) -> None:
    assert SMALL.count(old) == 1
    found = lines_of(SMALL.replace(old, new))
    assert any(expected in line for line in found), found


def test_two_copies_of_a_teacher_are_one_too_many() -> None:
    again = "[[teachers]]\nname = 'V'\nwidth = 16\ntokens = 12_800\n"
    (line,) = lines_of(SMALL + again)
    assert "[[teachers]] 2: run = V; [[teachers]] 1 has the same training in T." in line
    plan_of(SMALL + again.replace("12_800", "12_800\nseed = 1"))
