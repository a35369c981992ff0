"""Every way in which draws can be bad is seen and said, and good ones pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from bayes_dsl.inference.diagnostics import Diagnostics, diagnose

CHAINS, DRAWS, LEVELS = 4, 1000, ("g1", "g2")


def dataset(**arrays: np.ndarray) -> xr.Dataset:
    variables = {
        name: (("chain", "draw", "group")[: array.ndim], array.astype(np.float64))
        for name, array in arrays.items()
    }
    shape = next(iter(arrays.values())).shape
    coordinates = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1]), "group": list(LEVELS)}
    return xr.Dataset(variables, coords=coordinates)


def draws_of(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape or (CHAINS, DRAWS))


def slow(seed: int, memory: float, draws: int = DRAWS) -> np.ndarray:
    """An autoregressive chain: each draw keeps `memory` of the last."""
    steps = draws_of(seed, CHAINS, draws) * np.sqrt(1 - memory**2)
    found = np.zeros((CHAINS, draws))
    found[:, 0] = draws_of(seed + 1, CHAINS)
    for i in range(1, draws):
        found[:, i] = memory * found[:, i - 1] + steps[:, i]
    return found


def judged(
    *,
    sampled: dict[str, np.ndarray] | None = None,
    reported: dict[str, np.ndarray] | None = None,
    energy: np.ndarray | None = None,
    divergences: int = 0,
) -> Diagnostics:
    shape = next(iter((sampled or {"z": draws_of(1)}).values())).shape[:2]
    diverging = np.zeros(shape, dtype=bool)
    diverging.ravel()[:divergences] = True
    stats = {
        "diverging": diverging,
        "energy": draws_of(9, *shape) if energy is None else energy,
        "reached_max_tree_depth": np.zeros(shape, dtype=bool),
    }
    variables = {name: (("chain", "draw"), array) for name, array in stats.items()}
    healthy = {"z": draws_of(1, *shape), "z_group": draws_of(2, *shape, 2)}
    return diagnose(
        dataset(**{**healthy, **(sampled or {})}),
        dataset(**{"alpha": draws_of(3, *shape), **(reported or {})}),
        xr.Dataset(variables),
    )


def test_independent_draws_pass() -> None:
    found = judged()
    assert found.problems() == ()
    assert found.rhat < 1.005 and found.bulk_ess > 3000 and found.tail_ess > 3000
    assert found.ebfmi == pytest.approx(2.0, abs=0.15)
    assert (found.divergences, found.draws, found.at_most_depth) == (0, CHAINS * DRAWS, 0)
    assert str(found) == found.line()


@pytest.mark.parametrize("group", ["sampled", "reported"])
def test_a_chain_that_is_elsewhere_is_seen(group: str) -> None:
    shifted = draws_of(4)
    shifted[2] += 1.0
    found = judged(**{group: {"beta": shifted}})
    (said, *_) = found.problems()
    assert said.startswith(f"R-hat = {found.rhat:.3f} at beta; must be below 1.01: the chains disagree. ")
    assert "Double --warmup and --draws" in said
    assert found.worst["rhat"] == "beta" and found.rhat > 1.05


def test_the_worst_level_of_an_effect_is_named() -> None:
    effects = draws_of(5, CHAINS, DRAWS, 2)
    effects[0, :, 1] += 2.0
    assert judged(sampled={"z_group": effects}).worst["rhat"] == "z_group[g2]"


def test_too_few_independent_draws_are_seen() -> None:
    found = judged(sampled={"z": slow(6, 0.97)})
    text = "\n".join(found.problems())
    assert f"bulk ESS = {found.bulk_ess:.0f} at z; must be above 400: too few independent draws." in text
    assert found.bulk_ess < 400 and found.worst["bulk_ess"] == "z"


def test_few_draws_are_too_few_though_they_are_independent() -> None:
    found = judged(sampled={"z": draws_of(7, CHAINS, 80)}, reported={"alpha": draws_of(8, CHAINS, 80)})
    said = [text.split(" = ")[0] for text in found.problems()]
    assert {"bulk ESS", "tail ESS"} <= set(said)


def test_one_divergence_is_too_many() -> None:
    (said,) = judged(divergences=1).problems()
    assert said.startswith("divergences = 1 of 4000 draws; must be 0: a region was not explored, though ")
    assert "--target-accept" in said


def test_slow_energy_is_seen() -> None:
    (said,) = judged(energy=slow(6, 0.97)).problems()
    assert said.startswith("E-BFMI = 0.") and "must be above 0.3: the energy is explored slowly" in said


def test_one_chain_of_slow_energy_is_enough() -> None:
    energy = draws_of(9)
    energy[1] = slow(6, 0.97)[1]
    assert [text.split(" = ")[0] for text in judged(energy=energy).problems()] == ["E-BFMI"]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("value", [1.0, np.inf, np.nan])
def test_draws_that_never_move_or_are_no_numbers_fail(value: float) -> None:
    found = judged(reported={"stuck": np.full((CHAINS, DRAWS), value)})
    assert found.worst["rhat"] == "stuck" and found.rhat == float("inf")
    assert any("R-hat = inf at stuck" in text for text in found.problems())


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_constant_energy_fails() -> None:
    found = judged(energy=np.ones((CHAINS, DRAWS)))
    assert [text.split(" = ")[0] for text in found.problems()] == ["E-BFMI"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rhat": 1.01}, "R-hat = 1.010"),
        ({"bulk_ess": 400.0}, "bulk ESS = 400"),
        ({"tail_ess": 400.0}, "tail ESS = 400"),
        ({"ebfmi": 0.3}, "E-BFMI = 0.30"),
        ({"rhat": float("nan")}, "R-hat = nan"),
    ],
)
def test_the_gate_itself_does_not_pass(changed: dict[str, float], said: str) -> None:
    (problem,) = replace(judged(), **changed).problems()
    assert problem.startswith(said)


@pytest.mark.parametrize(
    ("changed", "short"),
    [
        ({}, False),
        ({"rhat": 1.02}, True),
        ({"tail_ess": 399.0}, True),
        ({"rhat": 1.2}, False),
        ({"tail_ess": 399.0, "divergences": 1}, False),
        ({"bulk_ess": 30.0, "ebfmi": 0.2}, False),
    ],
)
def test_only_what_longer_chains_may_mend_is_short(changed: dict[str, float], short: bool) -> None:
    assert replace(judged(), **changed).short is short


def test_the_line_and_the_record_say_it_all() -> None:
    found = Diagnostics(
        rhat=1.0021,
        bulk_ess=1100.4,
        tail_ess=980.0,
        divergences=0,
        ebfmi=0.912,
        draws=4000,
        at_most_depth=3,
        worst={"rhat": "E", "bulk_ess": "A", "tail_ess": "B"},
    )
    assert found.line() == (
        "R-hat 1.002, ESS 1,100 bulk / 980 tail, 0 divergences in 4,000 draws, E-BFMI 0.91"
    )
    assert Diagnostics(**found.to_record()) == found
    bad = replace(found, divergences=2)
    assert str(bad).splitlines() == [bad.line(), *bad.problems()]
