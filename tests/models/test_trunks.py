"""WSD trunks: a branch ends in the bits of the same run trained from its first step, at less cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bayes_dsl.errors import FileRefused, InputError
from models.checkpoints import digest_of, load_parameters
from models.outcome import Outcome
from models.recipe import Recipe
from models.results import parameters_path
from models.run import Run
from models.train import train
from tests.models import tiny

WSD = Recipe(batch_tokens=tiny.BATCH, schedule="wsd", warmup_steps=4, cooldown_share=0.25)

TRUNK = tiny.run("trunk", steps=40, recipe=WSD, branches=(20 * tiny.BATCH, 28 * tiny.BATCH))

BRANCH = tiny.run("branch", steps=20, recipe=WSD, trunk_id="trunk", save=True)


def trained(run: Run, folder: Path, **how: Any) -> tuple[Outcome, str]:
    (outcome,) = train([run], tiny.corpus(), folder, **how)
    return outcome, digest_of(load_parameters(parameters_path(folder, run.run_id))[1])


@pytest.fixture
def trunk(tmp_path: Path) -> Path:
    train([TRUNK], tiny.corpus(), tmp_path / "trunk")
    return tmp_path / "trunk"


def test_a_branch_is_the_run_from_its_first_step_to_the_last_bit(trunk: Path, tmp_path: Path) -> None:
    kept = sorted(path.name for path in trunk.glob("*.npz"))
    assert kept == ["trunk-step15.npz", "trunk-step21.npz"]
    told: list[int] = []
    branch, bits = trained(
        BRANCH, tmp_path / "branch", trunk=trunk, report=lambda done, steps, losses: told.append(done)
    )
    whole, same_bits = trained(BRANCH, tmp_path / "whole")
    assert bits == same_bits
    assert (branch.loss, branch.train_loss_last) == (whole.loss, whole.train_loss_last)
    assert branch.trunk_id == "trunk" and branch.tokens == 20 * tiny.BATCH
    # It trained the cooldown only.
    assert min(told) > 15
    # The control: the cooldown makes a difference.
    other = replace(BRANCH, recipe=replace(WSD, final_rate=1.0))
    assert trained(other, tmp_path / "constant")[1] != bits


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"data_seed": 1}, {"part": "teacher"}, {"recipe": replace(WSD, peak_rate=2e-2)}],
)
def test_a_trunk_of_other_runs_is_refused(changes: dict[str, Any], trunk: Path, tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="trunk of = branch"):
        train([replace(BRANCH, **changes)], tiny.corpus(), tmp_path / "branch", trunk=trunk)


def test_a_branch_that_the_trunk_did_not_foresee_is_refused(trunk: Path, tmp_path: Path) -> None:
    run = replace(BRANCH, tokens=24 * tiny.BATCH)
    with pytest.raises(FileRefused, match=r"trunk-step18\.npz"):
        train([run], tiny.corpus(), tmp_path / "branch", trunk=trunk)


def test_a_branch_names_its_trunk(trunk: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name their trunks"):
        train([replace(BRANCH, trunk_id=None)], tiny.corpus(), tmp_path / "branch", trunk=trunk)


def test_only_runs_with_the_same_beginning_share_a_trunk(tmp_path: Path) -> None:
    cosine = replace(TRUNK, recipe=tiny.RECIPE)
    shares = replace(TRUNK, recipe=replace(WSD, warmup_steps=None))
    for run in (cosine, shares):
        with pytest.raises(InputError, match="a fixed number of warmup_steps"):
            train([run], tiny.corpus(), tmp_path)
    with pytest.raises(InputError, match="before the trunk itself cools down, from step 1 to 30"):
        train([replace(TRUNK, branches=(60 * tiny.BATCH,))], tiny.corpus(), tmp_path)
