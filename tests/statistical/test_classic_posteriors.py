"""The package's own sampler finds the moments of posteriors that everybody knows."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import stats

from bayes_dsl.inference import compiled
from bayes_dsl.inference.sampler import Sampled, sample
from bayes_dsl.inference.settings import Settings
from bayes_dsl.validation.ranks import holm
from tests.classic import CLASSICS, Classic, Moments

pytestmark = [pytest.mark.statistical, pytest.mark.evidence]

SETTINGS = Settings(chains=4, warmup=500, draws=1500, most_draws=1500)
LEVEL = 0.01


@pytest.fixture(params=CLASSICS, ids=lambda classic: classic.name)
def sampled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Classic, Sampled]:
    classic: Classic = request.param
    monkeypatch.setattr(compiled, "program", classic.model)
    return classic, sample(classic.observations(), settings=SETTINGS, seed=20261127)


def p_values(drawn: Sampled, exact: Moments) -> np.ndarray:
    """Two-sided p values of every first and second moment, corrected after Holm."""
    found = []
    for name, moments in exact.items():
        draws = drawn.sites[name] if name in drawn.sites else drawn.parameters[name]
        for values, moment in zip((draws, draws**2), moments, strict=True):
            error = float(array_stats.mcse(values, method="mean"))
            found.append(2.0 * stats.norm.sf(abs(values.mean() - moment) / error))
    return holm(np.array(found))


def test_moments_are_the_exact_ones(sampled: tuple[Classic, Sampled]) -> None:
    classic, drawn = sampled
    assert not drawn.stats["diverging"].any()
    exact = classic.exact()
    assert p_values(drawn, exact).min() > LEVEL
    # The test sees a posterior that lies a fifth of a standard deviation beside.
    name, (mean, square) = next(iter(exact.items()))
    beside = mean + 0.2 * np.sqrt(square - mean**2)
    assert p_values(drawn, {**exact, name: (beside, square)}).min() < LEVEL
