"""Every method forecasts every later run, and says what went wrong with it."""

import numpy as np
import pytest

from bayes_dsl.errors import NotConverged
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation import forecasters
from bayes_dsl.validation.forecasters import METHODS, Question, methods_for
from bayes_dsl.validation.holdouts import holdouts

ASKED = Question(law=None, seed=1, settings=Settings(chains=2, warmup=500, draws=250, most_draws=250))


@pytest.mark.parametrize("name", METHODS)
def test_a_world_that_follows_the_law_is_forecast(
    name: str, small_table: RunTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasters, "REPLICATES", 64)
    (cut,) = holdouts(small_table, [8.0])
    told = METHODS[name](cut.known, cut.later, ASKED)
    assert told.loss.shape[1] == len(cut.later) and np.isfinite(told.loss).all()
    # The table has noise of half a percent about a law with gamma 1, which all of them contain.
    assert np.median(told.loss, axis=0) == pytest.approx(cut.later.values("loss"), rel=0.05)
    assert told.healthy or told.remark


def test_a_posterior_that_fails_its_gate_is_told(
    small_distilled: Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cut,) = holdouts(small_distilled.table, [2.0])

    def fails(*_: object, **__: object) -> Posterior:
        raise NotConverged("", diagnostics=small_distilled.diagnostics, posterior=small_distilled)

    monkeypatch.setattr(forecasters, "fit", fails)
    told = METHODS["bare law"](cut.known, cut.later, ASKED)
    assert not told.healthy and told.remark == " ".join(small_distilled.diagnostics.problems()) != ""
    # Distilled runs are asked about with their teachers' losses, supervised ones without.
    assert np.median(told.loss, axis=0) == pytest.approx(cut.later.values("loss"), rel=0.05)


def test_point_fits_are_for_supervised_runs(small_table: RunTable, small_distilled: Posterior) -> None:
    assert methods_for(small_table) == tuple(METHODS)
    assert methods_for(small_distilled.table) == ("misfit", "bare law")
