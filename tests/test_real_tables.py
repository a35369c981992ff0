"""Every public table beside the checkout is read as its entry says, and the entries name every file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bayes_dsl.errors import TableError
from tests import real_tables
from tests.real_tables import Entry, entries, entry, folder, open_table

pytestmark = pytest.mark.real_tables


def test_every_file_is_named() -> None:
    present = {file.relative_to(folder()).as_posix() for file in folder().rglob("*.csv")}
    assert {one.file for one in entries()} == present


def test_entries_say_what_they_must() -> None:
    names = [one.name for one in entries()]
    assert len(set(names)) == len(names)
    for one in entries():
        assert one.reason
        assert (one.law is not None) == (one.verdict == "sampled")
        assert bool(one.faults) == (one.verdict == "refused") == (one.rows is None)
    assert {one.name for one in entries("sampled")} >= {
        "chinchilla-240",
        "chinchilla-245",
        "gemstones-cool-end",
        "datablations-single-epoch",
        "olmo-final",
    }
    assert sum(one.name.startswith("porian") for one in entries("sampled")) >= 2


@pytest.mark.parametrize("one", entries(), ids=lambda one: one.name)
def test_table_is_read_as_its_entry_says(one: Entry) -> None:
    if one.verdict == "refused":
        with pytest.raises(TableError) as caught:
            open_table(one)
        lines = [str(fault) for fault in caught.value.faults]
        for part in one.faults:
            assert any(part in line for line in lines), (part, lines[:3])
        return
    table = open_table(one)
    assert len(table) == one.rows
    assert len(table.used) == one.rows
    for part in one.warnings:
        assert any(part in sentence for sentence in table.warnings), (part, table.warnings)
    assert len(table.warnings) == len(one.warnings), table.warnings
    assert (table.values("loss") > 0).all()


def test_the_five_outliers_of_chinchilla_are_the_first_five_rows() -> None:
    whole, cut = open_table(entry("chinchilla-245")), open_table(entry("chinchilla-240"))
    assert set(whole.lines.tolist()) - set(cut.lines.tolist()) == {2, 3, 4, 5, 6}
    assert cut.left_out == {"loss<3.44": 5}
    assert np.allclose(whole.values("flops"), 6 * whole.values("params") * whole.values("tokens"), rtol=1e-12)


def test_gemstones_are_twenty_groups_and_datablations_have_replicates() -> None:
    assert open_table(entry("gemstones-cool-end")).summary().groups == 20
    assert open_table(entry("datablations-single-epoch")).summary().configurations == 31


def test_an_absent_folder_skips_and_fails_where_ci_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_tables, "FOLDER", tmp_path / "none")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not beside this checkout"):
        folder()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not beside this checkout"):
        folder()
