"""Training: its numbers depend on the runs alone, not on company, dispatches, or the number of compilations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayes_dsl.errors import FileRefused
from models.checkpoints import digest_of, load_parameters
from models.corpus.markov import zipf_source
from models.objectives import Objective
from models.outcome import Outcome
from models.position import student_of
from models.recipe import Recipe
from models.results import parameters_path
from models.run import Run
from models.step import program
from models.train import batch_order, train
from tests.models import tiny

TAUGHT: dict[str, Any] = {"objective": Objective(), "teacher_id": "teacher"}


def trained(run: Run, folder: Path, **how: Any) -> tuple[Outcome, str]:
    """The outcome and the digest of the final parameters."""
    (outcome,) = train([replace(run, save=True)], tiny.corpus(), folder, **how)
    return outcome, digest_of(load_parameters(parameters_path(folder, run.run_id))[1])


def test_a_run_learns_and_never_beats_the_oracle(tmp_path: Path) -> None:
    outcome, _ = trained(tiny.run(steps=150), tmp_path)
    assert outcome.status == "ok" and outcome.tokens == 150 * tiny.BATCH
    assert outcome.loss is not None and outcome.loss < np.log(tiny.VOCABULARY) - 0.2
    assert outcome.excess is not None and outcome.loss_se is not None
    assert outcome.excess > -5 * outcome.loss_se
    oracle_ExT = tiny.corpus().oracle_nll_ExT
    assert oracle_ExT is not None
    assert outcome.excess == pytest.approx(outcome.loss - oracle_ExT.mean(), abs=1e-6)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_run_that_saw_the_evaluation_tokens_beats_the_oracle(tmp_path: Path) -> None:
    # The control of the test above: five standard errors do find a leak.
    honest = tiny.corpus()
    leaked = np.lib.stride_tricks.sliding_window_view(honest.student_tokens, tiny.CONTEXT + 1)
    windows_ExT1 = leaked[: 32 * tiny.CONTEXT : tiny.CONTEXT]
    corpus = replace(
        honest,
        student_tokens=honest.student_tokens[: 32 * tiny.CONTEXT + 1],
        eval_windows_ExT1=windows_ExT1,
        oracle_nll_ExT=zipf_source(tiny.VOCABULARY, strengths=(1.2, 0.8, 1.0), seed=0).nll(windows_ExT1),
    )
    run = tiny.run(steps=600, network=tiny.network(64), most_epochs=1000)
    (outcome,) = train([run], corpus, tmp_path)
    assert outcome.excess is not None and outcome.loss_se is not None
    assert outcome.excess < -5 * outcome.loss_se


@pytest.mark.slow
def test_students_trained_together_equal_students_trained_alone(tmp_path: Path) -> None:
    runs = [
        tiny.run("small", save=True, **TAUGHT),
        tiny.run("wide", save=True, network=tiny.network(24), mixing=0.7, temperature=2.0, **TAUGHT),
    ]
    how: dict[str, Any] = {"teacher": tiny.teacher()}
    together = train(runs, tiny.corpus(), tmp_path / "together", **how)
    for run, beside in zip(runs, together, strict=True):
        (alone,) = train([run], tiny.corpus(), tmp_path / run.run_id, **how)
        kept = [parameters_path(tmp_path / folder, run.run_id) for folder in ("together", run.run_id)]
        assert len({digest_of(load_parameters(path)[1]) for path in kept}) == 1
        for measure in ("loss", "loss_se", "ece", "kl_teacher_student", "top1_agreement", "teacher_loss"):
            assert getattr(beside, measure) == getattr(alone, measure) is not None
    assert together[0].loss != together[1].loss
    assert together[0].teacher_params == tiny.network(24).architecture.params


def test_nothing_depends_on_the_steps_of_a_dispatch(tmp_path: Path) -> None:
    results = [
        trained(tiny.run(steps=23), tmp_path / str(most), most_steps=most, checkpoint_seconds=seconds)
        for most, seconds in ((128, 60.0), (3, 60.0), (128, 0.0))
    ]
    assert len({(outcome.loss, digest) for outcome, digest in results}) == 1


@pytest.mark.slow
def test_micro_batches_change_rounding_only(tmp_path: Path) -> None:
    whole, _ = trained(tiny.run(), tmp_path / "whole")
    recipe = replace(tiny.RECIPE, micro_tokens=64)
    cut, _ = trained(tiny.run(recipe=recipe), tmp_path / "cut")
    other, _ = trained(tiny.run(recipe=recipe, data_seed=1), tmp_path / "other")
    assert (whole.micro_tokens, cut.micro_tokens) == (256, 64)
    assert cut.loss == pytest.approx(whole.loss, abs=2e-5)
    # Another order of the data makes a difference a hundred times as large.
    assert abs(other.loss - whole.loss) > 1e-3  # type: ignore[operator]


def test_rates_steps_and_seeds_compile_nothing_anew(tmp_path: Path) -> None:
    trained(tiny.run(), tmp_path / "first")
    compiled: Any = program((student_of(tiny.run()),), None)
    before = compiled._cache_size()
    changes = {"batch_tokens": tiny.BATCH, "peak_rate": 3e-3, "warmup_share": 0.3, "weight_decay": 0.1}
    trained(tiny.run(steps=31, recipe=Recipe(**changes)), tmp_path / "second")  # type: ignore[arg-type]
    recipe = Recipe(batch_tokens=tiny.BATCH, schedule="wsd", clip=0.1, beta1=0.5, z_weight=0.0)
    trained(tiny.run(steps=7, recipe=recipe, seed=3, data_seed=4, part="teacher"), tmp_path / "third")
    assert compiled._cache_size() == before


# Not a number; a large number; and a network that died, which guesses.
@pytest.mark.parametrize("rate", [1e20, 1.0, 3e3])
def test_a_run_that_diverges_has_no_loss(rate: float, tmp_path: Path) -> None:
    run = tiny.run(recipe=replace(tiny.RECIPE, peak_rate=rate), save=True)
    (outcome,) = train([run], tiny.corpus(), tmp_path)
    assert outcome.status == "diverged"
    row = outcome.row()
    empty = ("loss", "loss_se", "excess", "ece", "train_loss_last", "kl_teacher_student", "teacher_loss")
    assert {row[name] for name in empty} == {""}
    assert not parameters_path(tmp_path, "run").exists()


def test_a_run_too_short_to_learn_has_not_diverged(tmp_path: Path) -> None:
    (outcome,) = train([tiny.run(steps=2)], tiny.corpus(), tmp_path)
    assert outcome.status == "ok" and outcome.loss is not None
    assert outcome.loss > np.log(tiny.VOCABULARY)


def test_what_is_done_is_read_and_another_run_is_kept_out(tmp_path: Path) -> None:
    first = train([tiny.run()], tiny.corpus(), tmp_path)
    assert train([tiny.run()], tiny.corpus(), tmp_path) == first
    assert [file.name for file in tmp_path.iterdir()] == ["outcomes.json"]
    with pytest.raises(FileRefused, match="left by other runs"):
        train([tiny.run(seed=1)], tiny.corpus(), tmp_path)


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int, tuple[float, ...]]] = []
    train([tiny.run()], tiny.corpus(), tmp_path, report=lambda *news: told.append(news))
    assert [steps for _, steps, _ in told] == [20] * len(told)
    assert told[-1][0] == 20 and told[-1][2][0] < told[0][2][0]


def test_an_epoch_shows_every_window_at_most_once() -> None:
    unique = (len(tiny.corpus().student_tokens) - 1) // tiny.CONTEXT
    steps = 2 * unique // 16 + 1
    run = tiny.run(steps=steps, most_epochs=3, data_seed=5)
    order = batch_order(run, len(tiny.corpus().student_tokens), tiny.CONTEXT).ravel()
    assert len(order) == steps * 16
    for epoch in (order[:unique], order[unique : 2 * unique], order[2 * unique :]):
        assert len(set(epoch.tolist())) == len(epoch)
    assert set(order[:unique].tolist()) == set(range(unique))
    shorter = batch_order(replace(run, tokens=20 * 256), len(tiny.corpus().student_tokens), tiny.CONTEXT)
    np.testing.assert_array_equal(shorter.ravel(), order[: 20 * 16])
    other = batch_order(replace(run, data_seed=6), len(tiny.corpus().student_tokens), tiny.CONTEXT)
    assert not np.array_equal(other.ravel(), order)


def test_a_read_only_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here first")
    with pytest.raises(FileRefused) as caught:
        train([tiny.run()], tiny.corpus(), tmp_path / "file" / "runs")
    assert "\n" not in str(caught.value)
