"""A law reads its columns from the table, and says which is empty instead of filling it in."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.errors import InputError, TableError
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.law_inputs import inputs_of, refuse_misfit
from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.inference.point_fit import point_fit
from bayes_dsl.inference.settings import Settings
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.registry import registered
from bayes_dsl.laws.repetition import REPETITION
from bayes_dsl.laws.supervised import SUPERVISED
from bayes_dsl.runs.table import RunTable
from tests.repeated import TRUTH, repeated_design, repeated_table


def with_gaps() -> RunTable:
    frame = repeated_table().to_pandas()
    frame.loc[[3, 7], "unique_tokens"] = np.nan
    return RunTable.from_pandas(frame, counting="non_embedding")


def test_inputs_are_the_laws_in_its_names() -> None:
    table = repeated_table()
    found = inputs_of(table, REPETITION, REPETITION.role("supervised"))
    assert list(found) == ["N", "D", "U"]
    np.testing.assert_array_equal(found["U"], table.values("unique_tokens"))
    assert list(inputs_of(table, SUPERVISED, SUPERVISED.role("supervised"))) == ["N", "D"]


@pytest.mark.parametrize("ask", [fit, point_fit], ids=["fit", "point_fit"])
def test_an_empty_cell_is_refused_by_name_and_never_filled(ask, small_table: RunTable) -> None:
    with pytest.raises(
        TableError, match=r"unique_tokens = \(empty\) in 2 of 60 rows, first in line 3;"
    ) as caught:
        ask(with_gaps(), law=REPETITION)
    assert caught.value.faults[0].column == "unique_tokens"
    with pytest.raises(TableError, match=r"in 60 of 60 rows.*the repetition law reads it in every row"):
        ask(small_table, law=REPETITION)


def test_a_design_without_unique_tokens_is_refused() -> None:
    design = repeated_design()
    known = {name: TRUTH[name] for name in SUPERVISED.names}
    assert not np.isnan(
        simulate(SUPERVISED, known, design, noise=Noise(), seed=0).values("unique_tokens")
    ).any()
    bare = type(design)(runs=tuple(type(run)(params=run.params, tokens=run.tokens) for run in design.runs))
    with pytest.raises(InputError, match="design: unique_tokens = None; the repetition law reads it"):
        simulate(REPETITION, TRUTH, bare, noise=Noise(), seed=0)


def test_a_misfit_is_refused_for_repeated_data_alone() -> None:
    assert [law.name for law in registered() if law.takes("U")] == ["repetition"]
    refuse_misfit(SUPERVISED)
    with pytest.raises(InputError, match="misfit = unique_tokens among the inputs"):
        fit(repeated_table(), law=REPETITION, misfit=Misfit())


def test_the_point_fit_finds_the_worth_of_repetition() -> None:
    found = point_fit(repeated_table(scale=1e-5), law=REPETITION, starts=64)
    assert found.converged
    assert found.parameters["R_D"] == pytest.approx(TRUTH["R_D"], rel=0.02)


def test_the_posterior_finds_it_too_with_an_honest_interval() -> None:
    posterior = fit(
        repeated_table(), law=REPETITION, seed=1, settings=Settings(chains=2, warmup=500, draws=500)
    )
    assert posterior.healthy
    lower, upper = posterior.interval(["R_D"], prob=0.98).loc["R_D", ["lower", "upper"]]
    assert lower < TRUTH["R_D"] < upper < 2.5 * lower
