"""`demo` leaves its results, says what they are, and names the next command."""

import json
import shlex
from pathlib import Path

import pytest

from bayes_dsl.cli import demo
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs import datasets
from bayes_dsl.runs.datasets import Provenance
from bayes_dsl.runs.table import RunTable


@pytest.fixture
def without_sampling(
    small_posterior: Posterior, sampled_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demonstration on the small table, its posterior being there already."""

    def fitted(_: object, *, output: Path, **__: object) -> Posterior:
        small_posterior.save(output)
        return small_posterior

    said = Provenance(title="A small table", source="simulated", licence="MIT", sha256="")
    monkeypatch.setattr(demo, "fitted", fitted)
    monkeypatch.setattr(demo.datasets, "path", lambda _: sampled_table)
    monkeypatch.setattr(demo.datasets, "provenance", lambda _: said)


@pytest.mark.usefixtures("without_sampling")
def test_the_results_are_left_in_the_folder(bayes_dsl, tmp_path: Path) -> None:
    out = tmp_path / "a" / "demo"
    ran = bayes_dsl("demo", "--out", out)
    assert ran.code == 0 and ran.err == ""
    assert sorted(file.name for file in out.iterdir()) == [
        "allocation.png",
        "diagnostics.png",
        "forecast.png",
        "posterior.nc",
    ]
    for part in (
        "simulated",
        "Health: passed",
        "90 % equal-tailed",
        "times the compute of the largest run",
        "recommended",
    ):
        assert part in ran.out


@pytest.mark.usefixtures("without_sampling")
def test_the_commands_it_names_work(bayes_dsl, tmp_path: Path) -> None:
    out = bayes_dsl("demo", "--out", tmp_path / "demo").out
    lines = [line.strip() for line in out.splitlines() if line.startswith("  bayes-dsl ")]
    assert [line.split()[1] for line in lines] == [
        "summary",
        "forecast",
        "allocate",
        "risk",
        "check",
    ]
    for line in lines[:4]:
        assert bayes_dsl(*shlex.split(line)[1:]).code == 0


def test_a_distilled_table_is_asked_whether_to_distil(
    capsys: pytest.CaptureFixture[str], small_distilled: Posterior, tmp_path: Path
) -> None:
    healthy = Posterior(law=small_distilled.law, tree=small_distilled.tree.copy())
    record = {**small_distilled.diagnostics.to_record(), "rhat": 1.0, "bulk_ess": 1e4, "tail_ess": 1e4}
    healthy.tree.attrs["diagnostics"] = json.dumps({**record, "divergences": 0, "ebfmi": 1.0})
    asked = demo.decide(healthy, demo.target_beyond(healthy), tmp_path, prob=0.9)
    told = capsys.readouterr().out
    assert asked.startswith("--budget ") and (tmp_path / "allocation.png").stat().st_size > 10_000
    for part in (
        "4. The budget",
        "5. Distil, or just train?",
        "P(distilling wins)",
        "best-case",
        "pretraining",
    ):
        assert part in told


def test_the_target_lies_beyond_the_runs(small_posterior: Posterior) -> None:
    target = demo.target_beyond(small_posterior)
    assert target == {"student_params": 1e10, "student_tokens": 2e11}


def test_the_table_ships_and_was_really_trained() -> None:
    used = RunTable.read(datasets.path(demo.TABLE)).used
    assert len(used) >= 55 and sum(used.values("role") == "distilled") >= 25
    provenance = datasets.provenance(demo.TABLE)
    assert provenance.details and "trained" in provenance.title.lower()


def test_a_folder_that_cannot_be_made_is_refused(bayes_dsl, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = bayes_dsl("demo", "--out", tmp_path / "file")
    assert (ran.code, ran.out) == (2, "") and ran.err.count("\n") == 1
