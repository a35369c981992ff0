"""From blocks to runs: names, order of the data, trunks, networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from models.expansion import network_of, runs_of, short
from tests.models.small_plans import SMALL, plan_of


def test_blocks_become_runs_with_readable_names() -> None:
    runs = runs_of(plan_of(SMALL.replace("widths = [16]", "widths = [16, 24]\nseeds = [0, 3]")))
    assert [run.run_id for run in runs] == [
        *("sup-d16-6400-s0", "sup-d16-6400-s3", "sup-d24-6400-s0", "sup-d24-6400-s3"),
        *("sup-d16-12800-s0", "sup-d16-12800-s3", "sup-d24-12800-s0", "sup-d24-12800-s3"),
        "T",
        *("d8-6400-s0-from-T", "d16-6400-s0-from-T"),
    ]
    assert [run.role for run in runs] == ["supervised"] * 9 + ["distilled"] * 2
    assert [run.part for run in runs] == ["student"] * 8 + ["teacher"] + ["student"] * 2
    assert [run.run_id for run in runs if run.keep] == ["T"]
    # Seeds are replicates of everything random: the order of the data follows them.
    assert all(run.data_seed == run.seed for run in runs)


def test_a_name_does_not_depend_on_other_blocks() -> None:
    alone = plan_of(SMALL[: SMALL.index("[[teachers]]")])
    names = {run.run_id for run in runs_of(alone)}
    assert names < {run.run_id for run in runs_of(plan_of(SMALL))}


@pytest.mark.parametrize(
    ("tokens", "name"),
    [
        (500, "500"),
        (99_999, "99999"),
        (100_000, "0.1M"),
        (500_000, "0.5M"),
        (1_048_576, "1.048576M"),
        (32 * 10**6, "32M"),
        (10**9, "1000M"),
        (10**11, "100B"),
    ],
)
def test_tokens_are_named_exactly(tokens: int, name: str) -> None:
    assert short(tokens) == name


def test_settings_beside_the_usual_ones_are_in_the_name() -> None:
    extra = "mixing = 0.5\ntemperature = 2\ntop_k = 8\ndata_seed = 3\nrecipe = { peak_rate = 0.005 }\n"
    last = runs_of(plan_of(SMALL + extra))[-1]
    assert last.run_id == "d16-6400-s0-o3-peak_rate0.005-mixing0.5-temperature2-top_k8-from-T"
    assert last.recipe.peak_rate == 0.005 and last.data_seed == 3


def test_runs_that_are_one_until_their_rates_fall_branch_off_the_longest() -> None:
    assert {run.trunk_id for run in runs_of(plan_of(SMALL))} == {None}
    wsd = SMALL.replace("batch_tokens = 64", 'batch_tokens = 64\nschedule = "wsd"\nwarmup_steps = 5')
    trunks = {run.run_id: run.trunk_id for run in runs_of(plan_of(wsd))}
    assert trunks["sup-d16-6400-s0"] == trunks["sup-d16-12800-s0"] == "sup-d16-12800-s0"
    assert trunks["T"] is trunks["d16-6400-s0-from-T"] is None
    # A warm-up that is a share of the run is another one for every length.
    share = wsd.replace("warmup_steps = 5", "warmup_share = 0.1")
    assert {run.trunk_id for run in runs_of(plan_of(share))} == {None}


def test_networks_are_of_the_corpus_and_of_one_depth() -> None:
    plan = plan_of(SMALL.replace("[corpus]", "[network]\nlayers = 3\nbase_width = 32\n[corpus]"))
    shape = network_of(plan, 24).architecture
    assert (shape.layers, shape.width, shape.context, shape.vocabulary) == (3, 24, 16, 16)
    assert network_of(plan, 24).base_width == 32


def test_copies_are_found_by_their_training_and_not_by_their_names() -> None:
    run = runs_of(plan_of(SMALL))[0]
    assert replace(run, run_id="other", group="g", stage=7).same_training() == run.same_training()
    different: dict[str, Any] = {"width": 24, "tokens": 6464, "seed": 5, "data_seed": 5, "part": "teacher"}
    for field, value in different.items():
        assert replace(run, **{field: value}).same_training() != run.same_training()
