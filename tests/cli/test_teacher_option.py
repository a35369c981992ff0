"""A teacher that exists is read as people write it."""

import pytest

from bayes_dsl.cli.teacher_option import teachers_of
from bayes_dsl.decisions.existing import Teacher
from bayes_dsl.errors import InputError


def test_teachers_are_read_in_their_order() -> None:
    assert teachers_of(["ours: loss=2.1, params=7B, price=1e21, loss-se=0.002", "free: loss=2.4"]) == (
        Teacher(name="ours", loss=2.1, params=7e9, price_flops=1e21, loss_se=0.002),
        Teacher(name="free", loss=2.4),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ours: params=7B", "loss is missing"),
        ("none: loss=2", "a teacher of this name is there already"),
        ("ours: loss=2.1, tokens=1B", "its parts are loss, params, price, loss-se, each once"),
        ("ours: loss=-2.1", "loss = -2.1; must be a finite number above zero"),
    ],
)
def test_a_wrong_teacher_is_refused_in_a_line(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        teachers_of([text])
    assert said in str(caught.value)
    assert len(caught.value.faults) == 1
