"""Plans of the mapping problem: what they say, and every fault at once."""

from pathlib import Path

import jax
import pytest

from bayes_dsl.errors import FileRefused, InputError
from models import mlp
from models.mapping_problem.plan import MappingPlan, parse_plan, read_plan

PLANS = Path(__file__).parents[3] / "models" / "plans"


@pytest.mark.parametrize("name", ["mapping_fast", "mapping_full"])
def test_the_plans_that_ship_can_be_read(name: str) -> None:
    plan = read_plan(PLANS / f"{name}.toml")
    assert plan.name == name
    assert (plan.batch, plan.peak_rate, plan.least_steps, plan.samples_per_param) == (512, 3e-4, 500, 20)


def test_the_full_plan_is_the_papers() -> None:
    plan = read_plan(PLANS / "mapping_full.toml")
    assert plan.trials == 4 and plan.student_widths == (128, 256, 362)
    assert {128, 256, 512} <= set(plan.teacher_widths)
    assert plan.teacher_steps is not None and plan.teacher_steps.width == 512
    assert (plan.teacher_steps.steps[0], plan.teacher_steps.steps[-1]) == (64, 16384)


@pytest.mark.parametrize(("classes", "width"), [(8, 16), (12, 256), (2, 1)])
def test_parameters_are_counted_as_the_network_has_them(classes: int, width: int) -> None:
    plan = MappingPlan(name="p", classes=classes, student_widths=(1,), teacher_widths=(1,))
    made = jax.eval_shape(
        lambda: mlp.init(jax.random.key(0), inputs=2 * classes, width=width, outputs=classes)
    )
    assert plan.params_of(width) == sum(leaf.size for leaf in jax.tree.leaves(made))


def test_training_is_as_long_as_the_paper_says() -> None:
    """max(500 * 512, 20 N) samples, in whole batches."""
    plan = MappingPlan(name="p", student_widths=(1,), teacher_widths=(1,))
    assert plan.steps_of(16) == 500
    samples = 20 * plan.params_of(362)
    assert samples <= 512 * plan.steps_of(362) < samples + 512


def test_all_faults_are_told_at_once() -> None:
    text = 'name = "a b"\nstudent_widths = [0, 8, 8]\ncopy_share = 2\nwidht = 3\n'
    with pytest.raises(InputError) as refused:
        parse_plan(text.encode(), "plan.toml")
    told = [str(fault) for fault in refused.value.faults]
    assert len(told) == 5
    for what in ("teachers = none", "name = a b", "student_widths = 0", "copy_share = 2", "widht = 3"):
        assert any(what in line for line in told), what


@pytest.mark.parametrize("data", [b"name = ", b"\xff\xfe", b"[" * 5000])
def test_what_is_no_toml_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(InputError, match="could not be read as TOML"):
        parse_plan(data, "plan.toml")


def test_a_plan_without_teachers_is_refused() -> None:
    with pytest.raises(InputError, match="a study has teachers"):
        parse_plan(b'name = "x"\nstudent_widths = [8]\nteacher_widths = []\n', "plan.toml")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRefused):
        read_plan(tmp_path / "none.toml")
