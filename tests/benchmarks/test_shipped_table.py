"""A table of real runs that ships is what its plan makes, and says what it was trained on and by."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import numpy as np
import pytest

from bayes_dsl.costs.beside import beside, read_cost_model
from bayes_dsl.errors import InputError
from bayes_dsl.runs import datasets
from bayes_dsl.runs.table import RunTable
from benchmarks.shipped_table import description, ship
from models.expansion import network_of, runs_of
from models.plan import parse_plan
from tests.models.test_table import swept

PACKAGE = Path(datasets.__file__).parent


def require_what_its_plan_makes(name: str, folder: Path) -> None:
    """Rows, plan, hashes and cost model of a table of real runs belong together."""
    path = datasets.path(name, folder)
    table, details = RunTable.read(path), datasets.provenance(name, folder).details
    text = details["plan_as_given"]["text"].encode()
    plan = parse_plan(text, "plan.toml")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == datasets.provenance(name, folder).sha256
    assert hashlib.sha256(text).hexdigest() == details["plan"]["sha256"]
    assert table.sha256 == details["runs"]["table_sha256"]
    assert [run.run_id for run in runs_of(plan)] == table.values("run_id").tolist()
    found = beside(path)
    assert found is not None
    shapes = [network_of(plan, width).architecture for width in sorted({run.width for run in runs_of(plan)})]
    params = np.array([shape.params for shape in shapes], float)
    own = np.array([shape.forward_flops for shape in shapes], float)
    assert np.allclose(np.asarray(read_cost_model(found).forward(params)), own, rtol=0.05)
    assert not np.allclose(2 * params, own, rtol=0.05)


def test_a_finished_sweep_becomes_a_table_that_ships(tmp_path: Path) -> None:
    swept(tmp_path / "sweep")
    (tmp_path / "out").mkdir()
    told = ship(tmp_path / "sweep", "small", title="Small runs", folder=tmp_path / "out")
    assert told == ("small.csv: 5 runs, 3 supervised, 2 distilled",)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "small.cost.toml",
        "small.csv",
        "small.toml",
    ]
    require_what_its_plan_makes("small", tmp_path / "out")
    provenance = datasets.provenance("small", tmp_path / "out")
    assert (provenance.title, provenance.licence) == ("Small runs", "MIT, as the package")
    assert set(provenance.details) == {"plan", "corpus", "runs", "made_by", "collected_by", "plan_as_given"}


def test_a_table_of_another_plan_is_found_out(tmp_path: Path) -> None:
    swept(tmp_path / "sweep")
    ship(tmp_path / "sweep", "small", title="Small runs", folder=tmp_path)
    told = tmp_path / "small.toml"
    told.write_text(told.read_text().replace("[[supervised]]", "# Another\n[[supervised]]"))
    with pytest.raises(AssertionError):
        require_what_its_plan_makes("small", tmp_path)


def test_every_table_of_real_runs_in_the_package_is_what_its_plan_makes() -> None:
    for name in datasets.names():
        if datasets.provenance(name).details:
            require_what_its_plan_makes(name, PACKAGE)
            # The source's own loss on these tokens is known: nothing learns more than it.
            assert np.all(RunTable.read(datasets.path(name)).used.free["excess"].astype(float) > 0)


def test_an_unfinished_sweep_and_none_are_refused_and_nothing_written(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    plan = swept(tmp_path / "whole")
    swept(tmp_path / "sweep", lacking=(next(iter(runs_of(plan))).run_id,))
    for sweep in (tmp_path / "sweep", tmp_path):
        with pytest.raises(InputError):
            ship(sweep, "one", title="One", folder=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_title_keeps_its_signs() -> None:
    said = description('Runs "small"', b"a\n", 'title = "x"\n\n[plan]\nname = "p"\n')
    told = tomllib.loads(said)
    assert told["title"] == 'Runs "small"' and told["plan"] == {"name": "p"}
