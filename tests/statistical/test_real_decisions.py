"""What the Chinchilla rows say about Chinchilla's own budget: tokens per parameter, with their doubt."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.costs.flops import SIX_ND
from bayes_dsl.costs.scenarios import SUPERVISED_TRAINING
from bayes_dsl.decisions.allocation import optimal_allocations
from bayes_dsl.decisions.basis import basis_of_coefficients
from bayes_dsl.decisions.bounds import PAPER_BOUNDS
from bayes_dsl.inference.fit import fit
from bayes_dsl.laws.published import published
from bayes_dsl.laws.supervised import CHINCHILLA
from tests.real_tables import entry, open_table

pytestmark = [pytest.mark.statistical, pytest.mark.real_tables, pytest.mark.slow, pytest.mark.evidence]

# FLOPs of Chinchilla-70B and of Gopher, arXiv 2203.15556.
BUDGET = 5.76e23


def test_twenty_tokens_per_parameter_lie_inside_and_the_printed_coefficients_outside() -> None:
    # The bare Chinchilla law, 6ND: the very question of arXiv 2404.10102, section 5.
    posterior = fit(open_table(entry("chinchilla-240")), law=CHINCHILLA, seed=0, misfit=None)
    found = optimal_allocations(posterior, SUPERVISED_TRAINING, budget_flops=BUDGET, cost_model=SIX_ND)
    ratio = found.tokens_per_param()[:, 0]
    low, high = np.quantile(ratio, [0.1, 0.9])
    print(f"tokens per parameter: median {np.median(ratio):.1f}, 80 % from {low:.1f} to {high:.1f}")
    assert low < 18 and high > 20
    printed = published("hoffmann")
    basis = basis_of_coefficients(printed.law, printed.parameters, cost_model=SIX_ND, bounds=PAPER_BOUNDS)
    implied = optimal_allocations(basis, SUPERVISED_TRAINING, budget_flops=BUDGET).tokens_per_param()
    assert implied[0, 0] == pytest.approx(59, rel=0.2)
    assert high < 59 and high < implied[0, 0]
