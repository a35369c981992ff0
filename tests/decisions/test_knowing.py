"""The value of knowing: what the draws' own optima save, and the budget that buys as much."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.costs.scenarios import BEST_CASE, PRETRAINING_AND_INFERENCE, SUPERVISED_TRAINING
from bayes_dsl.decisions.allocation import optimal_allocations
from bayes_dsl.decisions.knowing import MOST, _share, value_of_knowing
from bayes_dsl.decisions.recommended import recommended_allocation
from tests.decisions.worlds import distillation_basis

BASIS = distillation_basis(draws=24, spread=0.02)


def test_it_is_the_recommended_loss_less_the_mean_of_the_draws_least() -> None:
    found = value_of_knowing(BASIS, PRETRAINING_AND_INFERENCE, budget_flops=1e21, student_params=1e9)
    best = optimal_allocations(BASIS, PRETRAINING_AND_INFERENCE, budget_flops=1e21, student_params=1e9)
    least = best.values["student_loss"][:, 0]
    assert found.nats == pytest.approx(found.recommendation.losses.mean() - least.mean(), abs=1e-12)
    assert found.nats > 1e-4 and found.regret.min() > -1e-6
    lower, upper = found.interval(prob=0.8)
    assert lower < found.nats < upper
    # Paid for in compute, it buys the same.
    assert found.budget_share is not None and found.budget_share > 0
    more = recommended_allocation(
        BASIS, PRETRAINING_AND_INFERENCE, budget_flops=1e21 * (1 + found.budget_share), student_params=1e9
    )
    assert more.losses.mean() == pytest.approx(least.mean(), abs=0.02 * found.nats)


def test_nothing_is_gained_where_nothing_is_in_doubt_or_to_be_chosen() -> None:
    certain = distillation_basis(draws=24, spread=0.0)
    known = value_of_knowing(certain, BEST_CASE, budget_flops=1e21, student_params=1e9)
    assert abs(known.nats) < 1e-6 and known.budget_share == pytest.approx(0.0, abs=1e-3)
    no_choice = value_of_knowing(BASIS, SUPERVISED_TRAINING, budget_flops=1e21, student_params=1e9)
    assert abs(no_choice.nats) < 1e-9 and no_choice.budget_share == 0.0


@pytest.mark.parametrize("curve", [1.0, 0.05, 3.0], ids=["straight", "flattening", "steepening"])
def test_the_share_is_where_the_budget_buys_the_value(curve: float) -> None:
    """On curves of losses that are known: what 30 % more budget buys is bought by 30 % more budget."""

    def falls(log_times: float) -> float:
        return 0.1 * (1 - np.exp(-curve * log_times)) / curve

    value = falls(np.log(1.3))
    assert _share(lambda log_times: value - falls(log_times), value) == pytest.approx(0.3, rel=0.03)


def test_where_no_budget_buys_as_much_there_is_no_share() -> None:
    assert _share(lambda _: 0.01, 0.01) is None
    out_of_reach = 1.01 * np.log(MOST)
    assert _share(lambda log_times: 0.01 * (1 - log_times / out_of_reach) + 0.001, 0.011) is None
