"""A simulated table is the law plus the noise that was asked for, the same to the last bit for one seed."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from bayes_dsl.errors import InputError
from bayes_dsl.inference.design import Design, PlannedRun, busbridge_study_design, supervised_grid
from bayes_dsl.inference.simulate import NOISELESS, Noise, simulate
from bayes_dsl.laws.base import Law, Parameter, Role
from bayes_dsl.laws.published import names, published

CORRECTED = published("busbridge_corrected")
STUDY = busbridge_study_design()
NORMAL = Noise(scale=0.01, scale_distilled=0.02, degrees_of_freedom=math.inf)


def study(noise=NORMAL, seed=0, design=STUDY):
    return simulate(CORRECTED.law, CORRECTED.parameters, design, noise=noise, seed=seed)


def residuals(table, role):
    """ln(loss) less the law's, at the teacher's loss that the table holds."""
    rows = table.values("role") == role
    columns = {"N": "params", "D": "tokens", "N_S": "params", "D_S": "tokens", "L_T": "teacher_loss"}
    inputs = {name: table.values(columns[name])[rows] for name in CORRECTED.law.role(role).inputs}
    with jax.enable_x64(True):
        expected = np.asarray(CORRECTED.law.log_loss(role, CORRECTED.parameters, inputs))
    return np.log(table.values("loss")[rows]) - expected


def within(found, expected, standard_error, sigmas=4.0):
    return abs(found - expected) < sigmas * standard_error


def large(n=4_000, tokens=None):
    """One teacher, many supervised and distilled runs, each student of its own."""
    sizes = np.linspace(1e8, 1e9, n)
    trained = np.full(n, 2e10) if tokens is None else tokens
    runs = [PlannedRun(params=N, tokens=D) for N, D in zip(sizes, trained, strict=True)]
    students = [
        PlannedRun(role="distilled", params=N + 7, tokens=D, teacher=0)
        for N, D in zip(sizes, trained, strict=True)
    ]
    return Design(runs=(*runs, *students))


def test_without_noise_every_run_is_on_the_law():
    table = study(NOISELESS)
    assert np.abs(residuals(table, "supervised")).max() < 1e-14
    assert np.abs(residuals(table, "distilled")).max() < 1e-14


def test_a_teacher_is_a_row_of_the_table():
    table = study()
    row_of = {run_id: row for row, run_id in enumerate(table.values("run_id"))}
    assert len(row_of) == len(STUDY) == 374
    taught = np.flatnonzero(table.values("role") == "distilled")
    for column, of_teacher in (
        ("teacher_loss", "loss"), ("teacher_params", "params"), ("teacher_tokens", "tokens")
    ):  # fmt: skip
        teachers = [row_of[name] for name in table.values("teacher_id")[taught]]
        np.testing.assert_array_equal(table.values(column)[taught], table.values(of_teacher)[teachers])
    assert np.isnan(table.values("teacher_loss")[table.values("role") == "supervised"]).all()
    assert table.counting == "non_embedding" and table.source == "simulated, distillation law"
    assert table.warnings == ()


def test_one_seed_one_table():
    assert study(seed=3).sha256 == study(seed=3).sha256
    assert study(seed=3).to_csv_text() == study(seed=3).to_csv_text()
    assert study(seed=3).sha256 != study(seed=4).sha256


def test_simulating_leaves_no_trace():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    study()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert jnp.ones(1).dtype == jnp.float32


def test_parts_of_the_noise_have_streams_of_their_own():
    plain, shared = study(), study(dataclasses.replace(NORMAL, teacher_effect=0.004))
    np.testing.assert_array_equal(residuals(plain, "supervised"), residuals(shared, "supervised"))
    effect = residuals(shared, "distilled") - residuals(plain, "distilled")
    labels = plain.values("teacher_id")[plain.values("role") == "distilled"]
    for label in set(labels):
        assert np.ptp(effect[labels == label]) < 1e-12
    assert len(np.unique(effect.round(10))) == 28


@pytest.mark.statistical
def test_scales_are_those_asked_for():
    table = study(design=large())
    n = 4_000
    for role, scale in (("supervised", 0.01), ("distilled", 0.02)):
        r = residuals(table, role)
        assert within(r.mean(), 0, scale / math.sqrt(n))
        assert within(r.std(), scale, scale / math.sqrt(2 * n))
        assert not within(r.std(), 1.1 * scale, scale / math.sqrt(2 * n)), "the control"


@pytest.mark.statistical
def test_tails_are_those_of_the_student_t():
    n = 4_000
    beyond = {}
    for nu in (3.0, math.inf):
        noise = dataclasses.replace(NORMAL, degrees_of_freedom=nu)
        beyond[nu] = np.abs(residuals(study(noise, design=large()), "supervised") / 0.01) > 3
    expected = 2 * stats.t(3).sf(3)
    error = math.sqrt(expected * (1 - expected) / n)
    assert within(beyond[3.0].mean(), expected, error)
    assert not within(beyond[math.inf].mean(), expected, error), "the control"


@pytest.mark.statistical
def test_the_scale_falls_with_tokens():
    tokens = np.geomspace(1e9, 1e13, 4_000)
    slopes = {}
    for slope in (0.0, 0.35):
        table = study(dataclasses.replace(NORMAL, slope=slope), design=large(tokens=tokens))
        log_size = np.log(np.abs(residuals(table, "supervised")))
        fitted = stats.linregress(np.log(tokens / 2e10), log_size)
        slopes[slope] = (-fitted.slope, fitted.stderr)
        # E ln|z| of a standard normal is -(ln 2 + Euler's gamma) / 2.
        at_reference = fitted.intercept + (math.log(2) + np.euler_gamma) / 2
        assert within(at_reference, math.log(0.01), fitted.intercept_stderr)
    assert within(slopes[0.35][0], 0.35, slopes[0.35][1])
    assert not within(slopes[0.0][0], 0.35, slopes[0.0][1]), "the control"


def between(table, role, labels):
    """Standard deviation between the means of rows that share a label, and its standard error."""
    r, of_row = residuals(table, role), np.asarray(labels)[table.values("role") == role]
    means = np.array([r[of_row == label].mean() for label in sorted(set(of_row))])
    return means.std(ddof=1), means.std(ddof=1) / math.sqrt(2 * len(means))


def crossed():
    """200 teachers, each in a group of two, with 200 students in a ring: every student has five teachers."""
    sizes = np.linspace(5e8, 2e9, 200)
    teachers = [
        PlannedRun(params=N, tokens=2e10, seed=str(s), group=f"g{i // 2}")
        for i, N in enumerate(sizes)
        for s in range(2)
    ]
    students = [
        PlannedRun(role="distilled", params=1e8 + 1e5 * ((i + k) % 200), tokens=5e9, teacher=2 * i)
        for i in range(200)
        for k in range(5)
    ]
    return Design(runs=(*teachers, *students))


@pytest.mark.statistical
@pytest.mark.parametrize("effect", ["teacher", "student", "group", "replicate"])
def test_shared_effects_are_shared(effect):
    quiet = Noise(scale=1e-6, scale_distilled=1e-6)
    on = study(dataclasses.replace(quiet, **{f"{effect}_effect": 0.01}), design=crossed())
    off = study(quiet, design=crossed())
    labels = {
        "teacher": on.values("teacher_id"),
        "student": on.values("params"),
        "group": on.values("group"),
        "replicate": on.values("params"),
    }[effect]
    role = "distilled" if effect in ("teacher", "student") else "supervised"
    sd, error = between(on, role, labels)
    assert within(sd, 0.01, error)
    sd, error = between(off, role, labels)
    assert sd < 1e-5, "the control"
    r, of_row = residuals(on, role), np.asarray(labels)[on.values("role") == role]
    assert max(np.ptp(r[of_row == label]) for label in set(of_row)) < 1e-4


def test_teachers_outside_the_design():
    design = Design(
        runs=(
            PlannedRun(role="distilled", params=1e8, tokens=2e9, teacher_loss=2.2),
            PlannedRun(role="distilled", params=1e8, tokens=2e9, teacher_params=1e9, teacher_tokens=2e10),
            PlannedRun(role="distilled", params=2e8, tokens=4e9, teacher_params=1e9, teacher_tokens=2e10),
            PlannedRun(role="distilled", params=2e8, tokens=4e9, teacher_loss=7.5),
        )
    )
    table = study(design=design)
    L_T = table.values("teacher_loss")
    assert len(table) == 4 and L_T[0] == 2.2 and L_T[1] == L_T[2] and L_T[3] == 7.5
    assert len(set(table.values("teacher_id"))) == 3
    law_loss = CORRECTED.law.loss("supervised", CORRECTED.parameters, {"N": 1e9, "D": 2e10})
    assert 1e-4 < abs(L_T[1] / float(law_loss) - 1) < 0.05, "it has the luck of a run"
    silent = study(NOISELESS, design=design)
    assert silent.values("teacher_loss")[1] == pytest.approx(float(law_loss), rel=1e-6)
    assert silent.values("loss")[3] == pytest.approx(7.5, rel=1e-12), "a random student of a random teacher"
    assert np.isfinite(table.values("loss")).all()


def test_students_alone():
    run = PlannedRun(role="distilled", params=1e8, tokens=2e9, teacher_loss=2.2)
    table = study(NOISELESS, design=Design(runs=(run, run)))
    assert len(table) == 2 and (table.values("loss") > 2.2).all()


@pytest.mark.parametrize("name", names())
def test_any_law_simulates(name):
    known = published(name)
    design = supervised_grid([1e8, 1e9], tokens_per_param=[5, 20, 80])
    table = simulate(known.law, known.parameters, design, noise=NOISELESS, seed=0)
    assert len(table) == 6 and (table.values("loss") > known.parameters["E"]).all()
    assert not table.has("teacher_loss") and not table.has("group")


def test_a_users_law_simulates():
    law = Law(
        name="size_only",
        parameters=(Parameter(name="E", symbol="E", support="positive", unit="nats/token", meaning="floor"),),
        roles=(
            Role(
                name="supervised",
                inputs=("N",),
                log_loss=lambda p, x: jnp.log(p["E"] + 1e3 / jnp.sqrt(x["N"])),
            ),
        ),
        source="a test",
    )
    table = simulate(law, {"E": 2.0}, supervised_grid([1e8], tokens=[1e9]), noise=NOISELESS, seed=0)
    assert table.values("loss")[0] == pytest.approx(2.1, rel=1e-15)
    with pytest.raises(InputError, match="explains supervised runs only"):
        simulate(law, {"E": 2.0}, STUDY, noise=NOISELESS, seed=0)
    with pytest.raises(InputError, match="E missing"):
        simulate(law, {}, supervised_grid([1e8], tokens=[1e9]), noise=NOISELESS, seed=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": -0.01},
        {"scale": math.nan},
        {"scale_distilled": math.inf},
        {"degrees_of_freedom": 0.0},
        {"tokens_reference": 0.0},
        {"tokens_reference": math.inf},
        {"teacher_effect": -1.0},
        {"slope": math.inf},
    ],
)
def test_impossible_noise_is_refused(wrong):
    with pytest.raises(InputError, match=f"Noise: {next(iter(wrong))} = "):
        Noise(**wrong)


def test_every_impossible_number_is_listed():
    with pytest.raises(InputError) as caught:
        Noise(scale=-1, group_effect=-1, slope=-1)
    assert len(caught.value.faults) == 2, "a scale may rise with tokens"
