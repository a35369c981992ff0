"""Priors are data: one density with its reason for everything that is sampled, kept as text and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.noise import EFFECTS
from bayes_dsl.inference.priors import (
    NOISE_DENSITIES,
    Density,
    Prior,
    default_prior,
    density_names,
    prior_of_your_own,
    without_default,
)
from bayes_dsl.laws.base import Law, Parameter, Role
from bayes_dsl.laws.registry import law, registered

MINE = Law(
    name="mine",
    parameters=(Parameter(name="k", symbol="k", support="positive", unit="1", meaning="level"),),
    roles=(Role(name="supervised", inputs=("N",), log_loss=lambda p, x: p["k"] * x["N"]),),
    source="this test",
)


@pytest.mark.parametrize("known", registered(), ids=lambda known: known.name)
def test_every_coordinate_has_one_density_with_a_reason(known: Law) -> None:
    prior = default_prior(known, typical_loss=2.5)
    coordinates = coordinates_of(known)
    replaced = {coordinate: name for name, coordinate in coordinates.replaces}
    law_names = tuple(replaced.get(name, name) for name in coordinates.names)
    assert prior.names == law_names + tuple(d.name for d in NOISE_DENSITIES)
    assert len(set(prior.names)) == len(prior.names)
    for density in prior.densities:
        assert len(density.reason) > 5, density.name


def test_every_effect_has_a_prior_for_its_size() -> None:
    assert {f"log_sd_{name}" for name in EFFECTS} <= {d.name for d in NOISE_DENSITIES}


@pytest.mark.parametrize("known", registered(), ids=lambda known: known.name)
def test_the_prior_moves_with_the_unit_of_the_loss(known: Law) -> None:
    """Losses in another unit (bits, say) shift what is a loss, and leave ratios and the noise alone."""
    nats, bits = (default_prior(known, typical_loss=2.5 / unit) for unit in (1.0, np.log(2)))
    moved = {n for n in nats.names if nats[n] != bits[n]}
    assert moved == {"log_L_center", "log_slope_N", "log_slope_D"}
    for name in moved:
        assert bits[name].loc - nats[name].loc == pytest.approx(-np.log(np.log(2)))
        assert bits[name].scale == nats[name].scale


def test_a_prior_survives_as_json() -> None:
    tails = Density(name="log_sigma", loc=-4.0, scale=1.0, family="student_t", df=4.0, reason="tails")
    prior = default_prior(law("distillation"), typical_loss=2.1).replace(tails)
    assert Prior.from_records(json.loads(json.dumps(prior.to_records()))) == prior


def test_replace_exchanges_by_name_and_keeps_the_order() -> None:
    prior = default_prior(law("chinchilla"), typical_loss=2.5)
    new = Density(name="logit_w", loc=1.0, scale=0.1, reason="said so")
    changed = prior.replace(new)
    assert changed["logit_w"] is new and changed.names == prior.names
    assert [d for d in changed.densities if d.name != "logit_w"] == [
        d for d in prior.densities if d.name != "logit_w"
    ]
    assert prior["logit_w"].loc == 0.0
    with pytest.raises(InputError, match="prior: name = typo; no density of this name"):
        prior.replace(Density(name="typo", loc=0, scale=1, reason="none"))


def test_with_scales_holds_every_belief_less_firmly() -> None:
    prior = default_prior(law("supervised"), typical_loss=2.5)
    wide = prior.with_scales(2.0)
    for density in prior.densities:
        assert wide[density.name].scale == 2 * density.scale
        assert wide[density.name].loc == density.loc
    assert wide.with_scales(0.5) == prior


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_density_without_a_finite_width_is_refused(scale: float) -> None:
    with pytest.raises(InputError, match=r"prior of x: scale = .*; a density needs a finite scale above 0"):
        Density(name="x", loc=0.0, scale=scale, reason="none")


@pytest.mark.parametrize("df", [0.0, -2.0])
def test_a_student_t_without_degrees_of_freedom_is_refused(df: float) -> None:
    with pytest.raises(InputError, match="degrees of freedom above 0"):
        Density(name="x", loc=0.0, scale=1.0, family="student_t", df=df, reason="none")


def test_a_law_of_ones_own_needs_a_prior_of_ones_own() -> None:
    with pytest.raises(InputError, match=r"law mine: prior = none given.*log_k"):
        default_prior(MINE, typical_loss=2.5)
    assert density_names(MINE) == without_default(MINE) == ("log_k",)
    assert not any(without_default(known) for known in registered())
    k = Density(name="log_k", loc=0.0, scale=1.0, reason="unknown")
    sigma = Density(name="log_sigma", loc=-7.0, scale=0.1, reason="known")
    prior = prior_of_your_own(k, sigma)
    assert prior["log_sigma"] is sigma and prior["log_k"] is k
    assert set(prior.names) == {"log_k"} | {d.name for d in NOISE_DENSITIES}
    assert len(prior.names) == len(set(prior.names))
