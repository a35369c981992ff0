"""The public tables that are to be sampled pass the health gate, and the Chinchilla rows say what is known of them."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.point_fit import point_fit
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Density, default_prior
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.registry import law as law_of
from bayes_dsl.laws.repetition import REPETITION
from bayes_dsl.laws.supervised import CHINCHILLA
from bayes_dsl.runs.table import RunTable
from tests.real_tables import Entry, entries, entry, open_table

pytestmark = [pytest.mark.statistical, pytest.mark.real_tables, pytest.mark.slow, pytest.mark.evidence]

# Besiroglu et al., arXiv 2404.10102: estimate and bootstrap standard error on the 240 rows.
BESIROGLU = {
    "E": (1.817, 0.026),
    "alpha": (0.3478, 0.0154),
    "beta": (0.3659, 0.0206),
    "log_A": (log(482.0), 0.258),
    "log_B": (log(2085.0), 0.421),
}
# Their estimate of E with the five outliers left in, less the one without.
OUTLIERS_MOVE_E = 1.892 - 1.817


@pytest.mark.parametrize("one", entries("sampled"), ids=lambda one: one.name)
def test_a_table_that_is_to_be_sampled_passes_the_gate(one: Entry) -> None:
    assert one.law is not None
    table = open_table(one)
    posterior = fit(table, law=law_of(one.law), misfit=None)  # raises where the gate is not passed
    assert posterior.healthy and posterior.diagnostics.draws >= 4000
    # The posterior is about this table: the floor lies below every loss, and the law explains most of what varies.
    assert np.quantile(posterior.draws("E"), 0.95) < table.values("loss").min()
    assert explained(posterior) > 0.9


def test_repeated_tokens_count_for_less_than_new_ones() -> None:
    """R_D of the runs of Muennighoff et al. is of their order: they print 15.4, with R_N beside it and no gamma."""
    posterior = fit(open_table(entry("datablations-repeated")), law=REPETITION)
    lower, upper = posterior.interval(["R_D"], prob=0.9).loc["R_D", ["lower", "upper"]]
    assert 5.0 < lower < upper < 15.0 and upper < 1.5 * lower
    assert not any(sentence.startswith("R_D") for sentence in posterior.unidentified())


def explained(posterior: Posterior) -> float:
    """Share of the variance of ln(loss) that the law explains, shared effects left out."""
    with np.errstate(all="raise"):
        observed = np.log(posterior.table.used.values("loss"))
        used = posterior.table.used
        parameters = {name: np.median(draws) for name, draws in posterior.law_draws().items()}
        columns = {"N": "params", "D": "tokens", "U": "unique_tokens"}
        inputs = {name: used.values(column) for name, column in columns.items()}
        residual = observed - np.asarray(posterior.law.log_loss("supervised", parameters, inputs))
    return float(1 - np.var(residual) / np.var(observed))


def coefficients(posterior: Posterior) -> dict[str, np.ndarray]:
    """Draws of what Besiroglu et al. print, A and B in logarithms as their standard errors are."""
    plain = {name: posterior.draws(name) for name in ("E", "alpha", "beta")}
    return plain | {f"log_{name}": np.log(posterior.draws(name)) for name in ("A", "B")}


def far_off(posterior: Posterior) -> dict[str, float]:
    """Distance of each posterior mean from the published estimate, in standard errors, where above a half."""
    means = {name: float(draws.mean()) for name, draws in coefficients(posterior).items()}
    distances = {name: (means[name] - value) / error for name, (value, error) in BESIROGLU.items()}
    return {name: distance for name, distance in distances.items() if abs(distance) > 0.5}


def with_normal_noise(table: RunTable, law: Law) -> Posterior:
    """The posterior of a model that takes every row at its word."""
    prior = default_prior(law, typical_loss=float(np.median(table.values("loss"))))
    normal = Density(name="log_nu_minus_1", loc=log(500.0), scale=0.01, reason="tails as thin as a normal's")
    return fit(table, law=law, prior=prior.replace(normal), misfit=None)


def test_the_chinchilla_rows_say_what_besiroglu_et_al_find() -> None:
    rows, whole = open_table(entry("chinchilla-240")), open_table(entry("chinchilla-245"))
    posterior = fit(rows, law=CHINCHILLA, misfit=None)
    print(
        {n: (round(float(d.mean()), 4), round(float(d.std()), 4)) for n, d in coefficients(posterior).items()}
    )
    a = posterior.draws("beta") / (posterior.draws("alpha") + posterior.draws("beta"))
    assert a.mean() == pytest.approx(0.513, abs=0.02)

    # Five outliers move E by less than a third of what they move the published estimate by.
    E = float(posterior.draws("E").mean())
    moved = float(fit(whole, law=CHINCHILLA, misfit=None).draws("E").mean()) - E
    assert abs(moved) < OUTLIERS_MOVE_E / 3
    # The controls: they do move the plain estimator, and a posterior without heavy tails, by more than that.
    plain = [point_fit(table, law=CHINCHILLA).parameters["E"] for table in (rows, whole)]
    assert plain[1] - plain[0] == pytest.approx(OUTLIERS_MOVE_E, abs=0.005)
    thin = with_normal_noise(whole, CHINCHILLA)
    assert abs(float(thin.draws("E").mean()) - E) > OUTLIERS_MOVE_E / 3
    assert far_off(thin)

    assert far_off(posterior) == {}
