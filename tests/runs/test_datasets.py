"""Tables that ship with the package: each is readable and says where it comes from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bayes_dsl.errors import UnknownName
from bayes_dsl.runs import datasets
from bayes_dsl.runs.table import RunTable

CSV = "run_id,role,params,tokens,loss\na,supervised,1e8,2e9,3.1\n"
TOML = 'title = "One run"\nsource = "made up"\nlicence = "CC0"\nsha256 = "{}"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.csv").write_text(CSV)
    (tmp_path / "one.toml").write_text(TOML.format(hashlib.sha256(CSV.encode()).hexdigest()))
    return tmp_path


def test_a_table_is_found_by_name(folder: Path) -> None:
    assert datasets.names(folder) == ("one",)
    assert RunTable.read(datasets.path("one", folder)).values("run_id").tolist() == ["a"]
    assert datasets.provenance("one", folder).title == "One run"


@pytest.mark.parametrize("name", ["two", "../one", "one.csv", ""])
def test_an_unknown_name_is_told_the_known_ones(name: str, folder: Path) -> None:
    for open_it in (datasets.path, datasets.provenance):
        with pytest.raises(UnknownName, match="The tables are: one"):
            open_it(name, folder)


def test_every_table_that_ships_is_whole() -> None:
    for name in datasets.names():
        provenance = datasets.provenance(name)
        assert provenance.title and provenance.source and provenance.licence
        assert hashlib.sha256(datasets.path(name).read_bytes()).hexdigest() == provenance.sha256
        assert RunTable.read(datasets.path(name)).n_rows > 0


def test_every_description_belongs_to_a_table() -> None:
    folder = Path(datasets.__file__).parent
    costs = {file.name.removesuffix(".cost.toml") for file in folder.glob("*.cost.toml")}
    described = {file.stem for file in folder.glob("*.toml") if not file.name.endswith(".cost.toml")}
    assert described == set(datasets.names()) and costs <= described
