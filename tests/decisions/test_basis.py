"""A basis takes draws from a posterior and its cost from whoever names it first, and refuses what it cannot judge."""

import json

import jax
import numpy as np
import pytest

from bayes_dsl.costs.flops import PAPER, SIX_ND, CostModel
from bayes_dsl.costs.scenarios import BEST_CASE, SCENARIOS, SUPERVISED_TRAINING, scenario
from bayes_dsl.decisions.basis import Basis, basis_of, basis_of_coefficients, paid, positive, prices
from bayes_dsl.decisions.bounds import PAPER_BOUNDS, Bounds
from bayes_dsl.decisions.plans import Plan, plan_losses
from bayes_dsl.errors import CountingMismatch, InputError, NotIdentified, UnhealthyPosterior
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.laws.published import published
from bayes_dsl.laws.repetition import REPETITION
from tests.decisions.worlds import chinchilla_basis, distillation_basis
from tests.forecast.made import drifting, made

OWN = CostModel(name="ours", terms=((2.0, 1.0), (3e4, 0.5)), remark="six layers")


def _with(posterior: Posterior, **attributes: str) -> Posterior:
    tree = posterior.tree.copy()
    tree.attrs.update(attributes)
    return Posterior(law=posterior.law, tree=tree)


def test_a_basis_has_every_draw_of_the_posterior(small_posterior: Posterior) -> None:
    basis = basis_of(small_posterior)
    assert basis.draws == 4000
    for name, draws in basis.parameters.items():
        assert np.array_equal(draws, small_posterior.draws(name))


def test_the_cost_is_the_named_one_then_the_posteriors_then_6nd(small_posterior: Posterior) -> None:
    unnamed = basis_of(small_posterior)
    assert unnamed.cost == SIX_ND
    assert any("6ND is assumed" in note for note in unnamed.notes)
    own = _with(small_posterior, cost_model=json.dumps(OWN.record()))
    assert basis_of(own).cost == OWN and not basis_of(own).notes
    assert basis_of(own, cost_model=PAPER).cost == PAPER


def test_the_papers_cost_refuses_rows_that_count_embeddings(small_posterior: Posterior) -> None:
    with pytest.raises(CountingMismatch, match="total"):
        basis_of(_with(small_posterior, counting="total"), cost_model=PAPER)
    assert basis_of(_with(small_posterior, counting="total")).cost == SIX_ND


def test_an_unhealthy_posterior_needs_consent(small_distilled: Posterior) -> None:
    assert not small_distilled.healthy
    with pytest.raises(UnhealthyPosterior):
        basis_of(small_distilled)
    assert basis_of(small_distilled, accept_unhealthy=True).draws == 1000


def test_a_law_without_teachers_refuses_scenarios_with_one() -> None:
    with pytest.raises(
        NotIdentified, match="scenario = best-case; the chinchilla law does not explain distilled"
    ):
        chinchilla_basis().require(BEST_CASE)
    chinchilla_basis().require(SUPERVISED_TRAINING)
    for one in SCENARIOS:
        distillation_basis().require(one)


def test_a_law_of_repeated_data_refuses_splits() -> None:
    law = REPETITION
    basis = Basis(
        law=law, parameters={name: np.ones(2) for name in law.names}, cost=SIX_ND, bounds=PAPER_BOUNDS
    )
    with pytest.raises(NotIdentified, match=r"law = repetition; a split says nothing of unique tokens"):
        basis.require(SUPERVISED_TRAINING)


def test_thinning_keeps_joint_draws() -> None:
    basis = distillation_basis(draws=100)
    thin = basis.thinned(10)
    assert thin.draws == 10
    place = np.searchsorted(np.sort(basis.parameters["E"]), thin.parameters["E"])
    order = np.argsort(basis.parameters["E"])
    assert np.array_equal(basis.parameters["beta"][order][place], thin.parameters["beta"])
    assert basis.thinned(1000) is basis


def test_coefficients_are_one_draw() -> None:
    truth = published("busbridge_corrected")
    basis = basis_of_coefficients(truth.law, truth.parameters, cost_model=PAPER, bounds=PAPER_BOUNDS)
    assert basis.draws == 1 and basis.parameters["E"][0] == truth.parameters["E"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"logits": 0, "pretraining": 0}, "nothing"),
        ({"logits": 0.3, "pretraining": 0}, "logits"),
        ({"logits": 0, "pretraining": 0.01}, "training"),
        ({"logits": 0.3, "pretraining": 0.01}, "both"),
    ],
)
def test_what_is_paid(changes: dict[str, float], expected: str) -> None:
    assert paid(scenario("best-case", **changes)) == expected


def test_prices_are_per_student() -> None:
    shared = scenario("pretraining-and-inference", students=4, stored_logits=True, serving_tokens=1e12)
    with jax.enable_x64(True):
        assert [float(price) for price in prices(shared)] == [0.25, 0.25, 1e12]


@pytest.mark.parametrize("wrong", [0, -1e20, float("nan"), float("inf"), "many", [1e20, -1], []])
def test_a_number_that_is_none_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match=r"decision: budget_flops = .*must be a finite number above 0"):
        positive("budget_flops", wrong)  # type: ignore[arg-type]


def test_numbers_are_a_flat_array() -> None:
    assert positive("budget_flops", 1e21).tolist() == [1e21]
    assert positive("budget_flops", [[1, 2]]).tolist() == [1.0, 2.0]


def test_decisions_follow_the_paths_of_the_posteriors_misfit() -> None:
    posterior = drifting(made("distillation"))
    basis = basis_of(posterior, cost_model=OWN, accept_unhealthy=True)
    asked = [(3e9, 4e11, 1.9), (2e10, 3e12, 1.7)]
    plans = [Plan(student_params=N, student_tokens=D, teacher_loss=L) for N, D, L in asked]
    plans += [Plan(student_params=N, student_tokens=D) for N, D, _ in asked]
    N, D, L = np.array(asked).T
    for one, world in ((posterior, basis), (posterior.bare(), basis.bare())):
        taught = expected_loss(one, student_params=N, student_tokens=D, teacher_loss=L).loss
        alone = expected_loss(one, student_params=N, student_tokens=D).loss
        np.testing.assert_allclose(plan_losses(world, plans), np.hstack([taught, alone]), rtol=1e-13)
    # Control: the paths do move the losses.
    assert np.abs(np.log(plan_losses(basis, plans[2:]) / plan_losses(basis.bare(), plans[2:]))).mean() > 1e-3


def test_thinning_keeps_each_draws_paths() -> None:
    basis = basis_of(drifting(made("supervised")), cost_model=OWN, accept_unhealthy=True)
    plan = [Plan(student_params=1e11, student_tokens=1e13)]
    chosen = np.linspace(0, basis.draws - 1, 7).round().astype(int)
    np.testing.assert_allclose(
        plan_losses(basis.thinned(7), plan), plan_losses(basis, plan)[chosen], rtol=1e-14
    )


def test_bounds_beyond_the_reach_of_the_misfit_are_refused_by_name() -> None:
    posterior = drifting(made("supervised"))
    least, most = posterior.grids["N"].ends()
    own = basis_of(posterior, cost_model=OWN, accept_unhealthy=True).bounds
    assert least <= own.params[0] and own.params[1] <= most
    for wide in (
        Bounds(params=(1e6, 2 * most), tokens=own.tokens),
        Bounds(params=(least / 2, 1e9), tokens=own.tokens),
    ):
        with pytest.raises(InputError, match=r"bounds: params = .*misfit's paths go from"):
            basis_of(posterior, cost_model=OWN, bounds=wide, accept_unhealthy=True)
        assert basis_of(posterior.bare(), cost_model=OWN, bounds=wide, accept_unhealthy=True).bounds is wide
