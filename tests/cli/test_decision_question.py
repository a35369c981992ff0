"""What the options of a decision mean: numbers in plain units, scenarios, cost models, bounds."""

import json
import re
from dataclasses import replace

import pytest

from bayes_dsl.cli.decision_question import bounds_asked, check_sizes, cost_asked, numbers, scenario_asked
from bayes_dsl.costs.flops import PAPER, SIX_ND, at_fixed_depth
from bayes_dsl.costs.scenarios import PRETRAINING_AND_INFERENCE, SUPERVISED_TRAINING
from bayes_dsl.errors import InputError
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.laws.published import published
from bayes_dsl.runs.table import RunTable
from tests.posteriors import posterior_around

PLAIN = {"logits": None, "pretraining": None, "students": 1, "stored_logits": False, "serving_tokens": 0.0}
ONE_LINE = re.compile(r"^[^:\n]+: [^=\n]+ = [^;\n]*; [^\n]+\. [^\n]+\.$")


@pytest.fixture(scope="module")
def supervised(small_table: RunTable) -> Posterior:
    truth = published("besiroglu")
    return posterior_around(truth.law, truth.parameters, small_table)


def lines_of(error: InputError) -> list[str]:
    found = [str(fault) for fault in error.faults]
    assert all(ONE_LINE.match(line) for line in found), found
    return found


def test_numbers_are_read_as_people_write_them() -> None:
    found = numbers({"--budget": ["1e21", "3e21"], "--student": None, "--serving": "1.5T"}, "allocate")
    assert found == {"--budget": [1e21, 3e21], "--serving": [1.5e12]}


def test_every_bad_number_is_listed() -> None:
    with pytest.raises(InputError) as caught:
        numbers({"--budget": ["x", "1e21", "-1"], "--student": ["1,3B"], "--serving": "0"}, "risk")
    lines = lines_of(caught.value)
    assert [line.split(";")[0] for line in lines] == [
        "risk: --budget = x",
        "risk: --budget = -1",
        "risk: --student = 1,3B",
        "risk: --serving = 0",
    ]


def test_a_student_fits_under_its_cap() -> None:
    check_sizes({"--student": [1e9, 2e9], "--max-student": [2e9]}, "allocate")
    check_sizes({"--student": [1e30]}, "allocate")
    check_sizes({"--max-student": [2e9]}, "allocate")
    with pytest.raises(InputError) as caught:
        check_sizes({"--student": [1e9, 3e9, 4e9], "--max-student": [2e9]}, "allocate")
    assert [line.split(". ")[0] for line in lines_of(caught.value)] == [
        f"allocate: --student = {size}; --max-student is 2B" for size in ("3B", "4B")
    ]


def test_unnamed_is_the_dearest_scenario_that_the_law_knows(
    supervised: Posterior, small_distilled: Posterior
) -> None:
    assert scenario_asked(supervised, None, **PLAIN) == SUPERVISED_TRAINING
    assert scenario_asked(small_distilled, None, **PLAIN) == PRETRAINING_AND_INFERENCE
    assert scenario_asked(small_distilled, "supervised", **PLAIN) == SUPERVISED_TRAINING


def test_flags_change_the_scenario(small_distilled: Posterior) -> None:
    asked = {"logits": 0.25, "pretraining": 0.0, "students": 4, "stored_logits": True, "serving_tokens": 1e12}
    changes = {name: asked[name] for name in asked}
    found = scenario_asked(small_distilled, "teacher-pretraining", **asked)
    assert {name: getattr(found, name) for name in changes} == changes
    assert found.name == "teacher-pretraining" and found.logits_weight == 0.0625


def test_every_bad_share_is_listed(small_distilled: Posterior) -> None:
    with pytest.raises(InputError) as caught:
        scenario_asked(small_distilled, None, **{**PLAIN, "logits": 1.5, "pretraining": -1, "students": 0.5})
    assert len(lines_of(caught.value)) == 3


def test_cost_models_by_name(supervised: Posterior) -> None:
    assert cost_asked(supervised, None) is None
    assert cost_asked(supervised, "paper") == PAPER and cost_asked(supervised, "6ND") == SIX_ND


def test_the_table_s_numbers_come_with_the_posterior_or_not_at_all(supervised: Posterior) -> None:
    with pytest.raises(InputError) as caught:
        cost_asked(supervised, "table")
    (line,) = lines_of(caught.value)
    assert line.startswith("--cost: cost = table; ") and "came without a cost model" in line
    assert "runs.cost.toml" in line
    own = at_fixed_depth(layers=8, context=512, vocabulary=4096, name="ours")
    tree = supervised.tree.copy()
    tree.attrs["cost_model"] = json.dumps(own.record())
    assert cost_asked(replace(supervised, tree=tree), "table") == own


def test_caps_enter_the_bounds(supervised: Posterior) -> None:
    free = bounds_asked(supervised, None, None, None, "allocate")
    # 100 times smaller to 10,000 times larger than the runs; 1,000 times fewer to 100,000 times more tokens.
    assert free.params == pytest.approx((5e5, 5e13)) and free.tokens == pytest.approx((1e6, 1e16))
    capped = bounds_asked(supervised, "2B", "10e9", "1T", "allocate")
    assert capped.student_params == (free.params[0], 2e9)
    assert capped.student_tokens == (free.tokens[0], 1e10)
    assert capped.teacher_tokens == (free.tokens[0], 1e12)
    assert (capped.params, capped.tokens) == (free.params, free.tokens)


def test_bad_caps_are_listed(supervised: Posterior) -> None:
    with pytest.raises(InputError) as caught:
        bounds_asked(supervised, "q", "0", None, "allocate")
    assert [fault.what for fault in caught.value.faults] == ["--max-student", "--max-tokens"]
    with pytest.raises(InputError) as caught:
        bounds_asked(supervised, "1", "1", "1", "allocate")
    assert len(lines_of(caught.value)) == 3
