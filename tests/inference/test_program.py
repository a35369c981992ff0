"""The program's density is the one worked out by hand, whatever is shared and however it is centred."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro import handlers
from numpyro.infer.util import log_density

from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.misfit import Misfit, with_misfit
from bayes_dsl.inference.observations import Observations, observe
from bayes_dsl.inference.priors import Density, Prior, default_prior
from bayes_dsl.inference.program import program
from bayes_dsl.laws.registry import law
from tests.inference.by_hand import (
    Row,
    log_density_by_hand,
    parameters_by_hand,
    plain_rows,
    rich_rows,
    table_of,
    truth,
)

POINTS = 1000
TAILED = Density(name="log_sigma", loc=-4.5, scale=0.7, family="student_t", df=4.0, reason="heavy tails")
CASES = ["supervised", "chinchilla", "distillation", "supervised, rich", "distillation, rich"]
CASES += ["chinchilla, misfit", "distillation, misfit, rich", "exponential, misfit"]
MISTAKES = (
    *("sign of group", "sign of replicate", "sign of teacher", "sign of student", "sign of evaluation"),
    *("no sd of lone levels", "no loss_se", "no teacher blur", "sign of the noise slope"),
)
WIDER_EDGE = 1.5
DRIFT_MISTAKES = ("no edge", "sign of the path in N", "sign of the path in D", "sign of the path in L")
DRIFT_MISTAKES += ("no edge_student", "no edge_teacher", "students follow the law")
DRIFT_MISTAKES += tuple(f"sign of the path in {axis}" for axis in ("N_S", "D_S", "L_T", "R"))


class Case:
    """One table with its observations, random points, and the program's density compiled."""

    def __init__(self, name: str) -> None:
        self.law = law(name.split(",")[0])
        rich = name.endswith("rich")
        self.rows: list[Row] = rich_rows(self.law.name) if rich else plain_rows(self.law.name)
        self.prior: Prior = default_prior(self.law, typical_loss=2.5).replace(TAILED)
        misfit = Misfit(students=True) if "misfit" in name else None
        self.prior = (
            with_misfit(self.prior, misfit, gap=self.law.explains("distilled")) if misfit else self.prior
        )
        self.observations: Observations = observe(
            table_of(self.rows), law=self.law, prior=self.prior, misfit=misfit
        )
        structure = self.observations.structure
        self.density = jax.jit(
            jax.vmap(lambda z, data: log_density(program, (structure, data), {}, z)[0], in_axes=(0, None))
        )
        self.points = self.draw(np.random.default_rng(11))

    def draw(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Points of positive weight: the law near the published one, the noise from its prior."""
        with jax.enable_x64(True):
            center = self.observations.data["center"]
            p = {n: jnp.asarray(v, float) for n, v in truth(self.law.name).items()}
            near = coordinates_of(self.law).from_parameters(p, center)
            middle = {n: float(near[n]) for n in coordinates_of(self.law).names}
        points: dict[str, np.ndarray] = {}
        for name, shape in self.observations.structure.sites:
            normal = rng.standard_normal((POINTS, *shape))
            if name in middle:
                points[name] = middle[name] + 0.1 * normal
            elif name.startswith(("z_", "steps_")):
                points[name] = normal
            else:
                # Runs feel an edge by half a step alone: edges are wider than their prior's, to be felt at all.
                wider = WIDER_EDGE if name.startswith("log_drift_edge") else 0.0
                points[name] = self.prior[name].loc + wider + self.prior[name].scale * normal
        return points

    def effects(self) -> dict[str, np.ndarray]:
        """Each shared effect of the points, its z taken as standard normal."""
        names = [name for name, levels in self.observations.structure.effects if levels]
        return {n: np.exp(self.points[f"log_sd_{n}"])[:, None] * self.points[f"z_{n}"] for n in names}

    def by_hand(self, wrong: str = "") -> tuple[np.ndarray, dict[str, np.ndarray]]:
        effects = self.effects()
        z = {n: v for n, v in self.points.items() if n.removeprefix("z_") not in effects}
        z |= {f"effect_{n}": effect for n, effect in effects.items()}
        center, grids = self.observations.data["center"], self.observations.grids
        return log_density_by_hand(self.rows, z, center, self.prior, grids=grids, wrong=wrong)

    def of_program(self, z: dict[str, np.ndarray], **changed: Any) -> np.ndarray:
        with jax.enable_x64(True):
            data = jax.tree.map(jnp.asarray, {**self.observations.data, **changed})
            return np.asarray(self.density({n: jnp.asarray(v) for n, v in z.items()}, data))


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@pytest.fixture(scope="module")
def rich() -> Case:
    return Case("distillation, rich")


@pytest.fixture(scope="module")
def drifting() -> Case:
    return Case("distillation, misfit, rich")


def centred(case: Case, seed: int) -> tuple[dict[str, np.ndarray], dict[str, Any], Any]:
    """The same effects in other coordinates: where they stand, the data that say so, and ln |du / dz|."""
    rng = np.random.default_rng(seed)
    _, above = case.by_hand()
    z, log_jacobian = dict(case.points), np.zeros(POINTS)
    centring, anchored = {}, {}
    for name, effect in case.effects().items():
        levels = effect.shape[1]
        power = rng.choice([0.0, 1.0, rng.random()], levels)
        fixed = rng.random(levels) < 0.5
        sd = np.exp(case.points[f"log_sd_{name}"])[:, None]
        z[f"z_{name}"] = np.where(fixed, above[name], 0.0) + effect / sd ** (1 - power)
        log_jacobian += ((1 - power) * np.log(sd)).sum(axis=1)
        centring[name], anchored[name] = power, fixed
    return z, {"centring": centring, "anchored": anchored}, log_jacobian


def test_the_density_is_the_one_by_hand(case: Case) -> None:
    by_hand, _ = case.by_hand()
    # Effects are sd z: their density is that of z, a width the smaller.
    log_widths = [e.shape[1] * case.points[f"log_sd_{n}"] for n, e in case.effects().items()]
    assert np.all(np.isfinite(by_hand))
    wanted = by_hand + np.sum(log_widths, axis=0)
    np.testing.assert_allclose(case.of_program(case.points), wanted, rtol=1e-10)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_centring_and_anchoring_change_the_coordinates_and_not_the_effects(rich: Case, seed: int) -> None:
    by_hand, _ = rich.by_hand()
    z, changed, log_jacobian = centred(rich, seed)
    found = rich.of_program(z, **changed)
    np.testing.assert_allclose(found, by_hand + log_jacobian, rtol=1e-10)
    # Negative control: without the volume element the two are told apart.
    assert np.median(np.abs(found / by_hand - 1)) > 1e-4


@pytest.mark.parametrize("wrong", MISTAKES)
def test_a_mistake_would_be_seen(rich: Case, wrong: str) -> None:
    right, _ = rich.by_hand()
    mistaken, _ = rich.by_hand(wrong)
    assert np.median(np.abs(mistaken / right - 1)) > 1e-6


@pytest.mark.parametrize("wrong", DRIFT_MISTAKES)
def test_a_mistake_in_the_misfit_would_be_seen(drifting: Case, wrong: str) -> None:
    right, _ = drifting.by_hand()
    mistaken, _ = drifting.by_hand(wrong)
    assert np.median(np.abs(mistaken / right - 1)) > 1e-6


def test_the_sites_are_those_that_the_structure_names(case: Case) -> None:
    structure, data = case.observations.structure, case.observations.data
    sampled: dict[str, tuple[int, ...]] = {}
    plates: list[str] = []

    def traced(first: dict[str, jax.Array], data: Any) -> dict[str, Any]:
        trace = handlers.trace(handlers.substitute(program, data=first)).get_trace(structure, data)
        sites = {n: s for n, s in trace.items() if s["type"] == "sample"}
        sampled.update({n: jnp.shape(s["value"]) for n, s in sites.items() if not s["is_observed"]})
        plates.append(trace["log_loss"]["cond_indep_stack"][0].name)
        return {n: s["value"] for n, s in trace.items() if s["type"] == "deterministic"}

    with jax.enable_x64(True):
        first = {n: jnp.asarray(v[0]) for n, v in case.points.items()}
        deterministic = jax.jit(traced)(first, jax.tree.map(jnp.asarray, data))
    assert sampled == dict(structure.sites)
    assert structure.size == sum(int(np.prod(shape)) for shape in sampled.values())
    coordinates = {n: v[:1] for n, v in case.points.items() if n in coordinates_of(case.law).names}
    for name, value in parameters_by_hand(coordinates, data["center"]).items():
        if name in case.law.names:
            np.testing.assert_allclose(deterministic[name], value[0], rtol=1e-9)
    assert {"sigma", "nu"} <= set(deterministic)
    assert plates == ["run"]
    effects = {f"effect_{n}" for n, levels in structure.effects if levels}
    assert effects <= set(deterministic)


def test_a_measured_gap_below_zero_is_kept_and_never_made_a_logarithm(rich: Case) -> None:
    measured = table_of(rich.rows).used
    below = measured.values("loss") < measured.values("teacher_loss")
    assert below.sum() == 2 and rich.observations.structure.n_runs == len(measured)
    structure = rich.observations.structure
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, rich.observations.data)
        leaves = jax.tree.leaves(data)
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)
        slope = jax.jit(jax.grad(lambda z: log_density(program, (structure, data), {}, z)[0]))
        for point in (0, 1):
            slopes = slope({n: jnp.asarray(v[point]) for n, v in rich.points.items()})
            assert all(bool(jnp.isfinite(value).all()) for value in slopes.values())


@pytest.mark.parametrize("loss", [2.35 - 1e-9, 2.0, 0.5])
def test_no_gap_is_too_negative(rich: Case, loss: float) -> None:
    rows = [dict(row) for row in rich.rows]
    row = next(i for i, row in enumerate(rows) if row.get("teacher_loss") == 2.35)
    rows[row]["loss"] = loss
    observations = observe(table_of(rows), law=rich.law, prior=rich.prior)
    assert observations.structure == rich.observations.structure
    found = rich.of_program(rich.points, log_loss=observations.data["log_loss"])
    assert np.all(np.isfinite(found))


def test_the_slope_in_the_teachers_loss_has_no_density_of_its_own(rich: Case) -> None:
    """A firmer prior of c_0 moves the density by what c_0's own density moves."""
    prior = rich.prior.replace(replace(rich.prior["c_0"], scale=0.1))
    data = observe(table_of(rich.rows), law=rich.law, prior=prior).data
    found = rich.of_program(rich.points, prior=data["prior"]) - rich.of_program(rich.points)
    coordinates = {n: rich.points[n] for n in coordinates_of(rich.law).names}
    away = parameters_by_hand(coordinates, data["center"])["c_0"] - prior["c_0"].loc
    wanted = -0.5 * (away / 0.1) ** 2 + 0.5 * (away / rich.prior["c_0"].scale) ** 2 + np.log(15.0)
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-7)
