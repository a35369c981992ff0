"""The alternatives are those that are asked for, each with the prior that says it."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.alternatives import WITHIN, alternatives
from tests.forecast.made import drifting, made
from tests.validation.sampled import with_coordinates


def test_they_are_about_priors_E_tail_and_misfit(small_posterior: Posterior) -> None:
    found = alternatives(small_posterior)
    assert [one.about for one in found] == ["priors"] * 2 + ["E"] * 3 + ["tail"] * 2
    assert found[0].name == "every prior half as wide" and "(95 % of its posterior)" in found[4].name
    drift = alternatives(with_coordinates(drifting(made("supervised"))))
    assert [one.about for one in drift][-2:] == ["misfit"] * 2


def test_each_prior_is_changed_in_what_it_says_alone(small_posterior: Posterior) -> None:
    own = small_posterior.prior
    half, twice, *_, heavy, normal = alternatives(small_posterior)
    for one, factor in ((half, 0.5), (twice, 2.0)):
        assert [d.scale for d in one.prior.densities] == [factor * d.scale for d in own.densities]
    changed = {d.name for d, was in zip(heavy.prior.densities, own.densities, strict=True) if d != was}
    assert changed == {"log_nu_minus_1"}
    moves = [one.prior["log_nu_minus_1"].loc - own["log_nu_minus_1"].loc for one in (heavy, normal)]
    assert moves == pytest.approx([-1.6, 1.6]) and "nu about 2.6" in heavy.name


def test_the_misfit_s_scales_are_halved_and_doubled() -> None:
    posterior = with_coordinates(drifting(made("supervised")))
    *_, half, double = alternatives(posterior)
    for one, factor in ((half, 0.5), (double, 2.0)):
        for density, was in zip(one.prior.densities, posterior.prior.densities, strict=True):
            moved = log(factor) if density.name.startswith("log_drift") else 0.0
            assert density.loc - was.loc == pytest.approx(moved) and density.scale == was.scale


def test_to_fix_E_is_a_narrow_density_about_it(small_posterior: Posterior) -> None:
    log_E = np.log(small_posterior.draws("E"))
    (one,) = (found for found in alternatives(small_posterior, E=[1.85]) if found.about == "E")
    assert one.name == "E fixed at 1.85"
    off = one.off(small_posterior)
    assert off is not None and np.allclose(off, log_E - log(1.85))
    assert np.allclose(one.log_ratio, -0.5 * (off / (WITHIN * log_E.std())) ** 2)
    # At the loss of the centre, its density of ln(m/E) puts E there.
    center = np.median(small_posterior.tree["unconstrained_posterior"]["log_L_center"])
    density = one.prior["log_m_over_E"]
    assert center - np.logaddexp(0.0, density.loc) == pytest.approx(log(1.85), abs=1e-12)
    assert density.scale < 0.2 * small_posterior.tree["unconstrained_posterior"]["log_m_over_E"].std()


def test_an_E_that_no_prior_can_say_is_not_sampled_anew(small_posterior: Posterior) -> None:
    *_, above, heavy, _ = alternatives(small_posterior, E=[50.0])
    assert above.prior is None and heavy.off(small_posterior) is None


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_an_E_that_is_none_is_refused(small_posterior: Posterior, value: float) -> None:
    with pytest.raises(InputError, match=r"E = .*a number above 0"):
        alternatives(small_posterior, E=[value])
