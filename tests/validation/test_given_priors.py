"""A prior that is given is that of every posterior, and what will not do is refused before anything is sampled."""

from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.errors import CountingMismatch, InputError, TableError
from bayes_dsl.inference.design import supervised_grid
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Density, default_prior, prior_of_your_own
from bayes_dsl.inference.published_prior import prior_from_published
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.published import published
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation import forecasters, left_out
from bayes_dsl.validation.backtest import backtest
from bayes_dsl.validation.given_priors import law_of_prior, origin_of
from bayes_dsl.validation.laws import compare_laws
from tests.posteriors import posterior_around
from tests.validation.compared import MINE, MY_PRIOR, MY_TRUTH, TRUTH, my_table

TARGET = {"student_params": 7e10, "student_tokens": 1.4e12}
TWIN = replace(MINE, name="twin")
K_ALONE = prior_of_your_own(Density(name="log_K", loc=0.0, scale=1.0, reason="of this test"))
OFF = {"twin": 1.1}
"""What the twin's floor is multiplied by."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object, int]]:
    """Law, prior and number of rows of every posterior, each of which is made by hand."""
    seen: list[tuple[str, object, int]] = []

    def fit(table: RunTable, *, law, prior, misfit, seed, settings) -> Posterior:
        law = SUPERVISED if law is None else law
        seen.append((law.name, prior, len(table)))
        truth = MY_TRUTH if "floor" in law.names else TRUTH
        floor = law.names[0]
        truth = truth | {floor: truth[floor] * OFF.get(law.name, 1.0)}
        own = MY_PRIOR if "floor" in law.names else default_prior(law, typical_loss=2.5)
        return posterior_around(law, truth, table, seed=seed, prior=own)

    monkeypatch.setattr(left_out, "fit", fit)
    monkeypatch.setattr(forecasters, "fit", fit)
    return seen


def test_every_posterior_of_a_comparison_has_the_prior_of_its_law(asked) -> None:
    table = RunTable.from_pandas(my_table().to_pandas().assign(group=[f"g{i // 6}" for i in range(60)]))
    found = compare_laws(
        table, laws=[MINE, CHINCHILLA], priors={"mine": MY_PRIOR}, factors=[8.0], folds=3, seed=1
    )
    for law, prior in (("mine", MY_PRIOR), ("chinchilla", None)):
        rows = [count for name, given, count in asked if name == law and given is prior]
        # Of the whole table, without each of three folds, and of the smaller runs.
        assert rows[0] == 60 and all(30 <= count < 60 for count in rows[1:4]) and len(rows) == 5
    assert len(asked) == 10
    assert [one for one in found.notes if one.startswith("prior of")] == [
        "prior of the mine law: densities of your own"
    ]


def test_a_law_of_ones_own_that_fits_as_well_and_says_otherwise_is_told(asked, monkeypatch) -> None:
    monkeypatch.setitem(OFF, "twin", 1.002)
    found = compare_laws(
        my_table(), laws=[MINE, TWIN], priors={"mine": MY_PRIOR, "twin": MY_PRIOR}, targets=[TARGET], seed=1
    )
    assert found.targets["law"].tolist() == ["mine", "twin", "stacked"]
    (said,) = found.sentences
    assert said.startswith("mine and twin fit the table equally well") and "DISAGREE at 70B params" in said


def test_control_laws_without_a_prior_of_their_own_keep_their_default(asked, small_table: RunTable) -> None:
    found = compare_laws(small_table, laws=[SUPERVISED, CHINCHILLA], factors=[8.0])
    assert {prior for _, prior, _ in asked} == {None}
    assert not any(one.startswith("prior of") for one in found.notes)


@pytest.mark.parametrize(
    ("priors", "said"),
    [
        (
            None,
            "laws compare: prior of the mine law = none given; only the package's own laws have a default prior. Pass "
            "priors={'mine': prior_of_your_own(...)} with a density for log_floor, log_K, log_k.",
        ),
        (
            {"mine": MY_PRIOR, "main": MY_PRIOR},
            "laws compare: priors = 'main'; no law of this name is compared. The laws here are mine, chinchilla.",
        ),
        (
            {"mine": K_ALONE},
            "it has no density for log_floor, log_k. The law's own are log_floor, log_K, log_k (a positive alpha is "
            "sampled as log_alpha); prior_of_your_own(...) adds those of noise and shared effects.",
        ),
        (
            {"mine": MY_PRIOR, "chinchilla": default_prior(SUPERVISED, typical_loss=2.5)},
            "law chinchilla: prior = log_gamma; nothing that is sampled has this name. The law's own are log_L_center",
        ),
        (
            {"mine": prior_from_published("besiroglu")},
            "prior (published besiroglu): law = mine; the prior is of the chinchilla law, whose coefficients are",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_sentence_before_sampling(
    asked, small_table: RunTable, priors, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        compare_laws(small_table, laws=[MINE, CHINCHILLA], priors=priors)
    assert said in str(caught.value) and "\n" not in str(caught.value) and asked == []


def test_runs_that_a_prior_has_seen_are_refused_by_both(
    asked, small_table: RunTable, small_posterior: Posterior
) -> None:
    """Also where only held-out runs have been seen."""
    seen = small_posterior.as_prior()
    later = replace(seen, joint=replace(seen.joint, seen=seen.joint.seen[:1]))
    for prior, said in ((seen, "60 of 60"), (later, "1 of 60")):
        with pytest.raises(TableError, match=said):
            compare_laws(small_table, laws=[SUPERVISED, CHINCHILLA], priors={"chinchilla": prior})
        with pytest.raises(TableError, match=said):
            backtest(small_table, prior=prior)
    total = prior_from_published("besiroglu")
    with pytest.raises(CountingMismatch, match="counted as total"):
        compare_laws(small_table, laws=[SUPERVISED, CHINCHILLA], priors={"chinchilla": total})
    assert asked == []


def test_every_posterior_of_a_back_test_has_its_law_and_prior(asked) -> None:
    found = backtest(
        my_table(), law=MINE, prior=MY_PRIOR, methods=["misfit", "bare law"], factors=[4.0, 8.0], seed=1
    )
    assert [(name, prior) for name, prior, _ in asked] == [("mine", MY_PRIOR)] * 4
    assert set(found.rows["method"]) == {"misfit", "bare law"}
    assert "prior of the mine law: densities of your own" in found.notes
    assert found.law == "mine" and (found.prior or "").startswith("densities of your own, sha256 ")


def test_a_carried_prior_brings_its_law_to_a_back_test(asked, small_table: RunTable) -> None:
    carried = prior_from_published("busbridge_corrected", inflate=2.0)
    found = backtest(small_table, prior=carried, methods=["bare law"], factors=[8.0])
    assert [(name, prior) for name, prior, _ in asked] == [("supervised", carried)]
    assert f"prior of the supervised law: {carried.joint.origin}" in found.notes
    assert (found.law, found.prior) == ("supervised", carried.joint.origin)


def test_a_back_test_without_a_prior_is_asked_as_before(asked, small_table: RunTable) -> None:
    found = backtest(small_table, methods=["bare law"], factors=[8.0])
    assert [prior for _, prior, _ in asked] == [None] and found.prior is None
    assert not any(one.startswith("prior of") for one in found.notes)
    assert law_of_prior(small_table, None, None) is None
    assert law_of_prior(small_table, CHINCHILLA, None) is CHINCHILLA


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"law": MINE}, "law mine: prior = none given; only the package's own laws have a default prior"),
        ({"law": MINE, "prior": K_ALONE}, "it has no density for log_floor, log_k"),
        ({"prior": MY_PRIOR}, "law supervised: prior = log_floor, log_K, log_k; nothing that is sampled has"),
    ],
)
def test_a_back_test_refuses_them_too(asked, small_table: RunTable, given, said: str) -> None:
    with pytest.raises(InputError) as caught:
        backtest(small_table, **given)
    assert said in str(caught.value) and asked == []


def test_one_law_for_every_part_where_a_prior_is_given() -> None:
    truth = published("busbridge_corrected")
    design = supervised_grid([1e8, 1e9], tokens=[2e9, 2e10]).distil(teachers=(3,), students=[(2e8, 5e9)])
    table = simulate(truth.law, truth.parameters, design, noise=Noise(), seed=0)
    default = default_prior(DISTILLATION, typical_loss=float(np.median(table.values("loss"))))
    assert law_of_prior(table, None, default) is DISTILLATION


def test_whence_a_prior_is(small_posterior: Posterior) -> None:
    assert origin_of(MINE, MY_PRIOR) == "prior of the mine law: densities of your own"
    said = origin_of(CHINCHILLA, small_posterior.as_prior())
    assert said.startswith("prior of the chinchilla law: posterior of ") and "60 runs" in said
