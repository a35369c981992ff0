"""From table to posterior: the default law, what is refused, what fails the gate, and what a posterior remembers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bayes_dsl.errors import InputError, NotConverged, TableError
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.inference import fit as fitting
from bayes_dsl.inference.design import busbridge_study_design
from bayes_dsl.inference.fit import default_law, fit, versions
from bayes_dsl.inference.misfit import Misfit, misfit_of
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.settings import BARE_ACCEPT, CAREFUL, Settings
from bayes_dsl.inference.simulate import NOISELESS, simulate
from bayes_dsl.laws.base import Law, Parameter, Role
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.published import published
from bayes_dsl.laws.repetition import REPETITION
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED


@pytest.fixture(scope="module")
def study():
    truth = published("busbridge_corrected")
    return simulate(truth.law, truth.parameters, busbridge_study_design(), noise=NOISELESS, seed=0)


def test_the_default_law_is_that_of_the_rows(study, small_table):
    assert default_law(study) is DISTILLATION
    assert default_law(small_table) is SUPERVISED
    assert default_law(study.select(study.values("role") == "supervised")) is SUPERVISED


def test_rows_that_a_law_does_not_explain_are_refused_not_dropped(study):
    with pytest.raises(TableError, match=r"role = distilled in 254 rows.*--law distillation"):
        fit(study, law=CHINCHILLA, misfit=None)


def test_a_law_of_your_own_needs_a_prior_of_your_own(small_table):
    mine = Law(
        name="mine",
        parameters=(Parameter(name="k", symbol="k", support="positive", unit="1", meaning="a coefficient"),),
        roles=(Role(name="supervised", inputs=("N", "D"), log_loss=lambda p, x: p["k"] + 0.0 * x["N"]),),
        source="this test",
    )
    with pytest.raises(InputError, match="log_k"):
        fit(small_table, law=mine, misfit=None)


def test_draws_that_fail_the_gate_come_with_the_error(small_table):
    short = Settings(chains=2, warmup=500, draws=250, most_draws=250)
    with pytest.raises(NotConverged) as caught:
        fit(small_table, law=CHINCHILLA, settings=short, seed=5, misfit=None)
    assert not caught.value.posterior.healthy
    assert any("ESS" in problem for problem in caught.value.diagnostics.problems())
    assert caught.value.posterior.draws("E").shape == (500,)


def test_chains_that_are_too_short_go_on_by_themselves(small_table):
    short = Settings(chains=2, warmup=500, draws=250)
    posterior = fit(small_table, law=CHINCHILLA, settings=short, seed=5, misfit=None)
    length = posterior.tree["posterior"].sizes["draw"]
    assert posterior.healthy and 250 < length <= short.most_draws
    assert posterior.tree["log_likelihood"].sizes["draw"] == length
    assert posterior.diagnostics.draws == 2 * length


def test_diagnostics_are_those_of_the_draws_and_not_of_a_shorter_length(small_table, monkeypatch):
    """Draws that nobody judged may lie in memory where judged ones have lain before."""
    honest = fitting.sample

    def reused(*given, enough, **more):
        sampled = honest(*given, **more)
        half = {name: value[:, ::2] for name, value in sampled.stats.items()}
        shorter = replace(
            sampled,
            stats=half,
            sites={name: value[:, ::2] for name, value in sampled.sites.items()},
            parameters={name: value[:, ::2] for name, value in sampled.parameters.items()},
            log_likelihood=sampled.log_likelihood[:, ::2],
        )
        place = id(shorter)
        enough(shorter)
        del shorter
        kept = []
        for _ in range(1000):
            kept.append(replace(sampled))
            if id(kept[-1]) == place:
                break
        return kept[-1]

    monkeypatch.setattr(fitting, "sample", reused)
    posterior = fit(small_table, law=CHINCHILLA, settings=Settings(chains=2), seed=5, misfit=None)
    assert posterior.diagnostics.draws == posterior.draws("E").size


def test_draws_that_diverge_are_drawn_again_with_smaller_steps(small_table, monkeypatch):
    attempts, spoilt = [], 1
    honest = fitting._diagnosed

    def diverging(observations, sampled):
        found = honest(observations, sampled)
        attempts.append(found.rhat)
        return replace(found, divergences=3) if len(attempts) <= spoilt else found

    monkeypatch.setattr(fitting, "_diagnosed", diverging)
    settings = Settings(chains=2, warmup=500, draws=500)
    posterior = fit(small_table, law=CHINCHILLA, settings=settings, seed=5, misfit=None)
    assert posterior.healthy and posterior.settings["target_accept"] == CAREFUL[0]
    assert posterior.notes[-1] == "sampled with target_accept 0.99: at 0.95, 3 of 1,000 draws diverged"
    attempts, spoilt = [], 2
    posterior = fit(small_table, law=CHINCHILLA, settings=settings, seed=5, misfit=None)
    assert posterior.settings["target_accept"] == CAREFUL[-1] and len(attempts) == 3
    assert posterior.notes[-1] == "sampled with target_accept 0.998: at 0.99, 3 of 1,000 draws diverged"
    attempts.clear()
    with pytest.raises(NotConverged, match="divergences = 3"):
        fit(small_table, law=CHINCHILLA, settings=replace(settings, retry=False), seed=5, misfit=None)


def test_a_posterior_remembers_how_it_was_made(small_posterior, small_table):
    assert small_posterior.healthy
    assert small_posterior.law is CHINCHILLA
    assert small_posterior.seed == 1
    assert small_posterior.misfit == "none"
    assert small_posterior.table.sha256 == small_table.sha256 == small_posterior.table_sha256
    assert small_posterior.versions == versions()
    assert small_posterior.settings["target_accept"] == BARE_ACCEPT
    assert small_posterior.prior["log_L_center"].reason


def test_the_posterior_of_a_known_world_covers_it(small_posterior):
    truth = published("besiroglu").parameters
    for name, value in truth.items():
        low, high = np.quantile(small_posterior.draws(name), [0.001, 0.999])
        assert low < value < high, name
    shifted = truth["alpha"] * 1.2
    low, high = np.quantile(small_posterior.draws("alpha"), [0.001, 0.999])
    assert not low < shifted < high, "the control: a wrong exponent is outside"


def test_by_default_there_is_a_misfit_where_one_can_be_and_elsewhere_a_note(study, small_table, monkeypatch):
    """What is sampled is looked at, not sampled."""
    asked = []

    class Enough(Exception):
        pass

    def look(table, observations, *others):
        asked.append(observations.structure.drifts)
        raise Enough

    monkeypatch.setattr(fitting, "_sampled", look)
    flat = Law(
        name="flat",
        parameters=(Parameter(name="k", symbol="k", support="positive", unit="1", meaning="the loss"),),
        roles=(Role(name="supervised", inputs=("L_T",), log_loss=lambda p, x: p["k"] + 0.0),),
        source="this test",
    )
    assert misfit_of(flat, small_table.used)[0] is None
    assert misfit_of(REPETITION, small_table.used)[0] is None
    assert "neither size nor tokens" in misfit_of(flat, small_table.used)[1][0]
    distilled = study.select(study.values("role") == "distilled")
    assert misfit_of(DISTILLATION, distilled.used)[0] is None
    assert "supervised rows" in misfit_of(DISTILLATION, distilled.used)[1][0]
    for law, table, drifts in (
        (CHINCHILLA, small_table, True),
        (DISTILLATION, study, True),
        (DISTILLATION, distilled, False),
    ):
        for misfit, expected in (("default", drifts), (None, False)):
            with pytest.raises(Enough):
                fit(table, law=law, misfit=misfit)
            assert bool(asked[-1]) == expected
    with pytest.raises(TableError, match="learnt from supervised rows"):
        fit(distilled, law=DISTILLATION, misfit=Misfit())


def test_a_posterior_without_the_default_misfit_says_why(study, small_posterior, monkeypatch):
    bare = Posterior(law=small_posterior.law, tree=small_posterior.tree.copy())
    monkeypatch.setattr(fitting, "_sampled", lambda *asked: bare)
    distilled = study.select(study.values("role") == "distilled")
    told = fit(distilled).notes
    assert told[-1] == "without misfit: it is learnt from supervised rows, and there are none"
    assert told[:-1] == small_posterior.notes == fit(study, misfit=None).notes[:-1]


def test_with_a_misfit_the_posterior_carries_its_paths_and_its_prior(small_table, tmp_path):
    short = Settings(chains=2, warmup=500, draws=500, most_draws=500, retry=False)
    with pytest.raises(NotConverged) as caught:
        fit(small_table, law=CHINCHILLA, settings=short, seed=3)
    posterior = caught.value.posterior
    assert not any("without misfit" in note for note in posterior.notes)
    assert posterior.diagnostics.rhat < 1.05 and posterior.diagnostics.divergences < 10
    assert posterior.misfit == "drift" and set(posterior.grids) == {"N", "D", "L"}
    assert [posterior.prior[f"log_drift_{axis}"].reason for axis in "NDL"]
    assert all(0.001 < np.median(posterior.draws(f"drift_{axis}")) < 0.2 for axis in "NDL")
    posterior.save(tmp_path / "drift.nc")
    back = Posterior.load(tmp_path / "drift.nc")
    for name in ("rates", "climbed"):
        kept, loaded = (np.asarray(getattr(one.drift.N, name)) for one in (posterior, back))
        assert kept.tobytes() == loaded.tobytes() and kept.shape[0] == 1000
    # What the file says of the runs is what was conditioned on.
    used = back.table.used
    expected = expected_loss(back, student_params=used.values("params"), student_tokens=used.values("tokens"))
    row = np.asarray(back.tree["constant_data"]["row"])
    observed, nu, sigma = np.log(used.values("loss")), back.draws("nu"), back.draws("sigma")
    by_hand = stats.t.logpdf(observed, nu[:, None], np.log(expected.loss), sigma[:, None])
    kept = np.asarray(back.tree["log_likelihood"]["log_loss"]).reshape(by_hand.shape)
    np.testing.assert_allclose(by_hand[:, row], kept, atol=1e-8)
