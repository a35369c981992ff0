"""A back-test comes back from its file as it went, and a changed file is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_dsl.errors import FileRefused
from bayes_dsl.validation.backtest_file import read_backtest, write_backtest
from tests.validation.made import made


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "backtest.json"
    write_backtest(made(), path)
    return path


def test_it_comes_back(kept: Path) -> None:
    found, asked = read_backtest(kept), made()
    pd.testing.assert_frame_equal(found.rows, asked.rows)
    for name in ("table_sha256", "source", "law", "prior", "by", "prob", "seed", "notes"):
        assert getattr(found, name) == getattr(asked, name)


def test_scores_that_are_missing_stay_missing(tmp_path: Path) -> None:
    rows = made().rows.assign(crps=np.nan)
    write_backtest(replace(made(), rows=rows), tmp_path / "none.json")
    assert read_backtest(tmp_path / "none.json").rows["crps"].isna().all()


def test_a_changed_number_is_found(kept: Path) -> None:
    content = json.loads(kept.read_text())
    content["rows"][1]["hit"] = True
    kept.write_text(json.dumps(content))
    with pytest.raises(FileRefused, match="the content has changed since it was written"):
        read_backtest(kept)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "\x00", '{"sha256": "x"}', "[" * 100_000])
def test_what_is_no_back_test_is_refused_in_a_line(kept: Path, text: str) -> None:
    kept.write_text(text)
    with pytest.raises(FileRefused, match="this is no back-test") as caught:
        read_backtest(kept)
    assert len(str(caught.value).splitlines()) == 1


def test_another_version_is_refused(kept: Path) -> None:
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "bayes_dsl_backtest": 99}))
    with pytest.raises(FileRefused, match="this release reads version 2"):
        read_backtest(kept)
