"""Power scaling tells a quantity that the data tell from one that its prior does."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.power_scaling import TARGET, Scaled, parts_of, power_scaling, sentences


def under(posterior: Posterior, name: str, sds: float) -> Posterior:
    """The same draws, as if their prior had stood `sds` of its own scales from them, as narrow as they are."""
    draws = np.ravel(posterior.tree["unconstrained_posterior"][name])
    density = replace(posterior.prior[name], loc=float(draws.mean() + sds * draws.std()), scale=draws.std())
    tree = posterior.tree.copy()
    tree.attrs["prior"] = json.dumps(posterior.prior.replace(density).to_records())
    return replace(posterior, tree=tree)


@pytest.mark.statistical
def test_many_clean_runs_tell_their_coefficients(small_posterior: Posterior) -> None:
    found = power_scaling(small_posterior, small_posterior.draws("E"))
    assert [one.quantity for one in found] == [TARGET, *small_posterior.law.names]
    assert all(one.diagnosis == "data" for one in found) and sentences(found) == ()
    assert power_scaling(small_posterior, small_posterior.draws("E"), coefficients=False) == found[:1]
    # The control: a narrow prior off to one side is found, and named.
    found = power_scaling(under(small_posterior, "log_m_over_E", 3.0), small_posterior.draws("E"))
    assert found[0].diagnosis == "conflict" and found[0].prior["coefficients"] > 3 * found[0].prior["noise"]
    assert sentences(found)[0].startswith("what is asked: both the prior and the runs move it")
    assert "mostly to that of the coefficients" in sentences(found)[0] and "E, " in sentences(found)[1]


def test_a_quantity_of_its_prior_alone_is_called_so() -> None:
    found = Scaled(quantity="f_1", prior={"all": 0.3}, likelihood=0.01)
    assert found.diagnosis == "prior"
    assert sentences([found]) == ("f_1: the prior moves it, and the runs hardly do",)
    assert replace(found, prior={"all": 0.01}).diagnosis == "data"


def test_the_parts_of_a_prior() -> None:
    names = ["log_gamma", "carried", "log_sigma", "log_sd_group", "noise_slope", "log_drift_N"]
    assert parts_of(names) == {
        "all": names,
        "coefficients": ["log_gamma", "carried"],
        "noise": ["log_sigma", "log_sd_group", "noise_slope"],
        "misfit": ["log_drift_N"],
    }
    assert "misfit" not in parts_of(names[:3])


def test_a_coefficient_that_overflowed_is_left_out(small_posterior: Posterior) -> None:
    tree = small_posterior.tree.copy(deep=True)
    tree["posterior"]["A"].values[0, 0] = np.inf
    found = power_scaling(Posterior(law=small_posterior.law, tree=tree))
    assert [one.quantity for one in found] == [name for name in small_posterior.law.names if name != "A"]


def test_a_loss_of_another_length_is_refused(small_posterior: Posterior) -> None:
    with pytest.raises(InputError, match=r"loss = \(3,\)"):
        power_scaling(small_posterior, np.ones(3))
