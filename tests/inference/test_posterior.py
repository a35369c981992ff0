"""A posterior comes back from its file as it was, opens without its sampler, and refuses what it is not."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import arviz
import numpy as np
import pytest
import xarray as xr

from bayes_dsl.errors import FileRefused, UnhealthyPosterior, UnknownName
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.posterior_file import write_tree
from bayes_dsl.laws.base import Law, Role
from bayes_dsl.laws.registry import law
from bayes_dsl.runs.table import RunTable
from tests.posteriors import HEALTHY, posterior_around

ROOT = Path(__file__).parents[2]
# The equation of a user: the Chinchilla law, written down once more under another name.
MINE = Law(
    name="mine",
    parameters=law("chinchilla").parameters,
    roles=(
        Role(
            name="supervised",
            inputs=("N", "D"),
            log_loss=lambda p, x: law("chinchilla").log_loss("supervised", p, x),
        ),
    ),
    source="this test",
)
# A process in which NumPyro cannot be found at all (ArviZ looks for it, and does without).
ELSEWHERE = """
import hashlib, sys, warnings
from importlib.machinery import PathFinder
class WithoutNumPyro(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] == "numpyro" else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutNumPyro
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.next_run import next_run_loss
warnings.simplefilter("ignore")
posterior = Posterior.load(sys.argv[1])
asked = dict(student_params=[1e9, 3e9], student_tokens=2e10)
if posterior.law.explains("distilled"):
    asked.update(teacher_params=5e9, teacher_tokens=1e11)
told = expected_loss(posterior, **asked), next_run_loss(posterior, **asked)
posterior.interval(kind="hdi"), posterior.unidentified(), posterior.diagnostics.problems()
print(*(hashlib.sha256(forecast.loss.tobytes()).hexdigest() for forecast in told))
print([name for name in sys.modules if name.split(".")[0] in ("numpyro", "matplotlib", "typer")])
"""


def changed(posterior: Posterior, name: str, **attributes: Any) -> Posterior:
    """The same draws under the name of another law."""
    tree = posterior.tree.copy()
    tree.attrs.update(law=name, **attributes)
    return replace(posterior, tree=tree)


def hashes(posterior: Posterior) -> list[str]:
    asked: dict[str, Any] = {"student_params": [1e9, 3e9], "student_tokens": 2e10}
    if posterior.law.explains("distilled"):
        asked.update(teacher_params=5e9, teacher_tokens=1e11)
    told = (expected_loss(posterior, **asked), next_run_loss(posterior, **asked))
    return [hashlib.sha256(forecast.loss.tobytes()).hexdigest() for forecast in told]


@pytest.fixture(scope="module")
def made(small_table: RunTable) -> Posterior:
    """A small one, made by hand, for what can be wrong with a file."""
    truth = {"E": 1.8, "A": 480.0, "B": 2000.0, "alpha": 0.35, "beta": 0.37}
    return posterior_around(law("chinchilla"), truth, small_table)


@pytest.mark.filterwarnings("ignore::bayes_dsl.errors.ExtrapolationWarning")
@pytest.mark.parametrize("fixture", ["small_posterior", "small_distilled"])
def test_a_file_gives_the_posterior_back_and_forecasts_the_same_without_numpyro(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    posterior: Posterior = request.getfixturevalue(fixture)
    path = tmp_path / "posterior.nc"
    posterior.save(path)
    back = Posterior.load(path)
    assert back.law is posterior.law
    assert back.tree.equals(posterior.tree)
    assert {n: back.tree.attrs[n] for n in posterior.tree.attrs} == dict(posterior.tree.attrs)
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    told, modules = done.stdout.splitlines()
    assert modules == "[]"
    assert told.split() == hashes(posterior) == hashes(back)


def test_everything_that_made_it_is_inside(small_posterior: Posterior, small_table: RunTable) -> None:
    posterior = small_posterior
    assert posterior.law is law("chinchilla") and posterior.seed == 1 and posterior.misfit == "none"
    assert posterior.settings["chains"] == 4 and posterior.settings["draws"] == 1000
    assert {"python", "jax", "numpyro", "arviz", "bayes-dsl"} <= set(posterior.versions)
    assert posterior.table_sha256 == small_table.sha256 == posterior.table.sha256
    assert posterior.table.source == small_table.source
    assert len(posterior.table) == len(small_table) and posterior.counting == small_table.counting
    assert posterior.prior["log_L_center"].loc == pytest.approx(np.log(np.median(small_table.values("loss"))))
    assert "logit_w" in posterior.prior.names and posterior.token_span == {}
    assert any("share one scale" in note for note in posterior.notes)
    assert set(posterior.center) == {"log_N", "log_D", "log_N_S", "log_D_S", "log_L_T"}
    assert posterior.healthy and posterior.diagnostics.draws == 4000
    posterior.require_healthy()


def test_the_groups_are_those_of_arviz(small_posterior: Posterior) -> None:
    tree, runs = small_posterior.tree, len(small_posterior.table.used)
    assert {
        *("posterior", "unconstrained_posterior", "sample_stats", "log_likelihood"),
        *("observed_data", "constant_data", "prior"),
    } == set(tree.children)
    assert set(small_posterior.law.names) <= set(tree["posterior"].data_vars)
    assert {"sigma", "nu"} <= set(tree["posterior"].data_vars)
    assert tree["log_likelihood"]["log_loss"].dims == ("chain", "draw", "run")
    assert tree["log_likelihood"]["log_loss"].shape == (4, 1000, runs)
    assert list(tree["observed_data"]["run"].values) == list(small_posterior.table.used.values("run_id"))


def test_rows_of_the_tree_are_rows_of_the_table(small_distilled: Posterior) -> None:
    used = small_distilled.table.used
    row = np.asarray(small_distilled.tree["constant_data"]["row"])
    told = np.asarray(small_distilled.tree["observed_data"]["log_loss"])
    np.testing.assert_allclose(told, np.log(used.values("loss")[row]), rtol=1e-12)
    assert list(small_distilled.tree["observed_data"]["run"].values) == list(used.values("run_id")[row])
    teachers = small_distilled.tree["posterior"]["effect_teacher"]
    assert teachers.dims == ("chain", "draw", "teacher")
    taught = set(used.values("teacher_id")) - {""}
    assert set(teachers["teacher"].values.tolist()) == taught


def test_arviz_opens_the_file(small_posterior: Posterior, tmp_path: Path) -> None:
    path = tmp_path / "posterior.nc"
    small_posterior.save(path)
    tree = arviz.from_netcdf(path)
    try:
        table = arviz.summary(tree, var_names=["E", "alpha"])
        assert list(table.index) == ["E", "alpha"]
        loaded = np.asarray(tree["posterior"]["E"])
        np.testing.assert_array_equal(loaded.ravel(), small_posterior.draws("E"))
    finally:
        tree.close()


def test_draws_stand_chain_after_chain(small_posterior: Posterior) -> None:
    E = np.asarray(small_posterior.tree["posterior"]["E"])
    np.testing.assert_array_equal(small_posterior.draws("E"), np.concatenate(list(E)))
    law_draws = small_posterior.law_draws()
    assert tuple(law_draws) == small_posterior.law.names
    assert all(draws.shape == (4000,) for draws in law_draws.values())
    assert small_posterior.has("nu") and not small_posterior.has("sd_teacher")


def test_draws_of_an_effect_keep_its_levels(small_distilled: Posterior) -> None:
    assert small_distilled.draws("effect_teacher").shape == (1000, 4)
    assert "effect_teacher" not in small_distilled.interval().index


def test_a_name_that_is_not_there_is_answered_with_those_that_are(small_posterior: Posterior) -> None:
    with pytest.raises(UnknownName, match=r"Posterior\.draws: name = gamma; .* The names are A, B, E"):
        small_posterior.draws("gamma")


@pytest.mark.parametrize(("prob", "kind"), [(0.9, "eti"), (0.5, "hdi")])
def test_an_interval_says_its_probability_and_kind(
    small_posterior: Posterior, prob: float, kind: str
) -> None:
    frame = small_posterior.interval(["alpha", "E"], prob=prob, kind=kind)
    assert frame.attrs == {"prob": prob, "kind": kind}
    assert list(frame.index) == ["alpha", "E"] and frame.index.name == "parameter"
    assert list(frame.columns) == ["mean", "sd", "median", "lower", "upper"]
    draws = small_posterior.draws("alpha")
    assert frame.loc["alpha", "mean"] == draws.mean() and frame.loc["alpha", "sd"] == draws.std(ddof=1)
    inside = (draws >= frame.loc["alpha", "lower"]) & (draws <= frame.loc["alpha", "upper"])
    assert inside.mean() == pytest.approx(prob, abs=1e-3)


def test_the_default_interval_is_nine_tenths_with_equal_tails(small_posterior: Posterior) -> None:
    frame = small_posterior.interval()
    assert frame.attrs == {"prob": 0.9, "kind": "eti"}
    assert frame.loc["E", "lower"] == pytest.approx(np.quantile(small_posterior.draws("E"), 0.05))


def test_an_unhealthy_posterior_is_refused_unless_accepted(
    small_distilled: Posterior, tmp_path: Path
) -> None:
    small_distilled.save(tmp_path / "unhealthy.nc")
    for posterior in (small_distilled, Posterior.load(tmp_path / "unhealthy.nc")):
        assert not posterior.healthy
        with pytest.raises(UnhealthyPosterior) as refusal:
            posterior.require_healthy()
        for problem in posterior.diagnostics.problems():
            assert problem in str(refusal.value)
        assert "--accept-unhealthy" in str(refusal.value)
        posterior.require_healthy(accept=True)


@pytest.mark.filterwarnings("ignore::bayes_dsl.errors.ExtrapolationWarning")
def test_a_posterior_of_ones_own_law_opens_with_that_law(made: Posterior, tmp_path: Path) -> None:
    mine = replace(changed(made, "mine"), law=MINE)
    path = tmp_path / "mine.nc"
    mine.save(path)
    with pytest.raises(FileRefused) as refusal:
        Posterior.load(path)
    assert str(refusal.value) == (
        "mine.nc: law = mine; is not one of the package's laws. Pass law=... to load."
    )
    back = Posterior.load(path, law=MINE)
    assert back.law is MINE
    np.testing.assert_allclose(
        expected_loss(back, student_params=1e9, student_tokens=2e10).loss,
        expected_loss(made, student_params=1e9, student_tokens=2e10).loss,
        rtol=1e-12,
    )
    with pytest.raises(FileRefused, match=r"mine\.nc: law = mine; is not the chinchilla law\. Pass the law"):
        Posterior.load(path, law=law("chinchilla"))


def test_a_law_with_other_parameters_is_refused(made: Posterior, tmp_path: Path) -> None:
    path = tmp_path / "small.nc"
    made.save(path)
    with pytest.raises(FileRefused, match="law = chinchilla; is not the supervised law, it lacks gamma"):
        Posterior.load(path, law=law("supervised"))
    # Even under its own name a law must find its parameters.
    wider = replace(law("supervised"), name="chinchilla")
    with pytest.raises(FileRefused, match="it lacks gamma"):
        Posterior.load(path, law=wider)
    changed(made, "supervised").save(path)
    with pytest.raises(FileRefused, match="law = supervised; is not the supervised law, it lacks gamma"):
        Posterior.load(path)


def test_a_law_is_never_taken_from_the_file(made: Posterior, tmp_path: Path) -> None:
    changed(made, "__import__('os').system('false')").save(tmp_path / "hostile.nc")
    with pytest.raises(FileRefused, match="is not one of the package's laws"):
        Posterior.load(tmp_path / "hostile.nc")


@pytest.mark.parametrize("name", ["diagnostics", "prior", "center", "token_span", "seed", "notes"])
def test_a_whole_file_without_its_parts_is_refused(made: Posterior, tmp_path: Path, name: str) -> None:
    path, tree = tmp_path / "partial.nc", made.tree.copy()
    del tree.attrs[name]
    write_tree(tree, path)
    with pytest.raises(FileRefused, match=rf"partial\.nc: contents = KeyError '{name}'; .*Fit again"):
        Posterior.load(path)
    tree.attrs[name] = "{"
    write_tree(tree, path)
    with pytest.raises(
        FileRefused, match=r"partial\.nc: contents = .*; a posterior that was sampled and saved"
    ):
        Posterior.load(path)


def test_a_file_without_its_table_is_refused(made: Posterior, tmp_path: Path) -> None:
    tree = made.tree.copy()
    del tree["constant_data"]
    write_tree(tree, tmp_path / "partial.nc")
    with pytest.raises(FileRefused, match="constant_data"):
        Posterior.load(tmp_path / "partial.nc")


def test_a_strange_record_of_diagnostics_is_refused(made: Posterior, tmp_path: Path) -> None:
    for record in ({**HEALTHY, "more": 1}, {"rhat": 1.0}, {**HEALTHY, "rhat": "1.0"}, []):
        posterior = changed(made, "chinchilla", diagnostics=json.dumps(record))
        posterior.save(tmp_path / "strange.nc")
        with pytest.raises(FileRefused, match="contents = "):
            Posterior.load(tmp_path / "strange.nc")


def test_a_file_that_is_no_posterior_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.nc").write_text("E,A,B\n1.8,482,2085\n")
    xr.Dataset({"E": ("draw", np.ones(3))}).to_netcdf(tmp_path / "foreign.nc", engine="h5netcdf")
    for name in ("text.nc", "foreign.nc", "missing.nc"):
        with pytest.raises(FileRefused) as refusal:
            Posterior.load(tmp_path / name)
        assert name in str(refusal.value) and "\n" not in str(refusal.value)
